//! W3C Trace Context: which trace a request belongs to, and how that is written in its `traceparent`.
//!
//! ```text
//! 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
//! version    trace                      parent        flags
//! ```
//! What a `traceparent` may be is read here and nowhere else (W3C Trace Context, Level 1, §3.2). Who is believed, what is
//! sampled and what becomes of it is the pipeline's business. `tracestate` is opaque to us and passes as it is.

use std::fmt;
use std::num::NonZeroU64;

use crate::hex::hex;
use crate::{Known, RequestView, Rng};

/// The field that says where a request comes from.
pub const TRACEPARENT: &str = "traceparent";
/// The field in which other tracing systems keep what is theirs.
pub const TRACESTATE: &str = "tracestate";

/// The length of a `traceparent` of version 00, and of the beginning of any later one.
pub const LENGTH: usize = 55;

/// The flags that we know: sampled, and (Level 2) that the trace's id is chance. Others are not passed on (§3.2.2.5.2).
const SAMPLED: u8 = 0x01;
const RANDOM: u8 = 0x02;

/// The number of a trace, never zero: its high half and its low one. As one number it would make whatever holds it larger, and
/// every exchange holds the place for one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u64, u64);

impl TraceId {
    /// A new one.
    pub const fn make(rng: &mut Rng) -> Self {
        let (high, low) = (rng.next_u64(), rng.next_u64());
        Self(high, low | (high == 0 && low == 0) as u64)
    }

    /// Its bytes, as they are exported.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        ((self.0 as u128) << 64 | self.1 as u128).to_be_bytes()
    }

    /// Its digits, as they stand in `traceparent` and in logs.
    #[must_use]
    pub fn digits(self) -> [u8; 32] {
        let mut digits = [0; 32];
        put(&mut digits, &self.bytes());
        digits
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0, self.1)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The number of a span within its trace, never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

impl SpanId {
    /// A new one.
    pub const fn make(rng: &mut Rng) -> Self {
        Self::of(rng.next_u64())
    }

