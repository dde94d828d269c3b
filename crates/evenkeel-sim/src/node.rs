//! One evenkeel: what it knows of each endpoint, and everything that it shares with no other.
//!
//! It decides as the data plane does ([`seat`], and `world/course.rs` for what goes on from attempt to attempt) and as the
//! control plane's clock does ([`clock`]). It has one worker, and its decisions take no time.

pub(crate) mod clock;
pub(crate) mod seat;

use evenkeel_base::Rng;
use evenkeel_base::rules::{BalancerRules, EndpointLimit, OutlierRules, Signals};
use evenkeel_config::model::Cluster;
use evenkeel_policy::health::{Probed, Start};
use evenkeel_policy::outlier::{Cause, Crowd, Event, may_eject};
use evenkeel_policy::{Budget, Candidate, Health, Member, Needs, Phase, Queue};

use crate::known::Known;
use crate::node::clock::{Adapter, Judged, Recent};
use crate::rule::{Picker, Picks};
use crate::time::{Nanos, from_duration};

/// An endpoint that a node is to know.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) endpoint: u32,
    pub(crate) id: String,
    pub(crate) weight: u16,
    pub(crate) rank: u16,
}

/// What a node keeps for the probes of one endpoint.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) probed: Probed,
    /// When it is probed next; before that, connects are tried while it is down.
    pub(crate) due: Nanos,
    /// Whether the last thing that was tried found nobody.
    pub(crate) gone: bool,
}

/// How a node asks endpoints for their load.
#[derive(Debug)]
pub(crate) struct Asks {
    pub(crate) pool: u8,
    pub(crate) max_age: Nanos,
    /// When at least one is due.
    pub(crate) next: Nanos,
    /// Looks in a row at which nothing was.
    pub(crate) idle: u32,
    /// For each endpoint, whether a question is under way.
    pub(crate) under_way: Vec<bool>,
    /// How many are.
    pub(crate) count: usize,
}

impl Asks {
    /// None where the balancer does without.
    fn of(picks: &Picks, endpoints: usize) -> Option<Self> {
        let Picks::Policy(BalancerRules::Prequal(rules)) = picks else {
            return None;
        };
        matches!(rules.signals, Signals::Probe(_)).then(|| Self {
            pool: rules.pool,
            max_age: from_duration(rules.max_age),
            next: 0,
            idle: 0,
            under_way: vec![false; endpoints],
            count: 0,
        })
    }
}

/// One evenkeel.
#[derive(Debug)]
pub(crate) struct Node {
    /// In the order of ranks.
    pub(crate) list: Vec<Known>,
    pub(crate) picker: Picker,
    pub(crate) needs: Needs,
    pub(crate) rng: Rng,
    pub(crate) budget: Budget,
    pub(crate) queue: Queue<u32>,
    /// When the queue's next look at its deadlines is on its way.
    pub(crate) queue_looks: Nanos,
    /// Requests in flight to the cluster.
    pub(crate) taken: u32,
    pub(crate) is_limited: bool,
    /// The most of them.
    pub(crate) limit: u32,
    pub(crate) panicking: bool,
    /// Whether an endpoint may have less than its full share: else the clock has nothing to do.
    pub(crate) unsettled: bool,
    pub(crate) ticks: u64,
    /// For each endpoint, where there are probes.
    pub(crate) watches: Vec<Watch>,
    /// For each endpoint, where limits adapt.
    pub(crate) adapters: Vec<Adapter>,
    /// For each endpoint, where they are judged by what a window saw.
    pub(crate) judged: Vec<Judged>,
    /// Where endpoints are asked for their load.
    pub(crate) asks: Option<Asks>,
    /// Where requests are hedged.
    pub(crate) recent: Option<Recent>,
}

