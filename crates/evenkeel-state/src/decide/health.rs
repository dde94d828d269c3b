//! `/live` and `/ready`: what whoever sends traffic here may ask before it does.
//!
//! On listeners that have `health`, before any route. Whether an endpoint is well is another matter: probes say that.

use evenkeel_base::{Method, RequestView};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Whether the process lives.
    Live,
    /// Whether it is ready for traffic.
    Ready,
}

impl Asked {
    /// The answer of a process that is ready, or is about to end.
    pub const fn is_well(self, is_ready: bool) -> bool {
        match self {
            Self::Live => true,
            Self::Ready => is_ready,
        }
    }
}

/// What the request asks; none: it is one like all others.
#[inline]
pub fn asked(request: &RequestView<'_>) -> Option<Asked> {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return None;
    }
    match request.path() {
        b"/live" => Some(Asked::Live),
        b"/ready" => Some(Asked::Ready),
        _ => None,
    }
}
