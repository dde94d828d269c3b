//! What is remembered of an exchange for its access record.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_base::{ClusterId, Fault, RouteId};

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
    /// What went wrong.
    pub(crate) fault: Option<Fault>,
    /// The reason in more detail: the name of a refusal of the codec.
    pub(crate) detail: Option<&'static str>,
    /// The route that matched.
    pub(crate) route: Option<RouteId>,
    /// The cluster, and the endpoint of the last attempt by its place in the cluster's list.
    pub(crate) endpoint: Option<(ClusterId, usize)>,
    /// How many attempts were made.
    pub(crate) attempts: u16,
    /// How long the last attempt's connect took; zero for a reused connection.
    pub(crate) connect: Duration,
    /// From the beginning to the response's head.
    pub(crate) first_byte: Option<Duration>,
    /// Payload bytes from the client.
    pub(crate) bytes_in: u64,
    /// Payload bytes to the client.
    pub(crate) bytes_out: u64,
    /// The id that links this record with those of others, unless the request brought one.
    pub(crate) made_id: [u8; 32],
}

impl Record {
    /// Of an exchange that began at `began`.
    pub(crate) const fn new(began: Instant, made_id: [u8; 32]) -> Self {
        Self {
            began,
            ended: began,
            client: None,
            status: 0,
            fault: None,
            detail: None,
            route: None,
            endpoint: None,
            attempts: 0,
            connect: Duration::ZERO,
            first_byte: None,
            bytes_in: 0,
            bytes_out: 0,
            made_id,
        }
    }

    /// The exchange failed before its response began.
    pub(crate) const fn fail(&mut self, fault: Fault) {
        self.fault = Some(fault);
        self.status = fault.status();
    }
}
