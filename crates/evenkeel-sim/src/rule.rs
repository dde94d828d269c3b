//! Who picks: the balancers of `evenkeel-policy`, or a rule that only a comparison needs.

use std::fmt;

use evenkeel_base::Rng;
use evenkeel_base::rules::BalancerRules;
use evenkeel_config::model::Cluster;
use evenkeel_policy::{Member, Needs, Observed, Report, Tiers, Wanted};

use crate::endpoint::Endpoint;
use crate::known::Known;
use crate::time::{Nanos, micros};

/// What is compared: a name, and who picks under it.
#[derive(Clone, Debug)]
pub struct Contender {
    /// What it is called in the outcome.
    pub name: String,
    /// Who picks.
    pub picks: Picks,
}

/// Who picks.
#[derive(Clone)]
pub enum Picks {
    /// A balancer of evenkeel.
    Policy(BalancerRules),
    /// Something else: made once for each node.
    Rule(fn(&[Member<'_>]) -> Box<dyn Rule>),
}

impl fmt::Debug for Picks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(rules) => rules.fmt(f),
            Self::Rule(_) => f.write_str("Rule"),
        }
    }
}

/// A rule that is no balancer of evenkeel.
pub trait Rule: fmt::Debug {
    /// The position in `from` of the endpoint that gets the next attempt. `truth` answers what an endpoint would say of
    /// itself at this moment; asking it costs no time, so a rule that asks as it picks is a little better here than it
    /// could be.
    fn pick(
        &mut self,
        from: &[Known],
        wanted: &Wanted<'_>,
        truth: &mut Truth<'_>,
        rng: &mut Rng,
    ) -> Option<usize>;

    /// An attempt at the endpoint at `at` has ended.
    fn observe(&mut self, from: &[Known], at: usize, observed: &Observed, now_us: u64) {
        let _ = (from, at, observed, now_us);
    }

    /// Ten times a second.
    fn tick(&mut self, from: &[Known], truth: &mut Truth<'_>, now_us: u64) {
        let _ = (from, truth, now_us);
    }
}

/// The endpoints as they are, for who asks them.
#[derive(Debug)]
pub struct Truth<'a> {
    pub(crate) endpoints: &'a mut [Endpoint],
    pub(crate) now: Nanos,
}

impl Truth<'_> {
    /// What that endpoint says of itself at this moment.
    pub fn ask(&mut self, of: &Known) -> Report {
        let endpoint = self.endpoints.get_mut(of.endpoint as usize);
        endpoint.map_or_else(Report::default, |endpoint| endpoint.report(self.now))
    }

    /// The time, in microseconds.
    #[must_use]
    pub const fn now_us(&self) -> u64 {
        micros(self.now)
    }
}

/// Who picks for one node.
#[derive(Debug)]
pub(crate) enum Picker {
    Policy(Box<Tiers>),
    Rule(Box<dyn Rule>),
}

impl Picker {
    pub(crate) fn new(picks: &Picks, cluster: &Cluster, members: &[Member<'_>]) -> Self {
        match picks {
            Picks::Policy(rules) => {
                let tiers = Tiers::new(rules, &cluster.tiers, members, None);
                Self::Policy(Box::new(tiers))
            }
            Picks::Rule(make) => Self::Rule(make(members)),
        }
    }

    /// What it has to be told; a rule is told everything.
    pub(crate) const fn needs(&self) -> Needs {
        match self {
            Self::Policy(tiers) => tiers.needs(),
            Self::Rule(_) => Needs {
                clock: true,
                in_flight: true,
                observations: true,
                reports: true,
            },
        }
    }

    pub(crate) fn pick(
        &mut self,
        from: &[Known],
        wanted: Wanted<'_>,
        truth: &mut Truth<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        match self {
            Self::Policy(tiers) => tiers.pick(from, wanted, rng),
            Self::Rule(rule) => rule.pick(from, &wanted, truth, rng),
        }
    }

    pub(crate) fn observe(&mut self, from: &[Known], at: usize, observed: &Observed, now: Nanos) {
        match self {
            Self::Policy(tiers) => tiers.observe(from, at, observed, micros(now)),
            Self::Rule(rule) => rule.observe(from, at, observed, micros(now)),
        }
    }

    /// The endpoints that are to be asked for their load now, `least` at any rate.
    pub(crate) fn to_ask(&self, from: &[Known], least: u32, rng: &mut Rng) -> Vec<usize> {
        let mut all = Vec::new();
        if let Self::Policy(tiers) = self {
            tiers.probes(from, least, rng, |at| all.push(at));
        }
        all
    }

    pub(crate) fn tick(&mut self, from: &[Known], truth: &mut Truth<'_>) {
        let now_us = truth.now_us();
        match self {
            Self::Policy(tiers) => tiers.tick(from, now_us),
            Self::Rule(rule) => rule.tick(from, truth, now_us),
        }
    }
}
