//! The sessions that may be resumed with one endpoint under one name, until the first certificate that they rest on is over.
//!
//! rustls keeps what a session was begun with and does not tell, so all that are kept here end together: what ends later costs
//! a whole handshake once. Without a lock of its own, for workers share it: that end is moved before a session is
//! kept and once more behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::time_provider::TimeProvider;

use crate::believed::{self, EVER, seconds};

/// So many sessions are kept of an endpoint, each for one connection: an endpoint sends two tickets a handshake, and what opens
/// connections in a burst has closed them before. rustls counts in eights for each name.
const TICKETS: usize = 8;

/// The sessions of one endpoint under one name.
#[derive(Debug)]
pub(super) struct Remembered {
    kept: ClientSessionMemoryCache,
    /// The last second of all that are kept.
    until: AtomicI64,
    time: Arc<dyn TimeProvider>,
}

impl Remembered {
    /// None so far.
    pub(super) fn new(time: &Arc<dyn TimeProvider>) -> Self {
        Self {
            kept: ClientSessionMemoryCache::new(TICKETS),
            until: AtomicI64::new(EVER),
            time: Arc::clone(time),
        }
    }

    /// Whether that second is over. Without a clock everything is that can be.
    fn is_over(&self, until: i64) -> bool {
        until < self.time.current_time().map_or(EVER, seconds)
    }

    fn keep(&self, keep: impl FnOnce()) {
        let until = believed::until();
        if self.is_over(until) {
            return;
        }
        self.until.fetch_min(until, Ordering::Relaxed);
        keep();
        self.until.fetch_min(until, Ordering::Relaxed);
    }

    /// Takes up a session, when what it rests on is still good; otherwise all are forgotten.
    fn take_up<T>(&self, name: &ServerName<'_>, take: impl FnOnce() -> Option<T>) -> Option<T> {
        let until = self.until.load(Ordering::Relaxed);
        if self.is_over(until) {
            self.until.store(EVER, Ordering::Relaxed);
            let name = name.to_owned();
            while self.kept.take_tls13_ticket(&name).is_some() {}
            self.kept.remove_tls12_session(&name);
            return None;
        }
        let taken = take()?;
        // Another one may have been kept meanwhile, and be the one that was taken.
        believed::rest_on(until.min(self.until.load(Ordering::Relaxed)));
        Some(taken)
    }
}

impl ClientSessionStore for Remembered {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.kept.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, kept: Tls12ClientSessionValue) {
        self.keep(|| self.kept.set_tls12_session(name, kept));
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.take_up(name, || self.kept.tls12_session(name))
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.kept.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, kept: Tls13ClientSessionValue) {
        self.keep(|| self.kept.insert_tls13_ticket(name, kept));
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.take_up(name, || self.kept.take_tls13_ticket(name))
    }
}
