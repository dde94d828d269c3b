//! TLS over a socket: the bytes that `evenkeel_tls`'s machine wants, read and written for it. Of either side.
//!
//! ```text
//!   socket ──▶ scratch of the thread ──▶ opened right into the reader's buffer       what is left over waits in the connection
//!   written ─▶ sealed into the thread's other scratch ──▶ socket, in one write       what the system does not take: `unsent`
//! ```
//! A connection has no buffers of its own: what it needs for a moment belongs to the thread, and what must wait is kept in just
//! the size that it has. So an idle one costs what its keys do.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker, ready};

use evenkeel_tls::connection::{OVERHEAD, RECORD};
use evenkeel_tls::{Connection, Failure, Outgoing};

/// Records that are read or written at once. More saves few calls of the system, and what a reader that has stopped holds
/// of sealed bytes grows with it.
const RECORDS: usize = 4;

/// The most plain bytes that one write takes.
const BATCH: usize = RECORDS * RECORD;

/// Encrypted bytes that are read at once.
const READ: usize = RECORDS * (RECORD + OVERHEAD);

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// What the connections of a thread read into and seal into, one after the other.
#[derive(Debug, Default)]
struct Scratch {
    incoming: Vec<u8>,
    /// Pieces that become one record.
    gathered: Vec<u8>,
    outgoing: Outgoing,
}

