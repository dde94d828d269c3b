//! `GET /api/v1/log`: down to which level evenkeel's own log is written.

use hyper::StatusCode;

use crate::answer::{Answer, json};
use crate::ask::Ask;
use crate::look;

/// The level, and what was ordered.
pub(crate) fn show(ask: &Ask) -> Answer {
    json(StatusCode::OK, &look::log(ask.office()))
}
