//! `GET /api/v1/clusters/{cluster}/endpoints` and `…/endpoints/{endpoint}`: how endpoints are.

use crate::answer::{Answer, bad, of};
use crate::ask::Ask;
use crate::look::lists;
use crate::query::{Part, Query};

/// A part of a cluster's.
pub(crate) fn all(ask: &Ask) -> Answer {
    match (Part::of(ask.query()), ask.names.as_slice()) {
        (Ok(part), [cluster, ..]) => of(lists::endpoints(ask.office(), cluster, part)),
        (Ok(_), []) => of::<()>(Err("no cluster is named")),
        (Err(why), _) => bad(&why),
    }
}

/// One of them.
pub(crate) fn one(ask: &Ask) -> Answer {
    match (Query::of(ask.query(), &[]), ask.names.as_slice()) {
        (Ok(_), [cluster, endpoint]) => of(lists::endpoint(ask.office(), cluster, endpoint)),
        (Ok(_), _) => of::<()>(Err("no endpoint is named")),
        (Err(why), _) => bad(&why),
    }
}
