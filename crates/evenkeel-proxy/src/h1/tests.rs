//! A body from one stream through a pump to another: whatever the pieces, the same bytes and the same end come out.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use evenkeel_base::{Fault, Side};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Channel, Coding, Incoming};
use crate::block::{BLOCK, SMALL};
use crate::body::{Fill, Pump, Sink, Source, Waiting};
use crate::rig;

/// How a body is framed, coming or going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framed {
    Known,
    Chunked,
    UntilClose,
}

/// The body as chunks with trailers, and the pieces it is sent, taken and read in.
#[derive(Debug)]
struct Case {
    chunks: Vec<Vec<u8>>,
    trailer: bool,
    from: Framed,
    to: Framed,
    sent: Vec<usize>,
    read: Vec<usize>,
    /// Whether so many blocks are lent that who waits holds no room.
    crowd: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let framed = || {
        prop_oneof![
            Just(Framed::Known),
            Just(Framed::Chunked),
            Just(Framed::UntilClose)
        ]
    };
    // The longest fill blocks and pipes.
    let size = || prop_oneof![3 => 1..20_usize, 1 => 1..20_000_usize, 2 => 100_000..500_000_usize];
    let chunk = prop_oneof![
        2 => vec(any::<u8>(), 1..20),
        2 => (any::<u8>(), 1..30_000_usize).prop_map(|(b, n)| vec![b; n]),
        1 => (any::<u8>(), 50_000..300_000_usize).prop_map(|(b, n)| vec![b; n])
    ];
    (
        vec(chunk, 0..5),
        any::<bool>(),
        framed(),
        framed(),
        vec(size(), 1..20),
        vec(size(), 1..20),
        any::<bool>(),
    )
        .prop_map(|(chunks, trailer, from, to, sent, read, crowd)| Case {
            chunks,
            trailer,
            from,
            to,
            sent,
            read,
            crowd,
        })
}

