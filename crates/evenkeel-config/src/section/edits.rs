//! `request_headers` and `response_headers` of a route: what is set, added and removed.

use evenkeel_base::Known;
use evenkeel_base::edits::Edits;
use evenkeel_base::field::{is_field_value, is_token};
use serde_json::{Value as Json, json};

use crate::knob::{Knob, Lines, Section};
use crate::raw::{At, Cx, Node};
use crate::value::text::{key, quote};
use crate::value::{Bounds, Value};

static SET: Knob<Pairs> = Knob {
    key: "set",
    about: "Replaces every field of that name with one.",
    default: Pairs(Vec::new()),
    why: "none",
    bounds: None,
    required: false,
    example: "{ X-Robots-Tag = \"noindex\" }",
};

static ADD: Knob<Pairs> = Knob {
    key: "add",
    about: "Adds a field beside those of that name; a list of values adds several.",
    default: Pairs(Vec::new()),
    why: "none",
    bounds: None,
    required: false,
    example: "{ Via = \"1.1 evenkeel\" }",
};

static REMOVE: Knob<Vec<FieldName>> = Knob {
    key: "remove",
    about: "Removes every field of that name.",
    default: Vec::new(),
    why: "none",
    bounds: None,
    required: false,
    example: "[\"X-Powered-By\"]",
};

/// `request_headers` and `response_headers`.
pub(crate) static EDITS: Section = Section {
    name: "route.request_headers",
    about: "Edits of fields; `response_headers` has the same keys. Fields that frame a message or belong to one hop are evenkeel's own and cannot be edited; `Host` is `host_header`.",
    knobs: &[&SET, &ADD, &REMOVE],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n[route.response_headers]\nKNOB\n",
};

impl Value for Edits {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = EDITS.open(node, cx)?;
        let before = cx.count();
        let set = SET.read(&table, cx).0;
        let remove: Vec<String> = REMOVE.read(&table, cx).into_iter().map(|n| n.0).collect();
        let add = ADD.read(&table, cx).0;
        for (i, (name, _)) in set.iter().enumerate() {
            let same = |other: &str| other.eq_ignore_ascii_case(name);
            if set.iter().take(i).any(|(other, _)| same(other)) {
                cx.error(SET.span(&table), format!("`{name}` is set twice"))
                    .help("`set` replaces every field of a name with one; use `add` for several");
            }
            if remove.iter().any(|other| same(other)) {
                cx.error(
                    REMOVE.span(&table),
                    format!("`{name}` is both set and removed"),
                )
                .help("`set` replaces what was there; removing it first is not needed");
            }
        }
        (cx.count() == before).then_some(Self { set, add, remove })
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        let names: Vec<FieldName> = self.remove.iter().cloned().map(FieldName).collect();
        lines.knob(&SET, &Pairs(self.set.clone()));
        lines.knob(&ADD, &Pairs(self.add.clone()));
        lines.knob(&REMOVE, &names);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        EDITS.reference()
    }
}

/// A field's name that may be edited.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldName(String);

impl Value for FieldName {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let name = String::read(node, None, cx)?;
        let span = node.span.clone();
        check_name(&At { value: &name, span }, cx).then_some(Self(name))
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
pub(crate) struct Pairs(Vec<(String, String)>);

impl Value for Pairs {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
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
            check_name(&entry.key, cx);
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
        (cx.count() == before).then_some(Self(pairs))
    }

    fn toml(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in &self.0 {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let entries: Vec<String> = names
            .into_iter()
            .map(|name| {
                let values: Vec<String> = self
                    .0
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

    fn kind() -> String {
        "table of names and values".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({
            "type": "object",
            "additionalProperties": Vec::<String>::schema(None),
        })
    }
}

/// Reports a name that is none, or one that is not the operator's to edit.
fn check_name(name: &At<&str>, cx: &mut Cx<'_>) -> bool {
    if !is_token(name.value.as_bytes()) {
        cx.error(
            name.span.clone(),
            format!("\"{}\" is not a field name", name.value),
        )
        .help("a name has letters, digits, `-` and a few other signs, and no spaces or colons");
        return false;
    }
    let known = Known::of(name.value.as_bytes());
    let instead = match known {
        Known::Host => "use `host_header` on the route",
        Known::ContentLength | Known::TransferEncoding | Known::Trailer => {
            "evenkeel frames messages itself, so that their end can be read in one way only"
        }
        Known::Connection
        | Known::KeepAlive
        | Known::ProxyConnection
        | Known::Te
        | Known::Upgrade
        | Known::Http2Settings
        | Known::Expect => "it concerns one connection, which is evenkeel's own",
        _ => return true,
    };
    cx.error(
        name.span.clone(),
        format!("`{}` cannot be edited", name.value),
    )
    .help(instead);
    false
}
