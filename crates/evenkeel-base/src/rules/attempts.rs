//! When a request is tried again, and what that may cost.

use std::fmt;
use std::time::Duration;

use crate::ByteSize;
use crate::grpc::GrpcStatuses;

/// How failed attempts are repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryRules {
    /// How many more attempts after the first.
    pub attempts: u16,
    /// Which faults are tried again.
    pub on: RetryOn,
    /// Statuses of the endpoint's response that are tried again as well; usually none.
    pub statuses: Statuses,
    /// Statuses of gRPC that are tried again as well, when a response says nothing else; usually none. Naming one allows that a call
    /// is seen twice.
    pub grpc_statuses: GrpcStatuses,
    /// How long one attempt may take from its beginning, connect included, to the response's head; [`Duration::MAX`] when off.
    pub attempt_timeout: Duration,
    /// The pause before an attempt that goes to an endpoint that was tried already: chance between 0 and this, doubled
    /// each time. Going to another endpoint needs no pause.
    pub backoff: Duration,
    /// No pause is longer.
    pub backoff_max: Duration,
    /// The longest `Retry-After` that is waited for; a longer one passes the response on.
    pub retry_after_max: Duration,
    /// Whether requests whose method is not idempotent are repeated as others are: an endpoint may then see a POST twice.
    pub non_idempotent: bool,
    /// So much of a request's body is kept for another attempt; a longer one is not tried again once sent.
    pub replay_buffer: ByteSize,
    /// Second attempts before the first has failed.
    pub hedge: HedgeRules,
}

impl RetryRules {
    /// What holds when the configuration says nothing else.
    pub const DEFAULT: Self = Self {
        attempts: 2,
        on: RetryOn::ALL,
        statuses: Statuses::NONE,
        grpc_statuses: GrpcStatuses::NONE,
        attempt_timeout: Duration::MAX,
        backoff: Duration::from_millis(25),
        backoff_max: Duration::from_millis(250),
        retry_after_max: Duration::from_secs(1),
        non_idempotent: false,
        replay_buffer: ByteSize::kib(64),
        hedge: HedgeRules::OFF,
    };
}

/// A set of the statuses that tell of an error, 400 to 599.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Statuses([u64; 4]);

impl Statuses {
    /// The empty set.
    pub const NONE: Self = Self([0; 4]);
    /// The least status that can be in a set.
    pub const LEAST: u16 = 400;
    /// The greatest.
    pub const GREATEST: u16 = 599;

    /// Whether it is empty.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0[0] | self.0[1] | self.0[2] | self.0[3] == 0
    }

    /// Whether `status` is in it.
    #[inline]
    #[must_use]
    pub fn contains(self, status: u16) -> bool {
        place(status).is_some_and(|(word, bit)| self.0[word] & bit != 0)
    }

    /// The set with `status` too; one that cannot be in a set changes nothing.
    #[must_use]
    pub fn with(mut self, status: u16) -> Self {
        if let Some((word, bit)) = place(status) {
            self.0[word] |= bit;
        }
        self
    }

    /// What is in it, ascending.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        (Self::LEAST..=Self::GREATEST).filter(move |status| self.contains(*status))
    }
}

impl FromIterator<u16> for Statuses {
    fn from_iter<I: IntoIterator<Item = u16>>(statuses: I) -> Self {
        statuses.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

fn place(status: u16) -> Option<(usize, u64)> {
    let at = status
        .checked_sub(Statuses::LEAST)
        .filter(|_| status <= Statuses::GREATEST)?;
    Some((usize::from(at / 64), 1 << (at % 64)))
}

/// Which kinds of fault are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four kinds that do not depend on each other"
)]
pub struct RetryOn {
    /// No connection could be made, or not in time.
    pub connect: bool,
    /// The connection ended before the response's head.
    pub reset: bool,
    /// The endpoint did not answer, or took nothing, in time.
    pub timeout: bool,
    /// What the endpoint answered is not HTTP, or could be read in two ways.
    pub malformed: bool,
}

impl RetryOn {
    /// Every kind.
    pub const ALL: Self = Self {
        connect: true,
        reset: true,
        timeout: true,
        malformed: true,
    };
}

/// A second attempt of an idempotent request while the first is still waited for; the loser is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeRules {
    /// It begins when the first has taken longer than this percentage of the cluster's requests; 0: never.
    pub percentile: u8,
    /// But not before this.
    pub min_delay: Duration,
}

impl HedgeRules {
    /// What holds for a cluster or route that hedges and says nothing else.
    pub const DEFAULT: Self = Self {
        percentile: 95,
        ..Self::OFF
    };

    /// No hedging.
    pub const OFF: Self = Self {
        percentile: 0,
        min_delay: Duration::from_millis(5),
    };
}

/// A cluster's allowance for retries and hedges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetRules {
    /// What a request deposits; a retry or hedge takes 1.
    pub ratio: f32,
    /// What the budget can hold at least, and how full it starts.
    pub burst: u32,
}

impl BudgetRules {
    /// What holds when the configuration says nothing else.
    pub const DEFAULT: Self = Self {
        ratio: 0.2,
        burst: 100,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_statuses_holds_errors_alone() {
        let set: Statuses = [503, 400, 599, 200, 600, 0, 503].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [400, 503, 599]);
        assert!(set.contains(503) && !set.contains(502) && !set.contains(200));
        assert!(Statuses::NONE.is_empty() && !set.is_empty());
        assert_eq!(format!("{set:?}"), "{400, 503, 599}");
    }
}
