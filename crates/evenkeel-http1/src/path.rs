//! Dot segments in a path. The path itself is never changed: it is routed and forwarded as it came, or refused.

/// Whether a segment is `.` or `..`, plain or percent-encoded (`%2e`), also with parameters (`..;x`), which some
/// endpoints cut off before they resolve the dots.
#[must_use]
pub fn has_dot_segments(path: &[u8]) -> bool {
    // A search by vectors pays for longer paths only.
    if path.len() <= 16 && !path.iter().any(|byte| matches!(byte, b'.' | b'%')) {
        return false;
    }
    let mut from = 0;
    // A dot segment begins with `.` or `%`, right after a slash: most paths are done after one search.
    while let Some(found) = path
        .get(from..)
        .and_then(|rest| memchr::memchr2(b'.', b'%', rest))
    {
        let at = from + found;
        if (at == 0 || path[at - 1] == b'/') && is_dots(&path[at..]) {
            return true;
        }
        from = at + 1;
    }
    false
}

/// Whether `text` begins with one or two dots and the segment ends there.
fn is_dots(text: &[u8]) -> bool {
    let mut rest = text;
    for _ in 0..2 {
        rest = match rest {
            [b'.', after @ ..] | [b'%', b'2', b'e' | b'E', after @ ..] => after,
            _ => return false,
        };
        if matches!(rest.first(), None | Some(b'/' | b';')) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_that_are_a_segment() {
        for path in [
            "/.",
            "/..",
            "/./",
            "/../a",
            "/a/..",
            "/a/.",
            "/a/../b",
            "/%2e",
            "/%2E%2e",
            "/a/.%2e/b",
            "/a/%2E./b",
            "/a;x/../b",
            "/..;x/b",
            "/.;/b",
            "//..",
            "/a/%2e%2e",
            "..",
            "/a.b/./c",
        ] {
            assert!(has_dot_segments(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn dots_that_are_not() {
        for path in [
            "/",
            "",
            "*",
            "/a",
            "/a.b",
            "/.a",
            "/..a",
            "/...",
            "/a..",
            "/a/b.c/d",
            "/.well-known/x",
            "/%2e%2e%2e",
            "/%2ea",
            "/%2",
            "/%",
            "/a%2e",
            "/a%2f..%2fb",
            "/a\\..\\b",
            "/%252e%252e/",
            "/.%2",
            "/a/b%2e%2e",
        ] {
            assert!(!has_dot_segments(path.as_bytes()), "{path}");
        }
    }
}
