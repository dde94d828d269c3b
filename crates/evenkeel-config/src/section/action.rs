//! What a route does besides forwarding, and what its own replies say: each a table with a file of its own.

pub(crate) mod error_page;
pub(crate) mod redirect;
pub(crate) mod respond;

use evenkeel_base::field::is_field_value;

use crate::knob::{Knob, Table};
use crate::raw::Cx;

/// What a text is when nothing is said.
const PLAIN: &str = "text/plain; charset=utf-8";

fn read_content_type(
    knob: &Knob<Option<String>>,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) -> Option<String> {
    let text = knob.read(table, cx)?;
    if !is_field_value(text.as_bytes()) {
        cx.error(knob.span(table), "this is not a content type")
            .help(format!("write one like \"{PLAIN}\""));
    }
    Some(text)
}
