//! From the request's first byte to the response's head: sends the request, passes interim responses on, and watches
//! whether the client is still there.
//!
//! The body is sent while the response is awaited, because an endpoint may answer before it has the whole request.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use evenkeel_base::edits::Edits;
use evenkeel_base::{Fault, Side};

use crate::body::{Length, Pump, Sink, Waiting};
use crate::downstream::{Asker, Expect, Facts};
use crate::exchange::stage::{Stage, earliest};
use crate::replay::Replay;
use crate::upstream::any::{AnyUpstream, by_protocol};
use crate::upstream::{Answer, Upstream};
use evenkeel_state::decide::fields;

/// An endpoint that leaves a client waiting for `100 Continue` longer than this does not know the expectation: we give
/// leave ourselves. Clients send after about a second anyway (curl after one).
const CONTINUE_PATIENCE: Duration = Duration::from_secs(1);
/// More interim responses than this to one request are an attack or a loop.
const MAX_INTERIM: u8 = 32;

/// An exchange that takes no longer than this ends without looking whether the client is still there: most do, and a look is
/// two percent of their instructions. The sweep makes it up to 50 ms more.
const UNWATCHED: Duration = Duration::from_millis(20);

/// The state of an attempt between its request and its response.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// The request's direction.
    pub(crate) pump: Pump,
    /// The endpoint takes no more of the request: what it has to say may still be on its way.
    pub(crate) broken: bool,
    /// When the request was sent whole, or could not be sent further.
    pub(crate) asked_at: Option<Instant>,
    /// The body's length by the response's head, or a tunnel.
    pub(crate) answer: Answer,
    /// When this began.
    pub(crate) began: Instant,
    /// What is kept of the request's body, where it may have to be sent again.
    pub(crate) replay: Option<Box<Replay>>,
    interim: u8,
    /// Whether the client was ever waited for to go on with its body.
    waited_for_client: bool,
    /// From when on the client is watched; none: it is.
    watch_at: Option<Instant>,
    /// Until when the client's expectation is left to the endpoint; none when leave was given or is not wanted.
    leave_at: Option<Instant>,
    gives_leave: bool,
}

impl Conversation {
    /// One that begins with the request's head unsent.
    pub(crate) fn new(pump: Pump, facts: &Facts, replay: Option<Box<Replay>>) -> Self {
        let expects = facts.expect == Expect::Continue && facts.interim;
        Self {
            pump,
            broken: false,
            asked_at: None,
            answer: Answer::Final(Length::Empty),
            began: pump.moved,
            replay,
            interim: 0,
            waited_for_client: false,
            watch_at: pump.moved.checked_add(UNWATCHED),
            leave_at: if expects {
                pump.moved.checked_add(CONTINUE_PATIENCE)
            } else {
                None
            },
            gives_leave: expects,
        }
    }

    /// The response is passed on, so nothing is sent again.
    pub(crate) fn settle(&mut self) {
        if let Some(replay) = &mut self.replay
            && replay.settle()
        {
            self.replay = None;
        }
    }

    /// How long the endpoint has taken until `now`; none when it is the client that was waited for: what a client takes its time
    /// for says nothing about the endpoint.
    pub(crate) fn latency(&self, now: Instant) -> Option<Duration> {
        let all = now.saturating_duration_since(self.began);
        self.latency_of(all, now)
    }

    /// The same, of an attempt that has taken so long: taking instants from each other is not free.
    #[inline]
    pub(crate) fn latency_of(&self, all: Duration, now: Instant) -> Option<Duration> {
        if self.waited_for_client && self.leave_at.is_none() {
            if self.is_waiting_for_client() {
                return None;
            }
            return Some(now.saturating_duration_since(self.pump.moved));
        }
        Some(all)
    }

    /// When the attempt has taken too long. Its time counts anew when the client was waited for, and not meanwhile: a client
    /// that takes its time could have its endpoints ejected for it.
    fn attempt_at(&self, stage: &Stage<'_>) -> Option<Instant> {
        if !self.waited_for_client {
            return stage.attempt_at;
        }
        if self.is_waiting_for_client() {
            return None;
        }
        self.pump.moved.checked_add(stage.attempt_timeout())
    }

    fn is_waiting_for_client(&self) -> bool {
        self.asked_at.is_none() && self.pump.waiting == Waiting::Source
    }

