//! Listening sockets of whoever started evenkeel (socket activation) that no listener has right now.
//!
//! They cannot be closed for good: their opener keeps them open, so who connects waits in their queue, and nobody else can bind
//! their address. So they stay here until a configuration has the address again, a rollback as well, and go to the next
//! process. There are never more of them than the first process was given.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use evenkeel_net::{Lease, ListenSocket, Listener, Loan, Owner};

use crate::handover::Handover;

/// The sockets.
#[derive(Debug, Default)]
pub(crate) struct Parked(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    /// What their listener was called.
    name: String,
    /// Where that had them bound, as a handover tells it.
    place: String,
    sockets: Vec<Loan>,
}

impl Parked {
    /// Those of the process before this one that its configuration has no use for.
    ///
    /// # Errors
    /// When one cannot be kept.
    pub(crate) fn left(handover: &mut Handover) -> io::Result<Self> {
        let mut parked = Self::default();
        for (name, place, sockets) in handover.left_of_starter() {
            let number = sockets.len();
            let sockets = Listener::inherit(sockets, Owner::Starter)?.into_sockets(number);
            let leases = sockets.iter().map(ListenSocket::lease);
            let loans = leases.filter_map(|lease| Lease::get(&lease)).collect();
            parked.keep(&name, place, loans);
        }
        Ok(parked)
    }

    /// Keeps the sockets of a listener that goes, where they are the starter's.
    pub(crate) fn keep(&mut self, name: &str, place: String, sockets: Vec<Loan>) {
        if sockets.first().map(Loan::owner) != Some(Owner::Starter) {
            return;
        }
        tracing::warn!(
            listener = name,
            place,
            "nobody accepts by this socket now, and who started evenkeel keeps it open: who connects waits until a listener has \
             it again; to close it, take it out of the socket unit and restart"
        );
        self.0.push(Entry {
            name: name.to_owned(),
            place,
            sockets,
        });
    }

    /// A listener by the sockets that are kept for that place, if there are any. They are kept still.
    pub(crate) fn find(&self, place: &str) -> Option<io::Result<Listener>> {
        let entry = self.0.iter().find(|entry| entry.place == place)?;
        let sockets = entry.sockets.iter();
        let sockets: io::Result<Vec<OwnedFd>> = sockets
            .map(|socket| socket.as_fd().try_clone_to_owned())
            .collect();
        Some(sockets.and_then(|sockets| Listener::inherit(sockets, Owner::Starter)))
    }

    /// That place has its listener again.
    pub(crate) fn has_back(&mut self, place: &str) {
        self.0.retain(|entry| entry.place != place);
    }

    /// All of them, to hand them to another process.
    pub(crate) fn all(&self) -> impl Iterator<Item = (String, String, Vec<Loan>)> {
        self.0.iter().map(|entry| {
            (
                entry.name.clone(),
                entry.place.clone(),
                entry.sockets.clone(),
            )
        })
    }
}
