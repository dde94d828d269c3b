//! The one body interface: where a body comes from, where it goes, and the pump between the two.
//!
//! Data, trailers, end, abort: every protocol's body is read through [`Source`] and written through [`Sink`], so there is
//! one pump for uploads, downloads and tunnels. The data stays in the source's buffer and is written from there: nothing
//! is copied, and a sink that takes nothing stops the source (back-pressure). An abort is dropping the pair.

use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use evenkeel_base::Fault;
use evenkeel_base::head::Field;
use evenkeel_net::Pipe;

/// How long a body is, as far as its head told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// There is no body, not even an empty one that could have trailers.
    Empty,
    /// So many bytes.
    Known(u64),
    /// Until its source says it ends.
    Unknown,
}

/// What a source has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// [`Source::data`] is not empty, or there is a pipe ([`Source::piped`]).
    Data,
    /// The body is complete.
    End,
}

/// Where a body comes from.
pub(crate) trait Source {
    /// Makes data available or finds the end. Fails when the body breaks its framing or its connection ends too early.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>>;

    /// The data available now.
    fn data(&self) -> &[u8];

    /// Whether [`Self::data`] is the rest of the body and no trailers follow, so that the sink may end in one write.
    fn is_last(&self) -> bool;

    /// The first `n` bytes of the data were taken.
    fn consume(&mut self, n: usize);

    /// Moves bytes into a pipe, unread, when nothing has to be learned from them and it is worth it; false when
    /// [`Self::poll_fill`] is to be asked. Only when there is no data.
    fn poll_pipe(&mut self, _: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        Poll::Ready(Ok(false))
    }

    /// The pipe with the bytes that come behind the data.
    fn piped(&mut self) -> Option<&mut Pipe> {
        None
    }

    /// The first `n` bytes in the pipe were taken.
    fn consume_piped(&mut self, _: usize) {}

    /// What it has is not taken for now: it may give up the room that it does not need. With `stopped` the sink takes nothing, else
    /// it is others' turn.
    fn hold_less(&mut self, _stopped: bool) {}

