//! A message head as spans over a block of bytes: the one view that the pipeline has of any protocol's head.
//!
//! A codec fills a [`RequestHead`] or [`ResponseHead`]; the pipeline reads it through a view that borrows the block.
//! Nothing is copied per field, and the tables are reused from message to message. It is not a header map: fields keep
//! their order and their number, and changing them happens on the way out ([`crate::edits`]).

use crate::field::Known;
use crate::method::Method;

/// A range of the block, at most 64 KiB long and deep: the largest head that `max_head` allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u16,
    /// One past the last byte.
    pub end: u16,
}

impl Span {
    /// The span of `start..end`. Positions beyond 65,535 cannot occur: the head limit is below that.
    #[inline]
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "head limits are at most 65,535, asserted in debug builds"
    )]
    pub fn new(start: usize, end: usize) -> Self {
        debug_assert!(
            start <= end && end <= MAX_HEAD_BYTES,
            "a span lies within a head"
        );
        Self {
            start: start as u16,
            end: end as u16,
        }
    }

    /// The bytes it covers; empty when the block is too short, which only a foreign block can be.
    #[inline]
    #[must_use]
    pub fn of(self, block: &[u8]) -> &[u8] {
        block
            .get(usize::from(self.start)..usize::from(self.end))
            .unwrap_or_default()
    }

    /// How many bytes it covers.
    #[must_use]
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it covers nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// The most bytes a head can have in this representation; `max_head` is refused above it.
pub const MAX_HEAD_BYTES: usize = 65_535;

/// One field line: where its name and value stand, and which known name it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldSpan {
    /// The name, as it was spelt.
    pub name: Span,
    /// The value without surrounding white space.
    pub value: Span,
    /// The name, classified.
    pub known: Known,
    /// Whether it stands in the block as `name: value CRLF`, as it would be written again, and right behind the field before
    /// it in its table.
    pub verbatim: bool,
}

/// The protocol version of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

/// The spans of a request's head; reused from request to request.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The method, classified.
    pub method: Method,
    /// The method as it was spelt.
    pub method_span: Span,
    /// Host and optional port: of the target when it has one, else of the Host field. Empty for HTTP/1.0 without Host.
    pub authority: Span,
    /// The path, beginning with `/`, or `*` for `OPTIONS *`. Empty for CONNECT, and for an absolute target without a
    /// path, which [`RequestView::path`] reads as what it means.
    pub path: Span,
    /// The query without its `?`.
    pub query: Option<Span>,
    /// The version of the message.
    pub version: Version,
    /// Whether Connection names more than the usual options: fields, which then concern this hop only (RFC 9110 §7.6.1).
    pub nominates: bool,
    /// The fields in their order.
    pub fields: Vec<FieldSpan>,
}

impl RequestHead {
    /// Forgets the last request and keeps the table's memory.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self {
            fields,
            ..Self::default()
        };
    }

    /// The head as a view of the block it was parsed from.
    #[inline]
    #[must_use]
    pub const fn view<'a>(&'a self, block: &'a [u8]) -> RequestView<'a> {
        RequestView { head: self, block }
    }
}

/// A request's head, borrowed: what routing, filters, balancing and the log read.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    head: &'a RequestHead,
    block: &'a [u8],
}

impl<'a> RequestView<'a> {
    /// The method, classified.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.head.method
    }

    /// The method as it was spelt.
    #[must_use]
    pub fn method_name(&self) -> &'a [u8] {
        self.head.method_span.of(self.block)
    }

    /// Host and optional port.
    #[must_use]
    pub fn authority(&self) -> &'a [u8] {
        self.head.authority.of(self.block)
    }

    /// The path; a target that has none asks for `/`, or for `*` when it is OPTIONS without a query (RFC 9112 §3.2.4).
    /// Only CONNECT has an empty one.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        match (self.head.path.of(self.block), self.head.method) {
            (b"", Method::Options) if self.head.query.is_none() => b"*",
            (b"", method) if method != Method::Connect => b"/",
            (path, _) => path,
        }
    }

    /// The query without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'a [u8]> {
        self.head.query.map(|span| span.of(self.block))
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.head.version
    }

    /// The bytes of a span that the codec gave beside the head.
    #[must_use]
    pub fn span(&self, span: Span) -> &'a [u8] {
        span.of(self.block)
    }

    /// The fields in their order: name, value, known name.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        fields(&self.head.fields, self.block)
    }

    /// Whether Connection names fields, which then concern this hop only (RFC 9110 §7.6.1).
    #[inline]
    #[must_use]
    pub const fn nominates(&self) -> bool {
        self.head.nominates
    }

    /// All fields, as the run of which parts may be passed on.
    #[inline]
    #[must_use]
    pub fn run(&self) -> Run<'a> {
        Run {
            table: &self.head.fields,
            block: self.block,
        }
    }

    /// The value of the first field with this known name.
    #[must_use]
    pub fn known(&self, known: Known) -> Option<&'a [u8]> {
        find(&self.head.fields, self.block, known)
    }
}

