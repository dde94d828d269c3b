//! What a route matches: its listeners, hosts, path, methods, and conditions on headers and the query.
//!
//! Here one route is read and checked by itself; how routes stand to each other is in [`crate::reach`].

pub(crate) mod condition;
pub(crate) mod path;

use evenkeel_base::ListenerId;
use evenkeel_base::field::is_token;
use evenkeel_base::matching::{HostPattern, PathPattern, RouteMatch, ValuePattern};
use serde_json::{Value as Json, json};

use crate::knob::{Knob, Lines, Table};
use crate::raw::{At, Cx, Node, Span};
use crate::section::matching::condition::{HeaderConditions, QueryConditions};
use crate::section::{Names, resolve};
use crate::value::text::{quote, read_text};
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
    about: "The path and everything below it, on segment bounds: `/api` matches `/api`, `/api/` and `/api/x`, not `/apix`. `path.exact` matches that path only. Another spelling is no other path: what is percent-encoded is compared decoded and several slashes as one, while the request is passed on as it came. Where endpoints disagree what a path means (`%2f`, `%5c` and `\\` as slashes, `;` as the end of a name) and a reading of it takes a route with other lists, limits, `request_headers` or clusters, the request is refused (400, `request-path-refused`). Letters of another case, and a slash more behind an exact path, make another path. An exact path comes before a prefix, and a longer prefix before a shorter one.",
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
    if path::has_dot_segments(path) {
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
