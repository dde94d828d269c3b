//! Floor 3: the admin plane. Answers operators on the control socket, and asks it on their behalf.
//!
//! It reads what is published and counted, and hands orders to a [`Desk`]; it calls neither of the other planes, and could
//! fail without touching traffic. The API is HTTP/1.1 with JSON, over a Unix socket that only its owner may open and, where the
//! configuration says so, over an address:
//!
//! ```text
//! socket (0600) ────────────┐
//!                           ├─▶ serve: a connection, one request ─▶ table: which page ─▶ page ─▶ view, or an order ─▶ JSON
//! address ─▶ TLS ─▶ gate ───┘
//! client ─▶ the socket from the other end
//! ```
//!
//! serde lives here, at the edge: [`view`] is what the API shows, and nothing else is serialised.

pub mod client;
pub mod explain;
pub mod place;
pub mod serve;
pub mod view;

mod answer;
mod ask;
mod feed;
mod gate;
mod hall;
mod live;
mod look;
mod metrics;
mod needs;
mod openapi;
mod order;
mod page;
mod percent;
mod query;
mod refusals;
mod table;
mod turn;

use std::fmt;
use std::sync::Arc;

use evenkeel_state::command::Desk;
use evenkeel_state::{Events, Life, Publisher, WorkerCounters};

pub use openapi::text as openapi;
pub use serve::{Console, inherit, only, open};

/// What the admin plane reads, and where it hands in orders.
#[derive(Clone)]
pub struct Office {
    /// The snapshot.
    pub publisher: Arc<Publisher>,
    /// What workers count.
    pub counters: Arc<[WorkerCounters]>,
    /// What is known of the process.
    pub life: Arc<Life>,
    /// What happened of late.
    pub events: Arc<Events>,
    /// Where orders are carried out.
    pub desk: Arc<dyn Desk>,
}

impl fmt::Debug for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Office")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