    const fn of(bits: u64) -> Self {
        match NonZeroU64::new(bits) {
            Some(bits) => Self(bits),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// The one that follows from this one for a part of its span: parts need no chance of their own. Different numbers give
    /// different ids, and that one meets another span of the trace is as likely as for any two.
    #[must_use]
    pub const fn part(self, n: u64) -> Self {
        Self::of(self.0.get() ^ Rng::new(n).next_u64())
    }

    /// Its bytes, as they are exported.
    #[must_use]
    pub const fn bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place in a trace: what a `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    flags: u8,
}

impl Context {
    /// The beginning of a trace of ours.
    pub const fn begin(rng: &mut Rng, sampled: bool) -> Self {
        Self {
            trace: TraceId::make(rng),
            span: SpanId::make(rng),
            flags: sampled as u8,
        }
    }

    /// Another span of the same trace, sampled or not.
    #[must_use]
    pub const fn with(self, span: SpanId, sampled: bool) -> Self {
        Self {
            trace: self.trace,
            span,
            flags: self.flags & RANDOM | sampled as u8,
        }
    }

    /// Whether spans are recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Reads the value of one `traceparent`; nothing when it says nothing that may be believed.
    ///
    /// Later versions begin like this one and may go on behind a dash; version `ff` is none.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_first_chunk::<LENGTH>()?;
        let ends = match head {
            [b'0', b'0', ..] => rest.is_empty(),
            [b'f', b'f', ..] => return None,
            _ => rest.first().is_none_or(|next| *next == b'-'),
        };
        let dashes = [head[2], head[35], head[52]];
        if !ends || dashes != [b'-'; 3] {
            return None;
        }
        number(&head[..2])?;
        let trace = (number(&head[3..19])?, number(&head[19..35])?);
        let (span, flags) = (number(&head[36..52])?, number(&head[53..55])?);
        if trace == (0, 0) {
            return None;
        }
        let [.., flags] = flags.to_be_bytes();
        Some(Self {
            trace: TraceId(trace.0, trace.1),
            span: SpanId(NonZeroU64::new(span)?),
            flags: flags & (SAMPLED | RANDOM),
        })
    }

    /// What a request says of where it comes from. One that says it twice says nothing: whoever reads only the first would see
    /// another trace than who reads only the last.
    #[must_use]
    pub fn of(request: &RequestView<'_>) -> Option<Self> {
        let mut all = request
            .fields()
            .filter(|field| field.known == Known::Other && is_traceparent(field.name));
        let first = all.next()?;
        if all.next().is_some() {
            return None;
        }
        Self::parse(first.value)
    }

    /// Writes it as the value of a `traceparent`.
    #[must_use]
    pub fn write(self) -> [u8; LENGTH] {
        let mut text = *b"00-________________________________-________________-00";
        put(&mut text[3..35], &self.trace.bytes());
        put(&mut text[36..52], &self.span.bytes());
        text[54] = b'0' + self.flags;
        text
    }
}

/// Whether a field's name is that of `traceparent`.
#[must_use]
pub fn is_traceparent(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(TRACEPARENT.as_bytes())
}

/// Whether a field's name is that of `tracestate`.
#[must_use]
pub fn is_tracestate(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(TRACESTATE.as_bytes())
}

/// The number that up to 16 lower-case hexadecimal digits stand for.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}

/// Puts bytes as digits, four bytes at a time.
fn put(digits: &mut [u8], bytes: &[u8]) {
    let (words, _) = bytes.as_chunks::<4>();
    let (places, _) = digits.as_chunks_mut::<8>();
    for (word, place) in words.iter().zip(places) {
        *place = hex(u32::from_be_bytes(*word).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_for_one_is_small() {
        assert_eq!(size_of::<Context>(), 32);
        assert_eq!(size_of::<Option<Context>>(), 32);
        assert_eq!(size_of::<Option<SpanId>>(), 8);
    }

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn what_may_be_believed() {
        let good = |version: &str, flags: &str| format!("{version}-{TRACE}-{SPAN}-{flags}");
        for (value, written) in [
            (good("00", "00"), good("00", "00")),
            (good("00", "01"), good("00", "01")),
            // Flags that nobody knows yet are not passed on; that the id is chance is (Level 2).
            (good("00", "ff"), good("00", "03")),
            (good("00", "fc"), good("00", "00")),
            // What comes after this version begins like it.
            (good("01", "01"), good("00", "01")),
            (
                good("cc", "01-what-the-future-will-be-like"),
                good("00", "01"),
            ),
            (good("fe", "00-"), good("00", "00")),
        ] {
            let context = Context::parse(value.as_bytes()).expect(&value);
            assert_eq!(context.trace.to_string(), TRACE, "{value}");
            assert_eq!(context.trace.digits(), *TRACE.as_bytes());
            assert_eq!(context.span.to_string(), SPAN, "{value}");
            assert_eq!(std::str::from_utf8(&context.write()), Ok(&*written));
        }
    }

    #[test]
    fn what_may_not() {
        let zeros = "0".repeat(32);
        for value in [
            String::new(),
            "00".into(),
            format!("00-{TRACE}-{SPAN}-0"),
            format!("00-{TRACE}-{SPAN}-"),
            // This version has four fields, and no room for more.
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!(" 00-{TRACE}-{SPAN}-01"),
            // A later one goes on behind a dash.
            format!("cc-{TRACE}-{SPAN}-01.what-the-future-will-not-be-like"),
            format!("cc-{TRACE}-{SPAN}-011"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01-0"),
            format!("0x-{TRACE}-{SPAN}-01"),
            format!(".0-{TRACE}-{SPAN}-01"),
            format!("000-{TRACE}-{SPAN}-01"),
            // Upper case.
            format!("0A-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-0A"),
            // Nothing but zeros, and what is no digit.
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}.-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-{}.-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}-.1"),
            // Ids of other lengths, and other signs between them.
            format!("00-{TRACE}0-{SPAN}-01"),
            format!("00-{}-{SPAN}0-01", &TRACE[1..]),
            format!("00_{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}_{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}_01"),
        ] {
            assert_eq!(Context::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn a_trace_that_begins_here_is_one_that_others_can_read() {
        let mut rng = Rng::new(7);
        for sampled in [true, false] {
            let context = Context::begin(&mut rng, sampled);
            assert_eq!(context.is_sampled(), sampled);
            assert_eq!(Context::parse(&context.write()), Some(context));
        }
    }

    #[test]
    fn the_decision_of_whoever_came_before_is_not_that_of_who_comes_next() {
        let came = format!("00-{TRACE}-{SPAN}-03");
        let came = Context::parse(came.as_bytes()).expect("a good one");
        let ours = came.with(came.span.part(1), false);
        assert_eq!(ours.trace, came.trace);
        assert_ne!(ours.span, came.span);
        assert!(!ours.is_sampled());
        assert!(ours.write().ends_with(b"-02"), "the id is chance as before");
    }

    #[test]
    fn parts_of_a_span_differ() {
        let span = SpanId::make(&mut Rng::new(7));
        let mut parts: Vec<[u8; 8]> = (0..200_u64).map(|n| span.part(n).bytes()).collect();
        assert!(!parts.contains(&span.bytes()));
        parts.sort_unstable();
        parts.dedup();
        assert_eq!(parts.len(), 200);
        // What comes out as zero would be no span.
        let itself = SpanId::of(Rng::new(1).next_u64());
        assert_ne!(itself.part(1).bytes(), [0; 8]);
    }
}
