//! `grpc-timeout`: how long a client still waits, as at most eight digits and a unit (PROTOCOL-HTTP2, Timeout).

use std::fmt;
use std::time::Duration;

/// No timeout has more digits.
const MOST_DIGITS: usize = 8;
/// The first number that has one digit too many.
const TOO_MUCH: u128 = 100_000_000;

/// Reads a `grpc-timeout`; none when it is not what the protocol says.
#[must_use]
pub fn parse_timeout(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if !(1..=MOST_DIGITS).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_hours(number),
        "M" => Duration::from_mins(number),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// A `grpc-timeout` to be written: in milliseconds, or in the first coarser unit of which eight digits are enough. It says at most
/// what it was made of, so that whoever is told it gives up first, and at least a millisecond: nothing is no timeout to some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Duration);

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis().max(1);
        let units = [(1, 'm'), (1_000, 'S'), (60_000, 'M')];
        for (unit, letter) in units {
            if millis / unit < TOO_MUCH {
                return write!(f, "{}{letter}", millis / unit);
            }
        }
        let hours = (millis / 3_600_000).min(TOO_MUCH - 1);
        write!(f, "{hours}H")
    }
}
