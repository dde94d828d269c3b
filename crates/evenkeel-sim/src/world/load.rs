//! Probes for load, as `evenkeel-control` sends them where Prequal wants them: on the credit that picks raise, and at least
//! half a pool in a reading's lifetime. A question costs the endpoint no work, and one that refuses or stands still gives no
//! answer.

use evenkeel_policy::{Observed, Report};

use crate::endpoint::Looks;
use crate::events::Event;
use crate::time::{Nanos, SECOND};

use super::World;

/// From one look at what is due to the next, while something is.
const LOOK: Nanos = SECOND / 1_000;

/// The same when nothing was due at the last [`PATIENCE`].
const QUIET: Nanos = SECOND / 100;

/// See `evenkeel-control`.
const PATIENCE: u32 = 10;

/// So many are under way at once in a node; what is due beyond them is not asked.
const MOST_UNDER_WAY: usize = 64;

/// A question under way, or its answer.
#[derive(Debug)]
pub(super) struct Question {
    node: u32,
    at: usize,
    /// None when there is no answer.
    report: Option<Report>,
}

impl World<'_> {
    /// The first look of a node that asks.
    pub(super) fn begin_asking(&mut self, number: u32) {
        if self.nodes[number as usize].asks.is_some() {
            let first = self.rng.below_long(LOOK);
            self.events.add(first, Event::LoadLook(number));
        }
    }

    pub(super) fn look_for_load(&mut self, number: u32) {
        let now = self.events.now();
        let node = &mut self.nodes[number as usize];
        let Some(asks) = &mut node.asks else { return };
        // An empty pool is filled at once.
        let least = match asks.next {
            0 => u32::from(asks.pool),
            next => u32::from(now >= next),
        };
        if least > 0 {
            asks.next = now + asks.max_age / u64::from((asks.pool / 2).max(1));
        }
        let due = node.picker.to_ask(&node.list, least, &mut node.rng);
        asks.idle = if due.is_empty() {
            asks.idle.saturating_add(1)
        } else {
            0
        };
        let pause = if asks.idle >= PATIENCE { QUIET } else { LOOK };
        for at in due {
            self.ask_for_load(number, at);
        }
        self.events.after(pause, Event::LoadLook(number));
    }

    fn ask_for_load(&mut self, number: u32, at: usize) {
        let node = &mut self.nodes[number as usize];
        let Some(asks) = &mut node.asks else { return };
        if asks.count >= MOST_UNDER_WAY || std::mem::replace(&mut asks.under_way[at], true) {
            return;
        }
        asks.count += 1;
        let question = self.questions.insert(Question {
            node: number,
            at,
            report: None,
        });
        let travels = self.travels();
        self.events.after(travels, Event::LoadAsked(question));
    }

    pub(super) fn asked_for_load(&mut self, id: u32) {
        let (now, travels) = (self.events.now(), self.travels());
        let Some(question) = self.questions.get_mut(id) else {
            return;
        };
        let node = &self.nodes[question.node as usize];
        let number = node.list[question.at].endpoint;
        let endpoint = &mut self.endpoints[number as usize];
        let mut pause = travels;
        match endpoint.looks() {
            Looks::Well | Looks::Unwilling => question.report = Some(endpoint.report(now)),
            Looks::Gone => {}
            // It is given up when a reading would be too old.
            Looks::Silent => pause = node.asks.as_ref().map_or(travels, |asks| asks.max_age),
        }
        self.events.after(pause, Event::LoadTold(id));
    }

    pub(super) fn told_of_load(&mut self, id: u32) {
        let now = self.events.now();
        let Some(Question { node, at, report }) = self.questions.remove(id) else {
            return;
        };
        let node = &mut self.nodes[node as usize];
        if let Some(asks) = &mut node.asks {
            asks.under_way[at] = false;
            asks.count = asks.count.saturating_sub(1);
        }
        if let Some(report) = report {
            let observed = Observed {
                report,
                ..Observed::default()
            };
            node.picker.observe(&node.list, at, &observed, now);
        }
    }
}
