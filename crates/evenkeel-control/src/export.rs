//! The export of traces: stories become spans, spans batches, and batches are sent to the collector one after the other.
//!
//! ```text
//! workers ─▶ queue (state) ─▶ gather: spans, a batch when it is full or old ─▶ backlog ─▶ send, again until it may not be
//! ```
//! A collector that is slow or dead fills the backlog and nothing else: what comes then is dropped and counted, and the log has a
//! line when that begins and one when it is over. No worker waits for any of this, and with traces off both loops only look now
//! and again whether they still are.

mod collector;
mod proto;
mod refusals;
mod spans;

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use evenkeel_base::Rng;
use evenkeel_config::model::Config;
use evenkeel_state::Publisher;
use evenkeel_state::trace::Dropped;
use prost::Message;
use tokio::sync::Notify;
use tokio::{task, time};

use self::collector::{Answer, Collector};
use self::proto::{ExportRequest, Resource, ResourceSpans, Scope, ScopeSpans, Span};
use self::refusals::{Refusals, Word};
use self::spans::{Attributes, Moment};
use crate::Control;

/// How often it is looked what workers have handed over.
const LOOK: Duration = Duration::from_millis(100);
/// How often it is looked whether traces are on by now.
const LOOK_OFF: Duration = Duration::from_secs(1);
/// A batch is sent when its first span is so old.
const BATCH_AGE: Duration = Duration::from_secs(1);
/// Or when it has so many spans: some 200 KiB.
const BATCH_SPANS: usize = 512;
/// Or when one more story would make it larger, encoded. Collectors refuse messages that are too large for them (4 MiB is usual), and
/// with them what others did.
const BATCH_BYTES: usize = 512 * 1024;
/// So many stories become spans in one go, which takes less than a millisecond; others have their turn in between.
const AT_ONCE: usize = 64;
/// So many batches wait to be sent: some 6 MiB, and whatever clients say no more than the other.
const MAX_BACKLOG: usize = 32;
const MAX_BACKLOG_BYTES: usize = 8 * 1024 * 1024;
/// A batch that is too large for the collector is sent in halves, so many times: then in 32 parts, some 16 KiB each.
const MAX_HALVINGS: u32 = 5;
/// A batch that cannot be sent is tried again for so long.
const MAX_AGE: Duration = Duration::from_mins(1);
/// The pause before a batch is tried again, doubled each time up to the other.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(16);
/// How long the end of the process waits for the last spans to be taken.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Spans, encoded.
#[derive(Clone, Debug)]
struct Batch {
    bytes: Bytes,
    spans: u64,
    made: Instant,
    /// How often it was cut in half.
    halvings: u32,
}

impl Batch {
    fn of(request: &ExportRequest, spans: u64, made: Instant, halvings: u32) -> Self {
        Self {
            bytes: request.encode_to_vec().into(),
            spans,
            made,
            halvings,
        }
    }

    /// Its halves; none where it has been cut often enough.
    fn halves(&self) -> Option<[Self; 2]> {
        if self.spans < 2 || self.halvings >= MAX_HALVINGS {
            return None;
        }
        let mut first = ExportRequest::decode(self.bytes.clone()).ok()?;
        let mut second = first.clone();
        let (mine, others) = (spans_of(&mut first)?, spans_of(&mut second)?);
        let half = mine.len() / 2;
        mine.truncate(half);
        others.drain(..half);
        let count = half as u64;
        let of = |request, spans| Self::of(request, spans, self.made, self.halvings + 1);
        Some([of(&first, count), of(&second, self.spans - count)])
    }
}

fn spans_of(request: &mut ExportRequest) -> Option<&mut Vec<Span>> {
    let resource = request.resource_spans.first_mut()?;
    Some(&mut resource.scope_spans.first_mut()?.spans)
}

/// What is on its way out.
#[derive(Debug, Default)]
pub(crate) struct Export {
    state: Mutex<State>,
    /// There is another batch.
    news: Notify,
    /// A batch is gone, one way or the other.
    gone: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Spans of the batch that is not full yet, and when the first one came.
    open: Vec<Span>,
    since: Option<Instant>,
    /// What they come to when they are encoded.
    bytes: usize,
    /// The first one is being sent.
    backlog: VecDeque<Batch>,
    /// Whether the collector took the last one.
    is_failing: bool,
}

