//! What the tests of this crate stand on: a stream with its other end, polls by hand, a parsed head. Not product code.

use std::future::poll_fn;
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;
use std::task::{Context, Poll};

use evenkeel_base::{RequestHead, Side};
use evenkeel_http1::{Limits, RequestParser};
use evenkeel_net::Stream;
use socket2::SockRef;
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::task::unconstrained;

use crate::block::Blocks;
use crate::h1::{Boundary, Channel, Incoming};

/// Runs a test that needs an event loop, on this thread and without a budget, so that "pending" means the socket.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(unconstrained(test))
}

/// A stream and its other end.
pub(crate) fn pair() -> (Stream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (Stream::Unix(near), far)
}

/// The same, and the system buffers as little as it can of what the stream sends.
pub(crate) fn narrow_pair() -> (Stream, UnixStream) {
    let (near, far) = StdStream::pair().unwrap();
    SockRef::from(&near).set_send_buffer_size(1).unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    let near = UnixStream::from_std(near).unwrap();
    (Stream::Unix(near), UnixStream::from_std(far).unwrap())
}

/// A channel that reads a body or writes a message.
pub(crate) fn channel(stream: Stream, side: Side, incoming: Incoming) -> Box<Channel> {
    let mut channel = Channel::new(stream, side, &Rc::new(Blocks::default()));
    channel.incoming = incoming;
    channel
}

/// A stream that is at a message boundary.
pub(crate) fn boundary(stream: Stream) -> Boundary {
    let channel = channel(stream, Side::Upstream, Incoming::Done);
    channel.into_boundary().unwrap()
}

/// Polls once, whatever comes of it; what is pending is woken by nobody but the test.
pub(crate) async fn once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll_fn(|cx| Poll::Ready(poll(cx))).await
}

/// Parses a whole request; none when the codec refuses it.
pub(crate) fn parse(bytes: &[u8]) -> Option<RequestHead> {
    let mut head = RequestHead::default();
    RequestParser::default()
        .parse(bytes, &Limits::default(), &mut head)
        .ok()??;
    Some(head)
}
