//! Names and values of fields, as the configuration may write them into a message or ask a message for them.

use evenkeel_base::Known;
use evenkeel_base::field::{is_field_value, is_token};
use serde_json::{Value as Json, json};

use crate::raw::{At, Cx, Node};
use crate::value::text::{key, quote};
use crate::value::{Bounds, Value};

/// A field's name that may be edited.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldName(pub(crate) String);

impl Value for FieldName {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let name = String::read(node, None, cx)?;
        let span = node.span.clone();
        check_written(&At { value: &name, span }, HOST_OF_A_ROUTE, cx).then_some(Self(name))
    }

    fn toml(&self) -> String {
        quote(&self.0)
    }

    fn kind() -> String {
        "field name".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

/// Names with their values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

impl Value for Pairs {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        read_pairs(node, HOST_OF_A_ROUTE, cx).map(Self)
    }

    fn toml(&self) -> String {
        print_pairs(&self.0)
    }

    fn kind() -> String {
        "table of names and values".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        pairs_schema()
    }
}

/// Reads a table of names and values; `host` says what to write instead of the field `Host`.
pub(crate) fn read_pairs(
    node: &Node<'_>,
    host: &'static str,
    cx: &mut Cx<'_>,
) -> Option<Vec<(String, String)>> {
    let Some(entries) = node.entries() else {
        cx.error(
            node.span.clone(),
            format!("expected a table of fields, found {}", node.found()),
        )
        .help("write { NAME = \"value\" }");
        return None;
    };
    let before = cx.count();
    let mut pairs = Vec::new();
    for entry in entries {
        let name = entry.key.value;
        check_written(&entry.key, host, cx);
        let values: Vec<At<String>> = Vec::read(&entry.node, None, cx).unwrap_or_default();
        for value in values {
            if !is_field_value(value.value.as_bytes()) {
                // The value may be a secret from the environment, so it is not shown.
                cx.error(value.span, format!("this is no value for `{name}`"))
                    .help("a value has no line ends or other control characters, and no white space around it");
            }
            pairs.push((name.to_owned(), value.value));
        }
    }
    (cx.count() == before).then_some(pairs)
}

/// Writes what [`read_pairs`] reads; fields of one name stand side by side.
pub(crate) fn print_pairs(pairs: &[(String, String)]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in pairs {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let entries: Vec<String> = names
        .into_iter()
        .map(|name| {
            let values: Vec<String> = pairs
                .iter()
                .filter(|(other, _)| other == name)
                .map(|(_, value)| quote(value))
                .collect();
            match values.as_slice() {
                [only] => format!("{} = {only}", key(name)),
                several => format!("{} = [{}]", key(name), several.join(", ")),
            }
        })
        .collect();
    if entries.is_empty() {
        return "{}".to_owned();
    }
    format!("{{ {} }}", entries.join(", "))
}

/// The schema of what [`read_pairs`] reads.
pub(crate) fn pairs_schema() -> Json {
    json!({
        "type": "object",
        "additionalProperties": Vec::<String>::schema(None),
    })
}

/// What stands for `Host` where a route edits fields.
const HOST_OF_A_ROUTE: &str = "use `host_header` on the route";

/// Reports a name that is none.
pub(crate) fn check_name(name: &At<&str>, cx: &mut Cx<'_>) -> bool {
    let good = is_token(name.value.as_bytes());
    if !good {
        cx.error(
            name.span.clone(),
            format!("\"{}\" is not a field name", name.value),
        )
        .help("a name has letters, digits, `-` and a few other signs, and no spaces or colons");
    }
    good
}

/// Reports a name that is none, or one that is not the operator's to write.
fn check_written(name: &At<&str>, host: &'static str, cx: &mut Cx<'_>) -> bool {
    if !check_name(name, cx) {
        return false;
    }
    let instead = match Known::of(name.value.as_bytes()) {
        Known::Host => Some(host),
        known => why_own(known),
    };
    let Some(instead) = instead else {
        return true;
    };
    cx.error(
        name.span.clone(),
        format!("`{}` cannot be edited", name.value),
    )
    .help(instead);
    false
}

/// Why a field is evenkeel's own; `None` when it is not.
pub(crate) const fn why_own(known: Known) -> Option<&'static str> {
    match known {
        Known::ContentLength | Known::TransferEncoding | Known::Trailer => {
            Some("evenkeel frames messages itself, so that their end can be read in one way only")
        }
        Known::Connection
        | Known::KeepAlive
        | Known::ProxyConnection
        | Known::Te
        | Known::Upgrade
        | Known::Http2Settings
        | Known::Expect => Some("it concerns one connection, which is evenkeel's own"),
        _ => None,
    }
}