impl Export {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes spans of some stories; whether there may be more.
    fn gather(&self, publisher: &Publisher) -> bool {
        let stories = publisher.traces().take(AT_ONCE);
        let now = Moment::now();
        let more = stories.len() == AT_ONCE;
        let mut state = self.state();
        for story in stories {
            let spans = spans::of(&story, now);
            let bytes: usize = spans.iter().map(sent).sum();
            if state.bytes + bytes > BATCH_BYTES {
                self.close(&mut state, publisher);
            }
            state.open.extend(spans);
            state.bytes += bytes;
            if state.open.len() >= BATCH_SPANS {
                self.close(&mut state, publisher);
            }
        }
        if !state.open.is_empty() {
            let since = *state.since.get_or_insert_with(Instant::now);
            if since.elapsed() >= BATCH_AGE {
                self.close(&mut state, publisher);
            }
        }
        more
    }

    /// Ends the open batch: it waits to be sent, or is dropped where too many do.
    fn close(&self, state: &mut State, publisher: &Publisher) {
        state.since = None;
        state.bytes = 0;
        let spans = std::mem::take(&mut state.open);
        let count = spans.len() as u64;
        if count == 0 {
            return;
        }
        let waiting: usize = state.backlog.iter().map(|one| one.bytes.len()).sum();
        if state.backlog.len() >= MAX_BACKLOG || waiting >= MAX_BACKLOG_BYTES {
            let traces = publisher.traces();
            return traces.drop_some(Dropped::Unreachable, count);
        }
        let request = request(spans, &publisher.current().config);
        let batch = Batch::of(&request, count, Instant::now(), 0);
        state.backlog.push_back(batch);
        self.news.notify_one();
    }

    fn first(&self) -> Option<Batch> {
        self.state().backlog.front().cloned()
    }

    /// The first batch is gone.
    fn pop(&self) {
        self.state().backlog.pop_front();
        self.gone.notify_waiters();
    }

    /// Gathers and sends what is left, for a while: the data plane has ended. Nothing is waited for while the collector takes
    /// nothing anyway. To be called while both loops still run.
    pub(crate) async fn finish(&self, publisher: &Publisher) {
        while self.gather(publisher) {}
        self.close(&mut self.state(), publisher);
        let sent = async {
            loop {
                let gone = self.gone.notified();
                let (is_empty, is_failing) = {
                    let state = self.state();
                    (state.backlog.is_empty(), state.is_failing)
                };
                if is_empty || is_failing {
                    return;
                }
                gone.await;
            }
        };
        let _ = time::timeout(LAST_SPANS, sent).await;
        let lost: u64 = self.state().backlog.iter().map(|one| one.spans).sum();
        if lost > 0 {
            publisher.traces().drop_some(Dropped::Unreachable, lost);
            tracing::warn!(
                spans = lost,
                "spans are lost: the collector did not take them"
            );
        }
    }
}

/// Makes spans of what workers hand over, for ever.
pub(crate) async fn gather(control: Arc<Control>) {
    let (export, publisher) = (control.export(), control.publisher());
    loop {
        let is_on = publisher.current().config.trace.is_on();
        let has_some = is_on || !export.state().open.is_empty();
        time::sleep(if has_some { LOOK } else { LOOK_OFF }).await;
        while export.gather(publisher) {
            task::yield_now().await;
        }
    }
}

/// Sends batches, for ever.
pub(crate) async fn send(control: Arc<Control>) {
    let mut sender = Sender {
        control: &control,
        collector: None,
        rng: Rng::new(RandomState::new().hash_one("export")),
        lost: 0,
        refusals: Refusals::default(),
    };
    loop {
        match control.export().first() {
            Some(batch) => {
                sender.send(batch).await;
                control.export().pop();
            }
            None => control.export().news.notified().await,
        }
    }
}

/// Who sends batches.
struct Sender<'a> {
    control: &'a Arc<Control>,
    collector: Option<Collector>,
    rng: Rng,
    /// How many spans were lost since the collector took some last.
    lost: u64,
    /// What the collector has refused of those that it took.
    refusals: Refusals,
}