    /// The same, where room is not all that waiting costs: it may fetch what has come, and be called for what comes, as long as that
    /// is no more than the sender was allowed.
    fn gather(&mut self, _: &mut Context<'_>) {}

    /// Calls `each` for every trailer field; only after the end.
    fn trailers(&self, each: &mut dyn FnMut(Field<'_>));
}

/// The trailers that may pass: calls back once per field.
pub(crate) type Trailers<'a> = &'a dyn Fn(&mut dyn FnMut(Field<'_>));

/// Where a body goes.
pub(crate) trait Sink {
    /// Writes some of `data` (never empty), together with whatever stands before it; says how much was taken.
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        last: bool,
    ) -> Poll<Result<usize, Fault>>;

    /// Whether bytes may come through a pipe.
    fn takes_pipe(&self) -> bool {
        false
    }

    /// Writes some of what is in the pipe (never empty), behind whatever stands before it; says how much was taken. After 0
    /// [`Self::takes_pipe`] is false.
    fn poll_piped(&mut self, _: &mut Context<'_>, _: &mut Pipe) -> Poll<Result<usize, Fault>> {
        Poll::Ready(Ok(0))
    }

    /// Writes the end of the body.
    fn poll_end(&mut self, cx: &mut Context<'_>, trailers: Trailers<'_>)
    -> Poll<Result<(), Fault>>;

    /// Writes what was begun and not yet written.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>>;
}

/// What a pump moves before the worker's other exchanges have their turn: half a millisecond of work. The runtime counts
/// calls, whatever they moved, and would let through 32 times as much.
const TURN: u64 = 1024 * 1024;

/// What a pump waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// For the source to give.
    Source,
    /// For the sink to take.
    Sink,
}

/// One direction of an exchange or a tunnel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pump {
    /// Whether the whole body, its end included, has been written.
    pub(crate) done: bool,
    /// What it waits for when it is pending.
    pub(crate) waiting: Waiting,
    /// When bytes last moved.
    pub(crate) moved: Instant,
    /// Payload bytes so far.
    pub(crate) bytes: u64,
    /// Whether it has had to wait.
    waited: bool,
    /// More payload than this is refused.
    limit: u64,
    /// Whether trailers pass.
    trailers: bool,
}

impl Pump {
    /// A pump that begins at `now`.
    pub(crate) const fn new(now: Instant, limit: u64, trailers: bool) -> Self {
        Self {
            done: false,
            waiting: Waiting::Source,
            moved: now,
            bytes: 0,
            waited: false,
            limit,
            trailers,
        }
    }

    /// Moves bytes until one side has to be waited for or the body is over. Of the trailers, where any pass, those do that `keeps`
    /// says yes to.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl Source,
        sink: &mut impl Sink,
        keeps: &dyn Fn(&[u8]) -> bool,
    ) -> Poll<Result<(), Fault>> {
        let before = self.bytes;
        let polled = self.poll_inner(cx, source, sink, keeps);
        // What is done at once is done when it began: no clock is read for it.
        if self.waited && (self.bytes != before || polled.is_ready()) {
            self.moved = Instant::now();
        }
        self.waited |= polled.is_pending();
        self.done |= matches!(polled, Poll::Ready(Ok(())));
        polled
    }

    fn poll_inner(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl Source,
        sink: &mut impl Sink,
        keeps: &dyn Fn(&[u8]) -> bool,
    ) -> Poll<Result<(), Fault>> {
        let turn = self.bytes.saturating_add(TURN);
        while self.bytes < turn {
            let data = source.data();
            if !data.is_empty() {
                self.waiting = Waiting::Sink;
                self.check_limit(data.len())?;
                let (length, last) = (data.len(), source.is_last());
                let Poll::Ready(taken) = sink.poll_data(cx, data, last)? else {
                    source.hold_less(true);
                    source.gather(cx);
                    return Poll::Pending;
                };
                source.consume(taken);
                self.bytes += taken as u64;
                if last && taken == length {
                    // Nothing follows: most bodies are one piece, and need not be asked whether there is more.
                    return sink.poll_end(cx, &|_| {});
                }
                continue;
            }
            let passes = sink.takes_pipe();
            if passes && let Some(pipe) = source.piped() {
                self.waiting = Waiting::Sink;
                self.check_limit(pipe.held())?;
                let taken = ready!(sink.poll_piped(cx, pipe))?;
                source.consume_piped(taken);
                self.bytes += taken as u64;
                continue;
            }
            match fill(cx, source, passes)? {
                Poll::Ready(Fill::Data) => {}
                Poll::Ready(Fill::End) => {
                    self.waiting = Waiting::Sink;
                    let trailers = self.trailers;
                    return sink.poll_end(cx, &|each| {
                        if trailers {
                            source.trailers(&mut |field| {
                                if keeps(field.name) {
                                    each(field);
                                }
                            });
                        }
                    });
                }
                Poll::Pending => {
                    self.waiting = Waiting::Sink;
                    ready!(sink.poll_flush(cx))?;
                    self.waiting = Waiting::Source;
                    return Poll::Pending;
                }
            }
        }
        // Until its next turn others use the room.
        source.hold_less(false);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Asked before bytes are passed on: the sink must not see a body whole that is then refused.
    const fn check_limit(&self, more: usize) -> Result<(), Fault> {
        if self.bytes.saturating_add(more as u64) > self.limit {
            return Err(Fault::RequestBodyTooLarge);
        }
        Ok(())
    }
}

/// Makes bytes available, in a pipe where they may pass that way.
fn fill(cx: &mut Context<'_>, source: &mut impl Source, passes: bool) -> Poll<Result<Fill, Fault>> {
    if passes && ready!(source.poll_pipe(cx))? {
        return Poll::Ready(Ok(Fill::Data));
    }
    source.poll_fill(cx)
}

/// So much of a body that nobody wants is used up at once: whoever sends as fast as it is read must not hold up the others.
const MOST_DISCARDED: usize = 256 * 1024;

/// Uses up what has been received of a body that nobody wants; whether that was all of it.
pub(crate) fn discard_received(body: &mut impl Source) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let mut left = MOST_DISCARDED;
    loop {
        let n = body.data().len();
        if n > 0 {
            body.consume(n);
            match left.checked_sub(n) {
                Some(still) => left = still,
                None => return false,
            }
            continue;
        }
        match body.poll_fill(&mut cx) {
            Poll::Ready(Ok(Fill::Data)) => {}
            Poll::Ready(Ok(Fill::End)) => return true,
            Poll::Ready(Err(_)) | Poll::Pending => return false,
        }
    }
}

#[cfg(test)]
mod tests;
