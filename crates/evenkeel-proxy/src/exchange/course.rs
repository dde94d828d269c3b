//! What an exchange carries from attempt to attempt: which endpoints it has tried, what it may still do, and what is kept of
//! its body. The verdicts are `evenkeel-policy`'s; here they are asked for and acted upon.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use evenkeel_base::rules::{Priority, RetryRules};
use evenkeel_base::{Fault, GrpcStatus, Known, RequestView, ResponseView, Side};
use evenkeel_config::model::Mirror;
use evenkeel_policy::outlier::Cause;
use evenkeel_policy::{
    Allowance, Attempt, Candidate, Failure, Sent, Tiers, Tried, Verdict, backoff, verdict,
};
use evenkeel_state::ClusterSnapshot;
use evenkeel_state::decide::again::{Again, Body};

use crate::body::Length;
use crate::downstream::Downstream;
use crate::exchange::attempt::Failed;
use crate::exchange::call;
use crate::exchange::converse::Conversation;
use crate::exchange::debug;
use crate::exchange::draw;
use crate::exchange::stage::{Forward, Stage};
use crate::exchange::way::Way;
use crate::record::Record;
use crate::replay::{Replay, Wish};
use crate::scene::Scene;
use crate::upstream::Upstream;
use crate::upstream::any::AnyUpstream;
use evenkeel_state::decide::sticky;

/// The detail in the access record of a fault that was not tried again because the cluster's retry budget was spent.
const BUDGET_SPENT: &str = "retry-budget-spent";

/// What the log says at `debug` of what follows a failed attempt: another one, another one that does not count, nothing, or nothing
/// of its own, for it was one of two at once or is made once.
const RETRY: &str = "retry";
const RETRY_FREE: &str = "retry-free";
const GIVE_UP: &str = "give-up";
const LOST: &str = "lost";

/// One exchange's way through its attempts.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that do not depend on each other, each named where it is set"
)]
pub(crate) struct Course<'a> {
    pub(crate) cluster: &'a Arc<ClusterSnapshot>,
    pub(crate) priority: Priority,
    /// The end of the whole exchange.
    pub(crate) total_at: Option<Instant>,
    /// The endpoints tried so far.
    pub(crate) tried: Tried,
    /// What the balancer tells the request apart by; none where it does not matter.
    pub(crate) key: Option<u64>,
    /// Who picks.
    pub(crate) tiers: &'a Tiers,
    /// The endpoint that the client has a claim to, a position in the cluster's list: attempts go there while it will do
    /// ([`Wanted::keeps`](evenkeel_policy::Wanted::keeps)), and where the balancer says when it does not.
    pub(crate) preferred: Option<usize>,
    /// What is kept of the body, between two attempts.
    pub(crate) replay: Option<Box<Replay>>,
    /// Whether nothing but a stale connection was wrong with the endpoint that was tried last.
    pub(crate) was_stale: bool,
    /// Whether an endpoint may see the request though another one has, as far as is known before it is sent.
    pub(crate) repeatable: bool,
    /// Whether it asks for another protocol.
    pub(crate) upgrade: bool,
    /// Whether the request goes to the route's mirror as well.
    pub(crate) mirrored: bool,
    rules: &'a RetryRules,
    left: Allowance,
    /// How many pauses there were.
    pauses: u32,
    /// Until when the endpoints tried so far are left alone.
    rests_until: Option<Instant>,
}

