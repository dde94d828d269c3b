//! Whether a trunk is alive: when to ask it, and when it has said nothing for too long. It reads no clock and sends nothing.
//!
//! ```text
//!             interval without a byte              timeout without a byte
//!   Heard ────────────────────────────▶ Asked ───────────────────────────▶ dead
//!     ▲                                   │
//!     └────────── a byte ◀────────────────┘  nothing but the answer: asked again after LATER
//! ```

use std::time::{Duration, Instant};

use evenkeel_base::rules::MultiplexRules;

/// What is asked again in the same silence waits for this long: gRPC's servers close a connection on which PINGs come more often
/// than every five minutes without anything else (gRFC A8 and its implementations' defaults).
const LATER: Duration = Duration::from_secs(305);

/// Bytes of an answer to a PING (RFC 9113 §6.7): a frame's head and eight bytes.
const ANSWER: u64 = 17;

/// What is known of a trunk's life.
#[derive(Debug)]
pub(super) struct Pulse {
    /// How many bytes have come.
    heard: u64,
    /// When it was last seen that there were more.
    at: Instant,
    /// When it was asked; none when it has said something since.
    asked: Option<Instant>,
    /// Nothing but an answer has come since it was last asked.
    answered: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Nothing.
    Fine,
    /// To ask.
    Ask,
    /// It is dead.
    Dead,
}

impl Pulse {
    /// Of a trunk that is there since then.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            heard: 0,
            at: now,
            asked: None,
            answered: false,
        }
    }

    /// Looks at it: so many bytes have come until `now`.
    pub(super) fn look(&mut self, heard: u64, now: Instant, rules: &MultiplexRules) -> Sign {
        let more = heard.wrapping_sub(self.heard);
        if more > 0 {
            self.answered = self.asked.is_some() && more == ANSWER;
            self.heard = heard;
            self.at = now;
            self.asked = None;
            return Sign::Fine;
        }
        if let Some(asked) = self.asked {
            let silent = now.saturating_duration_since(asked);
            return if silent >= rules.ping_timeout {
                Sign::Dead
            } else {
                Sign::Fine
            };
        }
        let interval = if self.answered {
            rules.ping_interval.max(LATER)
        } else {
            rules.ping_interval
        };
        if now.saturating_duration_since(self.at) < interval {
            return Sign::Fine;
        }
        self.asked = Some(now);
        Sign::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: MultiplexRules = MultiplexRules {
        ping_interval: Duration::from_secs(30),
        ping_timeout: Duration::from_secs(5),
        ..MultiplexRules::DEFAULT
    };

    fn signs(looks: &[(u64, u64)]) -> Vec<Sign> {
        let began = Instant::now();
        let mut pulse = Pulse::new(began);
        let look = |&(heard, second): &(u64, u64)| {
            pulse.look(heard, began + Duration::from_secs(second), &RULES)
        };
        looks.iter().map(look).collect()
    }

    #[test]
    fn one_that_says_nothing_is_asked_and_then_is_dead() {
        use Sign::{Ask, Dead, Fine};
        for (looks, expected) in [
            (
                &[(0, 29), (0, 30), (0, 34), (0, 35)][..],
                &[Fine, Ask, Fine, Dead][..],
            ),
            (
                &[(0, 30), (17, 31), (17, 90), (17, 336)],
                &[Ask, Fine, Fine, Ask],
            ),
            (
                &[(0, 30), (40, 31), (40, 60), (40, 61)],
                &[Ask, Fine, Fine, Ask],
            ),
            (
                &[(9, 20), (9, 49), (18, 50), (18, 80)],
                &[Fine, Fine, Fine, Ask],
            ),
        ] {
            assert_eq!(signs(looks), expected, "{looks:?}");
        }
    }

    #[test]
    fn one_that_is_never_asked_never_dies() {
        let began = Instant::now();
        let mut pulse = Pulse::new(began);
        let rules = MultiplexRules {
            ping_interval: Duration::MAX,
            ..RULES
        };
        let later = began + Duration::from_hours(1);
        assert_eq!(pulse.look(0, later, &rules), Sign::Fine);
    }
}
