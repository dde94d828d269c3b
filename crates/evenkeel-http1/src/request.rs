//! Request heads: bytes in, spans and framing out. Bodies are read by [`crate::ChunkReader`] or by counting.

use evenkeel_base::Known;
use evenkeel_base::field::{is_tchar, is_token};
use evenkeel_base::grammar::members;
use evenkeel_base::head::{RequestHead, Span, Version};

use crate::framing::{Framing, Options};
use crate::line::{Line, Lines};
use crate::refusal::Refusal;
use crate::target::{self, Form};
use evenkeel_base::Authority;
use evenkeel_base::HeadLimits as Limits;

/// The state of one head that arrives in pieces; `Default` is a fresh one, and it is fresh again after each head.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestParser {
    lines: Lines,
    facts: Facts,
    form: Form,
    fields: bool,
    secure: bool,
}

/// A whole head: where it ended and how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// How many bytes the head took, with a CRLF before it.
    pub consumed: usize,
    /// How the body is framed.
    pub body: RequestBody,
    /// Whether Content-Length was there, which tells a body of length 0 from none (RFC 9110 §8.6).
    pub had_length: bool,
    /// Whether the client would send another request on this connection.
    pub persistent: bool,
    /// What the client expects before it sends the body.
    pub expect: Expect,
    /// The protocols that the client would switch to, when that may pass: HTTP/1.1, no body, one Upgrade field that
    /// Connection names and that does not offer h2c (RFC 9113 §3.1 withdrew it).
    pub upgrade: Option<Span>,
    /// Whether the client reads trailers (RFC 9110 §10.1.4).
    pub te_trailers: bool,
}

/// How a request's body is framed (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// No body, or one of length 0.
    Empty,
    /// Content-Length, above 0.
    Known(u64),
    /// Chunked coding.
    Chunked,
}

/// What the Expect field asks for; nothing in HTTP/1.0, where it is ignored (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    #[default]
    None,
    /// `100-continue`, once.
    Continue,
    /// Anything else: 417.
    Unknown,
}

impl RequestParser {
    /// A fresh one for a connection that speaks TLS, or does not: what a target in absolute form has to say of its scheme.
    #[must_use]
    pub fn new(secure: bool) -> Self {
        Self {
            secure,
            ..Self::default()
        }
    }

    /// Reads the head at the start of `bytes`: what has arrived of the message, from its first byte at every call.
    ///
    /// `None` asks for more. Each line is parsed once, so that the cost is linear in the bytes even when they come one
    /// by one, and a line is refused as soon as its end, or a byte that cannot be, is there. The verdict does not
    /// depend on how the bytes were split. One CRLF before the request line is skipped (RFC 9112 §2.2).
    ///
    /// # Errors
    /// The first reason to refuse the head. The connection cannot be read further then.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        head: &mut RequestHead,
    ) -> Result<Option<Request>, Refusal> {
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
                let value = field.value.of(window);
                self.facts
                    .add(field.known, value, field.value, head.version)?;
            }
        }
        if !self.lines.ends(window) && self.lines.no_field(window)? == Line::Partial {
            return if window.len() == limits.head() {
                Err(Refusal::HeadTooLarge)
            } else {
                Ok(None)
            };
        }
        let verdict = self.finish(window, head);
        *self = Self::new(self.secure);
        verdict.map(Some)
    }

    /// Reads the request line; `false` asks for more.
    fn first_line(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        head: &mut RequestHead,
    ) -> Result<bool, Refusal> {
        if self.lines.start == 0 {
            head.clear();
            match bytes {
                [] | [b'\r'] => return Ok(false),
                [b'\r', b'\n', ..] => self.lines.advance(2),
                _ => {}
            }
        }
        match bytes.get(self.lines.start) {
            None => return Ok(false),
            Some(b'\r' | b'\n') if self.lines.start > 0 => return Err(Refusal::EmptyLines),
            Some(b'\r') => return Err(Refusal::BareCr),
            Some(b'\n') => return Err(Refusal::BareLf),
            Some(&byte) if !is_tchar(byte) => return Err(Refusal::MethodInvalid),
            Some(_) => {}
        }
        let most = limits.head().min(
            self.lines
                .start
                .saturating_add(limits.line_bytes)
                .saturating_add(2),
        );
        let window = bytes.get(..most).unwrap_or(bytes);
        if !self.lines.lacks_end(window) {
            if let Some((line, end)) = target::request_line(window, self.lines.start) {
                self.form = target::fill(head, &line, window, self.secure)?;
                self.lines.advance(end);
                self.fields = true;
                return Ok(true);
            }
            if let Some(line) = self.lines.whole(window) {
                return Err(target::diagnose(line));
            }
        }
        if window.len() == most {
            return Err(Refusal::LineTooLong);
        }
        Ok(false)
    }

    /// What the head as a whole says.
    fn finish(&self, window: &[u8], head: &mut RequestHead) -> Result<Request, Refusal> {
        let facts = &self.facts;
        head.nominates = facts.connection.nominates();
        match facts.host {
            Some(host) => match self.form {
                Form::Origin => head.authority = host,
                form => {
                    let default = if self.secure { 443 } else { 80 };
                    agree(head.authority.of(window), host.of(window), form, default)?;
                }
            },
            None if head.version == Version::Http11 => return Err(Refusal::HostMissing),
            None => {}
        }
        let body = match facts.framing {
            Framing { chunked: true, .. } => RequestBody::Chunked,
            Framing {
                length: Some(length @ 1..),
                ..
            } => RequestBody::Known(length),
            Framing { .. } => RequestBody::Empty,
        };
        let upgrades = head.version == Version::Http11
            && facts.connection.upgrade
            && body == RequestBody::Empty;
        Ok(Request {
            consumed: self.lines.start,
            body,
            had_length: facts.framing.length.is_some(),
            persistent: facts.connection.persistent(head.version),
            expect: match head.version {
                Version::Http11 | Version::Http2 => facts.expect,
                Version::Http10 => Expect::None,
            },
            upgrade: facts
                .upgrade
                .filter(|span| upgrades && may_upgrade(span.of(window))),
            te_trailers: facts.te_trailers,
        })
    }
}

