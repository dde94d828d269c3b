//! A path as it is matched: a prefix on segment bounds, or exactly one path.

use evenkeel_base::matching::PathPattern;
use evenkeel_base::path::{self, canonical};
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::{Knob, Section};
use crate::raw::{Cx, Node, Span};
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, Value};

static EXACT_PATH: Knob<Option<String>> = Knob {
    key: "exact",
    about: "Exactly this path.",
    default: None,
    why: "none; one of the two is given",
    bounds: None,
    required: false,
    example: "\"/\"",
};

static PREFIX: Knob<Option<String>> = Knob {
    key: "prefix",
    about: "This path and everything below it: what a plain string means too.",
    default: None,
    why: "none; one of the two is given",
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

/// Whether a segment is `.` or `..`, also with the dots encoded or with parameters: the same rule as the data plane's.
pub(crate) fn has_dot_segments(path: &str) -> bool {
    path::has_dot_segments(&canonical(path.as_bytes()))
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
        // Requests are compared in this form: a pattern in another one would never match.
        let text = String::from_utf8_lossy(&canonical(text.as_bytes())).into_owned();
        Some(if exact {
            Self::Exact(text)
        } else {
            Self::Prefix(text.strip_suffix('/').unwrap_or(&text).to_owned())
        })
    }

    fn toml(&self) -> String {
        match self {
            Self::Exact(path) => format!("{{ exact = {} }}", quote(path)),
            Self::Prefix(path) if path.is_empty() => quote("/"),
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
