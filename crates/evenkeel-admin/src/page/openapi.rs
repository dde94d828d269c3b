//! `GET /api/v1/openapi.json`: what this API is, for programs.

use crate::answer::{Answer, whole};
use crate::ask::Ask;

/// The document.
pub(crate) fn show(ask: &Ask) -> Answer {
    whole("application/json", (ask.hall.document)())
}
