//! Traced exchanges on their way from the workers to whoever exports them, and what became of them.
//!
//! A worker hands over facts; it knows nothing of spans or collectors. Whoever exports takes them from time to time. Between
//! them is a queue of a fixed size, and neither waits for the other: what finds no room is dropped and counted.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_base::head::Version;
use evenkeel_base::trace::{Context, SpanId};
use evenkeel_base::{ClusterId, Fault, GrpcStatus, ListenerId, RouteId};

use crate::names::HeldNames;
use crate::sync::{AtomicU64, Ordering};

/// So many exchanges may wait to be exported: at 100 ms from one look to the next, 40,000 a second.
pub const MAX_WAITING: usize = 4096;

/// What is exported of one exchange.
#[derive(Debug)]
pub struct Story {
    /// The trace, and the span that stands for the exchange.
    pub context: Context,
    /// The span that the client named as its own.
    pub parent: Option<SpanId>,
    /// The names of what follows.
    pub names: HeldNames,
    /// The listener.
    pub listener: ListenerId,
    /// The route that matched.
    pub route: Option<RouteId>,
    /// The cluster that its attempts went to.
    pub cluster: Option<ClusterId>,
    /// What was asked.
    pub asked: Asked,
    /// Who asked; none: a process behind a Unix socket.
    pub client: Option<IpAddr>,
    /// The status that the client got, or would have got.
    pub status: u16,
    /// How the call of gRPC ended, when it was one.
    pub grpc: Option<GrpcStatus>,
    /// What went wrong.
    pub fault: Option<Fault>,
    /// Payload bytes from the client, and to it.
    pub bytes: (u64, u64),
    /// When it began.
    pub began: Instant,
    /// When it was over.
    pub ended: Instant,
    /// The wait for a place that no attempt followed: when it was over, and how long it was.
    pub waited: Option<(Instant, Duration)>,
    /// Its attempts.
    pub attempts: Vec<Attempt>,
}

/// What a client asked, each text up to a bound.
#[derive(Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Whether it came through TLS.
    pub secure: bool,
    /// The host that was asked for, with its port if it has one.
    pub authority: String,
    /// The path.
    pub path: String,
    /// What stands behind the question mark.
    pub query: Option<String>,
    /// The version of HTTP.
    pub version: Version,
    /// What the client says of itself.
    pub user_agent: Option<String>,
    /// The id that links logs.
    pub request_id: String,
}

/// One attempt of a traced exchange.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The span that stands for it, which its endpoint was told of.
    pub span: SpanId,
    /// The endpoint's place in the cluster's list.
    pub endpoint: usize,
    /// When it began.
    pub began: Instant,
    /// How long the request had waited for a place, right before.
    pub queued: Duration,
    /// How long connecting took, from the beginning on; zero: the connection was there.
    pub connect: Duration,
    /// The last part of that: the handshake.
    pub tls: Duration,
    /// When the response's head was there.
    pub head: Option<Instant>,
    /// When it was over.
    pub ended: Instant,
    /// The status of its response.
    pub status: Option<u16>,
    /// Why it was no success: the name of a fault, of a status of gRPC, or that another attempt was faster.
    pub failure: Option<&'static str>,
}

impl Attempt {
    /// How many spans it has: itself, the wait before it, its connect and the handshake.
    const fn spans(&self) -> u64 {
        1 + !self.queued.is_zero() as u64
            + !self.connect.is_zero() as u64
            + !self.tls.is_zero() as u64
    }
}

impl Story {
    /// How many spans it has.
    #[must_use]
    pub fn spans(&self) -> u64 {
        let attempts = self.attempts.iter().map(Attempt::spans);
        1 + u64::from(self.waited.is_some()) + attempts.sum::<u64>()
    }
}

/// Why spans were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// There was no room for them.
    Full,
    /// The collector could not be reached, or took none of them for too long.
    Unreachable,
    /// The collector would not have them.
    Refused,
}

impl Dropped {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Full, Self::Unreachable, Self::Refused];

    /// As metrics have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
        }
    }
}

