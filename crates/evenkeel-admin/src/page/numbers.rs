//! `GET /metrics`: every number that is counted.

use hyper::header::ACCEPT;

use crate::answer::{Answer, whole};
use crate::ask::Ask;
use crate::metrics::{self, Format};

/// Of five thousand endpoints that is a page of thirty megabytes.
pub(crate) fn show(ask: &Ask) -> Answer {
    let accept = ask.head.headers.get(ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    let format = Format::preferred(accept.unwrap_or_default());
    let page = metrics::page(ask.office(), &ask.hall.refusals, format);
    whole(format.content_type(), page)
}