/// What the fields seen so far say.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    framing: Framing,
    connection: Options,
    host: Option<Span>,
    upgrade: Option<Span>,
    upgrades: u8,
    expect: Expect,
    te_trailers: bool,
}

impl Facts {
    /// Takes a field whose name we know.
    fn add(
        &mut self,
        known: Known,
        value: &[u8],
        span: Span,
        version: Version,
    ) -> Result<(), Refusal> {
        match known {
            Known::Host if self.host.is_some() => return Err(Refusal::HostRepeated),
            Known::Host => {
                Authority::parse(value).ok_or(Refusal::HostInvalid)?;
                self.host = Some(span);
            }
            Known::ContentLength => self.framing.add_length(value)?,
            Known::TransferEncoding => self.framing.add_coding(value, version)?,
            Known::Connection => self.connection.add(value)?,
            Known::Expect => {
                let first = self.expect == Expect::None;
                self.expect = if first && value.eq_ignore_ascii_case(b"100-continue") {
                    Expect::Continue
                } else {
                    Expect::Unknown
                };
            }
            Known::Upgrade => {
                self.upgrades = self.upgrades.saturating_add(1);
                self.upgrade = Some(span).filter(|_| self.upgrades == 1);
            }
            Known::Te => {
                self.te_trailers |= members(value).any(|m| m.eq_ignore_ascii_case(b"trailers"));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether the target's authority is that of the Host field. A CONNECT target always has a port, its Host may lack it.
fn agree(target: &[u8], host: &[u8], form: Form, default_port: u16) -> Result<(), Refusal> {
    let both = Authority::parse(target).zip(Authority::parse(host));
    let agrees = both.is_some_and(|(target, host)| match form {
        Form::Connect => target.agrees(&host, target.port.unwrap_or_default()),
        Form::Absolute | Form::Origin => target.agrees(&host, default_port),
    });
    if agrees {
        Ok(())
    } else {
        Err(Refusal::AuthorityMismatch)
    }
}

/// Whether every member is a protocol with an optional version and none is h2c.
fn may_upgrade(value: &[u8]) -> bool {
    members(value).all(|protocol| {
        let slash = memchr::memchr(b'/', protocol);
        let (name, version) = protocol.split_at(slash.unwrap_or(protocol.len()));
        is_token(name)
            && (version.is_empty() || is_token(&version[1..]))
            && !name.eq_ignore_ascii_case(b"h2c")
    })
}

#[cfg(test)]
mod tests;
