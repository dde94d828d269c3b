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
mod tests {
    use std::future::poll_fn;
    use std::io::ErrorKind;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use socket2::SockRef;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream, UnixStream};
    use tokio::runtime::Builder;

    use super::Pipe;
    use crate::Stream;

    fn run(test: impl Future<Output = ()>) {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test);
    }

    async fn tcp() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (near, _) = listener.accept().await.unwrap();
        (Stream::Tcp(near), far.unwrap())
    }

    fn unix() -> (Stream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Stream::Unix(near), far)
    }

    /// Passes 3 MB and the end from one stream to the other.
    async fn pass(
        (mut from, mut source): (Stream, impl AsyncWriteExt + Unpin),
        (mut to, mut sink): (Stream, impl AsyncReadExt + Unpin),
    ) {
        let sent: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
        let send = async {
            source.write_all(&sent).await.unwrap();
            drop(source);
        };
        let pass = async {
            let mut pipe = Pipe::new().unwrap();
            while poll_fn(|cx| from.poll_fill_pipe(cx, &mut pipe, 100_000))
                .await
                .unwrap()
                > 0
            {
                assert!((1..=100_000).contains(&pipe.held()));
                while pipe.held() > 0 {
                    let before = pipe.held();
                    let n = poll_fn(|cx| to.poll_drain_pipe(cx, &mut pipe, 70_000)).await;
                    let n = n.unwrap();
                    assert!(n <= 70_000 && pipe.held() == before - n);
                }
            }
            drop(to);
        };
        let mut received = Vec::new();
        let (.., read) = tokio::join!(send, pass, sink.read_to_end(&mut received));
        read.unwrap();
        assert!(received == sent, "{} bytes", received.len());
    }

    #[test]
    fn bytes_and_the_end_pass_between_streams_of_every_kind() {
        run(async {
            pass(tcp().await, tcp().await).await;
            pass(tcp().await, unix()).await;
            pass(unix(), tcp().await).await;
            pass(unix(), unix()).await;
        });
    }

    #[test]
    fn what_has_not_come_is_waited_for_and_what_was_not_asked_for_stays() {
        run(async {
            let (mut near, mut far) = tcp().await;
            let mut pipe = Pipe::new().unwrap();
            let mut cx = Context::from_waker(Waker::noop());
            assert!(near.poll_fill_pipe(&mut cx, &mut pipe, 5).is_pending());
            far.write_all(b"hello world").await.unwrap();
            let n = poll_fn(|cx| near.poll_fill_pipe(cx, &mut pipe, 5)).await;
            assert_eq!((n.unwrap(), pipe.held()), (5, 5));
            let mut bytes = [0; 16];
            assert_eq!(pipe.read(&mut bytes[..3]).unwrap(), 3);
            assert_eq!(pipe.read(&mut bytes[3..]).unwrap(), 2);
            assert_eq!(pipe.read(&mut bytes[5..]).unwrap(), 0);
            let n = poll_fn(|cx| near.poll_read(cx, &mut bytes[5..])).await;
            assert_eq!(&bytes[..5 + n.unwrap()], b"hello world");
        });
    }

    #[test]
    fn urgent_data_hold_up_nothing_that_stands_behind_them() {
        run(async {
            let ((mut near, mut far), mut pipe) = (tcp().await, Pipe::new().unwrap());
            far.write_all(b"hello ").await.unwrap();
            SockRef::from(&far).send_out_of_band(b"!").unwrap();
            far.write_all(b"world").await.unwrap();
            let (mut all, mut bytes) = (Vec::new(), [0; 16]);
            let pass = async {
                while all.len() < 11 {
                    let filled = poll_fn(|cx| near.poll_fill_pipe(cx, &mut pipe, 100)).await;
                    let read = match filled.unwrap() {
                        0 => poll_fn(|cx| near.poll_read(cx, &mut bytes)).await,
                        _ => pipe.read(&mut bytes),
                    };
                    all.extend_from_slice(&bytes[..read.unwrap()]);
                }
            };
            let passed = tokio::time::timeout(Duration::from_secs(10), pass).await;
            assert!(passed.is_ok() && all == b"hello world", "{all:?}");
        });
    }

    #[test]
    fn a_reset_is_an_error_and_no_end() {
        run(async {
            for reads in [true, false] {
                let ((mut near, far), mut pipe) = (tcp().await, Pipe::new().unwrap());
                let (mut from, mut source) = unix();
                source.write_all(b"never arrives").await.unwrap();
                if !reads {
                    let filled = poll_fn(|cx| from.poll_fill_pipe(cx, &mut pipe, 100)).await;
                    assert_eq!(filled.unwrap(), 13);
                }
                far.set_zero_linger().unwrap();
                drop(far);
                poll_fn(|cx| near.poll_read_ready(cx)).await.unwrap();
                let passed = if reads {
                    poll_fn(|cx| near.poll_fill_pipe(cx, &mut pipe, 100)).await
                } else {
                    poll_fn(|cx| near.poll_drain_pipe(cx, &mut pipe, 100)).await
                };
                let kind = passed.unwrap_err().kind();
                assert!(
                    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
                    "{kind}"
                );
            }
        });
    }

    #[test]
    fn a_stream_that_takes_nothing_more_is_waited_for() {
        run(async {
            let ((mut from, mut source), (mut to, far)) = (unix(), tcp().await);
            let mut pipe = Pipe::new().unwrap();
            let mut cx = Context::from_waker(Waker::noop());
            let mut bytes = vec![0; 64 * 1024];
            while pipe.held() == 0 {
                source.write_all(&bytes).await.unwrap();
                let filled = poll_fn(|cx| from.poll_fill_pipe(cx, &mut pipe, bytes.len())).await;
                assert!(filled.unwrap() > 0);
                while pipe.held() > 0
                    && let Poll::Ready(n) = to.poll_drain_pipe(&mut cx, &mut pipe, usize::MAX)
                {
                    assert!(n.unwrap() > 0);
                }
            }
            let held = pipe.held();
            assert_eq!(pipe.read(&mut bytes).unwrap(), held, "nothing is lost");
            drop(far);
        });
    }
}
