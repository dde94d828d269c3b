//! The pump between scripted ends: what it moves, what it waits for, when it stops.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use evenkeel_base::head::Field;
use evenkeel_base::{Fault, Known};

use super::{Fill, Pump, Sink, Source, Trailers, Waiting};

/// What a scripted source does when it is asked to fill.
#[derive(Clone, Copy)]
enum Give {
    Data(&'static str),
    /// The same, and it knows that nothing follows, no trailers either.
    Last(&'static str),
    Wait,
    Fail(Fault),
}

use Give::{Data, Fail, Last, Wait};

/// A source that follows its script, and ends with it.
#[derive(Default)]
struct From {
    script: VecDeque<Give>,
    data: &'static str,
    last: bool,
    ended: bool,
    /// What it was told when it was to hold less: whether the sink had stopped.
    stopped: Vec<bool>,
}

impl Source for From {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        assert!(self.data.is_empty(), "asked for more with data left");
        match self.script.pop_front() {
            Some(give @ (Data(data) | Last(data))) => {
                (self.data, self.last) = (data, matches!(give, Last(_)));
                Poll::Ready(Ok(Fill::Data))
            }
            Some(Wait) => Poll::Pending,
            Some(Fail(fault)) => Poll::Ready(Err(fault)),
            None => {
                self.ended = true;
                Poll::Ready(Ok(Fill::End))
            }
        }
    }

    fn data(&self) -> &[u8] {
        self.data.as_bytes()
    }

    fn is_last(&self) -> bool {
        self.last
    }

    fn consume(&mut self, n: usize) {
        self.data = &self.data[n..];
    }

    fn hold_less(&mut self, stopped: bool) {
        self.stopped.push(stopped);
    }

    fn trailers(&self, each: &mut dyn FnMut(Field<'_>)) {
        assert!(self.ended, "trailers are known after the end");
        each(Field {
            name: b"X-Sum",
            value: b"1",
            known: Known::Other,
        });
    }
}

/// A sink that takes so many bytes at each turn, 0 for none now, and writes down what it is told.
#[derive(Default)]
struct To {
    turns: VecDeque<usize>,
    heard: String,
    fails: Option<Fault>,
}

impl To {
    fn turn(&mut self) -> Poll<Result<usize, Fault>> {
        match (self.turns.pop_front(), self.fails) {
            (Some(0), _) => Poll::Pending,
            (Some(n), _) => Poll::Ready(Ok(n)),
            (None, Some(fault)) => Poll::Ready(Err(fault)),
            (None, None) => Poll::Ready(Ok(usize::MAX)),
        }
    }
}

impl Sink for To {
    fn poll_data(
        &mut self,
        _: &mut Context<'_>,
        data: &[u8],
        last: bool,
    ) -> Poll<Result<usize, Fault>> {
        assert!(!data.is_empty(), "never empty");
        let Poll::Ready(took) = self.turn()? else {
            return Poll::Pending;
        };
        let took = took.min(data.len());
        self.heard.push_str(str::from_utf8(&data[..took]).unwrap());
        if last && took == data.len() {
            self.heard.push('!');
        }
        Poll::Ready(Ok(took))
    }

    fn poll_end(&mut self, _: &mut Context<'_>, trailers: Trailers<'_>) -> Poll<Result<(), Fault>> {
        let Poll::Ready(_) = self.turn()? else {
            return Poll::Pending;
        };
        trailers(&mut |field| {
            self.heard
                .push_str(&format!(" {}", field.name.escape_ascii()));
        });
        self.heard.push('.');
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Poll::Ready(_) = self.turn()? else {
            return Poll::Pending;
        };
        self.heard.push('|');
        Poll::Ready(Ok(()))
    }
}

/// A pump with its two ends.
struct Line {
    pump: Pump,
    from: From,
    to: To,
}

fn line(script: impl IntoIterator<Item = Give>, turns: impl IntoIterator<Item = usize>) -> Line {
    Line {
        pump: Pump::new(Instant::now(), u64::MAX, true),
        from: From {
            script: script.into_iter().collect(),
            ..From::default()
        },
        to: To {
            turns: turns.into_iter().collect(),
            ..To::default()
        },
    }
}

impl Line {
    fn poll(&mut self) -> Poll<Result<(), Fault>> {
        let mut cx = Context::from_waker(Waker::noop());
        self.pump
            .poll(&mut cx, &mut self.from, &mut self.to, &|_| true)
    }

    /// It waits for that, having told the sink this so far.
    #[track_caller]
    fn waits(&mut self, waiting: Waiting, heard: &str) {
        assert!(self.poll().is_pending());
        assert_eq!(
            (self.pump.waiting, self.to.heard.as_str()),
            (waiting, heard)
        );
        assert!(!self.pump.done);
    }

    /// It is over, and the sink was told this in all.
    #[track_caller]
    fn ends(&mut self, heard: &str) {
        assert_eq!(self.poll(), Poll::Ready(Ok(())));
        assert_eq!(self.to.heard, heard);
        assert!(self.pump.done);
    }

    #[track_caller]
    fn fails(&mut self, fault: Fault, heard: &str) {
        assert_eq!(self.poll(), Poll::Ready(Err(fault)));
        assert_eq!(self.to.heard, heard);
        assert!(!self.pump.done);
    }
}

#[test]
fn everything_passes_in_order_and_the_end_with_it() {
    line([], []).ends(" X-Sum.");
    line([Data("a"), Data("bc")], []).ends("abc X-Sum.");
    line([Data("abcdef")], [1, 2, 1]).ends("abcdef X-Sum.");
    let mut all = line([Data("ab"), Last("cd")], []);
    all.ends("abcd!.");
    assert_eq!(all.pump.bytes, 4);
}

#[test]
fn the_sink_hears_of_the_last_data_as_often_as_it_is_offered() {
    line([Last("abc")], [1, 1]).ends("abc!.");
}

#[test]
fn trailers_pass_only_where_they_may() {
    let mut without = line([Data("a")], []);
    without.pump = Pump::new(Instant::now(), u64::MAX, false);
    without.ends("a.");
    let mut picky = line([Data("a")], []);
    let mut cx = Context::from_waker(Waker::noop());
    let polled = picky
        .pump
        .poll(&mut cx, &mut picky.from, &mut picky.to, &|name| {
            name != b"X-Sum"
        });
    assert_eq!(
        (polled, picky.to.heard.as_str()),
        (Poll::Ready(Ok(())), "a.")
    );
}

#[test]
fn a_source_that_pauses_lets_what_is_pending_leave() {
    let mut slow = line([Data("a"), Wait, Wait, Data("b")], []);
    slow.waits(Waiting::Source, "a|");
    slow.waits(Waiting::Source, "a||");
    slow.ends("a||b X-Sum.");
}

#[test]
fn a_sink_that_takes_nothing_stops_the_source() {
    let mut full = line([Data("abc"), Data("d")], [2, 0, 0]);
    full.waits(Waiting::Sink, "ab");
    full.waits(Waiting::Sink, "ab");
    assert_eq!(full.from.script.len(), 1, "nothing more was read");
    assert_eq!(full.from.stopped, [true, true]);
    full.ends("abcd X-Sum.");
}

#[test]
fn what_cannot_be_flushed_or_ended_is_waited_for_as_the_sinks_fault() {
    let mut flush = line([Data("a"), Wait, Wait], [1, 0]);
    flush.waits(Waiting::Sink, "a");
    flush.waits(Waiting::Source, "a|");
    let mut end = line([Data("a")], [1, 0, 0]);
    end.waits(Waiting::Sink, "a");
    end.waits(Waiting::Sink, "a");
    end.ends("a X-Sum.");
}

#[test]
fn faults_of_either_end_are_passed_on() {
    line([Data("a"), Fail(Fault::ResponseCut)], []).fails(Fault::ResponseCut, "a");
    let mut broken = line([Data("abc")], [1]);
    broken.to.fails = Some(Fault::EndpointReset);
    broken.fails(Fault::EndpointReset, "a");
    let mut broken = line([], []);
    broken.to.fails = Some(Fault::ClientGone);
    broken.fails(Fault::ClientGone, "");
    let mut broken = line([Wait], []);
    broken.to.fails = Some(Fault::ClientGone);
    broken.fails(Fault::ClientGone, "");
}

#[test]
fn a_body_may_have_its_limit_and_not_a_byte_more() {
    let limited = |limit, script: &[Give]| {
        let mut line = line(script.iter().copied(), []);
        line.pump = Pump::new(Instant::now(), limit, true);
        line
    };
    limited(3, &[Data("ab"), Data("c")]).ends("abc X-Sum.");
    limited(0, &[]).ends(" X-Sum.");
    let over = Poll::Ready(Err(Fault::RequestBodyTooLarge));
    assert_eq!(limited(3, &[Data("ab"), Data("cd")]).poll(), over);
    assert_eq!(limited(0, &[Data("a")]).poll(), over);
    let mut endless = limited(3, &[Data("abcd"), Data("never")]);
    assert_eq!(endless.poll(), over);
    assert_eq!(endless.from.script.len(), 1, "nothing more was read");
    assert!(!endless.pump.done);
}

#[test]
fn the_clock_starts_anew_with_every_byte_and_with_nothing_else() {
    let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    let mut slow = line([Wait, Data("a"), Wait, Wait], [1, 1]);
    slow.pump = Pump::new(long_ago, u64::MAX, true);
    assert!(slow.poll().is_pending());
    assert_eq!(slow.pump.moved, long_ago, "a flush moves no payload");
    assert!(slow.poll().is_pending());
    let moved = slow.pump.moved;
    assert!(moved > long_ago);
    assert!(slow.poll().is_pending());
    assert_eq!(slow.pump.moved, moved);
    slow.ends("|a|| X-Sum.");
    assert!(slow.pump.moved >= moved);
}

#[test]
fn a_body_without_a_pause_gives_others_their_turn() {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let piece: &str = Box::leak("x".repeat(700_000).into_boxed_str());
    let mut long = line([Data(piece), Data(piece), Data("end")], []);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut poll =
        |cx: &mut Context<'_>| long.pump.poll(cx, &mut long.from, &mut long.to, &|_| true);
    assert!(poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(woken.0.load(Ordering::Relaxed), "it goes on by itself");
    assert!(poll(&mut Context::from_waker(&waker)).is_ready());
    assert_eq!(long.pump.bytes, 1_400_003);
    assert_eq!(long.from.stopped, [false], "the sink takes all there is");
}
