//! What a route does: exactly one of forwarding, redirecting and answering.

use evenkeel_base::matching::RouteMatch;

use crate::knob::{Knob, Table};
use crate::model::{Action, HostRewrite, Redirect, Respond, Split};
use crate::raw::Cx;
use crate::section::route::rewrite;
use crate::section::route::split::CLUSTER;

/// `redirect` of a route.
pub(crate) static REDIRECT: Knob<Option<Redirect>> = Knob {
    key: "redirect",
    about: "Sends the client elsewhere.",
    default: None,
    why: "none; a route has exactly one of the three actions",
    bounds: None,
    required: false,
    example: "{ scheme = \"https\" }",
};

/// `respond` of a route.
pub(crate) static RESPOND: Knob<Option<Respond>> = Knob {
    key: "respond",
    about: "Answers with a fixed response.",
    default: None,
    why: "none; a route has exactly one of the three actions",
    bounds: None,
    required: false,
    example: "{ status = 200, body = \"hello\" }",
};

/// `host_header` of a route.
pub(crate) static HOST_HEADER: Knob<HostRewrite> = Knob {
    key: "host_header",
    about: "What `Host` says to the endpoint: \"keep\" what the client said, \"endpoint\" for the endpoint's own address, or a host.",
    default: HostRewrite::Keep,
    why: "endpoints build links and cookies from it",
    bounds: None,
    required: false,
    example: "\"endpoint\"",
};

/// Reads the one action of a route; `split` is what it says of clusters, if that is right.
pub(crate) fn read(
    split: Option<Split>,
    matching: &RouteMatch,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) -> Option<Action> {
    let (redirect, respond) = (REDIRECT.read(table, cx), RESPOND.read(table, cx));
    let host = HOST_HEADER.read(table, cx);
    let rewrite = rewrite::read(matching, table, cx);
    let given = [
        (CLUSTER.key, CLUSTER.given(table)),
        (REDIRECT.key, REDIRECT.given(table)),
        (RESPOND.key, RESPOND.given(table)),
    ];
    let keys: Vec<&str> = given
        .iter()
        .filter(|(_, is)| *is)
        .map(|(key, _)| *key)
        .collect();
    match keys.as_slice() {
        [] if cx.may_be_hidden() || table.has_unknown => return None,
        [] => {
            cx.error(table.span.clone(), "this route does nothing")
                .help("add one of cluster = \"…\", redirect = { … } and respond = { … }");
            return None;
        }
        [_] => {}
        several => {
            let last = several.last().copied().unwrap_or_default();
            cx.error(
                table.span_of(last),
                format!("this route has several actions: {}", several.join(", ")),
            )
            .help("keep one; write a route for each");
            return None;
        }
    }
    redirect
        .map(Action::Redirect)
        .or_else(|| respond.map(Action::Respond))
        .or_else(|| {
            Some(Action::Forward {
                split: split?,
                rewrite,
                host,
            })
        })
}