    /// From when on the client is watched, when it is not yet.
    pub(crate) const fn watch_at(&self) -> Option<Instant> {
        self.watch_at
    }

    /// From now on the client is watched, if it is time.
    pub(crate) fn watch(&mut self, now: Instant) {
        self.watch_at = self.watch_at.filter(|at| now < *at);
    }

    /// Whether the client is gone, as far as that can be known. It is not looked for at first.
    pub(crate) fn is_abandoned<A: Asker>(&self, cx: &mut Context<'_>, down: &mut A) -> bool {
        self.watch_at.is_none() && down.poll_abandoned(cx).is_ready()
    }

    /// The client may send, so the time it has for that begins.
    const fn give_leave(&mut self, now: Instant) {
        if self.leave_at.take().is_some() {
            self.pump.moved = now;
        }
    }

    /// Moves the request on; a fault is the client's. What the endpoint does not take is not yet the attempt's end.
    pub(crate) fn send<A: Asker, U: Upstream>(
        &mut self,
        stage: &Stage<'_>,
        cx: &mut Context<'_>,
        down: &mut A,
        up: &mut U,
    ) -> Result<(), Fault> {
        if self.pump.done || self.broken {
            return Ok(());
        }
        let keeps = |name: &[u8]| stage.passes_trailer(name);
        let polled = match &mut self.replay {
            None => self.pump.poll(cx, down.body(), up.body(), &keeps),
            Some(replay) => {
                let mut source = replay.over(down.body());
                self.pump.poll(cx, &mut source, up.body(), &keeps)
            }
        };
        match polled {
            Poll::Pending => {
                self.waited_for_client |= self.pump.waiting == Waiting::Source;
                return Ok(());
            }
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(fault)) if fault.side() == Side::Upstream => self.broken = true,
            Poll::Ready(Err(fault)) => return Err(fault),
        }
        self.asked_at = Some(self.pump.moved);
        Ok(())
    }
}

/// Converses until the final response head is there.
pub(crate) async fn run<A: Asker>(
    stage: &Stage<'_>,
    down: &mut A,
    up: &mut AnyUpstream,
    talk: &mut Conversation,
) -> Result<(), Fault> {
    let steps = |cx: &mut Context<'_>| {
        let polled = by_protocol!(up, up => step(stage, cx, down, up, talk));
        match polled {
            Poll::Ready(result) => Ok(result),
            Poll::Pending => Err(earliest(deadline(stage, talk), talk.watch_at)),
        }
    };
    stage.scene.deadline.drive(steps).await
}

fn step<A: Asker, U: Upstream>(
    stage: &Stage<'_>,
    cx: &mut Context<'_>,
    down: &mut A,
    up: &mut U,
    talk: &mut Conversation,
) -> Poll<Result<(), Fault>> {
    if let Some(fault) = expired(stage, down, talk) {
        return Poll::Ready(Err(blamed(fault, cx, down)));
    }
    if let Err(fault) = talk.send(stage, cx, down, up) {
        return Poll::Ready(Err(fault));
    }
    // An interim response leaves before the next head is read: a client that reads nothing collects no more than one.
    while down.body().poll_flush(cx)?.is_ready() {
        match up.poll_response(cx) {
            Poll::Ready(Ok(Answer::Interim)) => pass_interim(down, up, talk)?,
            Poll::Ready(Ok(answer)) => {
                talk.answer = answer;
                return Poll::Ready(Ok(()));
            }
            // The endpoint stopped reading and then said nothing: the failed write tells more than the silence.
            Poll::Ready(Err(Fault::EndpointClosed)) if talk.broken => {
                return Poll::Ready(Err(Fault::EndpointReset));
            }
            Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
            Poll::Pending => break,
        }
    }
    if talk.is_abandoned(cx, down) {
        return Poll::Ready(Err(Fault::ClientGone));
    }
    Poll::Pending
}

/// The fault, or the client's own where that has kept the endpoint's answer from being read: it takes no interim response.
fn blamed<A: Asker>(fault: Fault, cx: &mut Context<'_>, down: &mut A) -> Fault {
    let is_late = matches!(fault, Fault::AttemptTimeout | Fault::ResponseHeaderTimeout);
    if is_late && down.body().poll_flush(cx).is_pending() {
        Fault::ClientStalled
    } else {
        fault
    }
}

