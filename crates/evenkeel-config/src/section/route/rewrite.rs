//! `strip_prefix` and `replace_prefix` of a route: how the path of a forwarded request changes.

use evenkeel_base::matching::{PathPattern, RouteMatch};

use crate::knob::{Knob, Lines, Table};
use crate::model::PathRewrite;
use crate::raw::{At, Cx};
use crate::section::matching::path::{check_path, has_dot_segments};

/// `strip_prefix` of a route.
pub(crate) static STRIP_PREFIX: Knob<bool> = Knob {
    key: "strip_prefix",
    about: "Whether the endpoint sees the path without the route's prefix: with `path = \"/api\"`, `/api/x` becomes `/x` and `/api` becomes `/`.",
    default: false,
    why: "what is routed is what is forwarded",
    bounds: None,
    required: false,
    example: "true",
};

/// `replace_prefix` of a route.
pub(crate) static REPLACE_PREFIX: Knob<Option<At<String>>> = Knob {
    key: "replace_prefix",
    about: "What stands in the path instead of the route's prefix: with `path = \"/api\"` and \"/v2\", `/api/x` becomes `/v2/x`.",
    default: None,
    why: "the path stays",
    bounds: None,
    required: false,
    example: "\"/v2\"",
};

/// Reads how the path changes.
pub(crate) fn read(matching: &RouteMatch, table: &Table<'_>, cx: &mut Cx<'_>) -> PathRewrite {
    let strip = STRIP_PREFIX.read(table, cx);
    let replace = REPLACE_PREFIX.read(table, cx);
    let key = match (strip, &replace) {
        (false, None) => return PathRewrite::Keep,
        (true, Some(replace)) => {
            cx.error(
                replace.span.clone(),
                "the prefix is stripped or replaced, not both",
            )
            .help("replace_prefix alone does both");
            return PathRewrite::Keep;
        }
        (true, None) => STRIP_PREFIX.key,
        (false, Some(_)) => REPLACE_PREFIX.key,
    };
    let PathPattern::Prefix(prefix) = &matching.path else {
        cx.error(
            table.span_of(key),
            format!("`{key}` needs a prefix, and this route has an exact path"),
        )
        .help("write path = \"…\" instead of path.exact");
        return PathRewrite::Keep;
    };
    if strip && prefix.is_empty() {
        let said = cx.warning(table.span_of(key), "there is no prefix to strip");
        said.help("give the route a `path`, or leave this out");
        return PathRewrite::Keep;
    }
    let with = replace.map(|replace| {
        let good = check_path(&replace.value, replace.span.clone(), cx);
        if good && has_dot_segments(&replace.value) {
            cx.error(replace.span, "a replacement has no dot segments")
                .help("write the path they lead to");
        }
        replace
            .value
            .strip_suffix('/')
            .unwrap_or(&replace.value)
            .to_owned()
    });
    let with = with.unwrap_or_default();
    if with.is_empty() && prefix.is_empty() {
        return PathRewrite::Keep;
    }
    PathRewrite::ReplacePrefix {
        matched: prefix.len(),
        with,
    }
}

/// Writes it.
pub(crate) fn print(rewrite: &PathRewrite, lines: &mut Lines) {
    if let PathRewrite::ReplacePrefix { with, .. } = rewrite {
        let replace = (!with.is_empty()).then(|| At {
            value: with.clone(),
            span: 0..0,
        });
        lines.knob(&STRIP_PREFIX, &with.is_empty());
        lines.knob(&REPLACE_PREFIX, &replace);
    }
}
