//! `GET /api/v1/snapshot`: which configuration is served, and what changed last.

use hyper::StatusCode;

use crate::answer::{Answer, bad, json};
use crate::ask::Ask;
use crate::look;
use crate::query::Query;

/// All of it.
pub(crate) fn show(ask: &Ask) -> Answer {
    match Query::of(ask.query(), &[]) {
        Ok(_) => json(StatusCode::OK, &look::snapshot::snapshot(ask.office())),
        Err(why) => bad(&why),
    }
}
