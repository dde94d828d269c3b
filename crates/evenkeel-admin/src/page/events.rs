//! `GET /api/v1/events`: what happened of late.

use hyper::StatusCode;

use crate::answer::{Answer, bad, json};
use crate::ask::Ask;
use crate::look;
use crate::query::Query;

/// All events, or those after a number.
pub(crate) fn show(ask: &Ask) -> Answer {
    let query = match Query::of(ask.query(), &["after"]) {
        Ok(query) => query,
        Err(why) => return bad(&why),
    };
    match query.get("after").map_or(Ok(0), str::parse) {
        Ok(after) => json(StatusCode::OK, &look::events(ask.office(), after)),
        Err(_) => bad("the query is after=NUMBER, or left out"),
    }
}
