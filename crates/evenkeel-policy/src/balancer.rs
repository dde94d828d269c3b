//! The balancer of a cluster: one value per endpoint set, shared by all workers.
//!
//! An enum and not a trait object: the pick stands in the road of every request, the compiler can inline each algorithm
//! for the data plane's own [`Candidate`], and the set of algorithms is closed, so a `match` that forgets one does not
//! compile. A new algorithm is a file beside these and a variant here.
//!
//! Every algorithm keeps the same promises: it never picks an endpoint that was tried in this exchange, that has no weight,
//! that has no room, or whose share is 0; one with a part of its share gets that part of what it would get otherwise; it
//! finds an endpoint when there is one; and it gives `None` when there is none. What to do then (wait, clear the tried
//! ones, pick regardless of standing, answer 503) is the caller's decision.

mod bound;
mod first_available;
mod hash;
mod latency;
mod least_connections;
mod least_request;
mod least_time;
mod maglev;
mod peak_ewma;
mod prequal;
mod random;
mod rendezvous;
mod reported_load;
mod ring;
mod round_robin;
mod scan;
mod schedule;
mod weighted;

pub use first_available::FirstAvailable;
pub use hash::Hash;
pub use least_connections::LeastConnections;
pub use least_request::{LeastOfMore, LeastRequest};
pub use least_time::LeastTime;
pub use peak_ewma::PeakEwma;
pub use prequal::{Ages, Latency, Pool, Pooled, Prequal, Reading};
pub use random::Random;
pub use reported_load::ReportedLoad;
pub use round_robin::RoundRobin;

use evenkeel_base::Rng;
use evenkeel_base::rules::{BalancerRules, Choices};

use crate::load::Observed;
use crate::{Candidate, Standing, Tried};

/// An endpoint as a balancer is made for it.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its stable identity: what hashing goes by.
    pub id: &'a str,
    /// Its part of the traffic when the balancer is made; it may become 0 afterwards.
    pub weight: u16,
    /// Its group ([`Tiers`](crate::Tiers)): those of a lower rank come first.
    pub rank: u16,
}

impl Member<'_> {
    /// Positions in the order of the ids: the order of a list is no fact about the cluster, and differs between nodes.
    fn by_id(members: &[Self]) -> Vec<u32> {
        let mut positions: Vec<u32> = (0..).zip(members).map(|(position, _)| position).collect();
        positions.sort_by_key(|&position| members[position as usize].id);
        positions
    }
}

/// What a balancer has to be told with each pick, and what it wants to hear; whatever it does not need, nobody finds out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, named where they are read"
)]
pub struct Needs {
    /// [`Wanted::now_us`].
    pub clock: bool,
    /// [`Wanted::in_flight`].
    pub in_flight: bool,
    /// What attempts showed ([`Balancer::observe`]).
    pub observations: bool,
    /// And what endpoints say of themselves with them.
    pub reports: bool,
}

impl Needs {
    /// What two need together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            clock: self.clock | other.clock,
            in_flight: self.in_flight | other.in_flight,
            observations: self.observations | other.observations,
            reports: self.reports | other.reports,
        }
    }
}

/// What a pick is to respect beside the endpoints' own facts.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Not these.
    pub tried: &'a Tried,
    /// Whatever the standing says ([`panic`](crate::panic)); weight and room count all the same.
    pub regardless: bool,
    /// The hash of what the request is told apart by; none when it has nothing of that.
    pub key: Option<u64>,
    /// The time, in microseconds of a clock that only this process knows.
    pub now_us: u64,
    /// Requests in flight in the whole cluster.
    pub in_flight: u32,
    /// Where the endpoints that are picked from begin in the list that [`Wanted::tried`] counts by; 0 when it is the whole list.
    pub first: usize,
}

impl<'a> Wanted<'a> {
    /// An endpoint that admits and was not tried.
    #[must_use]
    pub const fn new(tried: &'a Tried) -> Self {
        Self {
            tried,
            regardless: false,
            key: None,
            now_us: 0,
            in_flight: 0,
            first: 0,
        }
    }

    /// Whether a client that has a claim to the endpoint at `position` may go there again. Its weight does not count: from one
    /// that takes nobody new, its own clients are not taken away.
    #[inline]
    #[must_use]
    pub fn keeps<C: Candidate>(&self, from: &[C], position: usize) -> bool {
        from.get(position).is_some_and(|c| {
            (c.share() > 0 || self.regardless) && c.has_room() && !self.was_tried(position)
        })
    }

    /// Whether the endpoint at `position` may be picked. A position outside of `from` may not.
    #[inline]
    fn fits<C: Candidate>(&self, from: &[C], position: usize) -> bool {
        from.get(position)
            .is_some_and(|c| (c.share() > 0 || self.regardless) && self.allows(c, position))
    }