impl Case {
    fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// The body as it is sent.
    fn bytes(&self) -> Vec<u8> {
        if self.from != Framed::Chunked {
            return self.body();
        }
        let mut bytes = Vec::new();
        for chunk in &self.chunks {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        let trailer = if self.trailer { "X-Sum: 1\r\n" } else { "" };
        bytes.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
        bytes
    }

    fn incoming(&self, framed: Framed) -> Incoming {
        match framed {
            Framed::Known => Incoming::Known {
                left: self.body().len() as u64,
            },
            Framed::Chunked => Incoming::Chunked,
            Framed::UntilClose => Incoming::Raw,
        }
    }

    fn coding(&self) -> Coding {
        match self.to {
            Framed::Known => Coding::Length(self.body().len() as u64),
            Framed::Chunked => Coding::Chunked,
            Framed::UntilClose => Coding::Close,
        }
    }
}

/// Relays the body of a case; gives the bytes that came out behind the head, and whether each side ended at a boundary.
async fn relay(case: &Case) -> (Vec<u8>, [bool; 2]) {
    let (near, mut origin) = rig::pair();
    let mut from = rig::channel(near, Side::Upstream, case.incoming(case.from));
    let blocks = Rc::clone(from.block.pool());
    let _crowd = case.crowd.then(|| blocks.crowd());
    let (near, mut client) = rig::narrow_pair();
    let mut to = rig::channel(near, Side::Downstream, Incoming::Done);
    to.outgoing
        .begin_response((200, b"OK"), case.coding(), |_| {});
    let bytes = case.bytes();
    let send = async {
        let (mut rest, mut sizes) = (&bytes[..], case.sent.iter().cycle());
        while !rest.is_empty() {
            let n = rest.len().min(*sizes.next().unwrap());
            origin.write_all(&rest[..n]).await.unwrap();
            rest = &rest[n..];
            tokio::task::yield_now().await;
        }
        drop(origin);
    };
    let pass = async {
        let mut pump = Pump::new(Instant::now(), u64::MAX, true);
        poll_fn(|cx| pump.poll(cx, &mut *from, &mut *to, &|_| true))
            .await
            .unwrap();
        assert!(pump.done && pump.bytes == case.body().len() as u64);
        let settled = [from.is_settled_incoming(), to.is_settled()];
        drop(to);
        settled
    };
    let receive = async {
        let (mut all, mut sizes) = (Vec::new(), case.read.iter().cycle());
        loop {
            let mut piece = vec![0; *sizes.next().unwrap()];
            match client.read(&mut piece).await.unwrap() {
                0 => return all,
                n => all.extend_from_slice(&piece[..n]),
            }
        }
    };
    let ((), settled, all) = tokio::join!(send, pass, receive);
    let head = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    (all[head..].to_vec(), settled)
}

impl Channel {
    fn is_settled_incoming(&self) -> bool {
        self.incoming.is_done()
    }
}

/// Reads the body that came out, and its trailers.
async fn decode(case: &Case, bytes: &[u8]) -> (Vec<u8>, usize) {
    let (near, mut far) = rig::pair();
    let mut channel = rig::channel(near, Side::Upstream, case.incoming(case.to));
    let send = async {
        far.write_all(bytes).await.unwrap();
        drop(far);
    };
    let read = async {
        let mut body = Vec::new();
        while poll_fn(|cx| channel.poll_fill(cx)).await.unwrap() == Fill::Data {
            body.extend_from_slice(channel.data());
            channel.consume(channel.data().len());
        }
        let mut trailers = 0;
        channel.trailers(&mut |_| trailers += 1);
        assert!(channel.block.is_empty(), "nothing stands behind the body");
        (body, trailers)
    };
    tokio::join!(send, read).1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_give_the_same_bytes(case in case()) {
        rig::run(async {
            let (bytes, settled) = relay(&case).await;
            assert_eq!(settled, [true, case.to != Framed::UntilClose]);
            let (body, trailers) = decode(&case, &bytes).await;
            assert!(body == case.body(), "{} bytes of {}", body.len(), case.body().len());
            let both = case.from == Framed::Chunked && case.to == Framed::Chunked;
            assert_eq!(trailers, usize::from(both && case.trailer));
        });
    }
}

#[test]
fn in_a_crowd_who_waits_for_either_side_holds_no_room() {
    rig::run(async {
        for crowd in [false, true] {
            let (near, mut origin) = rig::pair();
            let mut from = rig::channel(near, Side::Upstream, Incoming::Head);
            let _crowd = crowd.then(|| from.block.pool().crowd());
            origin.write_all(b"head").await.unwrap();
            assert!(poll_fn(|cx| from.poll_read_head(cx, 100)).await.unwrap());
            from.block.consume(4);
            from.head = 4;
            from.begin_body(Incoming::Chunked);
            let (near, client) = rig::narrow_pair();
            let mut to = rig::channel(near, Side::Downstream, Incoming::Done);
            to.outgoing
                .begin_response((200, b"OK"), Coding::Chunked, |_| {});
            let mut pump = Pump::new(Instant::now(), u64::MAX, true);
            let mut waits = async |pump: &mut Pump, from: &mut Channel, whom, bytes| {
                poll_fn(|cx| match pump.poll(cx, from, &mut *to, &|_| true) {
                    Poll::Pending if pump.waiting == whom && pump.bytes >= bytes => Poll::Ready(()),
                    polled => polled.map(|ended| panic!("{ended:?}")),
                })
                .await;
            };
            // For the endpoint, that has sent a whole chunk.
            origin.write_all(b"5\r\nfirst\r\n").await.unwrap();
            waits(&mut pump, &mut from, Waiting::Source, 5).await;
            assert_eq!(from.block.size() == SMALL, crowd);
            // For the client, that takes only some of the next one.
            let mut next = b"4e20\r\n".to_vec();
            next.resize(6 + 20_000, b'x');
            origin.write_all(&next).await.unwrap();
            waits(&mut pump, &mut from, Waiting::Sink, 5).await;
            let (held, size) = (from.block.unread().len(), from.block.size());
            assert!(held > 0);
            assert_eq!(size < BLOCK, crowd, "{held} in {size}");
            drop(client);
        }
    });
}

#[test]
fn a_stream_is_reusable_only_between_two_messages() {
    rig::run(async {
        // Something is still to come in.
        for incoming in [
            Incoming::Known { left: 1 },
            Incoming::Raw,
            Incoming::Chunked,
        ] {
            let channel = rig::channel(rig::pair().0, Side::Upstream, incoming);
            assert!(channel.into_boundary().is_none());
        }
        // Something is still to go out.
        for coding in [
            Coding::None,
            Coding::Length(1),
            Coding::Chunked,
            Coding::Close,
        ] {
            let mut channel = rig::channel(rig::pair().0, Side::Upstream, Incoming::Done);
            channel
                .outgoing
                .begin_request((b"GET", b"/", None), coding, |_| {});
            assert!(channel.into_boundary().is_none(), "{coding:?}");
        }
        // A head has begun to arrive.
        let (near, mut far) = rig::pair();
        let mut channel = rig::channel(near, Side::Upstream, Incoming::Head);
        far.write_all(b"HTTP").await.unwrap();
        assert!(poll_fn(|cx| channel.poll_read_head(cx, 100)).await.unwrap());
        assert!(!channel.is_settled() && channel.into_boundary().is_none());
        // More came than was asked for.
        let (near, mut far) = rig::pair();
        let mut channel = rig::channel(near, Side::Upstream, Incoming::Known { left: 2 });
        far.write_all(b"okHTTP/1.1 200 OK\r\n").await.unwrap();
        assert_eq!(poll_fn(|cx| channel.poll_fill(cx)).await, Ok(Fill::Data));
        channel.consume(2);
        assert!(
            channel.is_settled(),
            "a client's next request may follow at once"
        );
        assert!(
            channel.into_boundary().is_none(),
            "an endpoint's next response may not"
        );
    });
}

#[test]
fn a_response_of_64_kilobytes_is_read_at_once_and_a_request_in_blocks() {
    rig::run(async {
        for (side, reads) in [
            (Side::Upstream, &[66_000][..]),
            (Side::Downstream, &[SMALL, BLOCK]),
        ] {
            let (near, far) = rig::pair();
            let mut channel = rig::channel(near, side, Incoming::Head);
            assert_eq!(far.try_write(&[b'x'; 66_000]).unwrap(), 66_000);
            for read in reads {
                assert!(poll_fn(|cx| channel.poll_read_head(cx, 100)).await.unwrap());
                assert_eq!(channel.block.unread().len(), *read);
            }
        }
    });
}

#[test]
fn a_client_that_is_gone_is_seen_and_one_that_talks_is_not() {
    rig::run(async {
        let (near, mut far) = rig::pair();
        let mut channel = rig::channel(near, Side::Downstream, Incoming::Done);
        assert!(rig::once(|cx| channel.poll_gone(cx)).await.is_pending());
        far.write_all(b"GET").await.unwrap();
        poll_fn(|cx| channel.stream.poll_read_ready(cx))
            .await
            .unwrap();
        assert!(rig::once(|cx| channel.poll_gone(cx)).await.is_pending());
        assert_eq!(channel.block.unread(), b"GET", "what it said is kept");
        drop(far);
        poll_fn(|cx| channel.poll_gone(cx)).await;
        assert_eq!(channel.block.unread(), b"GET");
    });
}

#[test]
fn a_client_that_talks_on_and_on_fills_one_block_and_no_more() {
    rig::run(async {
        let (near, mut far) = rig::pair();
        let mut channel = rig::channel(near, Side::Downstream, Incoming::Done);
        let flood = vec![b'x'; 1 << 20];
        let watch = async {
            let mut patience = 0;
            poll_fn(|cx| {
                patience += 1;
                let gone = channel.poll_gone(cx);
                if channel.block.unread().len() == BLOCK || patience > 10_000 {
                    return Poll::Ready(());
                }
                gone
            })
            .await;
            assert!(rig::once(|cx| channel.poll_gone(cx)).await.is_pending());
            channel.block.unread().len()
        };
        let received = tokio::select! {
            received = watch => received,
            written = far.write_all(&flood) => panic!("all of it was taken: {written:?}"),
        };
        assert_eq!(received, BLOCK);
    });
}

#[test]
fn writes_to_a_stream_that_is_gone_are_faults_of_their_side() {
    rig::run(async {
        for (side, fault) in [
            (Side::Downstream, Fault::ClientGone),
            (Side::Upstream, Fault::EndpointReset),
        ] {
            let (near, far) = rig::pair();
            drop(far);
            let mut channel = rig::channel(near, side, Incoming::Done);
            channel
                .outgoing
                .begin_response((200, b"OK"), Coding::Length(3), |_| {});
            let written = poll_fn(|cx| channel.poll_data(cx, b"abc", true)).await;
            assert_eq!(written, Err(fault));
            assert_eq!(
                poll_fn(|cx| channel.poll_end(cx, &|_| {})).await,
                Err(fault)
            );
        }
    });
}
