//! The key of a request, read out of it: what balancers that hash, splits by key and clients that keep their endpoint go by.
//!
//! How parts become 64 bits is `evenkeel_policy::key`'s; which parts there are is the configuration's. Everything is taken as it
//! stands: nothing is decoded, no case is folded, so that two spellings of one thing are two keys, and nobody pays for more than
//! the bytes.

use std::net::IpAddr;

use evenkeel_base::RequestView;
use evenkeel_base::rules::KeyPart;
use evenkeel_policy::key::KeyHasher;

use crate::decide::client::Client;
use crate::decide::cookie::cookie;

/// The key by these parts; none when the request has none of them, or there is nothing to go by. Allocates nothing.
#[inline]
pub fn key(by: &[KeyPart], request: &RequestView<'_>, client: Client) -> Option<u64> {
    if by.is_empty() {
        return None;
    }
    read(by, request, client)
}

#[inline(never)]
fn read(by: &[KeyPart], request: &RequestView<'_>, client: Client) -> Option<u64> {
    let mut key = KeyHasher::new();
    for part in by {
        match part {
            KeyPart::Client => address(&mut key, client.ip),
            KeyPart::Header(name) => header(&mut key, request, name.as_bytes()),
            KeyPart::Cookie(name) => key.part(cookie(request, name.as_bytes())),
            KeyPart::Path => key.part(Some(request.path())),
            KeyPart::Query => key.part(request.query()),
            KeyPart::Parameter(name) => key.part(parameter(request, name.as_bytes())),
        }
    }
    key.finish()
}

/// The whole address: another one of the same network is another client. One of IPv4 is the same however it was written.
fn address(key: &mut KeyHasher, ip: Option<IpAddr>) {
    match ip.map(|ip| ip.to_canonical()) {
        None => key.part(None),
        Some(IpAddr::V4(ip)) => key.part(Some(&ip.octets())),
        Some(IpAddr::V6(ip)) => key.part(Some(&ip.octets())),
    }
}

/// The values of all fields of that name in their order, for they are one list (RFC 9110 §5.3). Several are one part: a key of
/// their own stands for them.
fn header(key: &mut KeyHasher, request: &RequestView<'_>, name: &[u8]) {
    let mut values = request
        .fields()
        .filter(|field| field.name.eq_ignore_ascii_case(name))
        .map(|field| field.value);
    let first = values.next();
    let Some(second) = values.next() else {
        return key.part(first);
    };
    let mut list = KeyHasher::new();
    list.part(first);
    list.part(Some(second));
    values.for_each(|value| list.part(Some(value)));
    let list = list.finish().unwrap_or_default();
    key.part(Some(&list.to_be_bytes()));
}

/// The value of the first parameter of that name in the query; empty when it has none, none when there is no such parameter.
fn parameter<'a>(request: &RequestView<'a>, name: &[u8]) -> Option<&'a [u8]> {
    request
        .query()?
        .split(|byte| *byte == b'&')
        .find_map(|pair| match pair.strip_prefix(name)? {
            b"" => Some(&b""[..]),
            rest => rest.strip_prefix(b"="),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::rig;

    /// The key of a request for that target with these fields, by these parts: `client`, `path`, `query`, `header:NAME`,
    /// `cookie:NAME` or `query:NAME`, with commas between.
    fn key_of(by: &str, from: Option<&str>, target: &str, fields: &str) -> Option<u64> {
        let part = |text: &str| match text.split_once(':') {
            None if text == "client" => KeyPart::Client,
            None if text == "path" => KeyPart::Path,
            None => KeyPart::Query,
            Some(("header", name)) => KeyPart::Header(name.into()),
            Some(("cookie", name)) => KeyPart::Cookie(name.into()),
            Some((_, name)) => KeyPart::Parameter(name.into()),
        };
        let by: Vec<KeyPart> = by.split_terminator(',').map(part).collect();
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let head = rig::parse(bytes.as_bytes()).unwrap();
        let client = Client {
            ip: from.map(|ip| ip.parse().unwrap()),
            behind_proxy: false,
        };
        key(&by, &head.view(bytes.as_bytes()), client)
    }

    fn of(parts: &[Option<&[u8]>]) -> Option<u64> {
        let mut key = KeyHasher::new();
        parts.iter().for_each(|part| key.part(*part));
        key.finish()
    }

    #[test]
    fn each_part_is_read_where_it_stands() {
        let fields = "X-Tenant: t1\r\nCookie: a=1; sid=s1\r\n";
        for (by, expected) in [
            ("path", "/a%2Fb"),
            ("query", "x=1&y=&z&xx=2"),
            ("query:x", "1"),
            ("query:xx", "2"),
            ("query:y", ""),
            ("query:z", ""),
            ("header:x-tenant", "t1"),
            ("cookie:sid", "s1"),
        ] {
            let found = key_of(by, None, "/a%2Fb?x=1&y=&z&xx=2", fields);
            assert_eq!(found, of(&[Some(expected.as_bytes())]), "{by}");
        }
        let all = key_of("header:x-tenant,path,cookie:no", None, "/", fields);
        assert_eq!(all, of(&[Some(b"t1"), Some(b"/"), None]));
    }

    #[test]
    fn without_any_part_there_is_no_key() {
        for by in [
            "",
            "client",
            "query",
            "query:x",
            "header:x",
            "cookie:x",
            "client,query",
        ] {
            assert_eq!(key_of(by, None, "/", ""), None, "{by}");
        }
        assert!(key_of("query", None, "/?", "").is_some());
    }

    #[test]
    fn a_client_is_its_whole_address() {
        let client = |from| key_of("client", Some(from), "/", "");
        assert_eq!(client("10.0.0.1"), of(&[Some(&[10, 0, 0, 1])]));
        assert_eq!(client("10.0.0.1"), client("::ffff:10.0.0.1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8::2"));
    }

    #[test]
    fn fields_of_one_name_are_a_list_in_its_order() {
        let tenants = |fields| key_of("header:x,header:y", None, "/", fields);
        let both = tenants("X: a\r\nX: b\r\n");
        assert_ne!(both, tenants("X: b\r\nX: a\r\n"));
        assert_ne!(both, tenants("X: a\r\n"));
        assert_ne!(both, tenants("X: a\r\nY: b\r\n"));
        assert_ne!(
            tenants("X: a\r\nX: b\r\nY: c\r\n"),
            tenants("X: a\r\nY: b\r\nY: c\r\n")
        );
        assert_eq!(both, tenants("x: a\r\nY-Z: 1\r\nX: b\r\n"));
    }
}
