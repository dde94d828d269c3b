//! The forms of an access record. Whatever a client sent is escaped: a record is one line, always.
//!
//! One file for each form, and [`value`] for what the fields of the table (`evenkeel_config::model::LogField`) say. The JSON object is
//! written field by field in code and not by walking the table, for its keys are then stored and not copied; a test holds
//! both together.

mod clf;
mod header;
mod json;
mod template;
mod text;
mod value;

use std::time::Duration;

use evenkeel_config::model::AccessFormat;

use crate::access_log::Exchange;
use crate::access_log::line::Line;
use crate::access_log::rules::Rules;
use crate::access_log::time::Stamps;

/// What a record is made of.
pub(crate) struct Entry<'a> {
    pub(crate) stamps: &'a Stamps,
    pub(crate) total: Duration,
    pub(crate) exchange: &'a Exchange<'a>,
    pub(crate) rules: &'a Rules,
}

/// Writes the record as the rules want it.
#[inline]
pub(crate) fn write(entry: &Entry<'_>, line: &mut Line<'_>) {
    match &entry.rules.format {
        AccessFormat::Text => text::write(entry, line),
        AccessFormat::Json => json::write(entry, line),
        AccessFormat::Clf => clf::short(entry, line),
        AccessFormat::Combined => clf::combined(entry, line),
        AccessFormat::Template(pieces) => template::write(pieces, entry, line),
    }
}

#[cfg(test)]
mod tests;
