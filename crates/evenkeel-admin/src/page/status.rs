//! `GET /api/v1/status`: everything there is to see.

use hyper::StatusCode;

use crate::answer::{Answer, json};
use crate::ask::Ask;
use crate::look;

/// Of a hundred thousand endpoints this takes a while.
pub(crate) fn show(ask: &Ask) -> Answer {
    json(StatusCode::OK, &look::status(ask.office()))
}
