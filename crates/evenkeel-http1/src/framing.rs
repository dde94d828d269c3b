//! What the framing and connection fields of a head say, gathered line by line: Content-Length, Transfer-Encoding,
//! Connection. How a body is framed in the end also depends on the first line and is decided by the parsers.

use evenkeel_base::field::is_token;
use evenkeel_base::grammar::{decimal, members};
use evenkeel_base::head::Version;

use crate::refusal::Refusal;

/// The two fields that frame a body, of which a message has at most one, once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Framing {
    /// The value of Content-Length.
    pub(crate) length: Option<u64>,
    /// Whether the body is chunked.
    pub(crate) chunked: bool,
}

impl Framing {
    /// Takes a Content-Length field.
    pub(crate) fn add_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::LengthRepeated);
        }
        if self.chunked {
            return Err(Refusal::LengthAndCoding);
        }
        self.length = Some(decimal(value).ok_or(Refusal::LengthInvalid)?);
        Ok(())
    }

    /// Takes a Transfer-Encoding field.
    pub(crate) fn add_coding(&mut self, value: &[u8], version: Version) -> Result<(), Refusal> {
        if version == Version::Http10 {
            return Err(Refusal::CodingInOldVersion);
        }
        if self.length.is_some() {
            return Err(Refusal::LengthAndCoding);
        }
        if self.chunked {
            return Err(Refusal::CodingRepeated);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(refuse_coding(value));
        }
        self.chunked = true;
        Ok(())
    }
}

/// The options of Connection fields that change how we read; the others only name fields to remove.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    close: bool,
    keep_alive: bool,
    /// Whether the Upgrade field counts.
    pub(crate) upgrade: bool,
    /// How much else is named.
    named: u8,
}

/// Beside the usual options `Connection` names so many fields, at most: each is looked for among all fields of the head, again by
/// every attempt, and a head that named thousands would cost ten times what its size does. Who needs any names one or two.
pub(crate) const MAX_NOMINATED: u8 = 32;

impl Options {
    /// Takes a Connection field.
    pub(crate) fn add(&mut self, value: &[u8]) -> Result<(), Refusal> {
        match value {
            // What nearly everyone sends, without looking for commas.
            b"keep-alive" => self.keep_alive = true,
            b"close" => self.close = true,
            list => members(list).try_for_each(|option| self.add_one(option))?,
        }
        Ok(())
    }

    /// Whether fields are named, which then concern this hop only.
    pub(crate) const fn nominates(self) -> bool {
        self.named > 0
    }

    fn add_one(&mut self, option: &[u8]) -> Result<(), Refusal> {
        if option.eq_ignore_ascii_case(b"close") {
            self.close = true;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
        } else if !option.is_empty() {
            if self.named == MAX_NOMINATED {
                return Err(Refusal::TooManyOptions);
            }
            self.named += 1;
        }
        Ok(())
    }

    /// Whether the connection may carry another message after this one (RFC 9112 §9.3).
    pub(crate) const fn persistent(self, version: Version) -> bool {
        match version {
            Version::Http11 | Version::Http2 => !self.close,
            Version::Http10 => self.keep_alive && !self.close,
        }
    }
}

/// Which refusal a Transfer-Encoding that is not `chunked` deserves: 501 only when its end could be found all the same.
#[cold]
fn refuse_coding(value: &[u8]) -> Refusal {
    let is = |coding: &[u8], name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
    let tokens = members(value).all(|coding| is_token(coding) && !is(coding, "identity"));
    let chunked = members(value)
        .filter(|coding| is(coding, "chunked"))
        .count();
    let last = members(value)
        .last()
        .is_some_and(|coding| is(coding, "chunked"));
    if tokens && chunked == 1 && last {
        Refusal::CodingUnsupported
    } else {
        Refusal::CodingInvalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_coding_before_chunked_is_unsupported_the_rest_is_broken() {
        for (value, refusal) in [
            ("gzip, chunked", Refusal::CodingUnsupported),
            ("foo,CHUNKED", Refusal::CodingUnsupported),
            ("chunked, chunked", Refusal::CodingInvalid),
            ("chunked, gzip", Refusal::CodingInvalid),
            ("identity, chunked", Refusal::CodingInvalid),
            ("identity", Refusal::CodingInvalid),
            ("gzip", Refusal::CodingInvalid),
            ("", Refusal::CodingInvalid),
            (",chunked", Refusal::CodingInvalid),
            ("chunked,", Refusal::CodingInvalid),
            ("xchunked", Refusal::CodingInvalid),
            ("\"chunked\"", Refusal::CodingInvalid),
            ("chunked;a=b", Refusal::CodingInvalid),
            ("gzip;q=1, chunked", Refusal::CodingInvalid),
        ] {
            let mut framing = Framing::default();
            let verdict = framing.add_coding(value.as_bytes(), Version::Http11);
            assert_eq!(verdict, Err(refusal), "{value}");
        }
    }

    #[test]
    fn persistence_follows_version_and_options() {
        let persistent = |values: &[&str], version| {
            let mut options = Options::default();
            for value in values {
                options.add(value.as_bytes()).unwrap();
            }
            options.persistent(version)
        };
        assert!(persistent(&[], Version::Http11));
        assert!(!persistent(&["keep-alive , Close"], Version::Http11));
        assert!(!persistent(&[], Version::Http10));
        assert!(persistent(&["x", "Keep-Alive"], Version::Http10));
        assert!(!persistent(&["keep-alive", "close"], Version::Http10));
        assert!(persistent(&["closed", "clos e"], Version::Http11));
        assert!(!persistent(&["close, other"], Version::Http11));
        assert!(persistent(&["keep-alive, x-10-bytes"], Version::Http10));
    }

    #[test]
    fn so_many_fields_are_named_and_no_more() {
        let named = |values: &[String]| {
            let mut options = Options::default();
            values
                .iter()
                .try_for_each(|value| options.add(value.as_bytes()))
        };
        let list = |count: u8| {
            (0..count)
                .map(|n| format!("x-{n}, ,close"))
                .collect::<Vec<_>>()
        };
        assert_eq!(named(&list(MAX_NOMINATED)), Ok(()));
        assert_eq!(named(&[list(MAX_NOMINATED).join(",")]), Ok(()));
        let over = list(MAX_NOMINATED + 1);
        assert_eq!(named(&over), Err(Refusal::TooManyOptions));
        assert_eq!(named(&[over.join(",")]), Err(Refusal::TooManyOptions));
        assert_eq!(named(&[",keep-alive".repeat(1_000)]), Ok(()));
    }
}
