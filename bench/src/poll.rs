//! epoll, edge-triggered for connections: one registration for a connection's whole life.
//!
//! Who is told that a socket is readable reads until a read comes back short; who is told nothing need not look. It
//! knows sockets and tokens, and nothing of what they are for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::socket::Moved;

pub use rustix::event::epoll::Event;

/// Events taken from the kernel at once; more are reported by the next wait.
const EVENTS: usize = 512;

/// An epoll instance.
#[derive(Debug)]
pub struct Poll {
    epoll: OwnedFd,
}

impl Poll {
    /// A new instance that watches nothing.
    ///
    /// # Errors
    ///
    /// Fails when the process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll })
    }

    /// Watches a connection for both directions, edge-triggered. Closing it ends the watch.
    ///
    /// # Errors
    ///
    /// Fails when the kernel refuses to watch this descriptor.
    pub fn watch(&self, fd: &impl AsFd, token: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(
            &self.epoll,
            fd,
            EventData::new_u64(token),
            flags,
        )?)
    }

    /// Watches what is only read (a listening socket, a timer, the standard input), level-triggered.
    ///
    /// # Errors
    ///
    /// Fails when the kernel refuses to watch this descriptor, as it does for a file.
    pub fn watch_input(&self, fd: &impl AsFd, token: u64) -> io::Result<()> {
        let data = EventData::new_u64(token);
        Ok(epoll::add(&self.epoll, fd, data, EventFlags::IN)?)
    }

    /// Waits for events and puts them into `events`, which is cleared first. An interruption by a signal counts as none.
    ///
    /// # Errors
    ///
    /// Fails when epoll does, which is a mistake of the program.
    #[inline]
    pub fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        events.reserve(EVENTS);
        let timeout = timeout.map(|timeout| rustix::event::Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        match epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is known of a connection between two events: whether a read is worth its system call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interest {
    /// There may be something to read.
    pub readable: bool,
    /// The other side has sent its end: a short read is followed by one that says so, and no event will come for it.
    ended: bool,
}

impl Interest {
    /// Takes over what an event says.
    #[inline]
    pub fn note(&mut self, event: &Event) {
        self.readable |= is_readable(event);
        let flags = event.flags;
        self.ended |= flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
    }

    /// Takes over what came of a read that asked for so many bytes: a short one has emptied the socket.
    #[inline]
    pub fn has_read(&mut self, moved: Moved, asked: usize) {
        match moved {
            Moved::Bytes(n) => self.readable = n == asked || self.ended,
            Moved::Blocked => self.readable = false,
            Moved::Ended | Moved::Failed => {}
        }
    }
}

/// Whether the event says that there may be something to read, the end and a reset included.
#[inline]
#[must_use]
pub fn is_readable(event: &Event) -> bool {
    let flags = event.flags;
    flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR)
}

/// Whether the event says that a write may succeed, or will say why it cannot.
#[inline]
#[must_use]
pub fn is_writable(event: &Event) -> bool {
    let flags = event.flags;
    flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR)
}

/// Whether the connection is over in both directions, or was reset.
#[inline]
#[must_use]
pub fn is_dead(event: &Event) -> bool {
    let flags = event.flags;
    flags.intersects(EventFlags::HUP | EventFlags::ERR)
}
