//! One cookie of a request, read where it stands: rate limits and balancers tell clients apart by it, and what evenkeel gave a
//! client to keep it at an endpoint comes back in it. Setting cookies is no matter of this file.

use evenkeel_base::RequestView;

/// The value of the first cookie of that name; none when there is none.
pub fn cookie<'a>(request: &RequestView<'a>, name: &[u8]) -> Option<&'a [u8]> {
    cookies(request, name).next()
}

/// The values of all cookies of that name.
///
/// A client sends `name=value` pairs with `; ` between them (RFC 6265 §4.2.1), in one field or, by a protocol that splits it
/// (RFC 9113 §8.2.3), in several. Of several cookies of one name that of the longest path comes first (§5.4), so the first is
/// the most specific. Names are told apart by case. A value in quotes keeps them: they are a part of it (§4.1.1).
pub fn cookies<'a>(request: &RequestView<'a>, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    request
        .fields()
        .filter(|field| field.name.eq_ignore_ascii_case(b"cookie"))
        .flat_map(|field| field.value.split(|byte| *byte == b';'))
        .filter_map(move |pair| {
            let value = pair.trim_ascii().strip_prefix(name)?;
            value.strip_prefix(b"=")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::rig;

    #[track_caller]
    fn check(fields: &str, expected: Option<&str>) {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let head = rig::parse(bytes.as_bytes()).unwrap();
        let found = cookie(&head.view(bytes.as_bytes()), b"sid");
        assert_eq!(found, expected.map(str::as_bytes), "{fields}");
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        check("", None);
        check("Cookie:\r\n", None);
        check("Cookie: sid=s1\r\n", Some("s1"));
        check("cookie: a=1; sid=s1; b=2\r\n", Some("s1"));
        check("Cookie: xsid=no; sid2=no; SID=no; sid=s1\r\n", Some("s1"));
        check("Cookie: sid\r\n", None);
        check("Cookie: x=sid=s1\r\n", None);
        check("X-Cookie: sid=s1\r\n", None);
    }

    #[test]
    fn the_first_of_several_counts() {
        check("Cookie: sid=s1; sid=s2\r\n", Some("s1"));
        check(
            "Cookie: a=1\r\nCookie: sid=s2\r\nCookie: sid=s3\r\n",
            Some("s2"),
        );
        check("Cookie: sid=\r\nCookie: sid=s2\r\n", Some(""));
    }

    #[test]
    fn a_value_is_what_stands_between_the_separators() {
        check("Cookie: sid=a=b=\r\n", Some("a=b="));
        check("Cookie: sid=\"s 1\"; b=2\r\n", Some("\"s 1\""));
        check("Cookie: a=1;sid=s1 ;b=2\r\n", Some("s1"));
        check("Cookie: ;;; sid=s1;\r\n", Some("s1"));
    }
}
