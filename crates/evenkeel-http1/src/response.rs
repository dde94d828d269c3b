//! Response heads: bytes in, spans and framing out. What the request was decides the framing too (RFC 9112 §6.3).

use evenkeel_base::Known;
use evenkeel_base::grammar::members;
use evenkeel_base::head::{ResponseHead, Span, Version};

use crate::framing::{Framing, Options};
use crate::line::{Line, Lines, without_crlf};
use crate::refusal::Refusal;
use crate::scan::value_end;
use crate::target::diagnose_version;
use evenkeel_base::HeadLimits as Limits;

/// The state of one head that arrives in pieces; `Default` is a fresh one, and it is fresh again after each head.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseParser {
    lines: Lines,
    facts: Facts,
    fields: bool,
}

/// What the request was, as far as it decides how its response is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// It was HEAD.
    pub head: bool,
    /// It was CONNECT.
    pub connect: bool,
    /// It asked for an upgrade, and that was passed on.
    pub upgrade: bool,
}

/// A whole head: where it ended and how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// How many bytes the head took.
    pub consumed: usize,
    /// How the body is framed.
    pub body: ResponseBody,
    /// Whether the connection may carry another exchange after this body.
    pub persistent: bool,
    /// For how many seconds the endpoint says it keeps the connection, from `Keep-Alive: timeout=N`.
    pub keep_alive_timeout: Option<u32>,
}

/// How a response's body is framed (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// No body: HEAD, 1xx, 204, 304, or Content-Length 0.
    Empty,
    /// Content-Length, above 0.
    Known(u64),
    /// Chunked coding.
    Chunked,
    /// Everything until the endpoint closes.
    UntilClose,
    /// Not HTTP any more: 101, or 2xx to CONNECT.
    Tunnel,
}

impl ResponseParser {
    /// Reads the head at the start of `bytes`: what has arrived of the message, from its first byte at every call.
    ///
    /// `None` asks for more. The cost is linear and the verdict independent of splits, as with requests. A response to
    /// which two readers could find different ends is refused; one that has no body but fields of one (a 204 with a
    /// length) is read as the RFC says and its connection is not kept.
    ///
    /// # Errors
    /// The first reason to refuse the head. The connection cannot be read further then.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        request: Asked,
        head: &mut ResponseHead,
    ) -> Result<Option<Response>, Refusal> {
        if !self.fields && !self.first_line(bytes, limits, head)? {
            return Ok(None);
        }
        let window = bytes.get(..limits.head()).unwrap_or(bytes);
        while let Some(field) = self.lines.field(window) {
            if head.fields.len() >= limits.fields {
                return Err(Refusal::TooManyFields);
            }
            head.fields.push(field);
            if field.known != Known::Other {
                self.facts
                    .add(field.known, field.value.of(window), head.version)?;
            }
        }
        if !self.lines.ends(window) && self.lines.no_field(window)? == Line::Partial {
            return if window.len() == limits.head() {
                Err(Refusal::HeadTooLarge)
            } else {
                Ok(None)
            };
        }
        let verdict = self.finish(request, head);
        *self = Self::default();
        verdict.map(Some)
    }

    /// Reads the status line; `false` asks for more.
    fn first_line(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        head: &mut ResponseHead,
    ) -> Result<bool, Refusal> {
        match bytes {
            [] => return Ok(false),
            [b'H', ..] => {}
            _ => return Err(Refusal::StatusLineInvalid),
        }
        let most = limits.head().min(limits.line_bytes.saturating_add(2));
        let window = bytes.get(..most).unwrap_or(bytes);
        if !self.lines.lacks_end(window) {
            if let Some((line, end)) = status_line(window) {
                head.clear();
                head.version = line.version;
                head.status = line.status;
                head.reason = line.reason;
                self.lines.advance(end);
                self.fields = true;
                return Ok(true);
            }
            if let Some(line) = self.lines.whole(window) {
                return Err(diagnose(line));
            }
        }
        if window.len() == most {
            return Err(Refusal::LineTooLong);
        }
        Ok(false)
    }

    /// What the head as a whole says.
    fn finish(&self, request: Asked, head: &mut ResponseHead) -> Result<Response, Refusal> {
        let Facts {
            framing,
            connection,
            keep_alive_timeout,
        } = self.facts;
        head.nominates = connection.nominates();
        let interim = head.status < 200;
        if head.status == 101 && !(request.upgrade && head.version == Version::Http11) {
            return Err(Refusal::UpgradeUnasked);
        }
        if interim && framing.chunked {
            return Err(Refusal::CodingInInterim);
        }
        let tunnel = head.status == 101 || (request.connect && (200..300).contains(&head.status));
        let body = if tunnel {
            ResponseBody::Tunnel
        } else if interim || request.head || matches!(head.status, 204 | 304) {
            ResponseBody::Empty
        } else {
            match framing {
                Framing { chunked: true, .. } => ResponseBody::Chunked,
                Framing {
                    length: Some(0), ..
                } => ResponseBody::Empty,
                Framing {
                    length: Some(length),
                    ..
                } => ResponseBody::Known(length),
                Framing { length: None, .. } => ResponseBody::UntilClose,
            }
        };
        // A 204 that announces a body may be followed by one: the next exchange must not read it as its head.
        let leftover = head.status == 204
            && (framing.chunked || framing.length.is_some_and(|length| length > 0));
        let ends = !matches!(body, ResponseBody::Tunnel | ResponseBody::UntilClose);
        Ok(Response {
            consumed: self.lines.start,
            body,
            persistent: ends && !leftover && connection.persistent(head.version),
            keep_alive_timeout,
        })
    }
}

