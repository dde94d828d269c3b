//! What a route matches: its listeners, hosts, path, methods, and conditions on headers and the query.
//!
//! Here one route is read and checked by itself; how routes stand to each other is in [`crate::reach`].

use evenkeel_base::ListenerId;
use evenkeel_base::field::is_token;
use evenkeel_base::matching::{HostPattern, PathPattern, RouteMatch, ValuePattern};
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::{Knob, Lines, Section, Table};
use crate::raw::{At, Cx, Entry, Node, Span};
use crate::section::{Names, resolve};
use crate::value::text::{key, quote, read_text};
use crate::value::{Bounds, Value};

/// `listener` of a route.
pub(crate) static LISTENER: Knob<Vec<At<String>>> = Knob {
    key: "listener",
    about: "The listeners it is bound to, by name. A bound route comes before an unbound one with the same host and path.",
    default: Vec::new(),
    why: "every listener",
    bounds: None,
    required: false,
    example: "\"a\"",
};

/// `host` of a route.
pub(crate) static HOST: Knob<Vec<HostPattern>> = Knob {
    key: "host",
    about: "The hosts, any of them, without port: `a.example`, or `*.example.com` for every name below it but not itself. An exact host comes before a wildcard, and a longer wildcard before a shorter one.",
    default: Vec::new(),
    why: "every host",
    bounds: None,
    required: false,
    example: "[\"a.example\", \"*.a.example\"]",
};

/// `path` of a route.
pub(crate) static PATH_KNOB: Knob<PathPattern> = Knob {
    key: "path",
    about: "The path and everything below it, on segment bounds: `/api` matches `/api`, `/api/` and `/api/x`, not `/apix`. `path.exact` matches that path only. Compared byte for byte as it is sent. An exact path comes before a prefix, and a longer prefix before a shorter one.",
    default: PathPattern::Prefix(String::new()),
    why: "every path",
    bounds: None,
    required: false,
    example: "\"/api\"",
};

/// `method` of a route.
pub(crate) static METHOD: Knob<Vec<Method>> = Knob {
    key: "method",
    about: "The methods, any of them. `GET` does not stand for `HEAD`.",
    default: Vec::new(),
    why: "every method",
    bounds: None,
    required: false,
    example: "[\"GET\", \"HEAD\"]",
};

/// `header` of a route.
pub(crate) static HEADER: Knob<HeaderConditions> = Knob {
    key: "header",
    about: "Conditions on fields of the request, all of which must hold. Names in any case, values exactly. A route with more conditions comes first.",
    default: HeaderConditions(Vec::new()),
    why: "no condition",
    bounds: None,
    required: false,
    example: "{ X-Version = \"2\", X-Debug = { present = false } }",
};

/// `query` of a route.
pub(crate) static QUERY: Knob<QueryConditions> = Knob {
    key: "query",
    about: "Conditions on parameters of the query, all of which must hold; names and values exactly as they are sent. A route with more conditions comes first.",
    default: QueryConditions(Vec::new()),
    why: "no condition",
    bounds: None,
    required: false,
    example: "{ beta = { present = true } }",
};

static EXACT_PATH: Knob<Option<String>> = Knob {
    key: "exact",
    about: "Exactly this path.",
    default: None,
    why: "give one of the two",
    bounds: None,
    required: false,
    example: "\"/\"",
};

static PREFIX: Knob<Option<String>> = Knob {
    key: "prefix",
    about: "This path and everything below it: what a plain string means too.",
    default: None,
    why: "give one of the two",
    bounds: None,
    required: false,
    example: "\"/api\"",
};

/// `path` of a route as a table.
pub(crate) static PATH: Section = Section {
    name: "route.path",
    about: "A path as a table, mostly written `path.exact = …`.",
    knobs: &[&EXACT_PATH, &PREFIX],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n[route.path]\nKNOB\n",
};

static PRESENT: Knob<Option<bool>> = Knob {
    key: "present",
    about: "Whether there must be one, with any value, or none.",
    default: None,
    why: "give one of the two",
    bounds: None,
    required: false,
    example: "false",
};

