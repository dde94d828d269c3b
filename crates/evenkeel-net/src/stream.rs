//! One byte stream, whatever carries it: TCP, a Unix socket, or TLS over either.
//!
//! Poll functions on `&mut self` instead of split halves: one task drives both directions of an exchange, so nothing
//! has to be shared. Reads go through tokio's `AsyncRead`, which marks the socket drained after a short read and so
//! saves the read that would only say "would block". What is likely to be done at once is tried first, past the runtime's
//! waiting: a write, and the read for which a task was woken. That saves a tenth of what a small exchange costs in user space,
//! but such calls are not counted against the turn that the runtime gives a task: whoever loops over them has to end it.

use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use evenkeel_tls::Connection;
use rustix::net::{RecvFlags, SendFlags};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::pipe::Pipe;
use crate::tls::{Carrier, TlsStream};

/// A connected stream.
#[derive(Debug)]
pub enum Stream {
    /// TCP, with `TCP_NODELAY` set.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TLS over one of the others, after its handshake.
    Tls(Box<TlsStream<Self>>),
}

/// Where an accepted connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A TCP client.
    Ip(SocketAddr),
    /// A process on this host, through a Unix socket.
    Unix,
}

impl Stream {
    /// Reads into `buf`, which must not be empty; 0 is the end of the stream.
    ///
    /// # Errors
    /// What the operating system says.
    #[inline]
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        debug_assert!(
            !buf.is_empty(),
            "an empty buffer reads 0, which means the end"
        );
        let mut buf = ReadBuf::new(buf);
        self.poll_read_buf(cx, &mut buf)
            .map_ok(|()| buf.filled().len())
    }

    /// Reads into what is left of `buf`, which may be memory that nothing was written to yet; nothing read is the end of the
    /// stream.
    ///
    /// # Errors
    /// What the operating system says.
    #[inline]
    pub fn poll_read_buf(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => {
                let polled = stream.poll_read(cx, buf.initialize_unfilled());
                polled.map_ok(|n| buf.advance(n))
            }
        }
    }

    /// The same, for a task that was woken because there is something: it reads without making ready to wait.
    ///
    /// # Errors
    /// What the operating system says.
    #[inline]
    pub fn poll_read_awaited(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut short = None;
        let read = match self {
            Self::Tcp(stream) => {
                stream.try_io(Interest::READABLE, || read(&*stream, buf, &mut short))
            }
            Self::Unix(stream) => {
                stream.try_io(Interest::READABLE, || read(&*stream, buf, &mut short))
            }
            Self::Tls(stream) => return stream.poll_read_awaited(cx, buf),
        };
        match (short, read) {
            (Some(n), _) => Poll::Ready(Ok(n)),
            (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.poll_read(cx, buf)
            }
            (None, read) => Poll::Ready(read),
        }
    }

    /// Writes some of `bytes`.
    ///
    /// # Errors
    /// What the operating system says; `WriteZero` when it takes nothing.
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tried = match self {
            Self::Tcp(stream) => stream.try_io(Interest::WRITABLE, || send(&*stream, bytes)),
            Self::Unix(stream) => stream.try_io(Interest::WRITABLE, || send(&*stream, bytes)),
            Self::Tls(stream) => return stream.poll_write(cx, bytes),
        };
        match tried {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            tried => return refuse_zero(Poll::Ready(tried)),
        }
        // Not now: this waits.
        let polled = match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        };
        refuse_zero(polled)
    }

    /// Writes some of several pieces in one call of the system.
    ///
    /// # Errors
    /// What the operating system says; `WriteZero` when it takes nothing.
    #[inline]
    pub fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Tls(stream) => stream.poll_write_vectored(cx, pieces),
        };
        refuse_zero(polled)
    }

    /// Sends what was written and is still on its way to the system: TLS seals what it takes at once, and the system may take it
    /// later. Until it is ready, what was written may not arrive.
    ///
    /// # Errors
    /// What the operating system says.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => stream.poll_flush(cx),
        }
    }

    /// Whether nothing that was written can still be on its way to the system.
    #[inline]
    #[must_use]
    pub const fn is_flushed(&self) -> bool {
        !matches!(self, Self::Tls(_))
    }

    /// Whether bytes may pass through a pipe: none may that have to be opened or sealed.
    #[inline]
    #[must_use]
    pub const fn takes_pipe(&self) -> bool {
        !matches!(self, Self::Tls(_))
    }

    /// Moves at most `most` received bytes into an empty pipe, without reading them; 0 says that a read gets further: to
    /// the end of the stream, or past urgent data. Whatever comes of it, the socket may have more: unlike a read, a short
    /// move does not tell that it is drained.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn poll_fill_pipe(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            let moved = match self {
                Self::Tcp(stream) => {
                    stream.try_io(Interest::READABLE, || fill_pipe(&*stream, pipe, most))
                }
                Self::Unix(stream) => {
                    stream.try_io(Interest::READABLE, || fill_pipe(&*stream, pipe, most))
                }
                Self::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
            };
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                moved => return Poll::Ready(moved),
            }
        }
    }

    /// Moves at most `most` bytes out of a pipe that is not empty.
    ///
    /// # Errors
    /// What the operating system says; `WriteZero` when it takes nothing.
    pub fn poll_drain_pipe(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let moved = match self {
                Self::Tcp(stream) => {
                    stream.try_io(Interest::WRITABLE, || pipe.drain(&*stream, most))
                }
                Self::Unix(stream) => {
                    stream.try_io(Interest::WRITABLE, || pipe.drain(&*stream, most))
                }
                Self::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
            };
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                moved => return refuse_zero(Poll::Ready(moved)),
            }
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
            Self::Tls(stream) => stream.socket().poll_write_ready(cx),
        }
    }

    /// Waits until there is something to read (bytes, the end, or an error) without reading it and without a buffer.
    ///
    /// # Errors
    /// When the event loop is gone.
    #[inline]
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
            Self::Tls(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Whether an idle stream has nothing to say: no end, no error, no byte. `ask_system` looks past what the event
    /// loop has seen so far, at the price of one call of the system.
    #[must_use]
    pub fn is_quiet(&mut self, ask_system: bool) -> bool {
        let mut byte = [0_u8; 1];
        if let Self::Tls(stream) = self {
            return stream.is_quiet(ask_system);
        }
        let read = match self {
            _ if ask_system => self.socket().recv(&mut [MaybeUninit::uninit()]),
            // The runtime's own read answers from what the event loop has seen, and asks the system only if that was bytes.
            Self::Tcp(stream) => stream.try_read(&mut byte),
            Self::Unix(stream) => stream.try_read(&mut byte),
            Self::Tls(_) => return false,
        };
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Hands these bytes to the system now, as they are and without the event loop: a new connection takes a short text.
    ///
    /// # Errors
    /// When it does not.
    pub fn send_at_once(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket().send(bytes)
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
            Self::Tls(stream) => stream.socket().socket(),
        }
    }

    /// Closes the sending side; the other side sees the end of the stream.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => stream.poll_shutdown(cx),
        }
    }

    /// Says, where there is a word for it, that the close which follows at once is meant and the connection was not cut: as far as the
    /// system takes it now.
    pub fn say_goodbye(&mut self) {
        if let Self::Tls(stream) = self {
            // Who does not hear it takes the connection for cut, after all that was sent.
            let _ = stream.poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Makes every close from now on a reset, so that the other side sees a failure and not a clean end; or no longer.
    pub fn reset_on_close(&self, reset: bool) {
        match self {
            // Failing leaves a clean close, which the framing already shows as short.
            Self::Tcp(stream) => {
                let _ = SockRef::from(stream).set_linger(reset.then_some(Duration::ZERO));
            }
            Self::Unix(_) => {}
            Self::Tls(stream) => stream.socket().reset_on_close(reset),
        }
    }

    /// What was agreed on by TLS; none without it.
    #[inline]
    #[must_use]
    pub const fn tls(&self) -> Option<&Connection> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => None,
            Self::Tls(stream) => Some(stream.connection()),
        }
    }

    /// The protocol that both sides agreed on by TLS (ALPN); none without TLS, or when nothing was said about it.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tls().and_then(Connection::alpn)
    }
}

