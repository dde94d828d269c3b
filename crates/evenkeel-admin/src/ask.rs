//! What a page is given: the request, read whole, and what it may look at.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::http::request::Parts;

use crate::Office;
use crate::answer::{Answer, stream, wrong};
use crate::feed::{Feeds, MAX_WATCHERS, Spout};
use crate::hall::Hall;

/// A request for a page.
#[derive(Debug)]
pub(crate) struct Ask {
    /// What stands for each `*` of the page's path.
    pub(crate) names: Vec<String>,
    /// The head.
    pub(crate) head: Parts,
    /// The body.
    pub(crate) body: Bytes,
    /// What is shared between requests.
    pub(crate) hall: Arc<Hall>,
    /// Where streams begin.
    pub(crate) feeds: Feeds,
    /// Whether it came by the control socket: who can open that could run programs as this user anyway.
    pub(crate) by_owner: bool,
}

impl Ask {
    /// What is read, and where orders go.
    pub(crate) fn office(&self) -> &Office {
        &self.hall.office
    }

    /// The query, without its `?`.
    pub(crate) fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// An answer that goes on, such as server-sent events, and where its pieces are sent; an answer that says no when there are
    /// too many already.
    #[expect(
        clippy::result_large_err,
        reason = "made once for each stream, and a page hands it on as it is"
    )]
    pub(crate) fn stream(&self, kind: &'static str) -> Result<(Spout, Answer), Answer> {
        let begun = self.feeds.begin();
        let (spout, feed) = begun.ok_or_else(|| {
            let many = format!("{MAX_WATCHERS} are watching already: close one of them");
            wrong(StatusCode::SERVICE_UNAVAILABLE, &many)
        })?;
        Ok((spout, stream(kind, feed)))
    }
}
