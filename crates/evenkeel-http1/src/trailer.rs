//! Trailer sections: the fields after the last chunk, which may pass on as trailers and never join the head.

use std::ops::Range;

use evenkeel_base::grammar::may_trail;
use evenkeel_base::head::{FieldSpan, MAX_HEAD_BYTES};

use crate::line::{Line, Lines};
use crate::refusal::Refusal;
use evenkeel_base::HeadLimits as Limits;

/// Fills `table` with the trailers that [`crate::ChunkReader`] found at `range` of `block`; spans are of the block.
///
/// Fields that frame, route, authenticate or otherwise change how a message is read are left out: they are not allowed
/// there (RFC 9110 §6.5.1), and an endpoint that merges trailers must not get them from us.
///
/// # Errors
/// A refusal of a section that is not field lines or over its limits, also when it lies beyond what spans can hold.
pub fn parse_trailers(
    block: &[u8],
    range: Range<usize>,
    limits: &Limits,
    table: &mut Vec<FieldSpan>,
) -> Result<(), Refusal> {
    table.clear();
    if range.end > MAX_HEAD_BYTES || range.len() > limits.head() {
        return Err(Refusal::TrailersTooLarge);
    }
    let window = block.get(..range.end).unwrap_or_default();
    let mut lines = Lines::at(range.start);
    let mut count = 0;
    while lines.start < range.end {
        let Ok(Line::Field(field)) = lines.next(window) else {
            return Err(Refusal::TrailerInvalid);
        };
        count += 1;
        if count > limits.fields {
            return Err(Refusal::TrailersTooLarge);
        }
        if may_trail(field.known, field.name.of(block)) {
            table.push(field);
        }
    }
    Ok(())
}

/// The state of a trailer section that arrives in pieces; positions are within the section.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrailerReader {
    lines: Lines,
    count: usize,
}

impl TrailerReader {
    /// How long the field lines are and the whole section is, once it is there; each line is checked once.
    pub(crate) fn read(
        &mut self,
        section: &[u8],
        limits: &Limits,
    ) -> Result<Option<(usize, usize)>, Refusal> {
        let window = section.get(..limits.head()).unwrap_or(section);
        loop {
            match self
                .lines
                .next(window)
                .map_err(|_| Refusal::TrailerInvalid)?
            {
                Line::Field(_) if self.count == limits.fields => {
                    return Err(Refusal::TrailersTooLarge);
                }
                Line::Field(_) => self.count += 1,
                Line::End => return Ok(Some((self.lines.start - 2, self.lines.start))),
                Line::Partial if window.len() == limits.head() => {
                    return Err(Refusal::TrailersTooLarge);
                }
                Line::Partial => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_base::head::fields;

    #[test]
    fn only_what_may_come_late_is_in_the_table() {
        let block = b"xxxA: 1\r\nContent-Length: 5\r\nhost: b\r\ngrpc-status: 0\r\nSet-Cookie: x\r\nX_Forwarded_For: 1\r\n\r\n";
        let mut table = Vec::new();
        parse_trailers(block, 3..block.len() - 2, &Limits::default(), &mut table).unwrap();
        let names: Vec<_> = fields(&table, block).map(|f| (f.name, f.value)).collect();
        let expected: [(&[u8], &[u8]); 2] = [(b"A", b"1"), (b"grpc-status", b"0")];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_is_not_a_section_is_refused() {
        let mut table = Vec::new();
        let mut verdict =
            |block: &[u8], range| parse_trailers(block, range, &Limits::default(), &mut table);
        assert_eq!(verdict(b"", 0..0), Ok(()));
        assert_eq!(verdict(b"A: b", 0..4), Err(Refusal::TrailerInvalid));
        assert_eq!(verdict(b"A: b\r\n\r\n", 0..8), Err(Refusal::TrailerInvalid));
        assert_eq!(verdict(b"A: b\r\n", 0..9), Err(Refusal::TrailerInvalid));
        assert_eq!(
            verdict(&b"A: b\r\n".repeat(101), 0..606),
            Err(Refusal::TrailersTooLarge)
        );
        assert_eq!(
            verdict(&[b'a'; 70_000], 66_000..70_000),
            Err(Refusal::TrailersTooLarge)
        );
        let tight = |head_bytes| Limits {
            head_bytes,
            ..Limits::default()
        };
        let mut verdict = |limits| parse_trailers(b"A: b\r\n", 0..6, &limits, &mut table);
        assert_eq!(verdict(tight(6)), Ok(()));
        assert_eq!(verdict(tight(5)), Err(Refusal::TrailersTooLarge));
    }
}
