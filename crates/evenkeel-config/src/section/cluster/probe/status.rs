//! Ranges of statuses: `304`, `"200-299"`.

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::raw::{Cx, Node};
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, Value};

/// The first and the last status of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusRange(pub(crate) u16, pub(crate) u16);

impl Value for StatusRange {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        if let DeValue::Integer(_) = node.value {
            let bounds = Bounds {
                least: FIRST,
                greatest: LAST,
            };
            let status = u16::read(node, Some(&bounds), cx)?;
            return Some(Self(status, status));
        }
        let text = read_text(node, "a status like 200 or \"200-299\"", cx)?;
        match parse(&text) {
            Ok(range) => Some(range),
            Err(help) => {
                cx.error(
                    node.span.clone(),
                    format!("\"{text}\" is no range of statuses"),
                )
                .help(help);
                None
            }
        }
    }

    fn toml(&self) -> String {
        if self.0 == self.1 {
            self.0.to_string()
        } else {
            quote(&format!("{}-{}", self.0, self.1))
        }
    }

    fn kind() -> String {
        "status, or a range such as \"200-299\"".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [
            { "type": "integer", "minimum": FIRST, "maximum": LAST },
            { "$ref": "#/$defs/string" },
        ] })
    }
}

/// The statuses that end an exchange: those below are interim.
const FIRST: u16 = 200;
const LAST: u16 = 599;

fn parse(text: &str) -> Result<StatusRange, String> {
    let status = |digits: &str| {
        let plain = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
        let status = plain.then(|| digits.parse().ok()).flatten();
        status.filter(|status| (FIRST..=LAST).contains(status))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (status(first), status(last)) {
        (Some(first), Some(last)) if first <= last => Ok(StatusRange(first, last)),
        (Some(first), Some(last)) => Err(format!("write \"{last}-{first}\"")),
        _ => Err(match text.as_bytes() {
            [class @ b'2'..=b'5', b'x' | b'X', b'x' | b'X'] => {
                let class = char::from(*class);
                format!("write \"{class}00-{class}99\"")
            }
            _ => format!("write one like \"200-299\", from {FIRST} to {LAST}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_or_have_a_remedy() {
        for (text, expected) in [
            ("200-299", Ok(StatusRange(200, 299))),
            ("304", Ok(StatusRange(304, 304))),
            ("299-200", Err("write \"200-299\"")),
            ("2xx", Err("write \"200-299\"")),
            ("5XX", Err("write \"500-599\"")),
            (
                "100-199",
                Err("write one like \"200-299\", from 200 to 599"),
            ),
            (
                "+20-300",
                Err("write one like \"200-299\", from 200 to 599"),
            ),
            ("", Err("write one like \"200-299\", from 200 to 599")),
        ] {
            assert_eq!(parse(text), expected.map_err(str::to_owned), "{text}");
        }
    }
}
