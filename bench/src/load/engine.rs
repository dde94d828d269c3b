//! The loop of the load generator: connections opened, events handed out, the clock watched.

use std::io;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::connection::{Connection, Desk, State};
use super::options::{Mode, Options};
use super::pace::{Closed, Open, Pace};
use super::requests::Requests;
use super::timer::Timer;
use crate::poll::{Event, Poll};
use crate::slab::Slab;
use crate::socket;

/// How long a wait lasts when nothing happens; so coarse are the ends of the run and the pause after a failure.
const TICK: Duration = Duration::from_millis(10);

/// How often connections are looked through for one on which nothing moves.
const SWEEP: Duration = Duration::from_millis(250);

/// Connections that are being opened at once: more could overflow the queue of a listener that does nothing wrong.
const OPENING: u32 = 128;

/// The longest wait for all connections to be open before the run begins without them.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a run is measured, when nothing is said.
const SPAN: Duration = Duration::from_secs(10);

/// How long a run with a number of requests may take, when nothing is said.
const COUNTED: Duration = Duration::from_secs(600);

const TIMER: u64 = u64::MAX;
const STDIN: u64 = u64::MAX - 1;

/// A run.
#[derive(Debug)]
pub(super) struct Engine {
    poll: Poll,
    to: SocketAddrV4,
    desk: Desk,
    pace: Pace,
    phase: Phase,
    timer: Timer,
    lines: Slab<Line>,
    number: Number,
    warmup: Duration,
    span: Duration,
    timeout: Duration,
    is_one_shot: bool,
    ticked_at: Instant,
    swept_at: Instant,
}

/// A connection, and whether it counts as open.
#[derive(Debug)]
struct Line {
    connection: Connection,
    has_arrived: bool,
}

/// How many connections there are, in which state.
#[derive(Debug, Default)]
struct Number {
    /// Wanted in all.
    all: u32,
    /// To be opened now.
    missing: u32,
    /// To be opened at the next tick, because the last attempt failed.
    failed: u32,
    /// Being opened.
    opening: u32,
    /// Open; in an idle run, and answered.
    arrived: u32,
    /// Attempts that have succeeded or failed.
    attempted: u64,
}

/// Where a run is.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Connections are being opened for the first time.
    Opening { since: Instant },
    /// Nothing but errors counts.
    Warming { until: Instant },
    /// Everything counts.
    Measuring { since: Instant, until: Instant },
    /// What was intended in time is waited for.
    Draining { until: Instant },
    /// It is over, after so long, and so many requests were never answered.
    Done { span: Duration, unanswered: u64 },
}

impl Engine {
    /// Prepares what the options ask for; connects to nobody yet.
    pub(super) fn new(options: &Options) -> Result<Self> {
        let (target, span, upload) = match &options.mode {
            Mode::Closed(closed) => (&closed.target, Some(&closed.span), Some(&closed.upload)),
            Mode::Open(open) => (&open.target, Some(&open.span), Some(&open.upload)),
            Mode::Idle(idle) => (&idle.target, None, None),
        };
        let is_one_shot = span.is_some_and(|span| span.one_request_per_connection);
        let requests = Requests::new(target, upload, is_one_shot)?;
        let warmup = span.map_or(Duration::ZERO, |span| span.warmup);
        let seconds = span.and_then(|span| span.seconds);
        let now = Instant::now();
        let mut phase = Phase::Opening { since: now };
        let mut span = seconds.unwrap_or(SPAN);
        let pace = match &options.mode {
            Mode::Closed(closed) => {
                if closed.requests.is_some() {
                    span = seconds.unwrap_or(COUNTED);
                    phase = Phase::Measuring {
                        since: now,
                        until: now + span,
                    };
                }
                Pace::Closed(Closed::new(closed.pipeline, closed.requests))
            }
            Mode::Open(open) => Pace::Open(Open::new(open.rate, warmup + span)),
            Mode::Idle(idle) => Pace::Idle { fresh: idle.fresh },
        };
        let poll = Poll::new()?;
        let timer = Timer::new(&poll, TIMER)?;
        let all = target.connections;
        Ok(Self {
            poll,
            to: target.to,
            desk: Desk::new(requests),
            pace,
            phase,
            timer,
            lines: Slab::default(),
            number: Number {
                all,
                missing: all,
                ..Number::default()
            },
            warmup,
            span,
            timeout: target.timeout,
            is_one_shot,
            ticked_at: now,
            swept_at: now,
        })
    }

