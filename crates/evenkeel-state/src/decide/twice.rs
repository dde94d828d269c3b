//! Which requests may be sent twice at once: raced against themselves (hedging), or mirrored to a second cluster. Whether one is, chance,
//! time and what is affordable say.

use evenkeel_base::ByteSize;
use evenkeel_base::rules::HedgeRules;

/// What a request is like, beside its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, named where they are read"
)]
pub struct Shape {
    /// By its method it may be made again without harm.
    pub idempotent: bool,
    /// It has no body and says so of none, also of none that is empty.
    pub bodiless: bool,
    /// How long its body is, where its head says so.
    pub length: Option<u64>,
    /// It waits for leave to send its body.
    pub expects: bool,
    /// It would switch to another protocol.
    pub upgrades: bool,
}

impl Shape {
    /// Whether it may be raced on a route with these rules.
    #[inline]
    #[must_use]
    pub const fn may_race(&self, hedge: &HedgeRules) -> bool {
        hedge.percentile > 0 && self.idempotent && self.bodiless && !self.upgrades
    }

    /// Whether it may be mirrored where bodies are up to so long.
    #[inline]
    #[must_use]
    pub fn may_be_mirrored(&self, max_body: ByteSize) -> bool {
        !self.upgrades && !self.expects && self.length.is_none_or(|n| n <= max_body.bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_sent_twice_is_harmless_and_whole() {
        let plain = Shape {
            idempotent: true,
            bodiless: true,
            length: None,
            expects: false,
            upgrades: false,
        };
        let hedge = |percentile| HedgeRules {
            percentile,
            min_delay: Duration::ZERO,
        };
        let most = ByteSize(10);
        assert!(plain.may_race(&hedge(95)) && plain.may_be_mirrored(most));
        assert!(!plain.may_race(&hedge(0)));
        let check = |shape: Shape, races, mirrors| {
            let found = (shape.may_race(&hedge(95)), shape.may_be_mirrored(most));
            assert_eq!(found, (races, mirrors), "{shape:?}");
        };
        let body = |length| Shape {
            bodiless: false,
            length,
            ..plain
        };
        check(body(Some(0)), false, true);
        check(body(Some(10)), false, true);
        check(body(Some(11)), false, false);
        check(body(None), false, true);
        check(
            Shape {
                idempotent: false,
                ..plain
            },
            false,
            true,
        );
        check(
            Shape {
                upgrades: true,
                ..plain
            },
            false,
            false,
        );
        check(
            Shape {
                expects: true,
                ..body(Some(3))
            },
            false,
            false,
        );
    }
}
