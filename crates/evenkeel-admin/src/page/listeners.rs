//! `GET /api/v1/listeners`: where evenkeel listens.

use hyper::StatusCode;

use crate::answer::{Answer, bad, json};
use crate::ask::Ask;
use crate::look::lists;
use crate::query::Part;

/// A part of them.
pub(crate) fn show(ask: &Ask) -> Answer {
    match Part::of(ask.query()) {
        Ok(part) => json(StatusCode::OK, &lists::listeners(ask.office(), part)),
        Err(why) => bad(&why),
    }
}
