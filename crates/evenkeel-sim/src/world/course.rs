//! One request from its arrival to its end: `exchange/{forward,course,race}.rs` of the data plane, decision for decision.
//!
//! Left out: connections and their reuse (so nothing is ever stale), bodies (all can be sent again), `Retry-After`, filters,
//! rate limits, and the time that evenkeel itself takes.

use evenkeel_base::Fault;
use evenkeel_base::rules::Priority;
use evenkeel_policy::outlier::{Attempted, Cause, Outcome as Counted};
use evenkeel_policy::queue::{Popped, Pushed, Why};
use evenkeel_policy::{
    Allowance, Attempt as Facts, Failure, Observed, Report, Sent, Tried, Verdict, backoff, verdict,
};

use crate::events::Event;
use crate::lapse::Ticket;
use crate::node::seat::{Asked, Choice};
use crate::record::{End, Ended};
use crate::slab::Slab;
use crate::time::{Nanos, from_duration, millis};

use super::{Attempt, Done, Exchange, NONE, World};

impl World<'_> {
    /// A request comes into being.
    pub(super) fn begin_exchange(&mut self, clients: u32) {
        let now = self.events.now();
        let nodes = self.scenario.nodes;
        let asking = &mut self.clients[clients as usize];
        let ask = asking.arrivals.ask(nodes);
        let serial = self.begun;
        self.record.began();
        let timeout = from_duration(self.scenario.clients[clients as usize].timeout);
        let exchange = self.exchanges.insert(Exchange {
            serial,
            began: now,
            ends_at: now.saturating_add(timeout),
            clients,
            node: ask.node,
            key: ask.key,
            idempotent: ask.idempotent || self.scenario.cluster.retry.non_idempotent,
            tried: Tried::new(),
            aside: Tried::new(),
            left: Allowance::new(self.scenario.cluster.retry.attempts),
            pauses: 0,
            rests_until: 0,
            attempts: 0,
            hedges: 0,
            lanes: [NONE; 2],
            hedge_at: 0,
            queued: None,
        });
        let ticket = Ticket {
            at: exchange,
            serial,
        };
        let exchanges = &self.exchanges;
        if let Some(at) = asking
            .lapse
            .begin(ticket, now, |one| is_waited_for(exchanges, one))
        {
            self.events.add(at, Event::RequestLapse(clients));
        }
        if self.exchanges.len() > super::MOST_UNDER_WAY {
            return self.finish(exchange, End::Fault(Fault::ClientGone));
        }
        self.nodes[ask.node as usize].budget.deposit(millis(now));
        self.seek(exchange);
    }

    /// Looks for the seat of the next attempt.
    fn seek(&mut self, id: u32) {
        let Some(exchange) = self.exchanges.get_mut(id) else {
            return;
        };
        exchange.aside = exchange.tried;
        let choice = self.choose(id, true);
        self.follow(id, choice);
    }

    fn choose(&mut self, id: u32, is_new: bool) -> Choice {
        let Some(exchange) = self.exchanges.get(id) else {
            return Choice::Nobody;
        };
        let asked = Asked {
            tried: exchange.aside,
            repeatable: exchange.idempotent,
            key: exchange.key,
        };
        let mut truth = Self::truth(&mut self.endpoints, self.events.now());
        let node = &mut self.nodes[exchange.node as usize];
        if is_new {
            node.choose(&asked, &mut truth)
        } else {
            node.choose_among(&asked, &mut truth)
        }
    }

    fn follow(&mut self, id: u32, choice: Choice) {
        match choice {
            Choice::Seat(at) => self.start(id, at, false),
            Choice::Nobody => self.finish(id, End::Fault(Fault::NoEndpoint)),
            Choice::Full => self.enqueue(id),
            Choice::Again => self.rest(id),
        }
    }

    /// Only endpoints are left that were tried: a pause, unless it is over.
    fn rest(&mut self, id: u32) {
        let now = self.events.now();
        let Some(exchange) = self.exchanges.get_mut(id) else {
            return;
        };
        if exchange.rests_until >= exchange.ends_at {
            return self.finish(id, End::Fault(Fault::TotalTimeout));
        }
        if exchange.rests_until > now {
            self.events.add(exchange.rests_until, Event::Rested(id));
            return;
        }
        self.rested_now(id);
    }

    pub(super) fn rested(&mut self, id: u32) {
        let now = self.events.now();
        let exchange = self.exchanges.get(id);
        let is_resting = |one: &Exchange| {
            one.rests_until == now && one.lanes == [NONE; 2] && one.queued.is_none()
        };
        if exchange.is_some_and(is_resting) {
            self.rested_now(id);
        }
    }

    fn rested_now(&mut self, id: u32) {
        if let Some(exchange) = self.exchanges.get_mut(id) {
            exchange.rests_until = 0;
            exchange.aside = Tried::new();
        }
        let choice = self.choose(id, false);
        self.follow(id, choice);
    }

    /// An attempt begins.
    fn start(&mut self, id: u32, at: usize, is_hedge: bool) {
        let now = self.events.now();
        let travels = self.travels();
        let Some(exchange) = self.exchanges.get_mut(id) else {
            return;
        };
        let node = &mut self.nodes[exchange.node as usize];
        let in_flight = node.list[at].in_flight.get();
        node.take(at);
        exchange.attempts += 1;
        exchange.hedges += u32::from(is_hedge);
        self.serial += 1;
        let attempt = Attempt {
            serial: self.serial,
            request: exchange.serial,
            exchange: id,
            node: exchange.node,
            at: super::count(at),
            endpoint: node.list[at].endpoint,
            number: exchange.attempts,
            began: now,
            reached: now,
            met: 0,
            in_flight,
            result: Done::Travels,
            report: Report::default(),
        };
        self.record.attempt(attempt.endpoint, now);
        let hedge = &self.scenario.cluster.retry.hedge;
        let usual = node.recent.as_ref().and_then(|recent| recent.usual);
        let hedges = usual.filter(|_| !is_hedge && exchange.idempotent);
        let attempt = self.attempts.insert(attempt);
        exchange.lanes[usize::from(is_hedge)] = attempt;
        if let Some(usual) = hedges {
            exchange.hedge_at = now + from_duration(usual.max(hedge.min_delay));
            self.events.add(exchange.hedge_at, Event::Hedged(id));
        }
        self.events.after(travels, Event::Reached(attempt));
        let ticket = Ticket {
            at: attempt,
            serial: self.serial,
        };
        let attempts = &self.attempts;
        let looks = self
            .attempt_lapse
            .begin(ticket, now, |one| is_under_way(attempts, one));
        if let Some(at) = looks {
            self.events.add(at, Event::AttemptLapse);
        }
    }

    /// It may be time for a second attempt: at another endpoint, at once, and paid for; else there is none.
    pub(super) fn hedged(&mut self, id: u32) {
        let now = self.events.now();
        let Some(exchange) = self.exchanges.get(id) else {
            return;
        };
        let first = exchange.lanes[0];
        let Some(attempt) = self.attempts.get(first) else {
            return;
        };
        if exchange.hedge_at != now || exchange.lanes[1] != NONE {
            return;
        }
        let mut tried = exchange.tried;
        tried.insert(attempt.at as usize);
        let asked = Asked {
            tried,
            repeatable: true,
            key: exchange.key,
        };
        let node = &mut self.nodes[exchange.node as usize];
        // Before it is paid for: at their limits, endpoints would have the budget spent on attempts that nobody makes.
        if !node.may_be_beside(&tried) || !node.budget.withdraw(millis(now)) {
            return;
        }
        let mut truth = Self::truth(&mut self.endpoints, now);
        if let Choice::Seat(at) = node.choose(&asked, &mut truth) {
            self.start(id, at, true);
        }
    }

    /// What became of an attempt reaches its node.
    pub(super) fn returned(&mut self, id: u32) {
        if let Some(attempt) = self.attempts.remove(id)
            && attempt.exchange != NONE
        {
            self.ended(id, &attempt);
        }
    }

    pub(super) fn attempts_lapse(&mut self) {
        let now = self.events.now();
        loop {
            let attempts = &self.attempts;
            let lapsed = self
                .attempt_lapse
                .lapsed(now, |one| is_under_way(attempts, one));
            let Some(Ticket { at: id, .. }) = lapsed else {
                break;
            };
            let cluster = &self.scenario.cluster;
            let fault = if cluster.retry.attempt_timeout < cluster.timeouts.response_header {
                Fault::AttemptTimeout
            } else {
                Fault::ResponseHeaderTimeout
            };
            if let Some(attempt) = self.leave(id, Done::Fault(fault)) {
                self.ended(id, &attempt);
            }
        }
        if let Some(at) = self.attempt_lapse.next() {
            self.events.add(at, Event::AttemptLapse);
        }
    }

    /// Nobody waits for an attempt any more. Gives it as it would have returned with that result.
    fn leave(&mut self, id: u32, result: Done) -> Option<Attempt> {
        let now = self.events.now();
        let attempt = self.attempts.get_mut(id)?;
        let left = Attempt {
            result,
            report: Report::default(),
            ..*attempt
        };
        attempt.exchange = NONE;
        let number = attempt.endpoint as usize;
        let cancels = self.scenario.endpoints[self.endpoints[number].group].cancels;
        if cancels && attempt.result == Done::Works {
            let looks = self.endpoints[number].machine.remove(id, now);
            self.attempts.remove(id);
            if let Some(at) = looks {
                self.events.add(at, Event::Completed(left.endpoint));
            }
        }
        Some(left)
    }

    /// An attempt that somebody waits for has ended.
    fn ended(&mut self, id: u32, attempt: &Attempt) {
        let now = self.events.now();
        let at = attempt.at as usize;
        let calls = self.nodes[attempt.node as usize].give_back(at);
        if let Some(exchange) = self.exchanges.get_mut(attempt.exchange) {
            exchange.lanes.iter_mut().for_each(|lane| {
                if *lane == id {
                    *lane = NONE;
                }
            });
        }
        let cause = match attempt.result {
            Done::Status(status) => Cause::of_status(status),
            Done::Fault(fault) => Cause::of(fault),
            Done::Answered | Done::Travels | Done::Works => None,
        };
        self.observe(attempt, cause.is_some());
        if !matches!(attempt.result, Done::Fault(_)) {
            self.overtook(attempt);
        }
        match attempt.result {
            Done::Fault(fault) => self.failed(attempt, fault, cause),
            Done::Status(status) => {
                self.blame(attempt, cause);
                if !self.refuses(attempt, status) {
                    self.finish(attempt.exchange, End::Status(status));
                }
            }
            Done::Answered | Done::Travels | Done::Works => {
                let node = &mut self.nodes[attempt.node as usize];
                let known = &node.list[at];
                if !known.outlier.is_untroubled(&known.standing) {
                    let slow_start = self.scenario.cluster.slow_start;
                    let attempted = attempted(attempt, now);
                    let _ = known
                        .outlier
                        .succeeded(&known.standing, slow_start, attempted);
                    node.unsettled = true;
                }
                self.finish(attempt.exchange, End::Answered);
            }
        }
        if calls {
            self.call(attempt.node);
        }
    }

    /// Tells the balancer, and counts for who measures.
    fn observe(&mut self, attempt: &Attempt, is_fault: bool) {
        let now = self.events.now();
        let (at, took) = (attempt.at as usize, now - attempt.began);
        let node = &mut self.nodes[attempt.node as usize];
        node.count(at, took, is_fault);
        if node.needs.observations {
            let has_head = !matches!(attempt.result, Done::Fault(_));
            let observed = Observed {
                latency: has_head.then(|| std::time::Duration::from_nanos(took)),
                failed: is_fault,
                erred: matches!(attempt.result, Done::Status(status) if Observed::is_error(status, None)),
                in_flight: attempt.in_flight,
                report: attempt.report,
            };
            node.picker.observe(&node.list, at, &observed, now);
        }
    }

    /// A gateway fault is counted, and may eject.
    fn blame(&mut self, attempt: &Attempt, cause: Option<Cause>) {
        let Some(cause) = cause else { return };
        let now = self.events.now();
        let rules = &self.scenario.cluster.outlier;
        let node = &mut self.nodes[attempt.node as usize];
        let known = &node.list[attempt.at as usize];
        let counted = known
            .outlier
            .failed(&known.standing, rules, attempted(attempt, now));
        if counted == Counted::WantsEjection {
            let event = node.eject(attempt.at as usize, cause, rules, millis(now));
            if event.is_some() {
                self.record.ejected();
            }
        }
    }

    /// An endpoint has answered, and with that an attempt at another one is given up that began before.
    fn overtook(&mut self, winner: &Attempt) {
        let now = self.events.now();
        let cluster = &self.scenario.cluster;
        let node = &mut self.nodes[winner.node as usize];
        node.list[winner.at as usize].outlier.spoke();
        let Some(exchange) = self.exchanges.get(winner.exchange) else {
            return;
        };
        for lane in exchange.lanes {
            let Some(loser) = self.attempts.get(lane) else {
                continue;
            };
            if loser.began >= winner.began {
                continue;
            }
            let (at, rules) = (loser.at as usize, &cluster.outlier);
            let known = &node.list[at];
            let patience = cluster.retry.attempt_timeout;
            let attempted = attempted(loser, now);
            let given_up = known
                .outlier
                .given_up(&known.standing, rules, patience, attempted);
            if given_up == Counted::WantsEjection
                && node.eject(at, Cause::Timeout, rules, millis(now)).is_some()
            {
                self.record.ejected();
            }
        }
    }

    /// Decides about an attempt that failed: another one may follow, or the request ends with the fault.
    fn failed(&mut self, attempt: &Attempt, fault: Fault, cause: Option<Cause>) {
        self.blame(attempt, cause);
        let verdict = self.ask(attempt, Failure::Fault(fault));
        let now = self.events.now();
        let Some(exchange) = self.exchanges.get_mut(attempt.exchange) else {
            return;
        };
        if exchange.lanes != [NONE; 2] {
            // One of two attempts at once, and the other goes on.
            exchange.tried.insert(attempt.at as usize);
            return;
        }
        exchange.left = exchange.left.after(verdict);
        let node = &mut self.nodes[attempt.node as usize];
        if verdict == Verdict::GiveUp || !node.budget.withdraw(millis(now)) {
            return self.finish(attempt.exchange, End::Fault(fault));
        }
        self.again(attempt);
    }

    /// A response whose status is tried again, when that can be done now.
    fn refuses(&mut self, attempt: &Attempt, status: u16) -> bool {
        if !self.scenario.cluster.retry.statuses.contains(status)
            || self.ask(attempt, Failure::Status(status)) != Verdict::Retry
        {
            return false;
        }
        let now = self.events.now();
        let Some(exchange) = self.exchanges.get_mut(attempt.exchange) else {
            return false;
        };
        let node = &mut self.nodes[attempt.node as usize];
        let mut tried = exchange.tried;
        tried.insert(attempt.at as usize);
        let can_wait = now < exchange.ends_at;
        if !(node.is_another_left(&tried) || can_wait) || !node.budget.withdraw(millis(now)) {
            return false;
        }
        exchange.left = exchange.left.after(Verdict::Retry);
        // A race is over with the first response.
        self.drop_lanes(attempt.exchange);
        self.again(attempt);
        true
    }

    fn ask(&self, attempt: &Attempt, failure: Failure) -> Verdict {
        let Some(exchange) = self.exchanges.get(attempt.exchange) else {
            return Verdict::GiveUp;
        };
        let facts = Facts {
            failure,
            sent: match failure {
                Failure::Fault(Fault::ConnectRefused) => Sent::Nothing,
                Failure::Fault(_) | Failure::Status(_) | Failure::Grpc(_) => Sent::Some,
            },
            method_idempotent: exchange.idempotent,
            reused: false,
            body_replayable: true,
            response_started: false,
        };
        verdict(&facts, exchange.left, &self.scenario.cluster.retry)
    }

    /// Another attempt follows.
    fn again(&mut self, attempt: &Attempt) {
        let now = self.events.now();
        let rules = &self.scenario.cluster.retry;
        let node = &mut self.nodes[attempt.node as usize];
        if let Some(exchange) = self.exchanges.get_mut(attempt.exchange) {
            let pause = backoff::pause(rules, exchange.pauses, &mut node.rng);
            exchange.pauses += 1;
            let until = now.saturating_add(from_duration(pause));
            exchange.rests_until = exchange.rests_until.max(until);
            exchange.tried.insert(attempt.at as usize);
        }
        self.seek(attempt.exchange);
    }

    /// A request has ended: what it still has under way is left.
    pub(super) fn finish(&mut self, id: u32, end: End) {
        let now = self.events.now();
        self.drop_lanes(id);
        let Some(exchange) = self.exchanges.remove(id) else {
            return;
        };
        if let Some(place) = exchange.queued {
            self.nodes[exchange.node as usize].queue.remove(place);
        }
        let ended = Ended {
            began: exchange.began,
            attempts: exchange.attempts,
            hedges: exchange.hedges,
            end,
        };
        self.record.ended(ended, now);
        let asks = &self.scenario.clients[exchange.clients as usize].asks;
        if matches!(asks, crate::scenario::Asks::Closed { .. }) && !self.is_quiet {
            let asking = &mut self.clients[exchange.clients as usize];
            let thinks = asking.arrivals.thinks(asks);
            self.events.after(thinks, Event::Thought(exchange.clients));
        }
    }

    /// Leaves the attempts of a request that are under way.
    fn drop_lanes(&mut self, id: u32) {
        let Some(exchange) = self.exchanges.get_mut(id) else {
            return;
        };
        let lanes = std::mem::replace(&mut exchange.lanes, [NONE; 2]);
        for lane in lanes.into_iter().filter(|lane| *lane != NONE) {
            if let Some(attempt) = self.leave(lane, Done::Travels)
                && self.nodes[attempt.node as usize].give_back(attempt.at as usize)
            {
                self.call(attempt.node);
            }
        }
    }

    pub(super) fn requests_lapse(&mut self, clients: u32) {
        let now = self.events.now();
        loop {
            let exchanges = &self.exchanges;
            let lapse = &mut self.clients[clients as usize].lapse;
            let lapsed = lapse.lapsed(now, |one| is_waited_for(exchanges, one));
            let Some(Ticket { at: id, .. }) = lapsed else {
                break;
            };
            self.finish(id, End::Fault(Fault::TotalTimeout));
        }
        if let Some(at) = self.clients[clients as usize].lapse.next() {
            self.events.add(at, Event::RequestLapse(clients));
        }
    }

    /// Lets a request wait for a place.
    fn enqueue(&mut self, id: u32) {
        let instant = self.instant();
        let Some(exchange) = self.exchanges.get_mut(id) else {
            return;
        };
        let number = exchange.node;
        let node = &mut self.nodes[number as usize];
        let ends_at = exchange.ends_at;
        let deadline = (ends_at < Nanos::MAX)
            .then(|| self.play.origin + std::time::Duration::from_nanos(ends_at));
        match node.queue.push(id, Priority::Normal, deadline, instant) {
            Pushed::Waits(place) => exchange.queued = Some(place),
            Pushed::Instead(place, other, why) => {
                exchange.queued = Some(place);
                self.drop_from_queue(other, why);
            }
            Pushed::Refused(_, why) => return self.finish(id, End::Fault(fault_of(why))),
        }
        self.watch_queue(number);
    }

    /// Sees to it that somebody looks when the first in the queue is overdue.
    fn watch_queue(&mut self, number: u32) {
        let node = &mut self.nodes[number as usize];
        let Some(next) = node.queue.next_deadline() else {
            return;
        };
        let at = from_duration(next.saturating_duration_since(self.play.origin));
        if node.queue_looks <= self.events.now() || at < node.queue_looks {
            node.queue_looks = at;
            self.events.add(at, Event::QueueLapse(number));
        }
    }

    pub(super) fn queue_lapses(&mut self, number: u32) {
        let instant = self.instant();
        while let Some((id, why)) = self.nodes[number as usize].queue.expire(instant) {
            self.drop_from_queue(id, why);
        }
        self.watch_queue(number);
    }

    fn drop_from_queue(&mut self, id: u32, why: Why) {
        if let Some(exchange) = self.exchanges.get_mut(id) {
            exchange.queued = None;
        }
        self.finish(id, End::Fault(fault_of(why)));
    }

    /// A place was given back: the first in the queue may have it.
    fn call(&mut self, number: u32) {
        let instant = self.instant();
        let popped = |node: &mut crate::node::Node| node.queue.pop(instant);
        while self.serve(number, popped) == Some(false) {}
    }

    /// Places may have appeared that nobody gave back: as many as find one are served.
    pub(super) fn stir(&mut self, number: u32) {
        if self.nodes[number as usize].queue.is_empty() {
            return;
        }
        let instant = self.instant();
        self.queue_lapses(number);
        let popped = |node: &mut crate::node::Node| node.queue.pop_to_look(instant);
        while self.serve(number, popped).is_some() {}
    }

    /// Takes one out of the queue: true when it was served, false when it was dropped, none when there is no use in going on.
    fn serve(
        &mut self,
        number: u32,
        pop: impl Fn(&mut crate::node::Node) -> Popped<u32>,
    ) -> Option<bool> {
        let (id, place) = match pop(&mut self.nodes[number as usize]) {
            Popped::Empty => return None,
            Popped::Dropped(id, why) => {
                self.drop_from_queue(id, why);
                return Some(false);
            }
            Popped::Served(id, place) => (id, place),
        };
        let mut choice = self.choose(id, false);
        if choice == Choice::Again {
            // What was full has gone; those that were tried are left.
            if let Some(exchange) = self.exchanges.get_mut(id) {
                exchange.aside = Tried::new();
            }
            choice = self.choose(id, false);
        }
        let queue = &mut self.nodes[number as usize].queue;
        let queued = match choice {
            Choice::Seat(_) | Choice::Nobody => {
                queue.settle(place);
                None
            }
            Choice::Full | Choice::Again => Some(queue.again(place, id)),
        };
        if let Some(exchange) = self.exchanges.get_mut(id) {
            exchange.queued = queued;
        }
        match choice {
            Choice::Seat(at) => {
                self.start(id, at, false);
                Some(true)
            }
            Choice::Nobody => {
                self.finish(id, End::Fault(Fault::NoEndpoint));
                Some(false)
            }
            Choice::Full | Choice::Again => None,
        }
    }
}

/// Whether that request is still under way.
fn is_waited_for(exchanges: &Slab<Exchange>, ticket: Ticket) -> bool {
    let exchange = exchanges.get(ticket.at);
    exchange.is_some_and(|one| one.serial == ticket.serial)
}

/// Whether somebody waits for that attempt.
fn is_under_way(attempts: &Slab<Attempt>, ticket: Ticket) -> bool {
    let attempt = attempts.get(ticket.at);
    attempt.is_some_and(|one| one.serial == ticket.serial && one.exchange != NONE)
}

const fn attempted(attempt: &Attempt, now: Nanos) -> Attempted {
    Attempted {
        began_ms: millis(attempt.began),
        ended_ms: millis(now),
    }
}

const fn fault_of(why: Why) -> Fault {
    match why {
        Why::Full => Fault::QueueFull,
        Why::TimedOut => Fault::QueueTimeout,
        Why::Late => Fault::TotalTimeout,
        Why::Standing => Fault::QueueDropped,
    }
}