/// TLS goes over the two others.
impl Carrier for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Self::poll_read(self, cx, buf)
    }

    fn poll_read_awaited(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Self::poll_read_awaited(self, cx, buf)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }

    fn read_now(&mut self, buf: &mut [u8], ask_system: bool) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) if !ask_system => stream.try_read(buf),
            Self::Unix(stream) if !ask_system => stream.try_read(buf),
            _ => (&*self.socket()).read(buf),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(self, cx, bytes)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_shutdown(self, cx)
    }
}

/// Reads once. A `short` read has drained the socket; the event loop, which would say for ever that there is more, hears that
/// as "would block".
///
/// Here and in [`send`] the system is called by rustix: the C library makes either call a place at which a thread may be cancelled,
/// which takes 40 instructions more for each and serves nobody.
fn read(socket: &impl AsFd, buf: &mut [u8], short: &mut Option<usize>) -> io::Result<usize> {
    let (n, _) = rustix::net::recv(socket, &mut *buf, RecvFlags::empty())?;
    if n > 0 && n < buf.len() {
        *short = Some(n);
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(n)
}

/// Writes once; a socket whose other end is gone is an error and no signal.
fn send(socket: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?)
}

/// A splice stops before urgent data and then says that it would block, whatever stands behind: only who reads gets past
/// them. The system is asked once for each wait.
fn fill_pipe(socket: &impl AsFd, pipe: &mut Pipe, most: usize) -> io::Result<usize> {
    match pipe.fill(socket, most) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => SockRef::from(socket)
            .peek(&mut [MaybeUninit::uninit()])
            .map(|_| 0),
        moved => moved,
    }
}

