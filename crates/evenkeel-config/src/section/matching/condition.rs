//! Conditions on fields and on parameters of the query.

use evenkeel_base::field::is_token;
use evenkeel_base::matching::ValuePattern;
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::{Knob, Section};
use crate::raw::{Cx, Entry, Node};
use crate::value::text::{key, quote, read_text};
use crate::value::{Bounds, Value};

static PRESENT: Knob<Option<bool>> = Knob {
    key: "present",
    about: "Whether there must be one, with any value, or none.",
    default: None,
    why: "none; one of the two is given",
    bounds: None,
    required: false,
    example: "false",
};

static EXACT: Knob<Option<String>> = Knob {
    key: "exact",
    about: "One of them must have exactly this value: what a plain string means too.",
    default: None,
    why: "none; one of the two is given",
    bounds: None,
    required: false,
    example: "\"2\"",
};

/// One condition of `header` or `query` as a table.
pub(crate) static CONDITION: Section = Section {
    name: "route.header.NAME",
    about: "A condition as a table; `query.NAME` has the same keys.",
    knobs: &[&PRESENT, &EXACT],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n[route.header.X-A]\nKNOB\n",
};

pub(crate) type Conditions = Vec<(String, ValuePattern)>;

/// Conditions on fields, sorted by name, names in lower case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeaderConditions(pub(crate) Conditions);

/// Conditions on query parameters, sorted by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueryConditions(pub(crate) Conditions);

impl Value for HeaderConditions {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let mut conditions: Conditions = Vec::new();
        for entry in conditions_of(node, cx)? {
            let name = entry.key.value.to_ascii_lowercase();
            if !is_token(name.as_bytes()) {
                cx.error(
                    entry.key.span.clone(),
                    format!("\"{name}\" is not a field name"),
                );
                return None;
            }
            if conditions.iter().any(|(other, _)| *other == name) {
                cx.error(
                    entry.key.span.clone(),
                    format!("this route can never match: it has two conditions on `{name}`"),
                )
                .help("field names are the same in any case; write a route for each value");
                return None;
            }
            conditions.push((name, read_condition(&entry, check_field_value, cx)?));
        }
        conditions.sort_by(|a, b| a.0.cmp(&b.0));
        Some(Self(conditions))
    }

    fn toml(&self) -> String {
        print_conditions(&self.0)
    }

    fn kind() -> String {
        "table of conditions".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        condition_schema()
    }
}

impl Value for QueryConditions {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let mut conditions: Conditions = Vec::new();
        for entry in conditions_of(node, cx)? {
            let name = entry.key.value;
            let unfit = |b: u8| !(0x21..0x7f).contains(&b) || b"&=#".contains(&b);
            if name.is_empty() || name.bytes().any(unfit) {
                cx.error(
                    entry.key.span.clone(),
                    format!("\"{name}\" is no parameter's name as it is sent, so it never matches"),
                )
                .help("write what is not visible ASCII, `&`, `=` and `#` as %XX");
                return None;
            }
            let condition = read_condition(&entry, check_query_value, cx)?;
            conditions.push((name.to_owned(), condition));
        }
        conditions.sort_by(|a, b| a.0.cmp(&b.0));
        Some(Self(conditions))
    }

    fn toml(&self) -> String {
        print_conditions(&self.0)
    }

    fn kind() -> String {
        "table of conditions".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        condition_schema()
    }
}

fn conditions_of<'a>(node: &Node<'a>, cx: &mut Cx<'_>) -> Option<Vec<Entry<'a>>> {
    let entries = node.entries();
    if entries.is_none() {
        cx.error(
            node.span.clone(),
            format!("expected a table of conditions, found {}", node.found()),
        )
        .help("write NAME = \"value\" for each");
    }
    entries
}

fn read_condition(
    entry: &Entry<'_>,
    check: fn(&str) -> Result<(), &'static str>,
    cx: &mut Cx<'_>,
) -> Option<ValuePattern> {
    let node = &entry.node;
    let is_table = matches!(node.value, DeValue::Table(table)
        if !(table.contains_key("env") || table.contains_key("file")));
    let exact = if is_table {
        let table = CONDITION.open(node, cx)?;
        let before = cx.count();
        match (PRESENT.read(&table, cx), EXACT.read(&table, cx)) {
            (Some(true), None) => return Some(ValuePattern::Present),
            (Some(false), None) => return Some(ValuePattern::Absent),
            (None, Some(exact)) => exact,
            (given, _) => {
                let message = match given {
                    Some(true) => "`exact` already means that it is present",
                    Some(false) => "this route can never match: it must be absent and have a value",
                    None => "this condition says nothing",
                };
                if cx.count() == before {
                    cx.error(node.span.clone(), message)
                        .help("write one of present = true, present = false, exact = \"value\"");
                }
                return None;
            }
        }
    } else {
        read_text(node, "a value, or { present = true }", cx)?
    };
    if let Err(why) = check(&exact) {
        cx.error(node.span.clone(), why);
        return None;
    }
    Some(ValuePattern::Exact(exact))
}

fn check_field_value(value: &str) -> Result<(), &'static str> {
    if evenkeel_base::field::is_field_value(value.as_bytes()) {
        Ok(())
    } else {
        Err(
            "no field has such a value, so it never matches: control characters and surrounding white space are not part of one",
        )
    }
}

fn check_query_value(value: &str) -> Result<(), &'static str> {
    let unfit = |b: u8| !(0x21..0x7f).contains(&b) || b"&#".contains(&b);
    if value.bytes().any(unfit) {
        Err(
            "no parameter is sent with such a value, so it never matches: write what is not visible ASCII, `&` and `#` as %XX",
        )
    } else {
        Ok(())
    }
}

fn print_conditions(conditions: &Conditions) -> String {
    let all: Vec<String> = conditions
        .iter()
        .map(|(name, condition)| {
            let value = match condition {
                ValuePattern::Present => "{ present = true }".to_owned(),
                ValuePattern::Absent => "{ present = false }".to_owned(),
                ValuePattern::Exact(value) => quote(value),
            };
            format!("{} = {value}", key(name))
        })
        .collect();
    if all.is_empty() {
        return "{}".to_owned();
    }
    format!("{{ {} }}", all.join(", "))
}

fn condition_schema() -> Json {
    json!({
        "type": "object",
        "additionalProperties": { "anyOf": [{ "$ref": "#/$defs/string" }, CONDITION.reference()] },
    })
}
