//! Field lines, one at a time, resumable: the part that request heads, response heads and trailer sections share.
//!
//! The scan runs from a line's start to its CRLF in one pass. When the bytes end before the line does, only its LF is
//! searched from then on, so that a line is scanned twice at most, however many pieces it comes in. What a field means
//! is decided elsewhere.

use evenkeel_base::Known;
use evenkeel_base::head::{FieldSpan, Span};

use crate::refusal::Refusal;
use crate::scan::{token_end, value_end};

/// Where a section of field lines has been read to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    /// The first byte of the line to be read next.
    pub(crate) start: usize,
    /// Up to where that line has been searched for its end.
    seen: usize,
}

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A field.
    Field(FieldSpan),
    /// The empty line that ends the section.
    End,
    /// No whole line is there yet.
    Partial,
}

impl Lines {
    /// Lines from `start` on.
    pub(crate) const fn at(start: usize) -> Self {
        Self { start, seen: start }
    }

    /// Whether the line's end is still to come; searches only what has arrived since the last time.
    #[inline]
    pub(crate) fn lacks_end(&mut self, window: &[u8]) -> bool {
        if self.seen == self.start {
            return false;
        }
        let fresh = window.get(self.seen..).unwrap_or_default();
        let lacks = memchr::memchr(b'\n', fresh).is_none();
        if lacks {
            self.seen = window.len();
        }
        lacks
    }

    /// Called when the scan stopped before a line's end: the line with its LF, or `None` when that has not come.
    pub(crate) fn whole<'a>(&mut self, window: &'a [u8]) -> Option<&'a [u8]> {
        let rest = window.get(self.start..).unwrap_or_default();
        if let Some(end) = memchr::memchr(b'\n', rest) {
            return rest.get(..=end);
        }
        self.seen = window.len().max(self.start);
        None
    }

    /// Moves on to the line that begins at `start`.
    #[inline]
    pub(crate) const fn advance(&mut self, start: usize) {
        *self = Self::at(start);
    }

    /// The next line of `window`, which holds the section from its first byte to its last one allowed.
    #[inline(always)]
    pub(crate) fn next(&mut self, window: &[u8]) -> Result<Line, Refusal> {
        match self.field(window) {
            Some(field) => Ok(Line::Field(field)),
            None => self.no_field(window),
        }
    }

    /// The next line, when it is a field. Who reads many asks for these alone, and only then for [`Self::no_field`]: as a variant
    /// of a result of the other, each field is taken to pieces and put together again.
    #[inline(always)]
    pub(crate) fn field(&mut self, window: &[u8]) -> Option<FieldSpan> {
        if self.lacks_end(window) {
            return None;
        }
        let (field, end) = field_line(window, self.start)?;
        self.advance(end);
        Some(field)
    }

    /// Takes the empty line that ends the section, when it stands here.
    #[inline(always)]
    pub(crate) fn ends(&mut self, window: &[u8]) -> bool {
        let rest = window.get(self.start..).unwrap_or_default();
        let ends = rest.starts_with(b"\r\n");
        if ends {
            self.advance(self.start + 2);
        }
        ends
    }

    /// What stands where no field is: the end of the section, a line that is not there yet, or why it is refused.
    #[inline(never)]
    pub(crate) fn no_field(&mut self, window: &[u8]) -> Result<Line, Refusal> {
        if self.lacks_end(window) {
            return Ok(Line::Partial);
        }
        match window.get(self.start..).unwrap_or_default() {
            [b'\r', b'\n', ..] => {
                self.advance(self.start + 2);
                Ok(Line::End)
            }
            [] | [b'\r'] => Ok(Line::Partial),
            [b'\r', ..] => Err(Refusal::BareCr),
            [b' ' | b'\t', ..] => Err(Refusal::LineFold),
            _ => match self.whole(window) {
                Some(line) => Err(diagnose(line)),
                None => Ok(Line::Partial),
            },
        }
    }
}

