//! What tickets are sealed with, by which clients go on where they left off without a new key exchange.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

use crate::believed::{self, EVER, seconds};

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
        Self::by(Arc::new(DefaultTimeProvider))
    }

    /// New ones, whose tickets end by that clock.
    pub(crate) fn by(time: Arc<dyn TimeProvider>) -> Result<Self, String> {
        let sealed = Ticketer::new().map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Dated { sealed, time })))
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

/// Tickets that say until when the client is believed who had the first of them, and open until then. A ticket brings its client's
/// certificate along, which rustls does not check again, and leads to another ticket: without an end of its own a client that
/// comes often enough would be believed for ever.
#[derive(Debug)]
struct Dated {
    sealed: Arc<dyn ProducesTickets>,
    time: Arc<dyn TimeProvider>,
}

impl ProducesTickets for Dated {
    fn enabled(&self) -> bool {
        self.sealed.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.sealed.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let until = believed::until().to_be_bytes();
        self.sealed.encrypt(&[&until, plain].concat())
    }

    fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut plain = self.sealed.decrypt(sealed)?;
        let until = i64::from_be_bytes(*plain.first_chunk()?);
        // Without a clock everything is over that can be.
        if until < self.time.current_time().map_or(EVER, seconds) {
            return None;
        }
        believed::rest_on(until);
        plain.drain(..size_of::<i64>());
        Some(plain)
    }
}
