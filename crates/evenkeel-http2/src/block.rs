//! Fields written into a block, one after the other, as lines of HTTP/1: spans of them are what the pipeline reads, and where a
//! message leaves as HTTP/1 its lines are copied as they stand.
//!
//! Every name and value is checked here, whatever the codec before has checked, because this is where text becomes lines.

use evenkeel_base::Known;
use evenkeel_base::field::is_field_value;
use evenkeel_base::grammar::is_lower_token;
use evenkeel_base::head::{FieldSpan, Span};

use crate::Limits;
use crate::refusal::Refusal;

/// What joins the crumbs of a cookie (RFC 9113 §8.2.3).
const CRUMB: &[u8] = b"; ";

/// A block that is being filled, and the table of its fields.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    block: &'a mut Vec<u8>,
    table: &'a mut Vec<FieldSpan>,
    limits: &'a Limits,
    /// Where in the table the cookie stands.
    cookie: Option<usize>,
    /// Crumbs that came after other fields. Codecs give those of one name together, so that there are hardly ever any.
    late: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// An empty block.
    pub(crate) fn new(
        block: &'a mut Vec<u8>,
        table: &'a mut Vec<FieldSpan>,
        limits: &'a Limits,
    ) -> Self {
        block.clear();
        table.clear();
        Self {
            block,
            table,
            limits,
            cookie: None,
            late: Vec::new(),
        }
    }

    /// Puts text that is no field, which has been checked.
    pub(crate) fn text(&mut self, text: &[u8]) -> Result<Span, Refusal> {
        self.reserve(text.len())?;
        let start = self.block.len();
        self.block.extend_from_slice(text);
        Ok(Span::new(start, self.block.len()))
    }

    /// Checks a field and puts its line: what it is, and where its value stands.
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(Known, Span), Refusal> {
        let known = check(name, value)?;
        if name == b"cookie" && self.cookie.is_some() {
            self.crumb(value)?;
            return Ok((known, Span::default()));
        }
        if self.table.len() >= self.limits.fields {
            return Err(Refusal::TooManyFields);
        }
        if name == b"cookie" {
            self.cookie = Some(self.table.len());
        }
        let span = self.line(name, value, known)?;
        Ok((known, span))
    }

    fn line(&mut self, name: &[u8], value: &[u8], known: Known) -> Result<Span, Refusal> {
        self.reserve(name.len() + value.len() + 4)?;
        let start = self.block.len();
        self.block.extend_from_slice(name);
        let name_end = self.block.len();
        self.block.extend_from_slice(b": ");
        let value_start = self.block.len();
        self.block.extend_from_slice(value);
        let value_end = self.block.len();
        self.block.extend_from_slice(b"\r\n");
        let value = Span::new(value_start, value_end);
        self.table.push(FieldSpan {
            name: Span::new(start, name_end),
            value,
            known,
            verbatim: true,
        });
        Ok(value)
    }

    /// Joins a crumb to the cookie. Empty ones say nothing, and would leave white space at the end.
    fn crumb(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if value.is_empty() {
            return Ok(());
        }
        self.reserve(self.late.len() + CRUMB.len() + value.len())?;
        let last_place = self.table.len().checked_sub(1);
        match self.table.last_mut() {
            Some(last) if self.cookie == last_place => {
                self.block.truncate(usize::from(last.value.end));
                if !last.value.is_empty() {
                    self.block.extend_from_slice(CRUMB);
                }
                self.block.extend_from_slice(value);
                last.value = Span::new(usize::from(last.value.start), self.block.len());
                self.block.extend_from_slice(b"\r\n");
            }
            _ => {
                self.late.extend_from_slice(CRUMB);
                self.late.extend_from_slice(value);
            }
        }
        Ok(())
    }

    /// Ends the section: a cookie of which crumbs came late is written anew, behind the other fields.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        let Self {
            block,
            table,
            limits,
            cookie,
            late,
        } = self;
        let Some(place) = cookie.filter(|_| !late.is_empty()) else {
            return Ok(());
        };
        let whole = [table.remove(place).value.of(block), &late].concat();
        // Empty crumbs before it left nothing to join to.
        let whole = whole.strip_prefix(CRUMB).unwrap_or(&whole).to_vec();
        if let Some(next) = table.get_mut(place) {
            next.verbatim = false;
        }
        let mut lines = Lines {
            block,
            table,
            limits,
            cookie: None,
            late: Vec::new(),
        };
        lines.line(b"cookie", &whole, Known::Other)?;
        Ok(())
    }

    /// Whether so many bytes more are allowed.
    fn reserve(&mut self, bytes: usize) -> Result<(), Refusal> {
        if self.block.len().saturating_add(bytes) > self.limits.head() {
            return Err(Refusal::HeadTooLarge);
        }
        self.block.reserve(bytes);
        Ok(())
    }
}

/// Whether a field may be there at all, and which it is (RFC 9113 §8.2).
fn check(name: &[u8], value: &[u8]) -> Result<Known, Refusal> {
    match name.first() {
        None => return Err(Refusal::NameEmpty),
        Some(b':') => return Err(Refusal::PseudoLate),
        Some(_) if !is_lower_token(name) => return Err(Refusal::NameInvalid),
        Some(_) => {}
    }
    if !is_field_value(value) {
        return Err(Refusal::ValueInvalid);
    }
    let known = Known::of(name);
    match known {
        Known::Connection
        | Known::KeepAlive
        | Known::ProxyConnection
        | Known::TransferEncoding
        | Known::Upgrade => Err(Refusal::ConnectionField),
        Known::Te if value != b"trailers" => Err(Refusal::TeInvalid),
        known => Ok(known),
    }
}