/// What the fields seen so far say.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    framing: Framing,
    connection: Options,
    keep_alive_timeout: Option<u32>,
}

impl Facts {
    /// Takes a field whose name we know.
    fn add(&mut self, known: Known, value: &[u8], version: Version) -> Result<(), Refusal> {
        match known {
            Known::ContentLength => self.framing.add_length(value)?,
            Known::TransferEncoding => self.framing.add_coding(value, version)?,
            Known::Connection => self.connection.add(value)?,
            Known::KeepAlive => {
                let announced = members(value).find_map(timeout);
                self.keep_alive_timeout = announced.or(self.keep_alive_timeout);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The N of `timeout=N`; a number too large for 32 bits is no announcement.
fn timeout(member: &[u8]) -> Option<u32> {
    let (name, value) = member.split_at_checked(8)?;
    let digits = value.iter().all(u8::is_ascii_digit) && !value.is_empty();
    if !name.eq_ignore_ascii_case(b"timeout=") || !digits {
        return None;
    }
    str::from_utf8(value).ok()?.parse().ok()
}

#[derive(Clone, Copy, Debug)]
struct StatusLine {
    version: Version,
    status: u16,
    reason: Span,
}

/// Reads the status line, if it is whole and flawless: its parts, and where the next line begins. The space after the
/// status may be missing with the reason, as old servers send it; nobody reads that in two ways.
#[inline]
fn status_line(window: &[u8]) -> Option<(StatusLine, usize)> {
    let (version, rest) = window.split_first_chunk()?;
    let version = match version {
        b"HTTP/1.1 " => Version::Http11,
        b"HTTP/1.0 " => Version::Http10,
        _ => return None,
    };
    let [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', after, ..] = rest else {
        return None;
    };
    let number = |digit: &u8| u16::from(digit - b'0');
    let status = number(a) * 100 + number(b) * 10 + number(c);
    let start = match after {
        b' ' => 13,
        b'\r' => 12,
        _ => return None,
    };
    let end = value_end(window, start);
    if window.get(end) != Some(&b'\r') || window.get(end + 1) != Some(&b'\n') {
        return None;
    }
    let line = StatusLine {
        version,
        status,
        reason: Span::new(start, end),
    };
    Some((line, end + 2))
}

/// Why a whole line is not a status line.
#[cold]
fn diagnose(line: &[u8]) -> Refusal {
    let text = match without_crlf(line) {
        Ok(text) => text,
        Err(refusal) => return refusal,
    };
    let version = text.split(|&byte| byte == b' ').next().unwrap_or_default();
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => Refusal::StatusLineInvalid,
        other => diagnose_version(other),
    }
}

#[cfg(test)]
mod tests;
