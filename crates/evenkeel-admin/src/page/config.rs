//! `GET /api/v1/config`: the configuration in force, without what is secret.

use evenkeel_config::{show as toml, show_json};
use hyper::StatusCode;

use crate::answer::{Answer, bad, json, whole};
use crate::ask::Ask;
use crate::query::Query;

/// As JSON, or as the file that would say the same.
pub(crate) fn show(ask: &Ask) -> Answer {
    let query = match Query::of(ask.query(), &["format"]) {
        Ok(query) => query,
        Err(why) => return bad(&why),
    };
    let snapshot = ask.office().publisher.current();
    match query.get("format") {
        None | Some("json") => json(StatusCode::OK, &show_json(&snapshot.config)),
        Some("toml") => whole("application/toml", toml(&snapshot.config)),
        Some(other) => bad(&format!("format is json or toml, and not {other:?}")),
    }
}
