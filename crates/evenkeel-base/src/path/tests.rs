//! The spellings as tables, and the quick look against a slow one.

use super::*;
use crate::Rng;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Paths as they may be sent, of what is special and a little else.
fn random(rng: &mut Rng) -> Vec<u8> {
    let pieces: [&[u8]; 18] = [
        b"/",
        b"/",
        b"/",
        b"a",
        b"b",
        b"%61",
        b"%2f",
        b"%2F",
        b"%5c",
        b"\\",
        b";",
        b"%3b",
        b".",
        b"%2e",
        b"%",
        b"%00",
        b"%e4",
        b"long-segment",
    ];
    let mut path = b"/".to_vec();
    for _ in 0..rng.below(12) {
        let at = usize::try_from(rng.below(18)).unwrap();
        path.extend_from_slice(pieces[at]);
    }
    path
}

#[test]
fn one_path_in_many_spellings_has_one_canonical_form() {
    for (path, expected) in [
        ("/", "/"),
        ("*", "*"),
        ("", ""),
        ("/admin", "/admin"),
        ("//admin", "/admin"),
        ("/%61dmin", "/admin"),
        ("/%61%64%6D%69%6e", "/admin"),
        ("///a////b//", "/a/b/"),
        ("/%7Euser", "/~user"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%5cb", "/a\\b"),
        ("/a%3bb", "/a;b"),
        ("/a%20b%c3%a4", "/a%20b%C3%A4"),
        ("/a%2561", "/a%2561"),
        ("/a%3fb%23c", "/a%3Fb%23c"),
        ("/%%32f", "/%252f"),
        ("/a%", "/a%25"),
        ("/a%2", "/a%252"),
        ("/a%zz", "/a%25zz"),
        ("/%2e%2E/", "/../"),
        ("/%2f/", "/%2F/"),
    ] {
        assert_eq!(text(&canonical(path.as_bytes())), expected, "{path}");
        assert_eq!(text(&canonical(expected.as_bytes())), expected, "{path}");
    }
}

#[test]
fn a_usual_path_is_canonical_has_no_dots_and_one_reading() {
    let mut rng = Rng::new(7);
    let mut usual = 0;
    for _ in 0..50_000 {
        let path = random(&mut rng);
        let special = path.iter().any(|byte| b"%\\;".contains(byte));
        let pair = path.windows(2).any(|two| two == b"//" || two == b"/.");
        assert_eq!(is_unusual(&path), special || pair, "{}", text(&path));
        let spelt = spell(&path);
        assert_eq!(spell(&spelt), spelt, "{}", text(&path));
        if !is_unusual(&path) {
            usual += 1;
            assert_eq!(spelt, path);
            assert!(!has_dot_segments(&path) && !has_zero(&path) && readings(&path).is_empty());
        }
    }
    assert!(usual > 1_000, "{usual}");
}

#[test]
fn what_is_special_is_seen_at_every_place_of_a_path_of_every_length() {
    for length in 1..40 {
        let plain: Vec<u8> = std::iter::once(b'/').chain(vec![b'a'; length]).collect();
        assert!(!is_unusual(&plain));
        for at in 1..plain.len() {
            for byte in 0..=u8::MAX {
                let mut path = plain.clone();
                path[at] = byte;
                let special = matches!(byte, b'%' | b'\\' | b';');
                let pair = at == 1 && matches!(byte, b'/' | b'.');
                assert_eq!(is_unusual(&path), special || pair, "{}", text(&path));
                if at > 1 {
                    path[at - 1] = b'/';
                    let pair = matches!(byte, b'/' | b'.') || at == 2;
                    assert_eq!(is_unusual(&path), special || pair, "{}", text(&path));
                }
            }
        }
    }
}

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
        // Whatever an endpoint takes for a slash.
        "/a%2f..%2fb",
        "/a/..%2Fb",
        "/a%2f.",
        "/a\\..\\b",
        "/a/..\\b",
        "/a%5c..%5Cb",
        "/..%3bx/b",
    ] {
        assert!(has_dot_segments(&canonical(path.as_bytes())), "{path}");
    }
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
        "/%252e%252e/",
        "/.%2",
        "/a/b%2e%2e",
        "/a%2f.gitignore",
        "/a;..",
        "/a%2f..b",
    ] {
        assert!(!has_dot_segments(&canonical(path.as_bytes())), "{path}");
    }
}

#[test]
fn what_endpoints_disagree_about_is_read_in_every_way() {
    for (path, expected) in [
        ("/admin", &[][..]),
        ("//%61dmin", &[]),
        ("/admin%2fx", &["/admin/x"]),
        ("/admin\\x", &["/admin/x"]),
        ("/admin%5cx", &["/admin/x"]),
        ("/admin;x", &["/admin"]),
        ("/admin%3bx", &["/admin"]),
        ("/admin;x/y;z", &["/admin/y"]),
        ("/;x/admin", &["/admin"]),
        ("/%2fadmin", &["/admin"]),
        ("/a%2fb;x/c", &["/a/b;x/c", "/a%2Fb/c", "/a/b/c"]),
        ("/x;%2fadmin", &["/x;/admin", "/x", "/x/admin"]),
        ("/x/../admin", &["/admin"]),
        ("/x/..%2fadmin", &["/admin", "/x/../admin"]),
        ("/x/..;y/admin", &["/admin", "/admin", "/x/../admin"]),
        ("/admin/y%2f..", &["/admin/", "/admin/y/.."]),
    ] {
        let canonical = canonical(path.as_bytes());
        let mut found: Vec<String> = readings(&canonical).iter().map(|one| text(one)).collect();
        // Dots are resolved by plain slashes alone: what was read already may be among them, and costs nothing but a look.
        found.retain(|one| one.as_bytes() != &*canonical);
        assert_eq!(found, expected, "{path}");
    }
    let worst = b"/a%2Fb\\c;d/..%2F..\\..;x/e";
    assert!(readings(worst).len() <= 15);
}

#[test]
fn a_prefix_ends_where_its_last_byte_was_read() {
    for (path, canonical, expected) in [
        ("/api/x", 4, "/x"),
        ("/api", 4, ""),
        ("//api//x", 4, "//x"),
        ("/%61pi/%78", 4, "/%78"),
        ("/a%70%69", 4, ""),
        ("/a%2fb/c", 6, "/c"),
        ("/x", 0, "/x"),
        ("//x", 0, "//x"),
        ("/x", 9, ""),
    ] {
        let rest = &path[length_of(path.as_bytes(), canonical)..];
        assert_eq!(rest, expected, "{path}");
    }
}
