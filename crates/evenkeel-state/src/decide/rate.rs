//! What a request is counted by, where a route limits how many come.
//!
//! How much is too much is `evenkeel-policy`'s to say.

use std::borrow::Cow;

use evenkeel_base::RequestView;
use evenkeel_base::path::canonical;
use evenkeel_base::rules::RateKey;
use evenkeel_policy::ClientKey;

use crate::decide::client::Client;
use crate::decide::cookie::cookie;

/// What a request is counted by. Those without it share a bucket.
#[must_use]
pub fn key<'a>(by: &RateKey, request: &RequestView<'a>, client: Client) -> Cow<'a, [u8]> {
    match by {
        RateKey::Route => Cow::Borrowed(b""),
        RateKey::Client => match client.ip {
            Some(ip) => Cow::Owned(ClientKey::from(ip).as_bytes().to_vec()),
            None => Cow::Borrowed(b""),
        },
        // Another spelling is no other path.
        RateKey::Path => canonical(request.path()),
        RateKey::Header(name) => {
            let mut values = request
                .fields()
                .filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))
                .map(|field| field.value);
            let first = values.next().unwrap_or_default();
            match values.next() {
                None => Cow::Borrowed(first),
                // Several fields are one list (RFC 9110 §5.3): an order of their own must not make them several keys.
                Some(second) => {
                    let mut all = first.to_vec();
                    for value in std::iter::once(second).chain(values) {
                        all.extend_from_slice(b", ");
                        all.extend_from_slice(value);
                    }
                    Cow::Owned(all)
                }
            }
        }
        RateKey::Cookie(name) => {
            Cow::Borrowed(cookie(request, name.as_bytes()).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::rig;

    fn key_of(by: &RateKey, from: Option<&str>, fields: &str) -> Vec<u8> {
        let bytes = format!("GET /a/b?q HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let head = rig::parse(bytes.as_bytes()).unwrap();
        let client = Client {
            ip: from.map(|ip| ip.parse().unwrap()),
            behind_proxy: false,
        };
        key(by, &head.view(bytes.as_bytes()), client).into_owned()
    }

    #[test]
    fn requests_are_counted_by_what_the_route_says() {
        let header = RateKey::Header("X-Api-Key".into());
        let cookie = RateKey::Cookie("sid".into());
        for (by, fields, expected) in [
            (&RateKey::Route, "", ""),
            (&RateKey::Path, "", "/a/b"),
            (&header, "", ""),
            (&header, "x-api-key: k1\r\n", "k1"),
            (&header, "X-Api-Key: k1\r\nX-API-KEY: k2\r\n", "k1, k2"),
            (&cookie, "", ""),
            (&cookie, "Cookie: a=1; sid=s1; b=2\r\n", "s1"),
        ] {
            let found = key_of(by, Some("10.0.0.1"), fields);
            assert_eq!(String::from_utf8_lossy(&found), expected, "{by:?} {fields}");
        }
    }

    #[test]
    fn another_spelling_of_a_path_is_counted_with_it() {
        for path in ["/login", "//login", "/%6cogin", "/log%69n"] {
            let bytes = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            let head = rig::parse(bytes.as_bytes()).unwrap();
            let nobody = Client {
                ip: None,
                behind_proxy: false,
            };
            let view = head.view(bytes.as_bytes());
            assert_eq!(&*key(&RateKey::Path, &view, nobody), b"/login", "{path}");
        }
    }

    #[test]
    fn one_subscriber_is_one_client() {
        let key = |from| key_of(&RateKey::Client, from, "");
        assert_eq!(key(Some("2001:db8::1")), key(Some("2001:db8::2")));
        assert_ne!(key(Some("10.0.0.1")), key(Some("10.0.0.2")));
        assert_eq!(key(None), b"");
    }
}