    /// The same, but an endpoint with a part of its share fits only as often as that part says.
    #[inline]
    fn draws<C: Candidate>(&self, from: &[C], position: usize, rng: &mut Rng) -> bool {
        from.get(position).is_some_and(|c| {
            let share = c.share();
            (share >= Standing::FULL || in_part(share, self.regardless, rng))
                && self.allows(c, position)
        })
    }

    #[inline]
    fn allows<C: Candidate>(&self, candidate: &C, position: usize) -> bool {
        candidate.weight() > 0 && candidate.has_room() && !self.was_tried(position)
    }

    #[inline]
    fn was_tried(&self, position: usize) -> bool {
        self.tried.contains(self.first + position)
    }

    /// The part of its weight that counts.
    #[inline]
    fn share<C: Candidate>(&self, candidate: &C) -> u16 {
        if self.regardless {
            Standing::FULL
        } else {
            candidate.share()
        }
    }

    /// Weight and share in one number.
    #[inline]
    fn pull<C: Candidate>(&self, candidate: &C) -> u64 {
        u64::from(candidate.weight()) * u64::from(self.share(candidate))
    }
}

/// True as often as `share` says, in thousandths; never for none. Always when standing does not matter.
#[cold]
fn in_part(share: u16, regardless: bool, rng: &mut Rng) -> bool {
    regardless || (share > 0 && rng.below(u32::from(Standing::FULL)) < u32::from(share))
}

/// Picks endpoints.
#[derive(Debug)]
pub enum Balancer {
    /// Smooth weighted rotation.
    RoundRobin(RoundRobin),
    /// The less loaded of two random choices.
    LeastRequest(LeastRequest),
    /// A random choice by weight.
    Random(Random),
    /// The least loaded of more random choices, or of all.
    LeastOfMore(LeastOfMore),
    /// The least loaded of all, in rotation where several are.
    LeastConnections(LeastConnections),
    /// The one of two random choices with the lower product of peak latency and load.
    PeakEwma(PeakEwma),
    /// The lowest product of average latency and load.
    LeastTime(LeastTime),
    /// A random choice by weights that follow reports.
    ReportedLoad(ReportedLoad),
    /// The first that has room.
    FirstAvailable(FirstAvailable),
    /// The fastest of recent readings that is not loaded. Boxed: it is larger than all others, and its pick is a long one anyway.
    Prequal(Box<Prequal>),
    /// By the hash of the request's key: ring, Maglev or rendezvous.
    Hash(Hash),
}

impl Balancer {
    /// A balancer for these endpoints. `follows` is the one that it takes the place of when a set of endpoints changes: a
    /// rotation goes on from where that one stands.
    #[must_use]
    pub fn new(rules: &BalancerRules, members: &[Member<'_>], follows: Option<&Self>) -> Self {
        let weights: Vec<u16> = members.iter().map(|member| member.weight).collect();
        match rules {
            BalancerRules::RoundRobin => {
                let cursor = match follows {
                    Some(Self::RoundRobin(before)) => before.cursor(),
                    _ => 0,
                };
                Self::RoundRobin(RoundRobin::new(&weights, cursor))
            }
            BalancerRules::Random => Self::Random(Random::new(&weights)),
            BalancerRules::LeastRequest { choices } => match choices {
                Choices::Some(0..=2) => Self::LeastRequest(LeastRequest::new(&weights)),
                _ => Self::LeastOfMore(LeastOfMore::new(&weights, *choices)),
            },
            BalancerRules::LeastConnections => {
                let cursor = match follows {
                    Some(Self::LeastConnections(before)) => before.cursor(),
                    _ => 0,
                };
                Self::LeastConnections(LeastConnections::new(&weights, cursor))
            }
            BalancerRules::PeakEwma { decay } => Self::PeakEwma(PeakEwma::new(&weights, *decay)),
            BalancerRules::LeastTime { decay } => Self::LeastTime(LeastTime::new(&weights, *decay)),
            BalancerRules::ReportedLoad(rules) => {
                Self::ReportedLoad(ReportedLoad::new(&weights, rules))
            }
            BalancerRules::FirstAvailable => Self::FirstAvailable(FirstAvailable),
            BalancerRules::Prequal(rules) => Self::Prequal(Box::new(Prequal::new(rules, &weights))),
            BalancerRules::Hash(rules) => Self::Hash(Hash::new(rules, members)),
        }
    }

    /// Begins a rotation at that turn, unless it has begun; nothing where there is none.
    pub fn set_out(&self, turn: u64) {
        match self {
            Self::RoundRobin(balancer) => balancer.set_out(turn),
            Self::LeastConnections(balancer) => balancer.set_out(turn),
            Self::LeastRequest(_)
            | Self::Random(_)
            | Self::LeastOfMore(_)
            | Self::PeakEwma(_)
            | Self::LeastTime(_)
            | Self::ReportedLoad(_)
            | Self::FirstAvailable(_)
            | Self::Prequal(_)
            | Self::Hash(_) => {}
        }
    }

    /// The position in `from` of the endpoint that gets the next attempt of an exchange. `from` has the order and the
    /// length of the members the balancer was made with; a weight may have become 0 since.
    #[inline]
    pub fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        match self {
            Self::RoundRobin(balancer) => balancer.pick(from, wanted, rng),
            Self::LeastRequest(balancer) => balancer.pick(from, wanted, rng),
            Self::Random(balancer) => balancer.pick(from, wanted, rng),
            // These are never inlined: the frame that they need would cost the ones above instructions.
            Self::LeastOfMore(balancer) => balancer.pick(from, wanted, rng),
            Self::LeastConnections(balancer) => balancer.pick(from, wanted, rng),
            Self::PeakEwma(balancer) => balancer.pick(from, wanted, rng),
            Self::LeastTime(balancer) => balancer.pick(from, wanted, rng),
            Self::ReportedLoad(balancer) => balancer.pick(from, wanted, rng),
            Self::FirstAvailable(_) => FirstAvailable::pick(from, wanted, rng),
            Self::Prequal(balancer) => balancer.pick(from, wanted, rng),
            Self::Hash(balancer) => balancer.pick(from, wanted, rng),
        }
    }

