//! What each page is for, what it takes and what it gives: one entry for each line of the table.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::{Operation, Parameter, Said};
use crate::view;

/// Any object: what is in it has a document of its own.
fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

/// What is asked and answered by a view.
const fn reading(
    path: &'static str,
    id: &'static str,
    about: &'static str,
    answer: Said,
) -> Operation {
    Operation {
        line: ("GET", path),
        id,
        about,
        query: &[],
        body: None,
        answer,
        refusals: &[],
    }
}

/// What is ordered.
const fn order(path: &'static str, id: &'static str, about: &'static str) -> Operation {
    Operation {
        line: ("POST", path),
        id,
        about,
        query: &[],
        body: None,
        answer: Said::Json(SchemaGenerator::subschema_for::<view::Done>),
        refusals: &[],
    }
}

/// Every page.
pub(super) const OPERATIONS: &[Operation] = &[
    reading(
        "/",
        "dashboard",
        "The dashboard, for people.",
        Said::Text(&["text/html"]),
    ),
    reading(
        "/dashboard/*",
        "dashboardFile",
        "What belongs to the dashboard.",
        Said::Text(&["text/css", "text/javascript", "image/svg+xml"]),
    ),
    reading(
        "/live",
        "live",
        "Whether the process runs.",
        Said::Json(SchemaGenerator::subschema_for::<view::Fine>),
    ),
    Operation {
        refusals: &[503],
        ..reading(
            "/ready",
            "ready",
            "Whether it takes traffic: 503 while it starts, and from the moment that it is told to end.",
            Said::Json(SchemaGenerator::subschema_for::<view::Fine>),
        )
    },
    reading(
        "/metrics",
        "metrics",
        "Every number that is counted, for Prometheus.",
        Said::Text(&["text/plain", "application/openmetrics-text"]),
    ),
    Operation {
        query: &[Parameter::AfterEvent],
        ..reading(
            "/api/v1/events",
            "events",
            "What happened of late, the oldest first.",
            Said::Json(SchemaGenerator::subschema_for::<view::Events>),
        )
    },
    reading(
        "/api/v1/faults/*",
        "fault",
        "What a fault means, what usually causes it, and what to look at.",
        Said::Json(SchemaGenerator::subschema_for::<view::Fault>),
    ),
    Operation {
        refusals: &[503],
        ..reading(
            "/api/v1/live",
            "liveFeed",
            "A picture of the process every second, as server-sent events: first `history`, then `picture`. 503: too many watch already.",
            Said::Text(&["text/event-stream"]),
        )
    },
    Operation {
        line: ("POST", "/api/v1/explain"),
        body: Some((SchemaGenerator::subschema_for::<view::explain::Ask>, true)),
        ..reading(
            "",
            "explain",
            "What would become of a request, and why. Nothing is sent.",
            Said::Json(SchemaGenerator::subschema_for::<view::explain::Explanation>),
        )
    },
    reading(
        "/api/v1/status",
        "status",
        "Everything there is to see of listeners, clusters and endpoints. Of large sets, ask the lists part by part instead.",
        Said::Json(SchemaGenerator::subschema_for::<view::Status>),
    ),
    reading(
        "/api/v1/snapshot",
        "snapshot",
        "Which configuration is served, and what another one changed last.",
        Said::Json(SchemaGenerator::subschema_for::<view::Snapshot>),
    ),
    Operation {
        query: &[Parameter::Format],
        ..reading(
            "/api/v1/config",
            "config",
            "The configuration in force, without what is secret; what was ordered at run time is not in it.",
            Said::JsonOr(object, "application/toml"),
        )
    },
    Operation {
        query: &[Parameter::Part],
        ..reading(
            "/api/v1/listeners",
            "listeners",
            "Where evenkeel listens.",
            Said::Json(SchemaGenerator::subschema_for::<view::Listeners>),
        )
    },
    Operation {
        query: &[Parameter::Part],
        ..reading(
            "/api/v1/routes",
            "routes",
            "Where requests go, in the file's order.",
            Said::Json(SchemaGenerator::subschema_for::<view::Routes>),
        )
    },
    Operation {
        query: &[Parameter::Part],
        ..reading(
            "/api/v1/clusters",
            "clusters",
            "The clusters, without their endpoints.",
            Said::Json(SchemaGenerator::subschema_for::<view::Clusters>),
        )
    },
    reading(
        "/api/v1/clusters/*",
        "cluster",
        "A cluster, without its endpoints.",
        Said::Json(SchemaGenerator::subschema_for::<view::ClusterSummary>),
    ),
    Operation {
        query: &[Parameter::Part],
        ..reading(
            "/api/v1/clusters/*/endpoints",
            "endpoints",
            "The endpoints of a cluster.",
            Said::Json(SchemaGenerator::subschema_for::<view::Endpoints>),
        )
    },
    reading(
        "/api/v1/clusters/*/endpoints/*",
        "endpoint",
        "An endpoint.",
        Said::Json(SchemaGenerator::subschema_for::<view::Endpoint>),
    ),
    reading(
        "/api/v1/log",
        "logLevel",
        "Down to which level evenkeel's own log is written.",
        Said::Json(SchemaGenerator::subschema_for::<view::Log>),
    ),
    reading(
        "/api/v1/openapi.json",
        "openapi",
        "This document.",
        Said::Json(object),
    ),
    Operation {
        body: Some((SchemaGenerator::subschema_for::<view::Reload>, false)),
        ..order(
            "/api/v1/reload",
            "reload",
            "Reads the configuration again and serves it; 409 and nothing changed when it has a mistake. On trial the answer comes with the verdict.",
        )
    },
    order(
        "/api/v1/rollback",
        "rollback",
        "Serves the configuration before the current one; twice is forth again.",
    ),
    order(
        "/api/v1/drain",
        "drain",
        "Finishes what is under way, then ends.",
    ),
    order("/api/v1/stop", "stop", "Ends at once."),
    Operation {
        body: Some((SchemaGenerator::subschema_for::<view::Upgrade>, false)),
        ..order(
            "/api/v1/upgrade",
            "upgrade",
            "Hands everything over to another program, or to the same as it is on disk by now. Which program is said on the control socket only.",
        )
    },
    Operation {
        body: Some((SchemaGenerator::subschema_for::<view::LogOrder>, true)),
        ..order(
            "/api/v1/log",
            "orderLogLevel",
            "Writes evenkeel's own log down to another level, for a time or until the configuration is read again.",
        )
    },
    Operation {
        body: Some((SchemaGenerator::subschema_for::<view::NewEndpoint>, true)),
        ..order(
            "/api/v1/clusters/*/endpoints",
            "addEndpoint",
            "Adds an endpoint to those of the configuration, whose file is not written. It stays over reloads and upgrades until it is removed or the file names it.",
        )
    },
    Operation {
        body: Some((SchemaGenerator::subschema_for::<view::EndpointOrder>, true)),
        ..order(
            "/api/v1/clusters/*/endpoints/*",
            "orderEndpoint",
            "Takes an endpoint out, brings it back or changes its weight, over what the configuration says.",
        )
    },
    Operation {
        line: ("DELETE", "/api/v1/clusters/*/endpoints/*"),
        ..order(
            "",
            "removeEndpoint",
            "Removes an endpoint that was added; what is under way with it is finished. One of the configuration is refused by 409: drain it instead.",
        )
    },
];