/// Passes an interim response on when the client can read it and has use for it.
fn pass_interim<A: Asker, U: Upstream>(
    down: &mut A,
    up: &U,
    talk: &mut Conversation,
) -> Result<(), Fault> {
    talk.interim += 1;
    if talk.interim > MAX_INTERIM {
        return Err(Fault::TooManyInterim);
    }
    let response = up.response();
    let wanted = if response.status() == 100 {
        std::mem::take(&mut talk.gives_leave)
    } else {
        down.facts().interim
    };
    if response.status() == 100 {
        talk.give_leave(Instant::now());
    }
    if wanted {
        let line = up.status_line();
        down.interim(line, |sink| {
            fields::response(&response, false, &Edits::default(), None, sink);
        });
    }
    Ok(())
}

/// The next instant at which something is late.
fn deadline(stage: &Stage<'_>, talk: &Conversation) -> Option<Instant> {
    let timeouts = &stage.cluster.config.timeouts;
    let phase = match talk.asked_at {
        // A server of gRPC may begin its response with the first thing it has to say, and how long that may take says the client. One
        // that is frozen is found by a PING.
        Some(asked) if stage.forward.call => asked.checked_add(timeouts.idle),
        Some(asked) => asked.checked_add(timeouts.response_header),
        // Whoever waits for leave to send is not late with sending.
        None if talk.leave_at.is_some() => None,
        None => talk.pump.moved.checked_add(match talk.pump.waiting {
            // A stream of calls may pause as it likes, before the response as after it.
            Waiting::Source if stage.forward.call => timeouts.idle,
            Waiting::Source => stage.scene.listener.request_body_idle_timeout,
            Waiting::Sink => stage.scene.listener.write_timeout,
        }),
    };
    let ends_at = earliest(stage.total_at, talk.attempt_at(stage));
    earliest(earliest(ends_at, phase), talk.leave_at)
}

/// What is late now.
#[inline]
fn expired<A: Asker>(stage: &Stage<'_>, down: &mut A, talk: &mut Conversation) -> Option<Fault> {
    // Without a clock reading on every wake: the deadline knows whether anything can be late.
    if stage.scene.deadline.has_fired() {
        return late(stage, down, talk);
    }
    None
}

/// What is late, once the deadline has fired.
#[cold]
fn late<A: Asker>(stage: &Stage<'_>, down: &mut A, talk: &mut Conversation) -> Option<Fault> {
    let now = Instant::now();
    if let Some(fault) = stage.expired(now, talk.attempt_at(stage)) {
        return Some(fault);
    }
    talk.watch(now);
    if talk.leave_at.is_some_and(|at| now >= at) {
        talk.give_leave(now);
        if std::mem::take(&mut talk.gives_leave) && !down.request_done() {
            down.interim((100, b"Continue"), |_| {});
        }
    }
    let due = deadline(stage, talk)?;
    if now < due {
        return None;
    }
    Some(match (talk.asked_at, talk.pump.waiting) {
        (Some(_), _) => Fault::ResponseHeaderTimeout,
        (None, Waiting::Source) if stage.forward.call => Fault::IdleTimeout,
        (None, Waiting::Source) => Fault::RequestBodyTimeout,
        (None, Waiting::Sink) => Fault::EndpointStalled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_takes_its_time_for_is_not_the_endpoint_s_latency() {
        let began = Instant::now();
        let after = |millis| began + Duration::from_millis(millis);
        let pump = Pump::new(began, u64::MAX, false);
        let mut talk = Conversation::new(pump, &Facts::none(), None);
        let latency = |talk: &Conversation| talk.latency(after(500)).map(|time| time.as_millis());
        assert_eq!(latency(&talk), Some(500));
        talk.waited_for_client = true;
        assert_eq!(latency(&talk), None, "an answer to half a request");
        talk.pump.moved = after(300);
        talk.pump.waiting = Waiting::Sink;
        assert_eq!(latency(&talk), Some(200));
        talk.pump.waiting = Waiting::Source;
        talk.asked_at = Some(talk.pump.moved);
        assert_eq!(latency(&talk), Some(200));
        talk.leave_at = Some(after(1_000));
        assert_eq!(latency(&talk), Some(500), "the client waits for leave");
    }
}
