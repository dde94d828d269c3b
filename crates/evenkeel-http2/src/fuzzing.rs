//! What must hold of every input, whatever it is: the entries of the fuzz targets, replayed by plain tests. A failure is a panic.
//! Nothing here is used by a running proxy.

use std::time::Instant;

use crate::abuse::Abuse;
use crate::meter::{Meter, Role};
use crate::walk::kind;

/// The lengths of the pieces an input is cut into, beside the whole.
const STEPS: [usize; 4] = [1, 2, 7, 4_096];

/// Reads the bytes of a connection whole and in pieces, as both roles, and compares verdicts with a slow and simple count.
///
/// `now` is any moment: no time passes.
pub fn meter(data: &[u8], now: Instant) {
    for role in [Role::Client, Role::Endpoint] {
        let mut whole = Meter::new(role, now);
        let verdict = whole
            .incoming(data, now)
            .and_then(|()| whole.outgoing(data));
        for step in STEPS {
            let mut pieces = Meter::new(role, now);
            for piece in data.chunks(step) {
                let _ = pieces.incoming(piece, now);
            }
            for piece in data.chunks(step) {
                let _ = pieces.outgoing(piece);
            }
            assert_eq!(pieces.verdict(), verdict, "pieces of {step} bytes");
        }
        let mut alone = Meter::new(role, now);
        let _ = alone.incoming(data, now);
        check(role, data, alone.verdict());
    }
}

/// Counts what time and answers do not pay for, and so must not be more than may be; and what was named, must be there.
fn check(role: Role, data: &[u8], verdict: Result<(), Abuse>) {
    let skipped = match role {
        Role::Client => 24,
        Role::Endpoint => 0,
    };
    let counts = count(data.get(skipped..).unwrap_or_default());
    for (kind, most, abuse) in [
        (kind::SETTINGS, 50, Abuse::SettingsFlood),
        (kind::PING, 100, Abuse::PingFlood),
        (kind::RST_STREAM, 200, Abuse::RapidReset),
    ] {
        let flooded =
            counts[usize::from(kind)] > most && (kind != kind::RST_STREAM || role == Role::Client);
        assert!(!flooded || verdict.is_err(), "{abuse} was not seen");
        assert!(flooded || verdict != Err(abuse), "{abuse} was not there");
    }
}

/// How many frames of each kind there are.
fn count(mut data: &[u8]) -> [u32; 256] {
    let mut counts = [0; 256];
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = data {
        counts[usize::from(*kind)] += 1;
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        data = rest.get(length..).unwrap_or_default();
    }
    counts
}

/// One field of an input for the translation: see [`fields`].
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// An input as a list of fields, and whether the stream ends with them: a first byte that is odd when it does, then for each field
/// the length of its name, the name, the length of its value and the value, each length in one byte.
#[must_use]
pub fn fields(data: &[u8]) -> (Vec<Pair<'_>>, bool) {
    let (ends, mut rest) = match data {
        [first, rest @ ..] => (first % 2 == 1, rest),
        [] => (false, data),
    };
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (name, after) = text(rest);
        let (value, after) = text(after);
        fields.push((name, value));
        rest = after;
    }
    (fields, ends)
}

/// A text behind its length, as far as it is there, and what follows.
fn text(data: &[u8]) -> Pair<'_> {
    match data {
        [length, rest @ ..] => rest.split_at(usize::from(*length).min(rest.len())),
        [] => (data, data),
    }
}