impl<'a> Course<'a> {
    /// The course of an exchange that has not tried anything.
    pub(crate) fn new<D: Downstream>(
        scene: &Scene<'_>,
        forward: &Forward<'a>,
        cluster: &'a Arc<ClusterSnapshot>,
        down: &D,
        total_at: Option<Instant>,
    ) -> Self {
        let rules = &forward.route.retry;
        let idempotent = down.request().method().is_idempotent();
        let body = match down.facts().length {
            Length::Empty | Length::Known(0) => Body::None,
            Length::Known(n) => Body::Known(n),
            Length::Unknown => Body::Unknown,
        };
        let again = Again::of(rules, &cluster.config, (idempotent, forward.call), body);
        let mirror = forward.route.mirror;
        let mirrored = matches!(mirror, Mirror::To { .. })
            && draw::is_drawn(scene, mirror, down)
            && draw::is_affordable(scene);
        let replay = (again.keeps.is_some() || (mirrored && body != Body::None)).then(|| {
            let again = again.keeps.map(|most| Wish {
                most,
                kept: scene.worker.kept.clone(),
            });
            let copy = if mirrored {
                draw::wish(scene, mirror)
            } else {
                None
            };
            Box::new(Replay::new(again, copy))
        });
        let mut course = Self::once(forward, cluster, down, total_at);
        course.replay = replay;
        course.repeatable = again.repeatable;
        course.mirrored = mirrored;
        course.left = Allowance::new(rules.attempts);
        course
    }

    /// The course of a request that is whole already and is sent once, whatever comes of it.
    #[inline]
    pub(crate) fn once<D: Downstream>(
        forward: &Forward<'a>,
        cluster: &'a Arc<ClusterSnapshot>,
        down: &D,
        total_at: Option<Instant>,
    ) -> Self {
        let request = down.request();
        let (tiers, key) = sticky::who_picks(cluster, &request, forward.client);
        Self {
            cluster,
            priority: forward.route.priority,
            total_at,
            tried: Tried::new(),
            tiers,
            key,
            preferred: sticky::claim(cluster, &request).map(|claim| claim.at),
            replay: None,
            was_stale: false,
            repeatable: request.method().is_idempotent(),
            upgrade: down.facts().upgrade.is_some(),
            mirrored: false,
            rules: &forward.route.retry,
            left: Allowance::new(0),
            pauses: 0,
            rests_until: None,
        }
    }

    /// Says at `debug` that an attempt begins. To be asked for before: [`debug::is_on`].
    #[cold]
    pub(crate) fn say(
        &self,
        stage: &Stage<'_>,
        way: Option<&Way>,
        request: &RequestView<'_>,
        number: u16,
    ) {
        let pick = match (self.preferred == Some(stage.index), self.key) {
            (true, _) => "own",
            (false, Some(_)) => "key",
            (false, None) => self.cluster.config.balancer.kind().name(),
        };
        debug::attempt(stage, (pick, &self.tried), way, request, number);
    }

    /// An attempt that failed gives back what it kept of the body.
    pub(crate) fn take_back(&mut self, talk: &mut Conversation) {
        self.replay = talk.replay.take();
    }

    /// Decides about a failed attempt: another one may follow, or the exchange ends with the fault.
    pub(crate) fn judge(
        &mut self,
        stage: &Stage<'_>,
        failed: &Failed,
        request: &RequestView<'_>,
        record: &mut Record,
    ) -> Result<(), Fault> {
        let Failure::Fault(fault) = failed.failure else {
            self.note(stage, failed, (request, RETRY), record);
            return Ok(());
        };
        if fault.side() != Side::Upstream {
            give_up(stage, failed, (request, GIVE_UP), record);
            return Err(fault);
        }
        stage.counters.fault(fault);
        let untouched = record.bytes_in == 0;
        let replayable = self
            .replay
            .as_mut()
            .map_or(untouched, |replay| replay.rewind(untouched));
        let verdict = self.ask(failed, request, replayable);
        if verdict != Verdict::RetryFree
            && let Some(fault) = failed.blame()
        {
            failed_by(stage, failed, fault);
        }
        self.left = self.left.after(verdict);
        self.was_stale = verdict == Verdict::RetryFree;
        match verdict {
            Verdict::GiveUp => {
                give_up(stage, failed, (request, GIVE_UP), record);
                Err(fault)
            }
            Verdict::RetryFree => {
                was_stale(stage, failed);
                self.note(stage, failed, (request, RETRY_FREE), record);
                Ok(())
            }
            Verdict::Retry => {
                if !self.pay(stage) {
                    record.detail = Some(BUDGET_SPENT);
                    give_up(stage, failed, (request, BUDGET_SPENT), record);
                    return Err(fault);
                }
                self.pause_after(stage.scene, Duration::ZERO);
                self.note(stage, failed, (request, RETRY), record);
                Ok(())
            }
        }
    }