fn refuse_zero(polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    match polled {
        Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream as StdTcpStream};
    use std::os::unix::net::UnixStream as StdUnixStream;

    use tokio::runtime::Builder;

    use super::*;

    /// Streams of both kinds with their other ends, which the event loop knows nothing of.
    fn pairs() -> Vec<(Stream, Box<dyn Write>)> {
        let (unix, far_unix) = StdUnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far_tcp = StdTcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (tcp, _) = listener.accept().unwrap();
        unix.set_nonblocking(true).unwrap();
        tcp.set_nonblocking(true).unwrap();
        vec![
            (
                Stream::Unix(UnixStream::from_std(unix).unwrap()),
                Box::new(far_unix),
            ),
            (
                Stream::Tcp(TcpStream::from_std(tcp).unwrap()),
                Box::new(far_tcp),
            ),
        ]
    }

    /// Waits for what the other end did, past the event loop.
    fn arrive(stream: &Stream) {
        let socket = stream.socket();
        socket.set_nonblocking(false).unwrap();
        socket.peek(&mut [MaybeUninit::uninit()]).unwrap();
        socket.set_nonblocking(true).unwrap();
    }

    #[test]
    fn the_system_knows_of_bytes_and_ends_that_the_event_loop_has_not_seen() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        for (mut stream, far) in pairs() {
            assert!(stream.is_quiet(true) && stream.is_quiet(false));
            drop(far);
            arrive(&stream);
            assert!(!stream.is_quiet(true), "its end: {stream:?}");
        }
        for (mut stream, mut far) in pairs() {
            far.write_all(b"x").unwrap();
            arrive(&stream);
            assert!(!stream.is_quiet(true), "a byte: {stream:?}");
        }
    }

    #[test]
    fn a_short_read_after_a_wait_drains_and_a_full_one_does_not() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for (mut stream, mut far) in pairs() {
                let mut buf = [0; 4];
                far.write_all(b"abcdef").unwrap();
                poll_fn(|cx| stream.poll_read_ready(cx)).await.unwrap();
                for (read, rest) in [(4, true), (2, false)] {
                    let n = poll_fn(|cx| stream.poll_read_awaited(cx, &mut buf)).await;
                    assert_eq!(n.unwrap(), read);
                    let ready = poll_fn(|cx| Poll::Ready(stream.poll_read_ready(cx))).await;
                    assert_eq!(ready.is_ready(), rest, "{stream:?}");
                }
                let woken_for_nothing =
                    poll_fn(|cx| Poll::Ready(stream.poll_read_awaited(cx, &mut buf))).await;
                assert!(woken_for_nothing.is_pending());
                far.write_all(b"g").unwrap();
                let n = poll_fn(|cx| stream.poll_read_awaited(cx, &mut buf)).await;
                assert_eq!((n.unwrap(), buf[0]), (1, b'g'), "the wait was made ready");
                drop(far);
                let end = poll_fn(|cx| stream.poll_read_awaited(cx, &mut buf)).await;
                assert_eq!(end.unwrap(), 0);
            }
        });
    }

    #[test]
    fn a_write_that_is_not_taken_waits_until_it_is() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (near, far) = UnixStream::pair().unwrap();
            let mut stream = Stream::Unix(near);
            let bytes = [b'x'; 4096];
            let mut sent = 0;
            while let Poll::Ready(n) =
                poll_fn(|cx| Poll::Ready(stream.poll_write(cx, &bytes))).await
            {
                sent += n.unwrap();
            }
            let write = poll_fn(|cx| stream.poll_write(cx, b"last"));
            let read = async {
                let mut buf = vec![0; 1 << 16];
                while sent > 0 {
                    far.readable().await.unwrap();
                    sent -= far.try_read(&mut buf).unwrap_or_default().min(sent);
                }
            };
            let (written, ()) = tokio::join!(write, read);
            assert_eq!(written.unwrap(), 4);
        });
    }

    #[test]
    fn the_event_loop_knows_what_it_has_seen() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for (mut stream, far) in pairs() {
                assert!(stream.is_quiet(false));
                drop(far);
                poll_fn(|cx| stream.poll_read_ready(cx)).await.unwrap();
                assert!(!stream.is_quiet(false) && !stream.is_quiet(true));
            }
        });
    }
}
