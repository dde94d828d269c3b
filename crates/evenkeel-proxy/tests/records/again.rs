//! An access record, read again: whatever was sent, it is one line; as JSON it is an object with each key once, and its texts are what
//! was sent; in the forms of Apache it has as many columns as it should.
//!
//! The fuzz target of access records uses this file too.

use std::fmt;

use evenkeel_http2::fuzzing::Pair;
use evenkeel_proxy::access_log::fuzzing::{MAX_HEADER, MAX_TEXT, Said, read, records};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The entry of the fuzz target.
pub(crate) fn all(data: &[u8]) {
    let Some((said, request, response)) = read(data) else {
        return;
    };
    for (form, line) in records(&said, &request, &response) {
        let line = String::from_utf8(line).expect("a line is text");
        let inside = line.strip_suffix('\n').expect("a line ends");
        assert!(!inside.contains(char::is_control), "{form}: {line:?}");
        match form {
            "json" => json(inside, &said, &request),
            "common" => assert_eq!(columns(inside), 7, "{line:?}"),
            "combined" => assert_eq!(columns(inside), 9, "{line:?}"),
            _ => {}
        }
    }
}

/// How many columns there are: what stands in quotes or brackets is one.
fn columns(line: &str) -> usize {
    let mut bytes = line.bytes();
    let (mut columns, mut within) = (1, None);
    while let Some(byte) = bytes.next() {
        assert!((b' '..=b'~').contains(&byte), "{line:?}");
        match (within, byte) {
            (Some(_), b'\\') => assert!(bytes.next().is_some(), "{line:?}"),
            (None, b'"') => within = Some(b'"'),
            (None, b'[') => within = Some(b']'),
            (None, b' ') => columns += 1,
            (Some(end), byte) if byte == end => within = None,
            _ => {}
        }
    }
    assert_eq!(within, None, "{line:?}");
    columns
}

/// The object.
fn json(line: &str, said: &Said<'_>, request: &[Pair<'_>]) {
    let object: Object =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    is_text_of("method", text("method"), said.method);
    is_text_of("host", text("host"), said.authority);
    // A target without a path asks for the root, but for that of CONNECT.
    let path = match said.path {
        b"" if said.method != b"CONNECT" => b"/",
        path => path,
    };
    let target = match said.query {
        b"" => path.to_vec(),
        query => [path, b"?", query].concat(),
    };
    if said.path.len() <= MAX_TEXT && said.query.len() <= MAX_TEXT {
        is_text_of("target", text("target"), &target);
    }
    let version = text("version").expect("a version");
    assert!(["1.0", "1.1", "2"].contains(&version), "{version}");
    let agent = request
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(b"user-agent"));
    match (agent, text("user_agent")) {
        (None, agent) => assert_eq!(agent, None),
        (Some((_, agent)), text) => is_text_of("user_agent", text, agent),
    }
    let kept: Vec<&[u8]> = request
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"x-a"))
        .map(|(_, value)| *value)
        .collect();
    let kept = kept.join(&b", "[..]);
    if !kept.is_empty() && kept.len() <= MAX_HEADER {
        let headers = object.get("request_headers").expect("there is one");
        is_text_of("x-a", headers["x-a"].as_str(), &kept);
    }
}

/// Whether a text, read back, is what was sent, or begins as that does when it was too long.
fn is_text_of(key: &str, text: Option<&str>, sent: &[u8]) {
    let text = text.unwrap_or_else(|| panic!("{key} is no text"));
    let mut back = Vec::new();
    for character in text.chars() {
        match u32::from(character) {
            code @ 0xef80..=0xefff => back.push(u8::try_from(code & 0xff).expect("a byte")),
            _ => back.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if sent.len() <= MAX_TEXT {
        assert_eq!(back, sent, "{key}");
    } else {
        assert!(
            sent.starts_with(&back) && back.len() + 4 > MAX_TEXT,
            "{key}"
        );
    }
}

/// An object of JSON with each key once.
#[derive(Debug)]
struct Object(Vec<(String, Value)>);

impl Object {
    fn get(&self, key: &str) -> Option<&Value> {
        let found = self.0.iter().find(|(one, _)| one == key);
        found.map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object, M::Error> {
                let mut object = Object(Vec::new());
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    assert!(object.get(&key).is_none(), "{key} is there twice");
                    object.0.push((key, value));
                }
                Ok(object)
            }
        }

        from.deserialize_map(Keys)
    }
}
