//! What is remembered of an exchange for its access record.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_base::{ClusterId, Fault, GrpcStatus, RouteId};
use evenkeel_policy::Failure;
use evenkeel_policy::rate::{Decision, RateLimiter};

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
    /// Those of them that brought no response to the client, in order.
    pub(crate) tried: Vec<Past>,
    /// How long the last attempt's connect took; zero for a reused connection.
    pub(crate) connect: Duration,
    /// How long it waited for a place at an endpoint.
    pub(crate) queued: Duration,
    /// From the beginning to the response's head.
    pub(crate) first_byte: Option<Duration>,
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

/// An attempt that brought no response to the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    /// The endpoint's place in the cluster's list.
    pub(crate) endpoint: usize,
    pub(crate) why: Why,
}

/// What became of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    /// It failed, or its response was not good enough.
    Failed(Failure),
    /// Another one was faster.
    Cancelled,
}

impl Record {
    /// Of an exchange that began at `began`.
    pub(crate) const fn new(began: Instant, made_id: [u8; 32]) -> Self {
        Self {
            began,
            ended: began,
            client: None,
            status: 0,
            grpc: None,
            fault: None,
            detail: None,
            rate: None,
            route: None,
            endpoint: None,
            attempts: 0,
            tried: Vec::new(),
            connect: Duration::ZERO,
            queued: Duration::ZERO,
            first_byte: None,
            bytes_in: 0,
            bytes_out: 0,
            made_id,
        }
    }

    /// An attempt brought no response to the client.
    pub(crate) fn tried(&mut self, endpoint: usize, why: Why) {
        if self.tried.len() < MAX_TRIED {
            self.tried.push(Past { endpoint, why });
        }
    }

    /// The exchange failed before its response began.
    pub(crate) const fn fail(&mut self, fault: Fault) {
        self.fault = Some(fault);
        self.status = fault.status();
    }
}
