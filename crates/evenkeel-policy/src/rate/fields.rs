//! What a response says of a rate limit: draft-ietf-httpapi-ratelimit-headers-11, and `Retry-After`.
//!
//! ```text
//! RateLimit-Policy: "api";q=100;w=60        100 requests in 60 seconds
//! RateLimit: "api";r=0;t=5                  none is left, for 5 seconds
//! Retry-After: 5
//! ```
//!
//! The values only, to be written to wherever the response goes; nothing is allocated. Several limits of a route are items
//! of one list, told apart by their position: `"api", "api-2"`.

use std::fmt::{self, Write as _};
use std::time::Duration;

use evenkeel_base::rules::RateRules;

use super::Decision;

/// The item of `RateLimit-Policy` for one limit.
#[derive(Clone, Copy, Debug)]
pub struct PolicyField<'a> {
    /// The route's name.
    pub route: &'a str,
    /// Which of the route's limits it is, from 0.
    pub position: usize,
    /// The limit.
    pub rules: &'a RateRules,
}

/// The item of `RateLimit` for one limit.
#[derive(Clone, Copy, Debug)]
pub struct LimitField<'a> {
    /// The route's name.
    pub route: &'a str,
    /// Which of the route's limits it is, from 0.
    pub position: usize,
    /// What it said of the request.
    pub decision: &'a Decision,
}

/// What `Retry-After` says of a refused request, in seconds: at least 1, for 0 would be an invitation. The draft's §6 wants
/// it no earlier than the `t` of `RateLimit`; they are the same.
#[must_use]
pub const fn retry_after(decision: &Decision) -> u64 {
    let seconds = whole_seconds(decision.retry_after);
    if seconds == 0 { 1 } else { seconds }
}

impl fmt::Display for PolicyField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name(f, self.route, self.position)?;
        let second = Duration::from_secs(1);
        let requests = self.rules.requests;
        if self.rules.per >= second {
            return write!(f, ";q={requests};w={}", whole_seconds(self.rules.per));
        }
        // The draft knows whole seconds only.
        let micros = self.rules.per.as_micros().max(1);
        let each = u128::from(requests) * second.as_micros() / micros;
        write!(f, ";q={};w=1", each.min(u128::from(MOST)))
    }
}

impl fmt::Display for LimitField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name(f, self.route, self.position)?;
        let seconds = if self.decision.admitted {
            whole_seconds(self.decision.reset)
        } else {
            retry_after(self.decision)
        };
        write!(f, ";r={};t={seconds}", self.decision.remaining)
    }
}

/// The largest integer of a structured field (RFC 9651 §3.3.1).
const MOST: u64 = 999_999_999_999_999;

/// Seconds, rounded up: who comes a moment too early is refused again.
const fn whole_seconds(time: Duration) -> u64 {
    let seconds = time.as_secs();
    let up = seconds.saturating_add((time.subsec_nanos() > 0) as u64);
    if up > MOST { MOST } else { up }
}

/// The name as a string of structured fields (RFC 9651 §3.3.3): printable ASCII, quotes and backslashes escaped.
fn name(f: &mut fmt::Formatter<'_>, route: &str, position: usize) -> fmt::Result {
    f.write_char('"')?;
    for char in route.chars() {
        match char {
            '"' | '\\' => {
                f.write_char('\\')?;
                f.write_char(char)?;
            }
            ' '..='~' => f.write_char(char)?,
            _ => f.write_char('?')?,
        }
    }
    if position > 0 {
        write!(f, "-{}", position + 1)?;
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use evenkeel_base::rules::RateKey;

    use super::*;

    fn policy(route: &str, position: usize, requests: u32, per: Duration) -> String {
        let rules = &RateRules {
            requests,
            per,
            burst: 1,
            key: RateKey::Client,
            keys: 8,
            dry_run: false,
        };
        PolicyField {
            route,
            position,
            rules,
        }
        .to_string()
    }

    #[test]
    fn a_policy_says_how_many_in_how_many_seconds() {
        for (route, position, requests, millis, expected) in [
            ("api", 0, 100, 60_000, "\"api\";q=100;w=60"),
            ("api", 1, 1, 1_000, "\"api-2\";q=1;w=1"),
            ("GET /a\"b\\c", 0, 1, 1_500, "\"GET /a\\\"b\\\\c\";q=1;w=2"),
            ("größe\n", 0, 5, 500, "\"gr??e?\";q=10;w=1"),
            ("", 0, 3, 0, "\"\";q=3000000;w=1"),
        ] {
            let per = Duration::from_millis(millis);
            assert_eq!(policy(route, position, requests, per), expected);
        }
        let most = policy("a", 0, u32::MAX, Duration::MAX);
        assert_eq!(most, "\"a\";q=4294967295;w=999999999999999");
    }

    #[test]
    fn a_limit_says_what_is_left_and_for_how_long() {
        for (admitted, remaining, wait, reset, expected, retry) in [
            (false, 0, 4_001, 60_000, "\"api\";r=0;t=5", 5),
            (false, 0, 5_000, 60_000, "\"api\";r=0;t=5", 5),
            (false, 0, 1, 60_000, "\"api\";r=0;t=1", 1),
            (true, 9, 0, 300, "\"api\";r=9;t=1", 1),
            (true, 9, 0, 0, "\"api\";r=9;t=0", 1),
        ] {
            let decision = &Decision {
                admitted,
                remaining,
                retry_after: Duration::from_millis(wait),
                reset: Duration::from_millis(reset),
            };
            let field = LimitField {
                route: "api",
                position: 0,
                decision,
            };
            assert_eq!(field.to_string(), expected);
            assert_eq!(retry_after(decision), retry);
        }
    }
}
