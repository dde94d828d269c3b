//! A pipe that takes bytes from one stream to another without showing them to the process (splice(2)).
//!
//! Not a channel within the process: what goes in is what a [`crate::Stream`] has received, and it comes out into another
//! one. Only Linux has such pipes; elsewhere there are none to be had, and bodies are copied.

use std::io;
use std::os::fd::AsFd;

/// A pipe, and how much is in it.
#[derive(Debug)]
pub struct Pipe {
    ends: system::Ends,
    held: usize,
}

impl Pipe {
    /// The most a pipe holds: what a reader that has stopped keeps of the system's memory. On loopback four times the usual
    /// 64 KiB save a seventh of the CPU time of a 100 MB response, and sixteen times hardly more.
    pub const CAPACITY: usize = 256 * 1024;

    /// An empty pipe.
    ///
    /// # Errors
    /// When the process has no descriptors left, or the system has no pipes of this kind.
    pub fn new() -> io::Result<Self> {
        let ends = system::open(Self::CAPACITY)?;
        Ok(Self { ends, held: 0 })
    }

    /// How many bytes are in it.
    #[inline]
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Reads from it, when its bytes have to be seen after all. 0 when it is empty.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.held == 0 {
            return Ok(0);
        }
        let n = system::read(&self.ends, buf)?;
        self.held = self.held.saturating_sub(n);
        Ok(n)
    }

    /// Moves at most `most` bytes in from a socket. The pipe has to be empty, so that "would block" speaks of the socket.
    pub(crate) fn fill(&mut self, socket: impl AsFd, most: usize) -> io::Result<usize> {
        debug_assert!(self.held == 0, "a full pipe would block as well");
        self.held = system::fill(&self.ends, socket, most.min(Self::CAPACITY))?;
        Ok(self.held)
    }

    /// Moves at most `most` bytes out to a socket.
    pub(crate) fn drain(&mut self, socket: impl AsFd, most: usize) -> io::Result<usize> {
        let n = system::drain(&self.ends, socket, most.min(self.held))?;
        self.held = self.held.saturating_sub(n);
        Ok(n)
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

    #[derive(Debug)]
    pub(super) struct Ends {
        reader: OwnedFd,
        writer: OwnedFd,
    }

    const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

    pub(super) fn open(capacity: usize) -> io::Result<Ends> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // What a pipe has is slots, one for each page or each network buffer. A user's share of them is limited; one that is
        // refused more keeps its 16 and takes less at a time.
        let _ = fcntl_setpipe_size(&writer, capacity);
        Ok(Ends { reader, writer })
    }

    pub(super) fn read(ends: &Ends, buf: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&ends.reader, buf)?)
    }

    pub(super) fn fill(ends: &Ends, socket: impl AsFd, most: usize) -> io::Result<usize> {
        Ok(splice(socket, None, &ends.writer, None, most, FLAGS)?)
    }

    pub(super) fn drain(ends: &Ends, socket: impl AsFd, most: usize) -> io::Result<usize> {
        Ok(splice(&ends.reader, None, socket, None, most, FLAGS)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::convert::Infallible;
    use std::io;
    use std::os::fd::AsFd;

    /// There are none.
    pub(super) type Ends = Infallible;

    pub(super) fn open(_: usize) -> io::Result<Ends> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn read(ends: &Ends, _: &mut [u8]) -> io::Result<usize> {
        match *ends {}
    }

    pub(super) fn fill(ends: &Ends, _: impl AsFd, _: usize) -> io::Result<usize> {
        match *ends {}
    }

    pub(super) fn drain(ends: &Ends, _: impl AsFd, _: usize) -> io::Result<usize> {
        match *ends {}
    }
}

#[cfg(test)]
mod tests;
