//! What is gathered, in which order it leaves, and what the meter keeps from the codec.

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use evenkeel_http2::{Abuse, Role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::UnixStream;

use super::{GATHER, Outlet, TURN, Wire};
use crate::block::Blocks;
use crate::rig::{narrow_pair, once, pair, run};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn wire(before: &[u8]) -> (Wire, Outlet, UnixStream) {
    let (near, far) = pair();
    let (wire, outlet) = Wire::new(
        near,
        Bytes::copy_from_slice(before),
        Role::Client,
        &Rc::new(Blocks::default()),
    );
    (wire, outlet, far)
}

async fn read(wire: &mut Wire, most: usize) -> Poll<Vec<u8>> {
    let mut bytes = vec![0; most];
    let mut buf = ReadBuf::new(&mut bytes);
    once(|cx| Pin::new(&mut *wire).poll_read(cx, &mut buf))
        .await
        .map(|read| {
            read.unwrap();
            buf.filled().to_vec()
        })
}

#[test]
fn what_was_read_before_comes_first() {
    run(async {
        let (mut wire, _, mut far) = wire(&PREFACE[..10]);
        far.write_all(&PREFACE[10..]).await.unwrap();
        assert_eq!(read(&mut wire, 4).await, Poll::Ready(PREFACE[..4].to_vec()));
        assert_eq!(
            read(&mut wire, 64).await,
            Poll::Ready(PREFACE[4..10].to_vec())
        );
        let rest = loop {
            if let Poll::Ready(rest) = read(&mut wire, 64).await {
                break rest;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(rest, &PREFACE[10..]);
    });
}

#[test]
fn nobody_is_read_for_ever_in_a_row() {
    run(async {
        let data = [&[0, 0x40, 0, 0, 0, 0, 0, 0, 1][..], &[0; 0x4000]].concat();
        let (mut wire, _outlet, _far) = wire(&[PREFACE, &data.repeat(6)].concat());
        let mut in_a_row = 0;
        while let Poll::Ready(bytes) = read(&mut wire, 8192).await {
            in_a_row += bytes.len();
        }
        assert!((TURN..TURN + 8192).contains(&in_a_row), "{in_a_row}");
        let next = read(&mut wire, 8192).await;
        assert!(next.is_ready(), "after the others it goes on");
    });
}

#[test]
fn who_had_nothing_to_read_is_asked_again_in_the_next_turn() {
    run(async {
        let (mut wire, outlet, mut far) = wire(PREFACE);
        outlet.begin_turn();
        assert_eq!(read(&mut wire, 64).await, Poll::Ready(PREFACE.to_vec()));
        assert_eq!(read(&mut wire, 64).await, Poll::Pending);
        let head = [0, 0, 1, 1, 5, 0, 0, 0, 5, 0x82];
        far.write_all(&head).await.unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
            assert_eq!(read(&mut wire, 64).await, Poll::Pending, "in this one");
        }
        assert_eq!(outlet.newest(), 0, "no stream was opened");
        let rest = loop {
            outlet.begin_turn();
            if let Poll::Ready(rest) = read(&mut wire, 64).await {
                break rest;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((rest.as_slice(), outlet.newest()), (&head[..], 5));
    });
}

#[test]
fn small_writes_leave_together_and_not_before_they_are_flushed() {
    run(async {
        let (mut wire, outlet, mut far) = wire(b"");
        for piece in [&b"one "[..], b"two ", b"three"] {
            let n = poll_fn(|cx| Pin::new(&mut wire).poll_write(cx, piece)).await;
            assert_eq!(n.unwrap(), piece.len());
            poll_fn(|cx| Pin::new(&mut wire).poll_flush(cx))
                .await
                .unwrap();
        }
        let mut bytes = [0; 64];
        assert!(far.try_read(&mut bytes).is_err(), "nothing has left");
        let before = outlet.progress();
        poll_fn(|cx| outlet.poll_flush(cx)).await.unwrap();
        assert_ne!(outlet.progress(), before);
        let n = far.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes[..n], b"one two three");
    });
}

#[test]
fn what_is_large_follows_what_was_gathered_and_a_full_wire_waits() {
    run(async {
        let (near, mut far) = narrow_pair();
        let blocks = Rc::new(Blocks::default());
        let (mut wire, outlet) = Wire::new(near, Bytes::new(), Role::Client, &blocks);
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let (head, body) = bytes.split_at(100);
        let write = async {
            poll_fn(|cx| Pin::new(&mut wire).poll_write(cx, head))
                .await
                .unwrap();
            let mut left = body;
            let mut waited = false;
            while !left.is_empty() {
                let (one, two) = left.split_at(left.len().min(9));
                let pieces = [
                    IoSlice::new(one),
                    IoSlice::new(&two[..two.len().min(3 * GATHER)]),
                ];
                let n = poll_fn(|cx| {
                    let polled = Pin::new(&mut wire).poll_write_vectored(cx, &pieces);
                    waited |= polled.is_pending();
                    polled
                })
                .await;
                left = &left[n.unwrap()..];
            }
            assert!(waited, "the system took everything at once");
            poll_fn(|cx| outlet.poll_flush(cx)).await.unwrap();
        };
        let mut read = vec![0; bytes.len()];
        let (_, result) = tokio::join!(write, far.read_exact(&mut read));
        result.unwrap();
        assert!(read == bytes, "in order, each byte once");
    });
}

#[test]
fn closing_writes_what_was_gathered() {
    run(async {
        let (mut wire, _, mut far) = wire(b"");
        poll_fn(|cx| Pin::new(&mut wire).poll_write(cx, b"goodbye"))
            .await
            .unwrap();
        poll_fn(|cx| Pin::new(&mut wire).poll_shutdown(cx))
            .await
            .unwrap();
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"goodbye");
    });
}

#[test]
fn the_codec_gets_nothing_more_once_the_meter_has_seen_enough() {
    run(async {
        let (mut wire, outlet, mut far) = wire(PREFACE);
        assert_eq!(read(&mut wire, 64).await, Poll::Ready(PREFACE.to_vec()));
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        far.write_all(&settings.repeat(1000)).await.unwrap();
        let mut got = 0;
        while outlet.verdict().is_ok() {
            if let Poll::Ready(bytes) = read(&mut wire, 90).await {
                got += bytes.len();
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(outlet.verdict(), Err(Abuse::SettingsFlood));
        assert!(got < 90 * 20, "{got}");
        assert_eq!(read(&mut wire, 90).await, Poll::Pending);
    });
}
