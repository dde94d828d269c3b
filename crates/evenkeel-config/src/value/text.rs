//! Strings, paths and bodies: the values that may come from the environment or a file.

use std::path::PathBuf;

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::model::Reference;
use crate::raw::{Cx, Node};
use crate::value::{Bounds, Value};

/// A string, or `{ env = "X" }`, or `{ file = "path" }`.
impl Value for String {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        read_text(node, "a string", cx)
    }

    fn toml(&self) -> String {
        quote(self)
    }

    fn kind() -> String {
        "string".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

/// A path; a relative one counts from the folder of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePath(pub(crate) PathBuf);

impl Value for FilePath {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "a path", cx)?;
        if text.is_empty() || text.contains('\0') {
            cx.error(node.span.clone(), "this path names no file");
            return None;
        }
        Some(Self(cx.source.resolve(&text)))
    }

    fn toml(&self) -> String {
        quote(&self.0.to_string_lossy())
    }

    fn kind() -> String {
        "path".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

/// The bytes of a body: text, a file as it is, or base64 for what is no text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Body(pub(crate) Vec<u8>);

impl Value for Body {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        if let Some((place, inner)) = single(node, &["file", "base64"]) {
            let text = read_text(&inner, "a string", cx)?;
            let bytes = match place {
                "file" => cx
                    .source
                    .file(&text)
                    .map_err(|why| format!("cannot read {text}: {why}")),
                _ => decode_base64(&text).ok_or_else(|| "this is not base64".to_owned()),
            };
            return match bytes {
                Ok(bytes) => Some(Self(bytes)),
                Err(why) => {
                    cx.error(inner.span, why);
                    None
                }
            };
        }
        read_text(node, "a text", cx).map(|text| Self(text.into_bytes()))
    }

    fn toml(&self) -> String {
        match std::str::from_utf8(&self.0) {
            Ok(text) => quote(text),
            Err(_) => format!("{{ base64 = \"{}\" }}", encode_base64(&self.0)),
        }
    }

    fn kind() -> String {
        "text, `{ file = … }` or `{ base64 = … }`".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [
            { "$ref": "#/$defs/string" },
            {
                "type": "object",
                "properties": { "base64": { "type": "string", "contentEncoding": "base64" } },
                "required": ["base64"],
                "additionalProperties": false,
            },
        ] })
    }
}

/// Reads a string or fetches it from elsewhere; `wanted` is what it is called in the message when it is neither.
pub(crate) fn read_text(node: &Node<'_>, wanted: &str, cx: &mut Cx<'_>) -> Option<String> {
    if let DeValue::String(text) = node.value {
        return Some(text.as_ref().to_owned());
    }
    let Some((place, inner)) = single(node, &["env", "file"]) else {
        let said = cx.error(
            node.span.clone(),
            format!("expected {wanted}, found {}", node.found()),
        );
        match node.value {
            DeValue::Table(_) => {
                said.help("a value from elsewhere is { env = \"NAME\" } or { file = \"path\" }");
            }
            DeValue::Integer(number) => {
                said.help(format!("write it in quotation marks: \"{number}\""));
            }
            _ => {}
        }
        return None;
    };
    let DeValue::String(name) = inner.value else {
        cx.error(
            inner.span.clone(),
            format!("expected a string, found {}", inner.found()),
        );
        return None;
    };
    match elsewhere(place, name, cx) {
        Ok(text) => {
            let name = name.as_ref().to_owned();
            cx.came_from(&text, Reference { place, name });
            Some(text)
        }
        Err(why) => {
            cx.error(inner.span, why);
            None
        }
    }
}

fn elsewhere(place: &str, name: &str, cx: &Cx<'_>) -> Result<String, String> {
    if place == "env" {
        return cx
            .source
            .env(name)
            .ok_or_else(|| format!("the environment variable {name} is not set"));
    }
    let bytes = cx
        .source
        .file(name)
        .map_err(|why| format!("cannot read {name}: {why}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8 text"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// The one entry of a table, when its key is one of these.
pub(crate) fn single<'a>(
    node: &Node<'a>,
    keys: &[&'static str],
) -> Option<(&'static str, Node<'a>)> {
    let mut entries = node.entries()?;
    let only = entries.pop()?;
    let key = keys.iter().find(|key| **key == only.key.value)?;
    entries.is_empty().then_some((*key, only.node))
}

/// A TOML basic string.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A TOML key, quoted when it must be.
pub(crate) fn key(text: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !text.is_empty() && text.bytes().all(bare) {
        text.to_owned()
    } else {
        quote(text)
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 §4, with padding.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let sextet = ALPHABET[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() {
                char::from(sextet)
            } else {
                '='
            });
        }
    }
    out
}

/// RFC 4648 §4, padding optional, white space between lines allowed; anything else is refused.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bits = 0_u32;
    let mut count = 0;
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let digits = text.trim_end().trim_end_matches('=');
    for c in digits.bytes().filter(|b| !b.is_ascii_whitespace()) {
        let sextet = ALPHABET.iter().position(|&a| a == c)?;
        bits = bits << 6 | u32::try_from(sextet).ok()?;
        count += 1;
        if count % 4 == 0 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            bits = 0;
        }
    }
    match count % 4 {
        0 => Some(out),
        2 if bits & 0xF == 0 => {
            out.push((bits >> 4).to_be_bytes()[3]);
            Some(out)
        }
        3 if bits & 3 == 0 => {
            out.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]);
            Some(out)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_both_ways() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"\xff\xfe\x00", "//4A"),
        ] {
            assert_eq!(encode_base64(bytes), text);
            assert_eq!(decode_base64(text).as_deref(), Some(bytes));
            assert_eq!(
                decode_base64(text.trim_end_matches('=')).as_deref(),
                Some(bytes)
            );
        }
        assert_eq!(decode_base64("Zm9v\nYmFy\n").unwrap(), b"foobar");
        for text in ["Z", "Zh==", "Z=g=", "Zg-_", "Zm9vY"] {
            assert_eq!(decode_base64(text), None, "{text}");
        }
    }

    #[test]
    fn quoted_strings_are_toml() {
        for text in ["", "a\"b\\c", "line\nline\r\t", "\u{7}\u{7f}é", "a'b"] {
            let parsed = DeValue::parse(&quote(text))
                .unwrap()
                .into_inner()
                .as_str()
                .map(str::to_owned);
            assert_eq!(parsed.as_deref(), Some(text));
        }
        assert_eq!(
            (key("a-b_1").as_str(), key("a b").as_str(), key("").as_str()),
            ("a-b_1", "\"a b\"", "\"\"")
        );
    }
}
