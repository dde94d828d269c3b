//! What tickets are sealed with, by which clients go on where they left off without a new key exchange.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

/// The keys of tickets: all workers share them, a new one is made every six hours, and what it has sealed opens for six hours
/// more. They live in this process and are written nowhere. Cheap to clone.
#[derive(Clone)]
pub struct TicketKeys(Arc<dyn ProducesTickets>);

impl TicketKeys {
    /// New ones.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn new() -> Result<Self, String> {
        let ticketer = Ticketer::new().map_err(|error| error.to_string())?;
        Ok(Self(ticketer))
    }

    pub(super) fn ticketer(&self) -> Arc<dyn ProducesTickets> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKeys")
    }
}
