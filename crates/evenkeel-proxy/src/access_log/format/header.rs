//! Header fields in a record: those of the request are still there, those of the response were kept.

use evenkeel_base::RequestView;

use crate::access_log::line::Line;
use crate::kept_headers::{KeptHeaders, MAX_HEADER, named};

/// Puts the values of a field of the request; nothing when there is none.
pub(super) fn request(name: &str, request: &RequestView<'_>, line: &mut Line<'_>) {
    let mut left = MAX_HEADER;
    for (n, field) in named(request.fields(), name).enumerate() {
        if left == 0 {
            break;
        }
        if n > 0 {
            line.put(b", ");
            left = left.saturating_sub(2);
        }
        line.text_within(field.value, left);
        left = left.saturating_sub(field.value.len());
    }
}

/// Puts the values of a field of the response; nothing when there is none.
pub(super) fn response(name: &str, kept: Option<&KeptHeaders>, line: &mut Line<'_>) {
    let value = kept.map_or(&b""[..], |kept| kept.value(name));
    line.text_within(value, MAX_HEADER);
}

/// Whether there is such a field of the request.
pub(super) fn is_in_request(name: &str, request: &RequestView<'_>) -> bool {
    named(request.fields(), name).next().is_some()
}

/// Whether such a field of the response was kept.
pub(super) fn is_in_response(name: &str, kept: Option<&KeptHeaders>) -> bool {
    kept.is_some_and(|kept| !kept.value(name).is_empty())
}
