//! What the lines of the table lead to: kinds of pages, and what each asks of whoever wants it. What a page does stands in a file
//! of its own.

pub(crate) mod clusters;
pub(crate) mod config;
pub(crate) mod dashboard;
pub(crate) mod endpoints;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod fault;
pub(crate) mod listeners;
pub(crate) mod live;
pub(crate) mod log;
pub(crate) mod numbers;
pub(crate) mod openapi;
pub(crate) mod probe;
pub(crate) mod routes;
pub(crate) mod snapshot;
pub(crate) mod status;

use evenkeel_state::command::Command;

use crate::answer::Answer;
use crate::ask::Ask;
pub(crate) use crate::needs::Needs;

/// How an order is read: from the names in the path and the body.
pub(crate) type Ordering = fn(&[String], &[u8]) -> Result<Command, String>;

/// How an answer is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Page {
    /// At once, on the event loop: also one that goes on (`Ask::stream`).
    Quick(fn(&Ask) -> Answer),
    /// In a while, by a thread beside it: of a hundred thousand endpoints, say.
    Slow(fn(&Ask) -> Answer),
    /// By giving an order.
    Order(Ordering),
}