/// Reads the field line that begins at `start`, if it is whole and flawless: its field, and where the next line begins.
#[inline(always)]
fn field_line(window: &[u8], start: usize) -> Option<(FieldSpan, usize)> {
    let colon = token_end(window, start);
    if colon == start || window.get(colon) != Some(&b':') {
        return None;
    }
    let mut from = colon + 1;
    let mut spaced = false;
    if let Some(&space @ (b' ' | b'\t')) = window.get(from) {
        from += 1;
        spaced = space == b' ';
        while let Some(b' ' | b'\t') = window.get(from) {
            from += 1;
            spaced = false;
        }
    }
    let end = value_end(window, from);
    let (value, line_end) = window.get(from..)?.split_at_checked(end - from)?;
    if !line_end.starts_with(b"\r\n") {
        return None;
    }
    let length = trimmed_length(value);
    let field = FieldSpan {
        name: Span::new(start, colon),
        value: Span::new(from, from + length),
        known: Known::of(&window[start..colon]),
        verbatim: spaced && length == value.len(),
    };
    Some((field, end + 2))
}

/// The length without SP and HTAB at the end.
#[inline]
const fn trimmed_length(mut value: &[u8]) -> usize {
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value.len()
}

/// The body of a line that ends in LF, or why its end is wrong.
pub(crate) fn without_crlf(line: &[u8]) -> Result<&[u8], Refusal> {
    let Some(text) = line.strip_suffix(b"\r\n") else {
        return Err(Refusal::BareLf);
    };
    if text.contains(&b'\r') {
        return Err(Refusal::BareCr);
    }
    Ok(text)
}

/// Why a whole line is not a field line.
#[cold]
fn diagnose(line: &[u8]) -> Refusal {
    let text = match without_crlf(line) {
        Ok(text) => text,
        Err(refusal) => return refusal,
    };
    let name_end = token_end(text, 0);
    let rest = text.get(name_end..).unwrap_or_default();
    match rest {
        [b':', ..] if name_end == 0 => Refusal::NameEmpty,
        [b':', ..] => Refusal::ValueInvalid,
        _ if !rest.contains(&b':') => Refusal::ColonMissing,
        [b' ' | b'\t', ..] if rest.trim_ascii_start().first() == Some(&b':') => {
            Refusal::SpaceBeforeColon
        }
        _ => Refusal::NameInvalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &[u8]) -> Refusal {
        Lines::default().next(line).unwrap_err()
    }

    #[test]
    fn a_field_is_its_name_and_its_value_without_white_space() {
        let block = b"Host: \t a b\tc \t\r\nX:\r\n\r\n";
        let mut lines = Lines::default();
        let Ok(Line::Field(host)) = lines.next(block) else {
            panic!("a field");
        };
        assert_eq!(
            (host.name.of(block), host.value.of(block)),
            (&b"Host"[..], &b"a b\tc"[..])
        );
        assert_eq!(host.known, Known::Host);
        let Ok(Line::Field(x)) = lines.next(block) else {
            panic!("a field");
        };
        assert_eq!((x.name.of(block), x.value.of(block)), (&b"X"[..], &b""[..]));
        assert_eq!(lines.next(block), Ok(Line::End));
        assert_eq!(lines.start, block.len());
    }

    #[test]
    fn each_flaw_has_its_name() {
        assert_eq!(refused(b"X: a\n"), Refusal::BareLf);
        assert_eq!(refused(b"\n"), Refusal::BareLf);
        assert_eq!(refused(b"\rX"), Refusal::BareCr);
        assert_eq!(refused(b"X: a\rY: b\r\n"), Refusal::BareCr);
        assert_eq!(refused(b" X"), Refusal::LineFold);
        assert_eq!(refused(b"\tX"), Refusal::LineFold);
        assert_eq!(refused(b": x\r\n"), Refusal::NameEmpty);
        assert_eq!(refused(b"X-A : x\r\n"), Refusal::SpaceBeforeColon);
        assert_eq!(refused(b"X A: x\r\n"), Refusal::NameInvalid);
        assert_eq!(refused(b"X\x80: x\r\n"), Refusal::NameInvalid);
        assert_eq!(refused(b"No colon\r\n"), Refusal::ColonMissing);
        assert_eq!(refused(b"X: a\0\r\n"), Refusal::ValueInvalid);
    }

    #[test]
    fn a_line_that_comes_byte_by_byte_is_whole_at_its_lf_and_not_before() {
        let block = b"X-Long: value\r\n";
        let mut lines = Lines::default();
        for end in 0..block.len() {
            assert_eq!(lines.next(&block[..end]), Ok(Line::Partial), "{end}");
            assert_eq!(lines.seen, end, "searched once");
        }
        assert!(matches!(lines.next(block), Ok(Line::Field(_))));
    }
}