impl Sender<'_> {
    /// Sends a batch, in parts where the collector finds it too large.
    async fn send(&mut self, batch: Batch) {
        // No more than one part more than it may be halved.
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let halves = self.send_part(part).await;
            parts.extend(halves.into_iter().flatten().rev());
        }
    }

    /// Sends what is one message, again and again while it may be; gives the halves of what is too large.
    async fn send_part(&mut self, batch: Batch) -> Option<[Batch; 2]> {
        let traces = self.control.publisher().traces();
        let mut pause = FIRST_PAUSE;
        loop {
            let current = self.control.publisher().current();
            self.turn_to(&current.config);
            let Some(collector) = &mut self.collector else {
                traces.drop_some(Dropped::Unreachable, batch.spans);
                return None;
            };
            let dns = self.control.discovery().dns(&current.config.resolver);
            drop(current);
            match collector.export(&batch.bytes, &dns).await {
                Answer::Taken { rejected, why } => {
                    let rejected = rejected.min(batch.spans);
                    traces.export(batch.spans - rejected);
                    traces.drop_some(Dropped::Refused, rejected);
                    self.works();
                    self.refused(rejected, &why);
                    return None;
                }
                Answer::TooLarge(why) => {
                    self.works();
                    if let Some(halves) = batch.halves() {
                        return Some(halves);
                    }
                    traces.drop_some(Dropped::Refused, batch.spans);
                    self.refused(batch.spans, &why);
                    return None;
                }
                Answer::Refused(why) => {
                    traces.drop_some(Dropped::Refused, batch.spans);
                    self.works();
                    self.refused(batch.spans, &why);
                    return None;
                }
                Answer::Later(why, after) => {
                    self.fails(&why);
                    if batch.made.elapsed() >= MAX_AGE {
                        self.lost += batch.spans;
                        traces.drop_some(Dropped::Unreachable, batch.spans);
                        return None;
                    }
                    let usual = pause.mul_f64(0.5 + f64::from(self.rng.below(1000)) / 2000.0);
                    time::sleep(wait(after, usual)).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }

    /// Turns to the collector of a configuration, if it has one.
    fn turn_to(&mut self, config: &Config) {
        let same = |one: &Collector| one.is_of(&config.trace);
        if !self.collector.as_ref().is_some_and(same) {
            self.collector = Collector::of(&config.trace);
        }
    }

    fn fails(&self, why: &str) {
        let mut state = self.control.export().state();
        if !state.is_failing {
            tracing::warn!("the collector takes no spans: {why}");
        }
        state.is_failing = true;
        drop(state);
        // Who waits for the end waits no longer.
        self.control.export().gone.notify_waiters();
    }

    fn works(&mut self) {
        let mut state = self.control.export().state();
        if state.is_failing {
            let lost = std::mem::take(&mut self.lost);
            tracing::info!(lost, "the collector takes spans again");
        }
        state.is_failing = false;
    }

    fn refused(&mut self, spans: u64, why: &str) {
        match self.refusals.saw(spans, Instant::now()) {
            Some(Word::Begun(spans)) => {
                tracing::warn!(spans, "the collector refuses spans: {why}");
            }
            Some(Word::Over(spans)) => {
                tracing::info!(spans, "the collector refuses no spans any more");
            }
            None => {}
        }
    }
}

/// What a span comes to in a message: itself, its tag and its length.
fn sent(span: &Span) -> usize {
    let bytes = span.encoded_len();
    1 + prost::length_delimiter_len(bytes) + bytes
}

/// How long a batch waits: as long as the collector asks, but no shorter than `usual` (it may ask for 0 s, or name a moment that is
/// past), and no longer than batches are kept.
fn wait(asked: Option<Duration>, usual: Duration) -> Duration {
    asked.unwrap_or(usual).max(usual).min(MAX_AGE)
}

/// Spans as they are sent.
fn request(spans: Vec<Span>, config: &Config) -> ExportRequest {
    let mut process = Attributes::default();
    process.text("service.name", &config.trace.service_name);
    process.text("service.version", env!("CARGO_PKG_VERSION"));
    if !config.node.is_empty() {
        process.text("service.instance.id", &config.node);
    }
    let scope = Scope {
        name: "evenkeel".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    ExportRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: process.0,
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans,
            }],
        }],
    }
}

#[cfg(test)]
mod tests;
