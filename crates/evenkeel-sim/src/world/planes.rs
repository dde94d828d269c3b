//! The control plane of each node: its clock, its connects to endpoints that are out, its probes. As `evenkeel-control`
//! does them, but that a probe takes no work of the endpoint, and no time unless the endpoint is silent.

use evenkeel_config::model::Probe;
use evenkeel_policy::outlier::Event as Told;
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Health, Phase};

use crate::endpoint::Looks;
use crate::events::Event;
use crate::node::clock::{KNOCK, TICK};
use crate::time::{from_duration, millis};

use super::World;

impl World<'_> {
    pub(super) fn tick(&mut self, number: u32) {
        let (now, instant) = (self.events.now(), self.instant());
        let node = &mut self.nodes[number as usize];
        let (told, panic) = node.tick(&self.scenario.cluster, now, instant);
        for event in &told {
            self.note(event);
        }
        if panic == Some(true) {
            self.record.panicked();
        }
        let mut truth = Self::truth(&mut self.endpoints, now);
        let node = &mut self.nodes[number as usize];
        node.picker.tick(&node.list, &mut truth);
        self.stir(number);
        self.events.after(TICK, Event::Tick(number));
    }

    fn note(&mut self, event: &Told) {
        if matches!(event, Told::Ejected { .. }) {
            self.record.ejected();
        }
    }

    /// Connects to those that are ejected.
    pub(super) fn knock(&mut self, number: u32) {
        let now_ms = millis(self.events.now());
        let node = &self.nodes[number as usize];
        if node.unsettled {
            for known in &node.list {
                if known.standing.phase() != Phase::Ejected {
                    continue;
                }
                if self.endpoints[known.endpoint as usize].looks() == Looks::Gone {
                    known.outlier.connect_failed();
                } else {
                    let _ = known.outlier.connected(&known.standing, now_ms);
                }
            }
        }
        self.events.after(KNOCK, Event::Knock(number));
    }

    /// The first probes: a start waits for their results.
    pub(super) fn begin_probes(&mut self, number: u32) {
        let watches = self.nodes[number as usize].watches.len();
        for at in 0..watches {
            let which = self.which(number, at);
            let is_good = self.asks(which) != Looks::Silent && self.is_good(which);
            self.take(which, is_good);
            let node = &mut self.nodes[number as usize];
            let Some(rules) = self.scenario.cluster.probe.rules() else {
                return;
            };
            let watch = &mut node.watches[at];
            let pause = from_duration(watch.probed.next(rules, &mut node.rng));
            // Somewhere within the first pause: endpoints that began together are not probed together ever after.
            watch.due = node.rng.below_long(pause.max(1));
            self.events.add(watch.due, Event::Probe(which));
        }
    }

    /// Probes an endpoint when that is due; before, one that is down is connected to.
    pub(super) fn probe(&mut self, which: u32) {
        let now = self.events.now();
        let looks = self.asks(which);
        let (number, at) = self.parts(which);
        let watch = &mut self.nodes[number].watches[at];
        if watch.probed.health() == Health::Down && now < watch.due {
            let (was_gone, is_gone) = (watch.gone, looks == Looks::Gone);
            watch.gone |= is_gone;
            if is_gone || !was_gone {
                let next = watch.due.min(now + KNOCK);
                self.events.add(next, Event::Probe(which));
                return;
            }
        }
        watch.gone = looks == Looks::Gone;
        if looks == Looks::Silent && self.waits_for_an_answer() {
            let timeout = self
                .scenario
                .cluster
                .probe
                .rules()
                .map_or(0, |rules| from_duration(rules.timeout));
            self.events.after(timeout, Event::Silence(which));
        } else {
            let is_good = self.is_good_when(looks);
            self.probed(which, is_good);
        }
    }

    /// A probe has its result.
    pub(super) fn probed(&mut self, which: u32, is_good: bool) {
        self.take(which, is_good);
        let (now, (number, at)) = (self.events.now(), self.parts(which));
        let Some(rules) = self.scenario.cluster.probe.rules() else {
            return;
        };
        let node = &mut self.nodes[number];
        let watch = &mut node.watches[at];
        let pause = from_duration(watch.probed.next(rules, &mut node.rng));
        watch.due = now.saturating_add(pause);
        let next = match watch.probed.health() {
            Health::Down => watch.due.min(now + KNOCK),
            Health::Unprobed | Health::Waiting | Health::Up => watch.due,
        };
        self.events.add(next, Event::Probe(which));
    }

    /// What a result changes.
    fn take(&mut self, which: u32, is_good: bool) {
        let (now_ms, (number, at)) = (millis(self.events.now()), self.parts(which));
        let is_answer = self.waits_for_an_answer();
        let Some(rules) = self.scenario.cluster.probe.rules() else {
            return;
        };
        let node = &mut self.nodes[number];
        let known = &node.list[at];
        if is_answer {
            let _ = known.outlier.probed(&known.standing, is_good, now_ms);
        } else if is_good {
            let _ = known.outlier.connected(&known.standing, now_ms);
        } else {
            known.outlier.connect_failed();
        }
        node.unsettled = true;
        if let Some(change) = node.watches[at].probed.result(is_good, rules) {
            let entry = if change.slow_start {
                Entry::of(self.scenario.cluster.slow_start)
            } else {
                Entry::Full
            };
            let _ = known.standing.set_health(change.to, entry, now_ms);
        }
    }

    /// Whether probes are those that want an answer; else a connection is enough.
    fn waits_for_an_answer(&self) -> bool {
        match &self.scenario.cluster.probe {
            Probe::Off => false,
            Probe::Tcp { expect, .. } => !expect.is_empty(),
            Probe::Http { .. } | Probe::Grpc { .. } => true,
        }
    }

    fn is_good(&mut self, which: u32) -> bool {
        let looks = self.asks(which);
        self.is_good_when(looks)
    }

    fn is_good_when(&self, looks: Looks) -> bool {
        match looks {
            Looks::Gone => false,
            Looks::Well => true,
            Looks::Silent | Looks::Unwilling => !self.waits_for_an_answer(),
        }
    }

    fn asks(&mut self, which: u32) -> Looks {
        let (number, at) = self.parts(which);
        let endpoint = self.nodes[number].list[at].endpoint;
        self.endpoints[endpoint as usize].looks()
    }

    /// An endpoint of a node as one number: nodes have equally long lists.
    fn which(&self, number: u32, at: usize) -> u32 {
        let length = super::count(self.nodes[number as usize].list.len());
        number * length + super::count(at)
    }

    fn parts(&self, which: u32) -> (usize, usize) {
        let length = self.nodes[0].list.len().max(1);
        (which as usize / length, which as usize % length)
    }
}
