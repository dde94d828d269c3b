//! `probe.http` of a cluster: what is asked, and the response that makes the probe good.

use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{BodyMatch, ProbeRequest};
use crate::raw::{At, Cx, Node};
use crate::section::cluster::probe::status::StatusRange;
use crate::value::field::{pairs_schema, print_pairs, read_pairs};
use crate::value::net::is_authority;
use crate::value::pattern::body_regex;
use crate::value::scalar::Choice;
use crate::value::{Bounds, Value};

static PATH: Knob<Option<At<String>>> = Knob {
    key: "path",
    about: "The path, with a query when it needs one.",
    default: None,
    why: "`/`",
    bounds: None,
    required: false,
    example: "\"/healthz\"",
};

static METHOD: Knob<ProbeMethod> = Knob {
    key: "method",
    about: "The method. The request has no body.",
    default: ProbeMethod("GET"),
    why: "what every endpoint answers",
    bounds: None,
    required: false,
    example: "\"HEAD\"",
};

static HOST: Knob<Option<At<String>>> = Knob {
    key: "host",
    about: "What `Host` says.",
    default: None,
    why: "the endpoint's address",
    bounds: None,
    required: false,
    example: "\"app.example\"",
};

static HEADERS: Knob<ProbeHeaders> = Knob {
    key: "headers",
    about: "Fields that are sent besides.",
    default: ProbeHeaders(Vec::new()),
    why: "none",
    bounds: None,
    required: false,
    example: "{ Authorization = \"Bearer of-the-probe\" }",
};

static STATUS: Knob<Vec<StatusRange>> = Knob {
    key: "status",
    about: "The statuses that are good, each a status or a range.",
    default: Vec::new(),
    why: "`\"200-399\"`: a redirect to a login page is a sign of life",
    bounds: None,
    required: false,
    example: "[\"200-299\", 304]",
};

static BODY: Knob<Option<String>> = Knob {
    key: "body",
    about: "A text that the body must hold, within its first 64 KiB.",
    default: None,
    why: "any body is good",
    bounds: None,
    required: false,
    example: "\"ok\"",
};

static BODY_REGEX: Knob<Option<At<String>>> = Knob {
    key: "body_regex",
    about: "A regular expression that must match somewhere in the first 64 KiB of the body, in the syntax of Rust's `regex` crate.",
    default: None,
    why: "any body is good",
    bounds: None,
    required: false,
    example: "'\"status\": *\"(green|yellow)\"'",
};

/// `probe.http` of a cluster.
pub(crate) static HTTP: Section = Section {
    name: "cluster.NAME.probe.http",
    about: "What is asked, and the response that makes the probe good.",
    knobs: &[&PATH, &METHOD, &HOST, &HEADERS, &STATUS, &BODY, &BODY_REGEX],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.probe.http]\nKNOB\n",
};

/// What is asked when nothing is said.
const ROOT: &str = "/";

/// What is good when nothing is said.
const GOOD: (u16, u16) = (200, 399);

impl Value for ProbeRequest {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = HTTP.open(node, cx)?;
        let before = cx.count();
        let method = METHOD.read(&table, cx).0;
        let body = read_body(&table, cx);
        if method == "HEAD" && body != BodyMatch::Any {
            cx.error(METHOD.span(&table), "the response to HEAD has no body")
                .help("use GET, or leave out the condition on the body");
        }
        let request = Self {
            method: method.to_owned(),
            path: read_path(&table, cx),
            host: read_host(&table, cx),
            headers: HEADERS.read(&table, cx).0,
            statuses: read_statuses(&table, cx),
            body,
        };
        (cx.count() == before).then_some(request)
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        let at = |text: &str| At {
            value: text.to_owned(),
            span: 0..0,
        };
        let path = (self.path != ROOT).then(|| at(&self.path));
        lines.knob(&PATH, &path);
        lines.knob(&METHOD, &ProbeMethod::of(&self.method));
        let host = (!self.host.is_empty()).then(|| at(&self.host));
        lines.knob(&HOST, &host);
        lines.knob(&HEADERS, &ProbeHeaders(self.headers.clone()));
        if self.statuses != [GOOD] {
            let ranges = self.statuses.iter().map(|&(a, b)| StatusRange(a, b));
            lines.knob(&STATUS, &ranges.collect());
        }
        match &self.body {
            BodyMatch::Any => {}
            BodyMatch::Contains(text) => lines.knob(&BODY, &Some(text.clone())),
            BodyMatch::Regex(pattern) => lines.knob(&BODY_REGEX, &Some(at(pattern))),
        }
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        HTTP.reference()
    }
}

