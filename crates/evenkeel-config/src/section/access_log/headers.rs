//! Header fields that may stand in the access log: names, and those that are secrets.

use serde_json::{Value as Json, json};

use crate::raw::{At, Cx, Node};
use crate::value::field::check_name;
use crate::value::text::quote;
use crate::value::{Bounds, Value};

/// What these fields carry opens doors. A log is read by many, kept for long and sent to others.
const SECRET: [&str; 13] = [
    "api-key",
    "authorization",
    "cookie",
    "cookie2",
    "proxy-authorization",
    "set-cookie",
    "set-cookie2",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-vault-token",
    "x-xsrf-token",
];

/// Names of header fields in small letters, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeaderNames(pub(super) Vec<String>);

impl Value for HeaderNames {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let given: Vec<At<String>> = Vec::read(node, None, cx)?;
        let count = given.len();
        let mut names = Vec::with_capacity(count);
        for At { value, span } in given {
            let at = At {
                value: value.as_str(),
                span,
            };
            let Some(name) = loggable(&at, cx) else {
                continue;
            };
            if names.contains(&name) {
                cx.error(at.span, format!("`{name}` stands here twice"));
                continue;
            }
            names.push(name);
        }
        (names.len() == count).then_some(Self(names))
    }

    fn toml(&self) -> String {
        let names: Vec<String> = self.0.iter().map(|name| quote(name)).collect();
        format!("[{}]", names.join(", "))
    }

    fn kind() -> String {
        "field name, or a list of them".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [
            { "$ref": "#/$defs/string" },
            { "type": "array", "items": { "$ref": "#/$defs/string" } },
        ] })
    }
}

/// The name in small letters, when it is one and no secret.
pub(super) fn loggable(name: &At<&str>, cx: &mut Cx<'_>) -> Option<String> {
    if !check_name(name, cx) {
        return None;
    }
    let small = name.value.to_ascii_lowercase();
    if SECRET.contains(&small.as_str()) {
        cx.error(name.span.clone(), format!("`{small}` is a secret"))
            .help("what it carries opens doors, and a log is read by many: leave it out");
        return None;
    }
    Some(small)
}