/// What TLS goes over. Each method means what it means for a stream, of which this is the part that is needed here.
pub trait Carrier {
    /// Reads into `buf`; 0 is the end.
    ///
    /// # Errors
    /// What the operating system says.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// The same, for a task that was woken because there is something.
    ///
    /// # Errors
    /// What the operating system says.
    fn poll_read_awaited(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>>;

    /// Waits until there is something to read.
    ///
    /// # Errors
    /// When the event loop is gone.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads what is there; `ask_system` looks past what the event loop has seen.
    ///
    /// # Errors
    /// What the operating system says.
    fn read_now(&mut self, buf: &mut [u8], ask_system: bool) -> io::Result<usize>;

    /// Writes some of `bytes`.
    ///
    /// # Errors
    /// What the operating system says.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Closes the sending side.
    ///
    /// # Errors
    /// What the operating system says.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A stream with TLS on it.
#[derive(Debug)]
pub struct TlsStream<S> {
    socket: S,
    connection: Connection,
    /// Sealed bytes that the system has not taken, and how many of them it has.
    unsent: Vec<u8>,
    sent: usize,
}

/// Why there is no TLS on a stream.
#[derive(Debug)]
pub enum HandshakeError<S> {
    /// The stream failed, or ended in the middle.
    Io(io::Error),
    /// The two sides do not agree, or one does not keep the rules. The other side is told by an alert, which has been given to the
    /// system; who closes the stream at once may take it back.
    Tls(Failure, S),
    /// The client speaks something else, which begins with these bytes.
    Plain(S, Vec<u8>),
}

/// What stops a connection.
enum Stop {
    Io(io::Error),
    Tls(Failure),
    Plain(Vec<u8>),
}

impl<S: Carrier> TlsStream<S> {
    /// Shakes hands on a stream. How long that may take is the caller's business: dropping the future gives up.
    ///
    /// # Errors
    /// See [`HandshakeError`].
    pub async fn handshake(socket: S, connection: Connection) -> Result<Self, HandshakeError<S>> {
        let mut stream = Self {
            socket,
            connection,
            unsent: Vec::new(),
            sent: 0,
        };
        let mut begun = false;
        let shaken = poll_fn(|cx| {
            if !begun {
                begun = true;
                stream.begin(cx)?;
            }
            stream.poll_handshake(cx)
        })
        .await;
        match shaken {
            Ok(()) => Ok(stream),
            Err(Stop::Io(error)) => Err(HandshakeError::Io(error)),
            Err(Stop::Tls(failure)) => Err(HandshakeError::Tls(failure, stream.socket)),
            Err(Stop::Plain(said)) => Err(HandshakeError::Plain(stream.socket, said)),
        }
    }

    /// What was agreed on.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The same, to take out of it what is kept elsewhere.
    pub const fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// What it goes over.
    pub(crate) const fn socket(&self) -> &S {
        &self.socket
    }

    /// A client speaks first; one who accepts has nothing to say yet.
    fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        with_scratch(|scratch| {
            self.connection.begin(&mut scratch.outgoing)?;
            self.hand_over(cx, &mut scratch.outgoing)?;
            Ok(())
        })
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        while self.connection.is_handshaking() {
            if self.has_unsent() {
                ready!(self.poll_flush(cx))?;
            }
            ready!(self.poll_more(cx, Way::Usual, &mut []))?;
        }
        // What is left (tickets, say) need not be waited for: whatever is written next leaves behind it.
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_plain(cx, Way::Usual, buf)
            .map_err(io::Error::from)
    }

    pub(crate) fn poll_read_awaited(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_plain(cx, Way::Awaited, buf)
            .map_err(io::Error::from)
    }

    /// Waits for plain bytes; 0 is the end as the other side said it. An end that nobody said is an error.
    fn poll_plain(
        &mut self,
        cx: &mut Context<'_>,
        mut way: Way,
        buf: &mut [u8],
    ) -> Poll<Result<usize, Stop>> {
        loop {
            let n = self.connection.take_rest(buf);
            if n > 0 {
                return Poll::Ready(Ok(n));
            }
            if self.connection.has_bytes() {
                let n = self.open_held(cx, buf)?;
                if n > 0 {
                    return Poll::Ready(Ok(n));
                }
            }
            if self.connection.has_ended() {
                return Poll::Ready(Ok(0));
            }
            if self.has_unsent() {
                // Whether it leaves now or later: reading goes on.
                let _ = self.poll_flush(cx)?;
            }
            let n = ready!(self.poll_more(cx, way, buf))?;
            if n > 0 {
                return Poll::Ready(Ok(n));
            }
            way = Way::Usual;
        }
    }

    /// Opens records that are there whole.
    fn open_held(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Result<usize, Stop> {
        with_scratch(|scratch| {
            let held = scratch.begin(&self.connection);
            self.open(cx, scratch, held, buf)
        })
    }

    /// Reads once and opens what came.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        way: Way,
        buf: &mut [u8],
    ) -> Poll<Result<usize, Stop>> {
        with_scratch(|scratch| {
            let held = scratch.begin(&self.connection);
            let most = (buf.len() + OVERHEAD).clamp(RECORD + OVERHEAD, READ);
            let room = &mut scratch.incoming[held..held + most];
            let n = match way {
                Way::Usual => ready!(self.socket.poll_read(cx, room)),
                Way::Awaited => ready!(self.socket.poll_read_awaited(cx, room)),
            }?;
            if n == 0 {
                return Poll::Ready(Err(Stop::Io(io::ErrorKind::UnexpectedEof.into())));
            }
            if held == 0 && self.is_plain(&room[..n]) {
                return Poll::Ready(Err(Stop::Plain(room[..n].to_vec())));
            }
            Poll::Ready(self.open(cx, scratch, held + n, buf))
        })
    }

    /// Whether somebody who should shake hands begins with a word: HTTP without TLS does. A handshake begins with 22.
    fn is_plain(&self, first: &[u8]) -> bool {
        self.connection.expects_hello() && first.first().is_some_and(u8::is_ascii_uppercase)
    }

    fn open(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        end: usize,
        buf: &mut [u8],
    ) -> Result<usize, Stop> {
        let incoming = &mut scratch.incoming[..end];
        let opened = self.connection.open(incoming, buf, &mut scratch.outgoing);
        // Also when it has failed: the alert says why. One who takes no answer any more may have said something all the same, and
        // whoever writes to it hears of that.
        let _ = self.hand_over(cx, &mut scratch.outgoing);
        Ok(opened?.plain)
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    /// Seals what it takes and gives it to the system in one write; what that does not take waits here, and holds up the next.
    pub(crate) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.has_unsent() {
            ready!(self.poll_flush(cx))?;
        }
        let taken = with_scratch(|scratch| {
            let taken = self.seal(pieces, scratch)?;
            self.hand_over(cx, &mut scratch.outgoing)?;
            Ok::<_, Stop>(taken)
        });
        Poll::Ready(taken.map_err(io::Error::from))
    }

    /// Seals the pieces as if they were one: records are full but for the last, and a few bytes are no record of their own.
    fn seal(&mut self, pieces: &[IoSlice<'_>], scratch: &mut Scratch) -> Result<usize, Stop> {
        let Scratch {
            gathered, outgoing, ..
        } = scratch;
        let mut room = BATCH;
        gathered.clear();
        for piece in pieces {
            let mut left = &piece[..piece.len().min(room)];
            room -= left.len();
            while !left.is_empty() {
                let whole = left.len() - left.len() % RECORD;
                let n = if gathered.is_empty() && whole > 0 {
                    self.connection.seal(&left[..whole], outgoing)?;
                    whole
                } else {
                    let n = left.len().min(RECORD - gathered.len());
                    gathered.extend_from_slice(&left[..n]);
                    n
                };
                left = &left[n..];
                if gathered.len() == RECORD {
                    self.connection.seal(gathered, outgoing)?;
                    gathered.clear();
                }
            }
        }
        self.connection.seal(gathered, outgoing)?;
        Ok(BATCH - room)
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_unsent() {
            self.sent += ready!(self.socket.poll_write(cx, &self.unsent[self.sent..]))?;
        }
        if self.sent > 0 {
            (self.unsent, self.sent) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }

    const fn has_unsent(&self) -> bool {
        self.sent < self.unsent.len()
    }

    /// Gives what is sealed to the system, behind what it has not taken yet.
    fn hand_over(&mut self, cx: &mut Context<'_>, outgoing: &mut Outgoing) -> io::Result<()> {
        let mut left = outgoing.bytes();
        while !left.is_empty() && !self.has_unsent() {
            match self.socket.poll_write(cx, left) {
                Poll::Ready(Ok(n)) => left = &left[n..],
                Poll::Ready(Err(error)) => {
                    outgoing.clear();
                    return Err(error);
                }
                Poll::Pending => break,
            }
        }
        self.unsent.extend_from_slice(left);
        outgoing.clear();
        Ok(())
    }

    /// See `Stream::poll_read_ready`; what came may turn out to be no data.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.has_bytes() || self.connection.has_ended() {
            return Poll::Ready(Ok(()));
        }
        self.socket.poll_read_ready(cx)
    }

    /// See `Stream::is_quiet`: what is no data (tickets, new keys) is read, and says nothing.
    pub(crate) fn is_quiet(&mut self, ask_system: bool) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..MOST_SAID {
            if !self.connection.is_at_boundary() || self.connection.has_ended() {
                return false;
            }
            let opened = with_scratch(|scratch| {
                scratch.begin(&self.connection);
                match self.socket.read_now(&mut scratch.incoming, ask_system) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
                    Ok(n) if n > 0 => {
                        // Data find no room here, so that the connection is at no boundary.
                        self.open(&mut cx, scratch, n, &mut []).map(|_| false)
                    }
                    _ => Err(Stop::Io(io::ErrorKind::UnexpectedEof.into())),
                }
            });
            match opened {
                Ok(true) => return true,
                Ok(false) => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// Says that nothing more is sent, then closes the sending side: who reads can tell this from a connection that was cut.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let said = with_scratch(|scratch| {
            self.connection.say_goodbye(&mut scratch.outgoing)?;
            self.hand_over(cx, &mut scratch.outgoing)?;
            Ok::<_, Stop>(())
        });
        said?;
        ready!(self.poll_flush(cx))?;
        self.socket.poll_shutdown(cx)
    }
}

/// How to read.
#[derive(Clone, Copy)]
enum Way {
    Usual,
    /// See `Stream::poll_read_awaited`.
    Awaited,
}

/// So many times an idle connection may say something that is no data before it counts as noisy.
const MOST_SAID: usize = 8;

impl Scratch {
    /// Begins with what the connection holds, and room behind it for what comes; how much that was.
    fn begin(&mut self, connection: &Connection) -> usize {
        let held = connection.held();
        if self.incoming.len() < held.len() + READ {
            self.incoming.resize(held.len() + READ, 0);
        }
        self.incoming[..held.len()].copy_from_slice(held);
        held.len()
    }
}

/// Lends the thread's scratch. Nothing but the system is called meanwhile, so it is free.
fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => work(&mut scratch),
        Err(_) => work(&mut Scratch::default()),
    })
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Tls(failure)
    }
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Io(error) => error,
            Stop::Tls(failure) => Self::new(io::ErrorKind::InvalidData, failure),
            Stop::Plain(_) => io::ErrorKind::InvalidData.into(),
        }
    }
}

#[cfg(test)]
mod tests;
