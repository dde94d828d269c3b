//! Bodies that pass unread, and every reason for which they are read after all.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use evenkeel_base::{Fault, Side};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::is_unsupported;
use crate::block::BLOCK;
use crate::body::{Fill, Pump, Source, Waiting};
use crate::h1::{Channel, Coding, Incoming};
use crate::pipes::{Lent, Pipes};
use crate::rig;

/// A length that is worth a pipe.
const LONG: usize = 1_000_000;
const KNOWN: Incoming = Incoming::Known { left: LONG as u64 };
const LENGTH: Coding = Coding::Length(LONG as u64);

/// Bytes that tell where they stand.
fn bytes(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

/// Two channels, from one of which a body goes to the other, and the far ends of their streams.
struct Line {
    from: Box<Channel>,
    source: UnixStream,
    to: Box<Channel>,
    sink: UnixStream,
    pump: Pump,
}

fn line(incoming: Incoming, coding: Coding) -> Line {
    let (near, source) = rig::pair();
    let from = rig::channel(near, Side::Upstream, incoming);
    let (near, sink) = rig::narrow_pair();
    let mut to = rig::channel(near, Side::Downstream, Incoming::Done);
    to.outgoing.begin_response((200, b"OK"), coding, |_| {});
    Line {
        from,
        source,
        to,
        sink,
        pump: Pump::new(Instant::now(), u64::MAX, false),
    }
}

/// What came of a body.
struct Passed {
    ended: Result<(), Fault>,
    /// The payload that was counted.
    counted: u64,
    received: Vec<u8>,
    /// Pipes that are lent and pipes that are kept, afterwards.
    pipes: (usize, usize),
    /// What was received behind the body, and whether that is a message boundary.
    rest: Vec<u8>,
    settled: bool,
}

impl Line {
    fn pipes(&self) -> Rc<Pipes> {
        Rc::clone(&self.from.block.pool().pipes)
    }

    /// Sends bytes and the end of the stream, and pumps until the body is over.
    async fn pass(mut self, sent: &[u8]) -> Passed {
        let send = async {
            // A body that is refused is not taken to its end.
            let _ = self.source.write_all(sent).await;
            drop(self.source);
        };
        let pass = async {
            let ended = poll_fn(|cx| {
                self.pump
                    .poll(cx, &mut *self.from, &mut *self.to, &|_| true)
            })
            .await;
            drop(self.to);
            let (settled, pipes) = (
                self.from.is_settled(),
                self.from.block.pool().pipes.counts(),
            );
            let mut rest = self.from.block.unread().to_vec();
            let mut more = [0; 100];
            while ended.is_ok()
                && let n @ 1.. = poll_fn(|cx| self.from.stream.poll_read(cx, &mut more))
                    .await
                    .unwrap()
            {
                rest.extend_from_slice(&more[..n]);
            }
            drop(self.from);
            (ended, settled, pipes, rest)
        };
        let mut received = Vec::new();
        let receive = self.sink.read_to_end(&mut received);
        let ((), (ended, settled, pipes, rest), _) = tokio::join!(send, pass, receive);
        let head = received.windows(4).position(|four| four == b"\r\n\r\n");
        Passed {
            ended,
            counted: self.pump.bytes,
            received: received.split_off(head.unwrap() + 4),
            pipes,
            rest,
            settled,
        }
    }
}

#[test]
fn what_nothing_has_to_be_learned_from_passes_unread() {
    rig::run(async {
        let body = bytes(LONG);
        for (incoming, coding) in [
            (KNOWN, LENGTH),
            (KNOWN, Coding::Close),
            (Incoming::Raw, LENGTH),
            (Incoming::Raw, Coding::Close),
        ] {
            let passed = line(incoming, coding).pass(&body).await;
            assert_eq!((passed.ended, passed.counted), (Ok(()), LONG as u64));
            assert!(passed.received == body, "{} bytes", passed.received.len());
            assert!(passed.settled, "it ends at a boundary");
            assert_eq!(passed.pipes, (0, 1), "one pipe did, and was given back");
        }
    });
}

#[test]
fn what_has_framing_around_it_is_read() {
    rig::run(async {
        let body = bytes(LONG);
        let chunked = [format!("{LONG:x}\r\n").as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        let read = line(Incoming::Chunked, LENGTH).pass(&chunked).await;
        assert_eq!((read.ended, read.pipes), (Ok(()), (0, 0)));
        assert!(read.received == body);
        let written = line(KNOWN, Coding::Chunked).pass(&body).await;
        assert_eq!((written.ended, written.pipes), (Ok(()), (0, 0)));
        assert!(written.received.ends_with(b"\r\n0\r\n\r\n"));
    });
}

#[test]
fn what_is_short_is_read() {
    rig::run(async {
        // A block, and less behind it than is worth a pipe.
        let length = BLOCK + 16 * 1024 - 1;
        let (left, body) = (length as u64, bytes(length));
        let line = line(Incoming::Known { left }, Coding::Length(left));
        let passed = line.pass(&body).await;
        assert_eq!((passed.ended, passed.pipes), (Ok(()), (0, 0)));
        assert!(passed.received == body);
    });
}

#[test]
fn the_next_message_is_not_taken_for_the_body() {
    rig::run(async {
        let (body, next) = (bytes(LONG), b"GET / HTTP/1.1\r\n");
        let passed = line(KNOWN, LENGTH).pass(&[&body, &next[..]].concat()).await;
        assert_eq!((passed.ended, passed.pipes), (Ok(()), (0, 1)));
        assert!(passed.received == body);
        assert_eq!(
            passed.rest.escape_ascii().to_string(),
            next.escape_ascii().to_string()
        );
    });
}

#[test]
fn a_body_that_breaks_off_is_a_fault_and_no_boundary() {
    rig::run(async {
        let body = bytes(LONG);
        let passed = line(KNOWN, LENGTH).pass(&body[..LONG - 1]).await;
        assert_eq!(passed.ended, Err(Fault::ResponseCut));
        assert!(!passed.settled);
        assert!(
            passed.received == body[..LONG - 1],
            "what came is passed on"
        );
        assert_eq!(passed.counted, LONG as u64 - 1);
    });
}

#[test]
fn a_limit_holds_for_what_is_not_read() {
    rig::run(async {
        let limit = 500_000;
        let mut line = line(Incoming::Raw, Coding::Close);
        line.pump = Pump::new(Instant::now(), limit, false);
        let passed = line.pass(&bytes(LONG)).await;
        assert_eq!(passed.ended, Err(Fault::RequestBodyTooLarge));
        assert!(passed.counted <= limit && passed.received.len() as u64 == passed.counted);
    });
}

#[test]
fn without_a_pipe_a_body_is_read() {
    rig::run(async {
        let body = bytes(LONG);
        let taken = line(KNOWN, LENGTH);
        let pipes = taken.pipes();
        let lent: Vec<Lent> = std::iter::from_fn(|| pipes.take()).collect();
        let passed = taken.pass(&body).await;
        assert_eq!((passed.ended, passed.pipes), (Ok(()), (lent.len(), 0)));
        assert!(passed.received == body);
        let refused = line(KNOWN, LENGTH);
        refused.pipes().refuse();
        let passed = refused.pass(&body).await;
        assert_eq!((passed.ended, passed.pipes), (Ok(()), (0, 0)));
        assert!(passed.received == body);
    });
}

/// A line with bytes in its pipe, behind a block of them that has been used, and how many were sent in all.
async fn stopped(body: &[u8]) -> (Line, usize) {
    let mut line = line(KNOWN, LENGTH);
    let sent = line.source.try_write(body).unwrap();
    assert_eq!(poll_fn(|cx| line.from.poll_fill(cx)).await, Ok(Fill::Data));
    assert!(line.from.data() == &body[..BLOCK]);
    line.from.consume(BLOCK);
    assert_eq!(poll_fn(|cx| line.from.poll_pipe(cx)).await, Ok(true));
    assert_eq!(line.pipes().counts(), (1, 0));
    assert!(line.from.data().is_empty() && !line.from.is_settled());
    (line, sent)
}

#[test]
fn what_is_in_a_pipe_is_read_when_the_sink_takes_none() {
    rig::run(async {
        let body = bytes(LONG);
        let (mut line, _) = stopped(&body).await;
        let held = line.from.piped().unwrap().held();
        let mut read = BLOCK;
        while line.pipes().counts().0 > 0 {
            assert_eq!(poll_fn(|cx| line.from.poll_fill(cx)).await, Ok(Fill::Data));
            let n = line.from.data().len();
            assert!(line.from.data() == &body[read..read + n]);
            line.from.consume(n);
            read += n;
        }
        assert_eq!(read, BLOCK + held, "all of it and no more");
        assert_eq!(line.pipes().counts(), (0, 1));
    });
}

#[test]
fn a_sink_that_turns_out_to_take_none_gets_the_rest_by_reading() {
    rig::run(async {
        let body = bytes(LONG);
        let (mut line, sent) = stopped(&body).await;
        line.to.outgoing.refuse_pipes();
        line.pump.bytes = BLOCK as u64;
        let passed = line.pass(&body[sent..]).await;
        assert_eq!((passed.ended, passed.counted), (Ok(()), LONG as u64));
        assert!(
            passed.received == body[BLOCK..],
            "{} bytes",
            passed.received.len()
        );
    });
}

#[test]
fn what_a_cut_exchange_leaves_in_a_pipe_goes_with_it() {
    rig::run(async {
        let (line, _) = stopped(&bytes(LONG)).await;
        let pipes = line.pipes();
        drop(line);
        assert_eq!(pipes.counts(), (0, 0));
    });
}

#[test]
fn a_reader_that_stops_holds_one_pipe_and_is_waited_for() {
    rig::run(async {
        let (mut line, sent) = stopped(&bytes(LONG)).await;
        let polled = rig::once(|cx| {
            line.pump
                .poll(cx, &mut *line.from, &mut *line.to, &|_| true)
        })
        .await;
        assert_eq!((polled, line.pump.waiting), (Poll::Pending, Waiting::Sink));
        assert!(line.pump.bytes > 0 && line.pump.bytes < (sent - BLOCK) as u64);
        assert_eq!(line.pipes().counts(), (1, 0));
    });
}

#[test]
fn a_way_that_is_refused_is_told_from_a_stream_that_failed() {
    use rustix::io::Errno;
    for (error, unsupported) in [
        (Errno::INVAL, true),
        (Errno::NOSYS, true),
        (Errno::OPNOTSUPP, true),
        (Errno::PERM, true),
        (Errno::CONNRESET, false),
        (Errno::PIPE, false),
        (Errno::NOTCONN, false),
        (Errno::TIMEDOUT, false),
    ] {
        let error = io::Error::from(error);
        assert_eq!(is_unsupported(&error), unsupported, "{error}");
    }
}
