//! A response's fields, as a codec has decoded them, into evenkeel's head (RFC 9113 §8.3.2).

use evenkeel_base::Known;
use evenkeel_base::grammar::decimal;
use evenkeel_base::head::{ResponseHead, Version};

use crate::Limits;
use crate::block::Lines;
use crate::refusal::Refusal;

/// What a response says beside its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Whether it is an interim one (1xx), which another one follows.
    pub interim: bool,
    /// Content-Length: of the body, or of what it would be, in responses that have none. The codec has to hold a body to it.
    pub length: Option<u64>,
}

/// Checks the fields of a response, `:status` first, in the order in which they came, and fills `block` and `head` with them.
/// `ends` says whether the stream ends with this head, `bodiless` whether the request was HEAD.
///
/// The head has no reason phrase, because HTTP/2 has none.
///
/// # Errors
/// The first reason to refuse the response.
pub fn response<'f>(
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    (ends, bodiless): (bool, bool),
    limits: &Limits,
    block: &mut Vec<u8>,
    head: &mut ResponseHead,
) -> Result<Response, Refusal> {
    head.clear();
    let mut table = std::mem::take(&mut head.fields);
    let read = read(fields, Lines::new(block, &mut table, limits));
    head.fields = table;
    let (status, length) = read?;
    head.status = status;
    head.version = Version::Http2;
    let interim = status < 200;
    if interim && ends {
        return Err(Refusal::InterimEnds);
    }
    let empty = bodiless || status == 304;
    if ends && !empty && length.is_some_and(|length| length > 0) {
        return Err(Refusal::LengthMismatch);
    }
    Ok(Response { interim, length })
}

/// The status and the length.
fn read<'f>(
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    mut lines: Lines<'_>,
) -> Result<(u16, Option<u64>), Refusal> {
    let mut fields = fields.into_iter();
    let status = match fields.next() {
        Some((b":status", value)) => status(value)?,
        Some(([b':', ..], _)) => return Err(Refusal::PseudoUnknown),
        _ => return Err(Refusal::PseudoMissing),
    };
    let mut length = None;
    for (name, value) in fields {
        if name == b":status" {
            return Err(Refusal::PseudoRepeated);
        }
        let (known, _) = lines.field(name, value)?;
        if known == Known::ContentLength {
            let number = decimal(value).ok_or(Refusal::LengthInvalid)?;
            if length.replace(number).is_some() {
                return Err(Refusal::LengthRepeated);
            }
        }
    }
    lines.finish()?;
    Ok((status, length))
}

fn status(value: &[u8]) -> Result<u16, Refusal> {
    let number = decimal(value).filter(|number| (100..1000).contains(number));
    match number.and_then(|number| u16::try_from(number).ok()) {
        Some(101) => Err(Refusal::UpgradeUnasked),
        Some(status) => Ok(status),
        None => Err(Refusal::StatusInvalid),
    }
}

#[cfg(test)]
mod tests;
