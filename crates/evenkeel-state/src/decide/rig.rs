//! What the tests of this folder stand on: a parsed head. Not product code.

use evenkeel_base::RequestHead;
use evenkeel_http1::{Limits, RequestParser};

/// Parses a whole request; none when the codec refuses it.
pub(crate) fn parse(bytes: &[u8]) -> Option<RequestHead> {
    let mut head = RequestHead::default();
    RequestParser::default()
        .parse(bytes, &Limits::default(), &mut head)
        .ok()??;
    Some(head)
}
