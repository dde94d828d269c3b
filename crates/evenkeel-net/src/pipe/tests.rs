//! Bodies through pipes between streams of every kind, with ends, resets and halts. Which body goes this way is decided elsewhere.

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