    /// A response whose status the route tries again, when that can be done now: it is then as good as a failed attempt. Else
    /// the response is passed on, whatever it says.
    pub(crate) fn refuses<D: Downstream>(
        &mut self,
        stage: &Stage<'_>,
        up: &AnyUpstream,
        talk: &mut Conversation,
        (idle, record): (Option<Duration>, &Record),
        down: &D,
    ) -> Option<Failed> {
        if self.rules.statuses.is_empty() && self.rules.grpc_statuses.is_empty() {
            return None;
        }
        let response = up.response();
        let status = response.status();
        let grpc = call::status_in_head(stage, up, talk);
        let failed = Failed {
            failure: self.names(status, grpc)?,
            sent: Sent::Some,
            idle,
            within_body: false,
            took: None,
            connect: record.connect(),
        };
        let untouched = talk.pump.bytes == 0;
        let replayable = talk
            .replay
            .as_ref()
            .map_or(untouched, |replay| replay.is_whole(untouched));
        if self.ask(&failed, &down.request(), replayable) != Verdict::Retry {
            return None;
        }
        let wait = match call::pushback(&response).filter(|_| grpc.is_some()) {
            Some(pushback) => pushback.ok()?,
            None => retry_after(&response, SystemTime::now()).unwrap_or_default(),
        };
        let mut tried = self.tried;
        tried.insert(stage.index);
        // What the endpoint asks for is its own matter: others may be asked at once.
        if !is_another_left(self.cluster, &tried) && !self.can_wait(wait) {
            return None;
        }
        if !self.pay(stage) {
            return None;
        }
        self.left = self.left.after(Verdict::Retry);
        self.was_stale = false;
        self.take_back(talk);
        if let Some(replay) = &mut self.replay {
            replay.rewind(true);
        }
        self.pause_after(stage.scene, wait);
        let now = Instant::now();
        stage.saw(&response, grpc, talk.latency(now), now);
        stage.counters.response(status);
        stage.answered(status, grpc);
        Some(failed)
    }

    /// What a response is refused for, when the route names its status or that of the call.
    fn names(&self, status: u16, grpc: Option<GrpcStatus>) -> Option<Failure> {
        if self.rules.statuses.contains(status) {
            return Some(Failure::Status(status));
        }
        let grpc = grpc.filter(|grpc| self.rules.grpc_statuses.contains(*grpc))?;
        Some(Failure::Grpc(grpc))
    }

    /// An attempt failed, and no other follows from that: of two at once the other goes on, or it was one that is made once.
    pub(crate) fn lost(
        &mut self,
        stage: &Stage<'_>,
        failed: &Failed,
        request: &RequestView<'_>,
        record: &mut Record,
    ) {
        if let Failure::Fault(fault) = failed.failure
            && fault.side() == Side::Upstream
        {
            stage.counters.fault(fault);
            if self.ask(failed, request, true) == Verdict::RetryFree {
                self.left = self.left.after(Verdict::RetryFree);
                was_stale(stage, failed);
            } else if let Some(fault) = failed.blame() {
                failed_by(stage, failed, fault);
            }
        }
        self.note(stage, failed, (request, LOST), record);
    }

    /// A token of the budget for another attempt.
    pub(crate) fn pay(&self, stage: &Stage<'_>) -> bool {
        let now = stage.scene.worker.millis(Instant::now());
        self.cluster.state.budget.withdraw(now)
    }