fn read_path(table: &Table<'_>, cx: &mut Cx<'_>) -> String {
    let Some(path) = PATH.read(table, cx) else {
        return ROOT.to_owned();
    };
    check_path(&path, cx);
    path.value
}

/// Reports what is no path, with or without a query, as it is sent.
pub(crate) fn check_path(path: &At<String>, cx: &mut Cx<'_>) -> bool {
    let At { value, span } = path;
    let unfit = |b: u8| !(0x21..0x7f).contains(&b) || b == b'#';
    if !value.starts_with('/') {
        cx.error(span.clone(), "a path begins with `/`")
            .help(format!("write \"/{value}\""));
        return false;
    }
    if value.bytes().any(unfit) {
        cx.error(span.clone(), "this path cannot be sent as it is")
            .help("write what is not visible ASCII, and `#`, as %XX, like %20 for a space");
        return false;
    }
    true
}

fn read_host(table: &Table<'_>, cx: &mut Cx<'_>) -> String {
    let Some(host) = HOST.read(table, cx) else {
        return String::new();
    };
    if !is_authority(&host.value) {
        cx.error(host.span, "this is not a host")
            .help("write a name or address, with `:port` when it needs one, and nothing else");
    }
    host.value
}

fn read_statuses(table: &Table<'_>, cx: &mut Cx<'_>) -> Vec<(u16, u16)> {
    let Some(ranges) = STATUS.read_given(table, cx) else {
        return vec![GOOD];
    };
    if ranges.is_empty() {
        cx.error(STATUS.span(table), "no status would be good")
            .help("leave it out for 200 to 399");
    }
    ranges.into_iter().map(|range| (range.0, range.1)).collect()
}

fn read_body(table: &Table<'_>, cx: &mut Cx<'_>) -> BodyMatch {
    match (BODY.read(table, cx), BODY_REGEX.read(table, cx)) {
        (None, None) => BodyMatch::Any,
        (Some(text), None) => {
            check_text(&text, table, cx);
            BodyMatch::Contains(text)
        }
        (None, Some(pattern)) => {
            if let Err(why) = body_regex(&pattern.value) {
                cx.error(
                    pattern.span,
                    format!("this is not a regular expression that can be used: {why}"),
                )
                .help("the syntax is that of Rust's regex crate; `body` is for plain text");
            }
            BodyMatch::Regex(pattern.value)
        }
        (Some(_), Some(pattern)) => {
            cx.error(pattern.span, "a body holds a text or matches a regex")
                .help("keep one of the two; a regular expression can name the text too");
            BodyMatch::Any
        }
    }
}

fn check_text(text: &str, table: &Table<'_>, cx: &mut Cx<'_>) {
    if text.is_empty() {
        cx.error(BODY.span(table), "every body holds an empty text")
            .help("leave it out");
    } else if text.len() > ProbeRequest::BODY_LIMIT {
        cx.error(BODY.span(table), format!("this has {} bytes", text.len()))
            .help(format!(
                "a probe reads at most {} of a body",
                ProbeRequest::BODY_LIMIT
            ));
    }
}

/// A method that asks without a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProbeMethod(&'static str);

impl ProbeMethod {
    fn of(name: &str) -> Self {
        let known = Self::all().into_iter().find(|(known, _)| *known == name);
        known.map_or(METHOD.default, |(_, method)| method)
    }
}

impl Choice for ProbeMethod {
    fn all() -> Vec<(&'static str, Self)> {
        ["GET", "HEAD", "OPTIONS", "POST"]
            .map(|name| (name, Self(name)))
            .to_vec()
    }
}

/// Fields of the request.
#[derive(Clone, Debug, PartialEq)]
struct ProbeHeaders(Vec<(String, String)>);

impl Value for ProbeHeaders {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        read_pairs(node, "use `host` of the probe", cx).map(Self)
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