/// The way from workers to whoever exports.
#[derive(Debug, Default)]
pub struct Traces {
    /// Made when the first one is handed over: a process that traces nothing has no room for it.
    queue: OnceLock<Queue>,
    exported: AtomicU64,
    dropped: [AtomicU64; Dropped::ALL.len()],
}

#[derive(Debug)]
struct Queue {
    inlet: SyncSender<Box<Story>>,
    /// Locked by whoever exports, and by nobody else: the lock only lets it be shared.
    outlet: Mutex<Receiver<Box<Story>>>,
}

impl Queue {
    fn new() -> Self {
        let (inlet, outlet) = sync_channel(MAX_WAITING);
        Self {
            inlet,
            outlet: Mutex::new(outlet),
        }
    }
}

impl Traces {
    /// Hands one over. Takes no lock and waits for nobody.
    pub fn hand_over(&self, story: Box<Story>) {
        let queue = self.queue.get_or_init(Queue::new);
        if let Err(TrySendError::Full(story) | TrySendError::Disconnected(story)) =
            queue.inlet.try_send(story)
        {
            self.drop_some(Dropped::Full, story.spans());
        }
    }

    /// Takes what was handed over, up to so many.
    #[must_use]
    pub fn take(&self, most: usize) -> Vec<Box<Story>> {
        let Some(queue) = self.queue.get() else {
            return Vec::new();
        };
        let outlet = queue.outlet.lock().unwrap_or_else(PoisonError::into_inner);
        outlet.try_iter().take(most).collect()
    }

    /// Counts spans that the collector took.
    pub fn export(&self, spans: u64) {
        self.exported.fetch_add(spans, Ordering::Relaxed);
    }

    /// Counts spans that nobody will see.
    pub fn drop_some(&self, why: Dropped, spans: u64) {
        self.dropped[why as usize].fetch_add(spans, Ordering::Relaxed);
    }

    /// How many spans were exported.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// How many were dropped for that reason.
    #[must_use]
    pub fn dropped(&self, why: Dropped) -> u64 {
        self.dropped[why as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use evenkeel_base::Rng;
    use evenkeel_config::{Nowhere, check};

    use super::*;
    use crate::compile::{Registry, Resolved};
    use crate::snapshot::Snapshot;

    fn story(snapshot: &Arc<Snapshot>) -> Box<Story> {
        let now = Instant::now();
        let context = Context::begin(&mut Rng::new(7), true);
        let attempt = Attempt {
            span: context.span.part(1),
            endpoint: 0,
            began: now,
            queued: Duration::ZERO,
            connect: Duration::from_millis(2),
            tls: Duration::from_millis(1),
            head: None,
            ended: now,
            status: None,
            failure: None,
        };
        Box::new(Story {
            context,
            parent: None,
            names: HeldNames::In(Arc::clone(snapshot)),
            listener: ListenerId::new(0),
            route: None,
            cluster: None,
            asked: Asked {
                method: "GET".to_owned(),
                secure: false,
                authority: String::new(),
                path: "/".to_owned(),
                query: None,
                version: Version::Http11,
                user_agent: None,
                request_id: String::new(),
            },
            client: None,
            status: 200,
            grpc: None,
            fault: None,
            bytes: (0, 0),
            began: now,
            ended: now,
            waited: None,
            attempts: vec![attempt],
        })
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let text =
            "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"\"\n";
        let config = check(text, "test", &Nowhere).config.unwrap();
        let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
        let snapshot = Arc::new(snapshot);
        let traces = Traces::default();
        assert!(traces.take(10).is_empty());
        for _ in 0..MAX_WAITING + 3 {
            traces.hand_over(story(&snapshot));
        }
        // The exchange, its attempt, the connect and the handshake.
        assert_eq!(traces.dropped(Dropped::Full), 3 * 4);
        assert_eq!(traces.take(10).len(), 10);
        traces.hand_over(story(&snapshot));
        assert_eq!(traces.dropped(Dropped::Full), 3 * 4);
        assert_eq!(traces.take(usize::MAX).len(), MAX_WAITING - 9);
        assert!(traces.take(10).is_empty());
        drop(traces);
        assert_eq!(
            Arc::strong_count(&snapshot),
            1,
            "nothing keeps the snapshot"
        );
    }
}