static EXACT: Knob<Option<String>> = Knob {
    key: "exact",
    about: "One of them must have exactly this value: what a plain string means too.",
    default: None,
    why: "give one of the two",
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

/// Reads the conditions of a route.
pub(crate) fn read(table: &Table<'_>, listeners: &Names, cx: &mut Cx<'_>) -> RouteMatch {
    let mut bound: Vec<ListenerId> = LISTENER
        .read(table, cx)
        .iter()
        .filter_map(|name| resolve("listener", name, listeners, cx))
        .map(ListenerId::new)
        .collect();
    let mut hosts = HOST.read(table, cx);
    let mut methods: Vec<String> = METHOD.read(table, cx).into_iter().map(|m| m.0).collect();
    refuse_empty(&LISTENER, table, cx);
    refuse_empty(&HOST, table, cx);
    refuse_empty(&METHOD, table, cx);
    warn_repeats(&mut bound, LISTENER.span(table), cx);
    warn_repeats(&mut hosts, HOST.span(table), cx);
    warn_repeats(&mut methods, METHOD.span(table), cx);
    RouteMatch {
        listeners: bound,
        hosts,
        path: PATH_KNOB.read(table, cx),
        methods,
        headers: HEADER.read(table, cx).0,
        query: QUERY.read(table, cx).0,
    }
}

/// Reports a path that a route without `allow_dot_segments` refuses before it matches.
pub(crate) fn check_dot_segments(matching: &RouteMatch, table: &Table<'_>, cx: &mut Cx<'_>) {
    let (PathPattern::Exact(path) | PathPattern::Prefix(path)) = &matching.path;
    if path.split('/').any(is_dot_segment) {
        cx.error(
            PATH_KNOB.span(table),
            "this route can never match: paths with dot segments are refused",
        )
        .help(
            "write the path without `.` and `..`, or set allow_dot_segments = true on this route",
        );
    }
}

/// Writes the conditions; `names` are those of the listeners.
pub(crate) fn print(matching: &RouteMatch, names: &[&str], lines: &mut Lines) {
    let at = |name: &&str| At {
        value: (*name).to_owned(),
        span: 0..0,
    };
    let bound: Vec<At<String>> = matching
        .listeners
        .iter()
        .filter_map(|id| names.get(id.index()).map(at))
        .collect();
    lines.knob(&LISTENER, &bound);
    lines.knob(&HOST, &matching.hosts);
    lines.knob(&PATH_KNOB, &matching.path);
    let methods: Vec<Method> = matching.methods.iter().cloned().map(Method).collect();
    lines.knob(&METHOD, &methods);
    lines.knob(&HEADER, &HeaderConditions(matching.headers.clone()));
    lines.knob(&QUERY, &QueryConditions(matching.query.clone()));
}

/// A name made from the match, for a route that has none of its own: what a person would call it.
pub(crate) fn describe(matching: &RouteMatch) -> String {
    let mut name = matching.methods.join(",");
    if !name.is_empty() {
        name.push(' ');
    }
    if let Some(first) = matching.hosts.first() {
        name.push_str(&first.to_string());
        if matching.hosts.len() > 1 {
            name.push_str(",…");
        }
    }
    name.push_str(&matching.path.to_string().replace("= ", "="));
    for (field, condition) in &matching.headers {
        name.push_str(&describe_condition(" ", field, condition));
    }
    for (field, condition) in &matching.query {
        name.push_str(&describe_condition(" ?", field, condition));
    }
    name.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_NAME)
        .collect()
}

/// The longest name of a route, in characters: it stands in every access record.
pub(crate) const LONGEST_NAME: usize = 200;

fn describe_condition(lead: &str, name: &str, condition: &ValuePattern) -> String {
    match condition {
        ValuePattern::Present => format!("{lead}{name}"),
        ValuePattern::Absent => format!("{lead}!{name}"),
        ValuePattern::Exact(value) => format!("{lead}{name}={value}"),
    }
}

fn refuse_empty<T: Value + Clone + PartialEq>(
    knob: &Knob<Vec<T>>,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) {
    let empty = table
        .get(knob.key)
        .and_then(|entry| entry.node.items())
        .is_some_and(|items| items.is_empty());
    if empty {
        cx.error(
            knob.span(table),
            format!("this route can never match: `{}` names none", knob.key),
        )
        .help(format!("leave it out to match {}", knob.why));
    }
}

