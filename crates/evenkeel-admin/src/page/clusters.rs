//! `GET /api/v1/clusters` and `/api/v1/clusters/{cluster}`: clusters without their endpoints.

use hyper::StatusCode;

use crate::answer::{Answer, bad, json, of};
use crate::ask::Ask;
use crate::look::lists;
use crate::query::{Part, Query};

/// A part of them.
pub(crate) fn all(ask: &Ask) -> Answer {
    match Part::of(ask.query()) {
        Ok(part) => json(StatusCode::OK, &lists::clusters(ask.office(), part)),
        Err(why) => bad(&why),
    }
}

/// One of them.
pub(crate) fn one(ask: &Ask) -> Answer {
    match (Query::of(ask.query(), &[]), ask.names.as_slice()) {
        (Ok(_), [cluster, ..]) => of(lists::cluster(ask.office(), cluster)),
        (Ok(_), []) => of::<()>(Err("no cluster is named")),
        (Err(why), _) => bad(&why),
    }
}
