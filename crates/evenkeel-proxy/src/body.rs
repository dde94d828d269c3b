//! The one body interface: where a body comes from, where it goes, and the pump between the two.
//!
//! Data, trailers, end, abort: every protocol's body is read through [`Source`] and written through [`Sink`], so there is
//! one pump for uploads, downloads and tunnels. The data stays in the source's buffer and is written from there: nothing
//! is copied, and a sink that takes nothing stops the source (back-pressure). An abort is dropping the pair.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use evenkeel_base::Fault;
use evenkeel_base::head::Field;

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
    /// [`Source::data`] is not empty.
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

    /// Writes the end of the body.
    fn poll_end(&mut self, cx: &mut Context<'_>, trailers: Trailers<'_>)
    -> Poll<Result<(), Fault>>;

    /// Writes what was begun and not yet written.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>>;
}

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

    /// Moves bytes until one side has to be waited for or the body is over.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl Source,
        sink: &mut impl Sink,
    ) -> Poll<Result<(), Fault>> {
        let before = self.bytes;
        let polled = self.poll_inner(cx, source, sink);
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
    ) -> Poll<Result<(), Fault>> {
        loop {
            if !source.data().is_empty() {
                self.waiting = Waiting::Sink;
                // Before it is passed on: the sink must not see a body whole that is then refused.
                if self.bytes.saturating_add(source.data().len() as u64) > self.limit {
                    return Poll::Ready(Err(Fault::RequestBodyTooLarge));
                }
                let last = source.is_last();
                let taken = ready!(sink.poll_data(cx, source.data(), last))?;
                source.consume(taken);
                self.bytes += taken as u64;
                continue;
            }
            match source.poll_fill(cx)? {
                Poll::Ready(Fill::Data) => {}
                Poll::Ready(Fill::End) => {
                    self.waiting = Waiting::Sink;
                    let trailers = self.trailers;
                    return sink.poll_end(cx, &|each| {
                        if trailers {
                            source.trailers(each);
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
    }
}

#[cfg(test)]
mod tests;