/// The spans of a response's head; reused from response to response.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The reason phrase, which may be empty.
    pub reason: Span,
    /// The version of the message.
    pub version: Version,
    /// Whether Connection names more than the usual options: fields, which then concern this hop only (RFC 9110 §7.6.1).
    pub nominates: bool,
    /// The fields in their order.
    pub fields: Vec<FieldSpan>,
}

impl ResponseHead {
    /// Forgets the last response and keeps the table's memory.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self {
            fields,
            ..Self::default()
        };
    }

    /// The head as a view of the block it was parsed from.
    #[inline]
    #[must_use]
    pub const fn view<'a>(&'a self, block: &'a [u8]) -> ResponseView<'a> {
        ResponseView { head: self, block }
    }
}

/// A response's head, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ResponseView<'a> {
    head: &'a ResponseHead,
    block: &'a [u8],
}

impl<'a> ResponseView<'a> {
    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.head.status
    }

    /// The reason phrase, which may be empty.
    #[must_use]
    pub fn reason(&self) -> &'a [u8] {
        self.head.reason.of(self.block)
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.head.version
    }

    /// The fields in their order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        fields(&self.head.fields, self.block)
    }

    /// Whether Connection names fields, which then concern this hop only (RFC 9110 §7.6.1).
    #[inline]
    #[must_use]
    pub const fn nominates(&self) -> bool {
        self.head.nominates
    }

    /// All fields, as the run of which parts may be passed on.
    #[inline]
    #[must_use]
    pub fn run(&self) -> Run<'a> {
        Run {
            table: &self.head.fields,
            block: self.block,
        }
    }

    /// The value of the first field with this known name.
    #[must_use]
    pub fn known(&self, known: Known) -> Option<&'a [u8]> {
        find(&self.head.fields, self.block, known)
    }
}

/// Fields that stand one after the other in the head they came with: what passes on unchanged, passes on as a run.
///
/// A codec that writes what it reads copies the lines of a run whole, where they are spelt as it would spell them.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    table: &'a [FieldSpan],
    block: &'a [u8],
}

impl<'a> Run<'a> {
    /// How many fields there are.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The fields from `start` up to `end`, as far as they are there.
    #[inline]
    #[must_use]
    pub fn part(&self, start: usize, end: usize) -> Self {
        Self {
            table: self.table.get(start..end).unwrap_or_default(),
            block: self.block,
        }
    }

    /// The fields in their order.
    #[inline]
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        fields(self.table, self.block)
    }

    /// The lines of the longest beginning that stands in the block as it would be written, to be copied as they are, and the
    /// run of the others. Without such a beginning the lines are empty.
    #[inline]
    #[must_use]
    pub fn split_lines(&self) -> (&'a [u8], Self) {
        let count = self.table.iter().take_while(|field| field.verbatim).count();
        let (lines, rest) = self.table.split_at(count);
        let lines = match (lines.first(), lines.last()) {
            // Each ends in CRLF, and the next one follows.
            (Some(first), Some(last)) => self
                .block
                .get(usize::from(first.name.start)..usize::from(last.value.end) + 2),
            _ => None,
        };
        let rest = Self {
            table: rest,
            block: self.block,
        };
        (lines.unwrap_or_default(), rest)
    }
}

/// One field, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, as it was spelt.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// The name, classified.
    pub known: Known,
}

/// The fields of a table over its block, for heads and trailers alike.
pub fn fields<'a>(
    table: &'a [FieldSpan],
    block: &'a [u8],
) -> impl Iterator<Item = Field<'a>> + use<'a> {
    table.iter().map(|f| Field {
        name: f.name.of(block),
        value: f.value.of(block),
        known: f.known,
    })
}

fn find<'a>(table: &[FieldSpan], block: &'a [u8], known: Known) -> Option<&'a [u8]> {
    table
        .iter()
        .find(|f| f.known == known)
        .map(|f| f.value.of(block))
}