fn warn_repeats<T: Ord>(list: &mut Vec<T>, span: Span, cx: &mut Cx<'_>) {
    let before = list.len();
    list.sort();
    list.dedup();
    if list.len() < before {
        cx.warning(span, "something stands here twice")
            .help("once is enough");
    }
}

/// A segment that is `.` or `..`, also with the dots encoded or with parameters: the same rule as the data plane's.
fn is_dot_segment(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default();
    let plain = name.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

/// Reports what no request's path can have, and whether it is fit to compare with.
pub(crate) fn check_path(path: &str, span: Span, cx: &mut Cx<'_>) -> bool {
    let (message, help) = if !path.starts_with('/') {
        (
            "a path begins with `/`, so this never matches",
            format!("write \"/{}\"", path.trim_start_matches('/')),
        )
    } else if path.contains('?') {
        (
            "a path has no `?`, so this never matches",
            "put conditions on the query into `query`".to_owned(),
        )
    } else if path.contains('#') {
        (
            "a path has no `#`, so this never matches: fragments are not sent",
            "leave out the fragment".to_owned(),
        )
    } else if path.contains('*') {
        (
            "a path has no wildcards here",
            format!(
                "`path` matches everything below it: write \"{}\"",
                path.split('*').next().unwrap_or("/")
            ),
        )
    } else if path.bytes().any(|b| !(0x21..0x7f).contains(&b)) {
        (
            "this path is not as clients send it, so it never matches",
            "write what is not visible ASCII as %XX, like %20 for a space".to_owned(),
        )
    } else {
        return true;
    };
    cx.error(span, message).help(help);
    false
}

impl Value for PathPattern {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let is_table = matches!(node.value, DeValue::Table(table)
            if !(table.contains_key("env") || table.contains_key("file")));
        let (exact, text) = if is_table {
            let table = PATH.open(node, cx)?;
            match (EXACT_PATH.read(&table, cx), PREFIX.read(&table, cx)) {
                (Some(path), None) => (true, path),
                (None, Some(path)) => (false, path),
                (None, None) => return None,
                (Some(_), Some(_)) => {
                    cx.error(PREFIX.span(&table), "a path is exact or a prefix, not both")
                        .help("keep one of the two; write two routes for both");
                    return None;
                }
            }
        } else {
            (false, read_text(node, "a path like \"/api\"", cx)?)
        };
        if !check_path(&text, node.span.clone(), cx) {
            return None;
        }
        Some(if exact {
            Self::Exact(text)
        } else {
            Self::Prefix(text.strip_suffix('/').unwrap_or(&text).to_owned())
        })
    }

    fn toml(&self) -> String {
        match self {
            Self::Exact(path) => format!("{{ exact = {} }}", quote(path)),
            Self::Prefix(path) if path.is_empty() || path.ends_with('/') => {
                quote(&format!("{path}/"))
            }
            Self::Prefix(path) => quote(path),
        }
    }

    fn kind() -> String {
        "path, or `{ exact = … }`".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [{ "$ref": "#/$defs/string" }, PATH.reference()] })
    }
}

/// A method as it is spelt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Method(String);

impl Value for Method {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "a method like \"GET\"", cx)?;
        let upper = text.to_ascii_uppercase();
        if !is_token(text.as_bytes()) {
            cx.error(node.span.clone(), format!("\"{text}\" is not a method"));
            return None;
        }
        if upper == "CONNECT" || upper == "TRACE" {
            cx.error(
                node.span.clone(),
                format!("{upper} is refused before routing, so it never matches"),
            )
            .help("leave it out");
            return None;
        }
        let known = evenkeel_base::Method::from_bytes(upper.as_bytes());
        if text != upper && known != evenkeel_base::Method::Other {
            cx.error(
                node.span.clone(),
                format!("methods are case-sensitive, so \"{text}\" matches nothing"),
            )
            .help(format!("write \"{upper}\""));
            return None;
        }
        Some(Self(text))
    }

    fn toml(&self) -> String {
        quote(&self.0)
    }

    fn kind() -> String {
        "method".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

type Conditions = Vec<(String, ValuePattern)>;

/// Conditions on fields, sorted by name, names in lower case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeaderConditions(Conditions);

/// Conditions on query parameters, sorted by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueryConditions(Conditions);

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
