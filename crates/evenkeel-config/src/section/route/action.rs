//! What a route does: exactly one of forwarding, redirecting and answering.

use evenkeel_base::ClusterId;
use evenkeel_base::matching::RouteMatch;

use crate::knob::{Knob, Table};
use crate::model::{Action, HostRewrite, Redirect, Respond};
use crate::raw::{At, Cx};
use crate::section::route::rewrite;

/// `cluster` of a route.
pub(crate) static CLUSTER: Knob<Option<At<String>>> = Knob {
    key: "cluster",
    about: "Sends the request to an endpoint of this cluster. A route has exactly one of `cluster`, `redirect` and `respond`.",
    default: None,
    why: "none; a route has exactly one of the three actions",
    bounds: None,
    required: false,
    example: "\"api\"",
};

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

/// Reads the one action of a route; `cluster` is the one it names.
pub(crate) fn read(
    cluster: Option<u32>,
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
                cluster: ClusterId::new(cluster?),
                rewrite,
                host,
            })
        })
}
