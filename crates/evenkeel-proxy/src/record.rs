//! What is remembered of an exchange for its access record.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_base::{ClusterId, Fault, GrpcStatus, RouteId};
use evenkeel_policy::rate::{Decision, RateLimiter};
use evenkeel_state::Ended;
use evenkeel_state::histogram::Sample;

use crate::attempted::{Attempted, Connect, Fate, Last};
use crate::kept_headers::KeptHeaders;
use crate::trace::Traced;

/// The facts of one exchange, filled in as it goes.
#[derive(Debug)]
pub(crate) struct Record {
    /// When its first byte was there.
    pub(crate) began: Instant,
    /// When its last byte was written or its end was decided.
    pub(crate) ended: Instant,
    /// Who asked.
    pub(crate) client: Option<IpAddr>,
    /// The status the client got, or would have got; 0 before there is one.
    pub(crate) status: u16,
    /// How the call of gRPC ended, when it was one and that is known.
    pub(crate) grpc: Option<GrpcStatus>,
    /// The trace that it belongs to; none: traces are off.
    pub(crate) trace: Option<Traced>,
    /// Whether the client is told how its request was dealt with.
    pub(crate) explains: bool,
    /// What went wrong.
    pub(crate) fault: Option<Fault>,
    /// The reason in more detail: the name of a refusal of the codec.
    pub(crate) detail: Option<&'static str>,
    /// The rate limit that refused it.
    pub(crate) rate: Option<Box<Limited>>,
    /// The route that matched.
    pub(crate) route: Option<RouteId>,
    /// The cluster, and the endpoint of the last attempt by its place in the cluster's list.
    pub(crate) endpoint: Option<(ClusterId, usize)>,
    /// How many attempts were made.
    pub(crate) attempts: u16,
    /// Those of them that brought no response to the client and were followed by others, in the order in which they ended.
    pub(crate) tried: Vec<Attempted>,
    /// What is known of the last one beside the rest of the record.
    pub(crate) last: Last,
    /// How long the last attempt's connect took; zero for a reused connection.
    pub(crate) connect: Duration,
    /// How long it waited for a place at an endpoint, before all of its attempts.
    pub(crate) queued: Duration,
    /// The wait before the latest attempt that had to: when that attempt began, and how long it was.
    pub(crate) waited: Option<(Instant, Duration)>,
    /// From the beginning to the response's head.
    pub(crate) first_byte: Option<Duration>,
    /// What the access log wants of the response that was passed on.
    pub(crate) response: Option<Box<KeptHeaders>>,
    /// Payload bytes from the client.
    pub(crate) bytes_in: u64,
    /// Payload bytes to the client.
    pub(crate) bytes_out: u64,
    /// The id that links this record with those of others, unless the request brought one.
    pub(crate) made_id: [u8; 32],
}

/// A rate limit that refused a request, and what it said.
#[derive(Clone, Debug)]
pub(crate) struct Limited {
    pub(crate) limiter: Arc<RateLimiter>,
    /// Which of the route's limits it is.
    pub(crate) position: usize,
    pub(crate) decision: Decision,
}

/// So many failed attempts are written down; an exchange has no more (10 retries, each with a hedge).
const MAX_TRIED: usize = 32;

impl Record {
    /// Of an exchange that began at `began`.
    pub(crate) const fn new(began: Instant, made_id: [u8; 32]) -> Self {
        Self {
            began,
            ended: began,
            client: None,
            status: 0,
            grpc: None,
            trace: None,
            explains: false,
            fault: None,
            detail: None,
            rate: None,
            route: None,
            endpoint: None,
            attempts: 0,
            tried: Vec::new(),
            last: Last::new(began),
            connect: Duration::ZERO,
            queued: Duration::ZERO,
            waited: None,
            first_byte: None,
            response: None,
            bytes_in: 0,
            bytes_out: 0,
            made_id,
        }
    }

    /// An attempt at that endpoint, a place in the cluster's list, is the one that counts from now on.
    #[inline]
    pub(crate) const fn attempt(&mut self, cluster: ClusterId, endpoint: usize, began: Instant) {
        self.endpoint = Some((cluster, endpoint));
        self.last.began = began;
        // What the one before took is no time of this one, which may get no connection.
        (self.connect, self.last.tls) = (Duration::ZERO, Duration::ZERO);
    }

    /// The attempt has its connection; none: it was there.
    #[inline]
    pub(crate) fn connected(&mut self, made: Option<Box<Connect>>) {
        if let Some(made) = made {
            (self.connect, self.last.tls) = (made.took, made.tls);
        }
    }

    /// How the latest attempt came by its connection.
    pub(crate) const fn connect(&self) -> Connect {
        Connect {
            took: self.connect,
            tls: self.last.tls,
        }
    }

    /// An attempt brought no response to the client, and others follow it or go on.
    pub(crate) fn tried(&mut self, attempt: Attempted) {
        if self.tried.len() < MAX_TRIED {
            self.tried.push(attempt);
        }
    }

    /// How long the request had waited for a place when an attempt began that began then.
    pub(crate) fn waited_before(&self, began: Instant) -> Duration {
        match self.waited {
            Some((at, wait)) if at == began => wait,
            _ => Duration::ZERO,
        }
    }

    /// What is known of each attempt: those that others followed, and the last one. Times of theirs are not rounded, and none is
    /// before that of the exchange.
    pub(crate) fn each_attempt(&self) -> impl Iterator<Item = Attempted> {
        self.tried.iter().copied().chain(self.last_attempt())
    }

    /// The attempt whose response was passed on, or by which the exchange failed; none: there was none, or it failed otherwise.
    pub(crate) fn last_attempt(&self) -> Option<Attempted> {
        if let Some(failed) = &self.last.failed {
            return Some(**failed);
        }
        let (_, endpoint) = self.endpoint?;
        let head = self.last.head?;
        let status = self.last.status;
        Some(Attempted {
            endpoint,
            began: self.last.began,
            queued: self.waited_before(self.last.began),
            connect: self.connect,
            tls: self.last.tls,
            head: Some(head),
            ended: self.ended.max(head),
            fate: match self.fault {
                None => Fate::Answered(status),
                Some(fault) => Fate::Cut(status, fault),
            },
        })
    }

    /// What is counted of it once it is over, that took so long.
    #[inline]
    pub(crate) fn counted(&self, took: Duration) -> Ended {
        Ended {
            status: self.status,
            fault: self.fault,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            queue: self.queued,
            connect: self.connect,
            first_byte: self.first_byte.map(Sample::of),
            total: Sample::of(took),
        }
    }

    /// Whether no attempt failed or was overtaken, nor did the exchange fail.
    #[inline]
    pub(crate) const fn went_well_at_once(&self) -> bool {
        self.tried.is_empty() && self.last.failed.is_none() && self.fault.is_none()
    }

    /// The exchange failed before its response began: what an endpoint sent does not reach the client.
    pub(crate) fn fail(&mut self, fault: Fault) {
        self.response = None;
        self.fault = Some(fault);
        self.status = fault.status();
    }
}
