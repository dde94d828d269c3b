//! Trailer fields, as a codec has decoded them, into a table (RFC 9113 §8.1).

use evenkeel_base::grammar::may_trail;
use evenkeel_base::head::FieldSpan;

use crate::Limits;
use crate::block::Lines;
use crate::refusal::Refusal;

/// Checks the fields of a trailer section and fills `block` and `table` with those that may pass.
///
/// Fields that frame, route, authenticate or otherwise change how a message is read are left out, as in HTTP/1: they are not
/// allowed there (RFC 9110 §6.5.1), and an endpoint that merges trailers must not get them from us.
///
/// # Errors
/// The first reason to refuse the section; the message is malformed with it.
pub fn trailers<'f>(
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    limits: &Limits,
    block: &mut Vec<u8>,
    table: &mut Vec<FieldSpan>,
) -> Result<(), Refusal> {
    let mut lines = Lines::new(block, table, limits);
    for (name, value) in fields {
        lines.field(name, value)?;
    }
    lines.finish()?;
    table.retain(|field| may_trail(field.known, field.name.of(block)));
    // Not every one follows the one before it any more.
    for field in table {
        field.verbatim = false;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_base::head::fields;

    fn read(pairs: &[(&str, &str)], limits: &Limits) -> Result<Vec<(String, String)>, Refusal> {
        let (mut block, mut table) = (Vec::new(), Vec::new());
        let pairs = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        trailers(pairs, limits, &mut block, &mut table)?;
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        Ok(fields(&table, &block)
            .map(|field| (text(field.name), text(field.value)))
            .collect())
    }

    #[test]
    fn only_what_may_come_late_passes() {
        let pairs = [
            ("content-length", "5"),
            ("grpc-status", "0"),
            ("host", "a"),
            ("cookie", "a"),
            ("x_forwarded_for", "1"),
            ("x-sum", "1"),
        ];
        let passed = read(&pairs, &Limits::default()).unwrap();
        let names: Vec<_> = passed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["grpc-status", "x-sum"]);
    }

    #[test]
    fn what_no_section_may_have_is_refused() {
        let small = Limits {
            head_bytes: 10,
            fields: 2,
            line_bytes: 10,
        };
        for (pairs, refusal) in [
            (&[(":path", "/")][..], Refusal::PseudoLate),
            (&[("X", "y")], Refusal::NameInvalid),
            (&[("x", "a\nb")], Refusal::ValueInvalid),
            (&[("connection", "close")], Refusal::ConnectionField),
            (&[("a", ""), ("b", ""), ("c", "")], Refusal::TooManyFields),
            (&[("a", "1234567")], Refusal::HeadTooLarge),
        ] {
            assert_eq!(read(pairs, &small), Err(refusal), "{pairs:?}");
        }
    }
}