    /// What it has to be told and wants to hear.
    #[inline]
    #[must_use]
    pub const fn needs(&self) -> Needs {
        match self {
            Self::RoundRobin(_)
            | Self::LeastRequest(_)
            | Self::Random(_)
            | Self::LeastOfMore(_)
            | Self::LeastConnections(_)
            | Self::FirstAvailable(_) => Needs {
                clock: false,
                in_flight: false,
                observations: false,
                reports: false,
            },
            Self::PeakEwma(_) | Self::LeastTime(_) => Needs {
                clock: true,
                in_flight: false,
                observations: true,
                reports: false,
            },
            Self::ReportedLoad(_) => Needs {
                clock: false,
                in_flight: false,
                observations: true,
                reports: true,
            },
            Self::Prequal(balancer) => balancer.needs(),
            Self::Hash(balancer) => Needs {
                clock: false,
                in_flight: balancer.is_bounded(),
                observations: false,
                reports: false,
            },
        }
    }

    /// Takes note of what an attempt at the endpoint at `at` showed; `now_us` is the clock of [`Wanted::now_us`].
    pub fn observe<C: Candidate>(&self, from: &[C], at: usize, observed: &Observed, now_us: u64) {
        match self {
            Self::Prequal(balancer) => balancer.observe(from, at, observed, now_us),
            Self::PeakEwma(balancer) => balancer.observe(from, at, observed, now_us),
            Self::LeastTime(balancer) => balancer.observe(from, at, observed, now_us),
            Self::ReportedLoad(balancer) => balancer.observe(from, at, observed, now_us),
            Self::RoundRobin(_)
            | Self::LeastRequest(_)
            | Self::Random(_)
            | Self::LeastOfMore(_)
            | Self::LeastConnections(_)
            | Self::FirstAvailable(_)
            | Self::Hash(_) => {}
        }
    }

    /// What time alone changes; the control plane calls it ten times a second.
    pub fn tick<C: Candidate>(&self, from: &[C], now_us: u64) {
        match self {
            Self::ReportedLoad(balancer) => balancer.tick(from, now_us),
            Self::Hash(balancer) => balancer.tick(from),
            Self::Prequal(balancer) => balancer.tick(),
            Self::RoundRobin(_)
            | Self::LeastRequest(_)
            | Self::Random(_)
            | Self::LeastOfMore(_)
            | Self::LeastConnections(_)
            | Self::PeakEwma(_)
            | Self::LeastTime(_)
            | Self::FirstAvailable(_) => {}
        }
    }

    /// How many probes for load are to be sent, to what [`Balancer::probe_target`] draws, for the picks since the last call.
    /// The control plane asks every few milliseconds.
    pub fn probes_due(&self) -> u32 {
        if let Self::Prequal(balancer) = self {
            balancer.probes_due()
        } else {
            0
        }
    }

    /// The position of an endpoint to be probed for load; what it answers is told by [`Balancer::observe`]. None when the
    /// balancer does without, or when it met none that may get requests.
    pub fn probe_target<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        if let Self::Prequal(balancer) = self {
            balancer.target(from, wanted, rng)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod recovery;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traffic;