    /// Until when an attempt waits that goes to an endpoint which was tried already; none: it goes at once. A wait beyond the end
    /// of the exchange is not begun.
    pub(crate) fn rest(&mut self) -> Result<Option<Instant>, Fault> {
        let until = self.rests_until.take();
        match (until, self.total_at) {
            (Some(until), Some(end)) if until >= end => Err(Fault::TotalTimeout),
            _ => Ok(until),
        }
    }

    fn ask(&self, failed: &Failed, request: &RequestView<'_>, body_replayable: bool) -> Verdict {
        let attempt = Attempt {
            failure: failed.failure,
            sent: failed.sent,
            method_idempotent: request.method().is_idempotent(),
            reused: failed.idle.is_some(),
            body_replayable,
            response_started: false,
        };
        verdict(&attempt, self.left, self.rules)
    }

    fn note(
        &mut self,
        stage: &Stage<'_>,
        failed: &Failed,
        (request, verdict): (&RequestView<'_>, &'static str),
        record: &mut Record,
    ) {
        if debug::is_on() {
            debug::failed(stage, failed, request, verdict);
        }
        self.tried.insert(stage.index);
        record.tried(failed.remembered(stage, record));
    }

    fn pause_after(&mut self, scene: &Scene<'_>, at_least: Duration) {
        let pause = backoff::pause(self.rules, self.pauses, &mut scene.worker.rng());
        self.pauses += 1;
        // Whoever asked for longer is left alone for longer, though another failed since; but for no longer than clients wait.
        let pause = pause.max(at_least.min(self.rules.retry_after_max));
        let until = Instant::now().checked_add(pause);
        self.rests_until = self.rests_until.max(until);
    }

    fn can_wait(&self, wait: Duration) -> bool {
        let over = Instant::now().checked_add(wait);
        let in_time = match (over, self.total_at) {
            (Some(over), Some(end)) => over < end,
            (over, _) => over.is_some(),
        };
        wait <= self.rules.retry_after_max && in_time
    }
}

/// The exchange ends with that attempt.
#[cold]
fn give_up(
    stage: &Stage<'_>,
    failed: &Failed,
    (request, verdict): (&RequestView<'_>, &'static str),
    record: &mut Record,
) {
    if debug::is_on() {
        debug::failed(stage, failed, request, verdict);
    }
    record.last.failed = Some(Box::new(failed.remembered(stage, record)));
}

/// The attempt failed by that fault: the balancer hears of it as far as it is the endpoint's.
fn failed_by(stage: &Stage<'_>, failed: &Failed, fault: Fault) {
    if Cause::of(fault).is_some() {
        stage.saw_failure(failed.took);
    }
    stage.failed(fault);
}

/// The endpoint had closed its idle connection before the request came: that is no fault of its, and the connection's siblings
/// in the pool are likely as dead.
fn was_stale(stage: &Stage<'_>, failed: &Failed) {
    stage.scene.worker.pool.forget(&stage.endpoint.state);
    if let Some(idle) = failed.idle {
        stage.endpoint.state.keepalive.closed_after(idle);
    }
}

/// Whether an endpoint is left that was not tried and may well take a request.
pub(crate) fn is_another_left(cluster: &ClusterSnapshot, tried: &Tried) -> bool {
    let list = &cluster.endpoints.list;
    list.iter()
        .enumerate()
        .any(|(index, one)| !tried.contains(index) && one.weight() > 0 && one.share() > 0)
}

/// What `Retry-After` asks for (RFC 9110 §10.2.3): seconds, or a date.
fn retry_after(response: &ResponseView<'_>, now: SystemTime) -> Option<Duration> {
    let value = std::str::from_utf8(response.known(Known::RetryAfter)?).ok()?;
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(value.trim()).ok()?;
            Some(date.duration_since(now).unwrap_or_default())
        }
    }
}
