//! Request ids: which of a client's are kept. A made one is the worker's business.

use evenkeel_base::{Known, RequestView};

/// The longest request id that is kept; a longer one is replaced.
const MAX: usize = 128;

/// The id that came with the request: of several the first that is kept, which is the one that is passed on.
pub fn kept<'a>(view: &RequestView<'a>) -> Option<&'a [u8]> {
    view.fields()
        .find(|field| field.known == Known::XRequestId && keeps(field.value))
        .map(|field| field.value)
}

/// Whether an id is kept: bounded, and nothing in it that a log or a header could trip over.
pub fn keeps(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= MAX && id.iter().all(u8::is_ascii_graphic)
}