impl Node {
    pub(crate) fn new(listed: &[Listed], picks: &Picks, cluster: &Cluster, mut rng: Rng) -> Self {
        let members: Vec<Member<'_>> = listed
            .iter()
            .map(|one| Member {
                id: &one.id,
                weight: one.weight,
                rank: one.rank,
            })
            .collect();
        let picker = Picker::new(picks, cluster, &members);
        let limit = match cluster.limits.endpoint_requests {
            EndpointLimit::Off => u32::MAX,
            EndpointLimit::Fixed(limit) => limit,
            EndpointLimit::Adaptive(rules) => rules.initial,
        };
        let health = match cluster.probe.rules() {
            Some(_) => Health::Waiting,
            None => Health::Unprobed,
        };
        let known = |one: &Listed| Known::new((one.endpoint, one.weight), limit, health);
        let watches = cluster.probe.rules().map_or(0, |_| listed.len());
        let is_judged = cluster.outlier.fault_percent > 0 || cluster.outlier.latency_factor > 0.0;
        let judged = if is_judged { listed.len() } else { 0 };
        let adapters = match cluster.limits.endpoint_requests {
            EndpointLimit::Adaptive(rules) => {
                let fresh = |_| Adapter::new(rules, Rng::new(rng.next_u64()));
                listed.iter().map(fresh).collect()
            }
            EndpointLimit::Off | EndpointLimit::Fixed(_) => Vec::new(),
        };
        let hedges = cluster.retry.hedge.percentile > 0;
        Self {
            list: listed.iter().map(known).collect(),
            needs: picker.needs(),
            picker,
            rng,
            budget: Budget::new(cluster.budget.ratio, cluster.budget.burst),
            queue: Queue::new(cluster.limits.queue),
            queue_looks: 0,
            taken: 0,
            is_limited: !cluster.limits.is_off(),
            limit: cluster.limits.requests,
            panicking: false,
            unsettled: true,
            ticks: 0,
            watches: (0..watches).map(|_| Watch::new()).collect(),
            adapters,
            judged: (0..judged).map(|_| Judged::default()).collect(),
            asks: Asks::of(picks, listed.len()),
            recent: hedges.then(Recent::default),
        }
    }

    /// Takes a place for an attempt.
    pub(crate) fn take(&mut self, at: usize) {
        let in_flight = &self.list[at].in_flight;
        in_flight.set(in_flight.get() + 1);
        self.taken += 1;
    }

    /// Gives it back. Tells whether somebody who waits may take it.
    pub(crate) fn give_back(&mut self, at: usize) -> bool {
        let known = &self.list[at];
        known.in_flight.set(known.in_flight.get().saturating_sub(1));
        let is_counted = self.limit != u32::MAX;
        let is_free = is_counted || known.has_room();
        self.taken = self.taken.saturating_sub(1);
        self.is_limited && is_free && !self.queue.is_empty()
    }

    /// Ejects an endpoint, if the cap allows.
    pub(crate) fn eject(
        &mut self,
        at: usize,
        cause: Cause,
        rules: &OutlierRules,
        now_ms: u64,
    ) -> Option<Event> {
        let crowd = self.crowd(at);
        let known = &self.list[at];
        self.unsettled = true;
        let may = match known.weight {
            0 => crowd.well > 0,
            _ => may_eject(crowd, rules),
        };
        if may {
            known.outlier.eject(&known.standing, rules, cause, now_ms)
        } else {
            known.outlier.refused(&known.standing, now_ms);
            None
        }
    }

    /// The others as seen from one of them. Those without weight are no part of the cluster's work.
    fn crowd(&self, at: usize) -> Crowd {
        let mut crowd = Crowd {
            endpoints: 0,
            out: 0,
            well: 0,
        };
        for (position, known) in self.list.iter().enumerate() {
            if known.weight == 0 {
                continue;
            }
            crowd.endpoints += 1;
            if position == at {
                continue;
            }
            if known.standing.phase() != Phase::Admitting {
                crowd.out += 1;
            } else if known.standing.share() > 0 {
                crowd.well += 1;
            }
        }
        crowd
    }
}

impl Watch {
    const fn new() -> Self {
        Self {
            probed: Probed::new(Start::Process),
            due: 0,
            gone: false,
        }
    }
}