    /// Runs to the end and gives the report. `say` is told what has to be known before.
    pub(super) fn run(&mut self, say: impl FnOnce(&Value) -> io::Result<()>) -> Result<Value> {
        if let Pace::Idle { .. } = self.pace {
            return self.run_idle(say);
        }
        let mut events = Vec::new();
        loop {
            let now = Instant::now();
            self.sweep(now);
            self.open_missing(now);
            self.turn_clock(now);
            if let Phase::Done { span, unanswered } = self.phase {
                return Ok(self.desk.tally.report(span, unanswered));
            }
            self.start_due()?;
            self.poll.wait(&mut events, Some(TICK))?;
            self.handle_all(&events);
        }
    }

    /// Opens and holds, until the standard input ends.
    fn run_idle(&mut self, say: impl FnOnce(&Value) -> io::Result<()>) -> Result<Value> {
        let mut say = Some(say);
        let mut events = Vec::new();
        // A file or the null device is at its end as soon as it is asked; epoll refuses both.
        let mut is_over = self.poll.watch_input(&io::stdin(), STDIN).is_err();
        loop {
            let now = Instant::now();
            self.sweep(now);
            self.open_missing(now);
            if self.number.arrived == self.number.all
                && let Some(say) = say.take()
            {
                say(&json!({ "ready": self.number.all }))?;
            }
            if is_over && say.is_none() {
                return Ok(json!({ "held": self.number.arrived }));
            }
            let errors = self.desk.tally.errors;
            if say.is_some() && errors.total() > 0 {
                bail!("could not open all connections: {errors:?}");
            }
            self.poll.wait(&mut events, Some(TICK))?;
            self.handle_all(&events);
            is_over |= events.iter().any(|e| e.data.u64() == STDIN) && has_stdin_ended();
        }
    }

    fn handle_all(&mut self, events: &[Event]) {
        for event in events {
            let token = event.data.u64();
            if let Some(line) = self.lines.get_mut(token) {
                let state = line.connection.handle(event, &mut self.desk);
                self.settle(token, state);
            }
        }
    }

    /// Follows a connection until it waits or is gone.
    fn settle(&mut self, token: u64, mut state: State) {
        loop {
            self.note_arrival(token);
            match state {
                State::Waiting => return,
                State::Free if self.is_one_shot => return self.close(token, 0),
                State::Free => self.employ(token),
                State::Over { unasked } => return self.close(token, unasked),
            }
            let Some(line) = self.lines.get_mut(token) else {
                return;
            };
            state = line.connection.drive(&mut self.desk);
        }
    }

    /// Gives a free connection its next request, or lets it rest.
    fn employ(&mut self, token: u64) {
        let Some(Line { connection, .. }) = self.lines.get_mut(token) else {
            return;
        };
        let now = connection.moved_at();
        let desk = &mut self.desk;
        match &mut self.pace {
            Pace::Closed(closed) => match closed.take() {
                0 => {}
                1 => connection.ask(desk.requests.pick(), now, now, desk),
                count => connection.ask_batch(count, now, desk),
            },
            Pace::Open(open) => match open.take(now) {
                Some(intended) => connection.ask(desk.requests.pick(), intended, now, desk),
                None => open.rest(token),
            },
            Pace::Idle { fresh } => {
                if !*fresh && connection.answered() == 0 {
                    connection.ask(desk.requests.pick(), now, now, desk);
                }
            }
        }
    }

    /// Counts a connection as open, once. In an idle run one that asks counts when it is answered.
    fn note_arrival(&mut self, token: u64) {
        let Some(line) = self.lines.get_mut(token).filter(|line| !line.has_arrived) else {
            return;
        };
        line.has_arrived = match self.pace {
            Pace::Idle { fresh: false } => line.connection.answered() > 0,
            Pace::Idle { fresh: true } | Pace::Closed(_) | Pace::Open(_) => {
                line.connection.is_established()
            }
        };
        if line.has_arrived {
            self.number.opening -= 1;
            self.number.arrived += 1;
            self.number.attempted += 1;
        }
    }

    /// Takes a connection out and decides when the next one is opened in its place.
    fn close(&mut self, token: u64, unasked: usize) {
        let Some(line) = self.lines.remove(token) else {
            return;
        };
        if let Pace::Closed(closed) = &mut self.pace {
            closed.give_back(unasked as u64);
        }
        if !line.has_arrived {
            self.number.opening -= 1;
            self.number.attempted += 1;
            self.number.failed += 1;
            return;
        }
        self.number.arrived -= 1;
        // An idle connection that was closed is missed, not replaced.
        if !matches!(self.pace, Pace::Idle { .. }) {
            self.number.missing += 1;
            self.desk.tally.reopened += 1;
        }
    }

