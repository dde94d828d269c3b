//! What an operator orders of the running process, on its way from whoever listens to operators to whoever carries it out.
//!
//! Orders are carried out one after the other, in the order in which they come. Who gave one waits for its [`Done`] or for the
//! reason why it was refused; a refused one has changed nothing.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use evenkeel_base::Scheme;
use evenkeel_base::rules::AdminState;
use evenkeel_config::model::{Endpoint, LogLevel};

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Read the configuration again, and serve it.
    Reload {
        /// Go back by itself when the fault rate rises within this time; zero: no trial.
        trial: Duration,
    },
    /// Serve the configuration before the current one.
    Rollback,
    /// Take no new work, finish the old, end.
    Drain,
    /// End now.
    Stop,
    /// Change what an endpoint may do.
    Endpoint {
        /// Its cluster's name.
        cluster: String,
        /// Its id.
        endpoint: String,
        /// What it may do.
        order: EndpointOrder,
    },
    /// Add an endpoint to those of the configuration.
    AddEndpoint {
        /// Its cluster's name.
        cluster: String,
        /// The endpoint.
        endpoint: Box<Endpoint>,
        /// What stands before its address.
        scheme: Option<Scheme>,
    },
    /// Take an endpoint away that was added.
    RemoveEndpoint {
        /// Its cluster's name.
        cluster: String,
        /// Its id.
        endpoint: String,
    },
    /// Write evenkeel's own log down to another level.
    LogLevel {
        /// The level; none: that of the configuration.
        level: Option<LogLevel>,
        /// For so long; zero: until the configuration is read again.
        time: Duration,
    },
    /// Hand everything over to another program, or to the current one as it is on disk by now.
    Upgrade {
        /// The program; empty: the current one.
        program: PathBuf,
    },
}

/// What an operator orders for an endpoint, over what the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointOrder {
    /// This admin state.
    Admin(AdminState),
    /// This weight, 0 to 1,000.
    Weight(u16),
    /// What the configuration says.
    AsConfigured,
}

/// What came of an order, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What is so now.
    pub what: String,
    /// The generation that is served.
    pub generation: u64,
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It names something that is not there.
    NotFound(String),
    /// It cannot be done, for this reason.
    Cannot(String),
}

/// Where orders are given: the binary carries them out.
pub trait Desk: Send + Sync {
    /// Gives an order; the future is what comes of it, or why it was refused.
    fn order(&self, command: Command) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>>;
}

/// What came of an order, or why it was not carried out.
pub type Answer = Result<Done, Refused>;