    fn open_missing(&mut self, now: Instant) {
        while self.number.missing > 0 && self.number.opening < OPENING {
            self.number.missing -= 1;
            let opened = socket::connect(self.to).and_then(|fd| {
                socket::use_reno(&fd)?;
                self.lines.insert(|token| {
                    self.poll.watch(&fd, token)?;
                    Ok(Line {
                        connection: Connection::new(fd, now),
                        has_arrived: false,
                    })
                })
            });
            match opened {
                Ok(token) => {
                    self.number.opening += 1;
                    self.employ(token);
                    self.note_arrival(token);
                }
                Err(_) => {
                    self.desk.tally.errors.connect += 1;
                    self.number.attempted += 1;
                    self.number.failed += 1;
                }
            }
        }
    }

    /// Sends what is due, and sets the timer for what is due next.
    fn start_due(&mut self) -> io::Result<()> {
        if !matches!(self.pace, Pace::Open(_)) {
            return Ok(());
        }
        loop {
            let now = Instant::now();
            let Pace::Open(open) = &mut self.pace else {
                return Ok(());
            };
            let Some(token) = open.wake(now) else {
                return self.timer.set(open.next_wake(), now);
            };
            // The connection may have been closed while it was resting.
            if let Some(line) = self.lines.get_mut(token)
                && let Some(intended) = open.take(now)
            {
                let number = self.desk.requests.pick();
                line.connection.ask(number, intended, now, &mut self.desk);
                let state = line.connection.drive(&mut self.desk);
                self.settle(token, state);
            }
        }
    }

    /// Retries failed attempts, and ends connections on which nothing moves.
    fn sweep(&mut self, now: Instant) {
        if now - self.ticked_at >= TICK {
            self.ticked_at = now;
            self.number.missing += std::mem::take(&mut self.number.failed);
        }
        if now - self.swept_at < SWEEP {
            return;
        }
        self.swept_at = now;
        let is_stuck = |line: &Line| {
            let since = now.saturating_duration_since(line.connection.moved_at());
            line.connection.is_expecting() && since >= self.timeout
        };
        let stuck = self.lines.iter().filter(|(_, line)| is_stuck(line));
        let stuck: Vec<_> = stuck
            .map(|(token, line)| (token, line.connection.outstanding()))
            .collect();
        for (token, outstanding) in stuck {
            self.desk.tally.errors.timeout += outstanding.max(1) as u64;
            self.close(token, 0);
        }
    }

    /// Goes from phase to phase.
    fn turn_clock(&mut self, now: Instant) {
        match self.phase {
            Phase::Opening { since } => {
                let all = self.number.attempted >= self.number.all.into();
                if all || now - since >= PATIENCE {
                    if let Pace::Open(open) = &mut self.pace {
                        open.start(now);
                    }
                    let until = now + self.warmup;
                    self.phase = Phase::Warming { until };
                    self.turn_clock(now);
                }
            }
            Phase::Warming { until } if now >= until => {
                // At a fixed rate the window is one of intended instants, and what was intended in it is awaited.
                let since = match self.pace {
                    Pace::Open(_) => until,
                    Pace::Closed(_) | Pace::Idle { .. } => now,
                };
                let asked_since = matches!(self.pace, Pace::Open(_)).then_some(since);
                self.desk.tally.restart(asked_since);
                let until = since + self.span;
                self.phase = Phase::Measuring { since, until };
            }
            Phase::Measuring { since, until } => self.measure(now, since, until),
            Phase::Draining { until } => {
                let unanswered = self.unanswered();
                if unanswered == 0 || now >= until {
                    self.desk.tally.errors.timeout += unanswered;
                    let span = self.span;
                    self.phase = Phase::Done { span, unanswered };
                }
            }
            Phase::Warming { .. } | Phase::Done { .. } => {}
        }
    }

    fn measure(&mut self, now: Instant, since: Instant, until: Instant) {
        let is_answered = match &self.pace {
            Pace::Closed(closed) => closed.is_exhausted() && self.unanswered() == 0,
            Pace::Open(_) | Pace::Idle { .. } => false,
        };
        if now < until && !is_answered {
            return;
        }
        self.phase = if let Pace::Open(_) = self.pace {
            let until = now + self.timeout;
            Phase::Draining { until }
        } else {
            let unanswered = self.unanswered();
            let span = now - since;
            Phase::Done { span, unanswered }
        };
    }

    /// Requests that are not answered, those not sent at a fixed rate included.
    fn unanswered(&self) -> u64 {
        let lines = self.lines.iter();
        let sent: u64 = lines
            .map(|(_, line)| line.connection.outstanding() as u64)
            .sum();
        match &self.pace {
            Pace::Open(open) => sent + open.unsent(),
            Pace::Closed(_) | Pace::Idle { .. } => sent,
        }
    }
}

/// Takes what there is to read from the standard input, and says whether that is its end.
fn has_stdin_ended() -> bool {
    let mut buffer = [0; 1024];
    !matches!(rustix::io::read(io::stdin(), &mut buffer), Ok(1..))
}
