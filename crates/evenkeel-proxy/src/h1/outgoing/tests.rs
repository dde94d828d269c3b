//! What leaves, byte for byte and write for write, also when the system takes it in pieces.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;

use evenkeel_base::Known;
use evenkeel_base::head::Field;
use evenkeel_net::Stream;
use socket2::{Domain, Socket, Type};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::{Coding, Outgoing};
use crate::block::Blocks;
use crate::rig;

/// A head that stands before every body here.
const HEAD: &str = "HTTP/1.1 200 OK\r\n";

/// A step of writing a message.
#[derive(Clone, Copy)]
enum Step<'a> {
    /// Data; more follows.
    Data(&'a str),
    /// Data; nothing follows.
    Last(&'a str),
    /// Whatever is pending is to be written.
    Flush,
    /// The end, with trailers `A: 1`.
    End(&'a [&'a str]),
}
use Step::{Data, End, Flush, Last};

fn outgoing() -> Outgoing {
    Outgoing::new(&Rc::new(Blocks::default()))
}

fn respond(outgoing: &mut Outgoing, coding: Coding) {
    outgoing.begin_response((200, b"OK"), coding, |_| {});
}

/// Writes a response; says what each write of ours held. A socket of packets keeps them apart.
fn writes(coding: Coding, steps: &[Step<'_>]) -> Vec<String> {
    let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    rig::run(async {
        let [near, mut far] = [near, far].map(|socket| {
            socket.set_nonblocking(true).unwrap();
            UnixStream::from_std(StdStream::from(OwnedFd::from(socket))).unwrap()
        });
        let mut outgoing = outgoing();
        let mut stream = Stream::Unix(near);
        respond(&mut outgoing, coding);
        for step in steps {
            perform(&mut outgoing, &mut stream, *step).await;
        }
        drop(stream);
        let (mut packets, mut packet) = (Vec::new(), vec![0; 100_000]);
        loop {
            match far.read(&mut packet).await.unwrap() {
                0 => return packets,
                n => packets.push(String::from_utf8(packet[..n].to_vec()).unwrap()),
            }
        }
    })
}

async fn perform(outgoing: &mut Outgoing, stream: &mut Stream, step: Step<'_>) {
    match step {
        Data(text) | Last(text) => {
            let (mut data, last) = (text.as_bytes(), matches!(step, Last(_)));
            while !data.is_empty() {
                let taken = poll_fn(|cx| outgoing.poll_data(stream, cx, data, last)).await;
                data = &data[taken.unwrap()..];
            }
        }
        Flush => poll_fn(|cx| outgoing.poll_flush(stream, cx)).await.unwrap(),
        End(trailers) => {
            outgoing.end(&|each| {
                for trailer in trailers {
                    let (name, value) = trailer.split_once(": ").unwrap();
                    each(Field {
                        name: name.as_bytes(),
                        value: value.as_bytes(),
                        known: Known::Other,
                    });
                }
            });
            poll_fn(|cx| outgoing.poll_flush(stream, cx)).await.unwrap();
        }
    }
}

#[test]
fn head_data_and_end_leave_in_one_write() {
    let known = format!("{HEAD}Content-Length: 5\r\n\r\nhello");
    assert_eq!(
        writes(Coding::Length(5), &[Last("hello"), End(&[])]),
        [known]
    );
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(
        writes(Coding::Chunked, &[Last("hello"), End(&[])]),
        [chunked]
    );
    let none = format!("{HEAD}\r\n");
    assert_eq!(writes(Coding::None, &[End(&[])]), [none]);
    let zero = format!("{HEAD}Content-Length: 0\r\n\r\n");
    assert_eq!(writes(Coding::Length(0), &[End(&[])]), [zero]);
    let close = format!("{HEAD}\r\nhello");
    assert_eq!(writes(Coding::Close, &[Data("hello"), End(&[])]), [close]);
}

#[test]
fn a_head_does_not_wait_for_a_body_that_is_late() {
    let steps = [Flush, Data("he"), Flush, Last("llo"), End(&[])];
    let head = format!("{HEAD}Content-Length: 5\r\n\r\n");
    assert_eq!(
        writes(Coding::Length(5), &steps),
        [head.as_str(), "he", "llo"]
    );
    let head = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
    assert_eq!(
        writes(Coding::Chunked, &steps),
        [head.as_str(), "2\r\nhe\r\n", "3\r\nllo\r\n0\r\n\r\n"]
    );
}

#[test]
fn every_chunk_is_one_write() {
    let text = "x".repeat(0x1234);
    let steps = [Flush, Data("0123456789"), Data(&text), Data("a"), End(&[])];
    assert_eq!(
        writes(Coding::Chunked, &steps)[1..],
        [
            "a\r\n0123456789\r\n".to_owned(),
            format!("1234\r\n{text}\r\n"),
            "1\r\na\r\n".to_owned(),
            "0\r\n\r\n".to_owned(),
        ]
    );
}

#[test]
fn trailers_stand_between_the_last_chunk_and_the_end() {
    let steps = [Flush, Data("abc"), End(&["X-A: 1", "X-B: 2"])];
    assert_eq!(
        writes(Coding::Chunked, &steps)[1..],
        ["3\r\nabc\r\n", "0\r\nX-A: 1\r\nX-B: 2\r\n\r\n"]
    );
    // Without chunks there is no place for them.
    assert_eq!(
        writes(Coding::Length(3), &[Flush, Last("abc"), End(&["X-A: 1"])])[1..],
        ["abc"]
    );
}

#[test]
fn the_end_may_be_told_more_than_once() {
    for steps in [
        &[Last("abc"), End(&[]), End(&[])][..],
        &[Data("abc"), End(&[]), End(&[]), Flush],
    ] {
        let all = writes(Coding::Chunked, steps).concat();
        assert!(all.ends_with("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "{all}");
    }
}

#[test]
fn interim_responses_go_before_and_change_nothing() {
    rig::run(async {
        let (near, mut far) = rig::pair();
        let (mut stream, mut outgoing) = (near, outgoing());
        outgoing.interim((103, b"Early Hints"), |sink| sink.field(b"Link", b"</a>"));
        assert!(!outgoing.is_settled(), "what is begun is to be written");
        perform(&mut outgoing, &mut stream, Flush).await;
        assert!(outgoing.is_settled());
        respond(&mut outgoing, Coding::Length(3));
        outgoing.interim((102, b"Processing"), |_| {});
        perform(&mut outgoing, &mut stream, Last("abc")).await;
        assert!(outgoing.is_settled());
        drop(stream);
        let mut all = String::new();
        far.read_to_string(&mut all).await.unwrap();
        let expected = format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{HEAD}Content-Length: 3\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nabc"
        );
        assert_eq!(all, expected);
    });
}

#[test]
fn the_boundary_is_reached_with_the_last_byte_and_not_before() {
    rig::run(async {
        let (near, _far) = rig::pair();
        let (mut stream, mut outgoing) = (near, outgoing());
        assert!(outgoing.is_settled() && !outgoing.closes_at_end());
        respond(&mut outgoing, Coding::Length(5));
        assert!(!outgoing.has_sent() && !outgoing.is_settled());
        perform(&mut outgoing, &mut stream, Flush).await;
        assert!(outgoing.has_sent() && !outgoing.is_settled());
        perform(&mut outgoing, &mut stream, Data("hell")).await;
        outgoing.end(&|_| {});
        assert!(!outgoing.is_settled(), "a byte is missing");
        perform(&mut outgoing, &mut stream, Last("o")).await;
        assert!(outgoing.is_settled());

        respond(&mut outgoing, Coding::Chunked);
        perform(&mut outgoing, &mut stream, Data("abc")).await;
        assert!(!outgoing.is_settled(), "the last chunk is missing");
        outgoing.end(&|_| {});
        assert!(!outgoing.is_settled(), "the last chunk is pending");
        perform(&mut outgoing, &mut stream, Flush).await;
        assert!(outgoing.is_settled());

        respond(&mut outgoing, Coding::Close);
        perform(&mut outgoing, &mut stream, Data("abc")).await;
        assert!(!outgoing.is_settled() && !outgoing.closes_at_end());
        outgoing.end(&|_| {});
        assert!(outgoing.closes_at_end() && !outgoing.is_settled());
    });
}

#[test]
fn what_is_too_much_is_not_written() {
    rig::run(async {
        let (mut stream, mut far) = rig::pair();
        let mut outgoing = outgoing();
        respond(&mut outgoing, Coding::Length(3));
        let mut write =
            async |data: &[u8]| poll_fn(|cx| outgoing.poll_data(&mut stream, cx, data, true)).await;
        assert_eq!(write(b"abcdef").await.unwrap(), 3);
        let error = write(b"def").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        drop(stream);
        let mut all = String::new();
        far.read_to_string(&mut all).await.unwrap();
        assert!(all.ends_with("\r\n\r\nabc"), "{all}");
    });
}

/// Reads what has been sent so far.
fn received(far: &UnixStream) -> String {
    let mut all = Vec::new();
    let mut some = [0; 4_096];
    while let Ok(n @ 1..) = far.try_read(&mut some) {
        all.extend_from_slice(&some[..n]);
    }
    String::from_utf8(all).unwrap()
}

/// How many bytes the system takes of one write when nobody reads.
async fn capacity() -> usize {
    let (mut stream, _far) = rig::narrow_pair();
    let bytes = vec![b'x'; 1 << 20];
    poll_fn(|cx| stream.poll_write(cx, &bytes)).await.unwrap()
}

/// Writes a response with the data `abc` to a stream that takes all of it but `left` bytes at first.
async fn stopping(coding: Coding, capacity: usize, left: usize, end: &str) {
    let head = |pad: &str| {
        let framing = match coding {
            Coding::Length(n) => format!("Content-Length: {n}\r\n"),
            Coding::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
            Coding::None | Coding::Close | Coding::Told(_) => String::new(),
        };
        format!("{HEAD}X-Pad: {pad}\r\n{framing}\r\n")
    };
    let pad = "x".repeat(capacity + left - head("").len() - end.len());
    let expected = head(&pad) + end;
    let (mut stream, mut far) = rig::narrow_pair();
    let mut outgoing = outgoing();
    outgoing.begin_response((200, b"OK"), coding, |sink| {
        sink.field(b"X-Pad", pad.as_bytes());
    });
    let first = poll_fn(|cx| outgoing.poll_data(&mut stream, cx, b"abc", true)).await;
    let taken = first.unwrap();
    far.readable().await.unwrap();
    let mut all = received(&far);
    assert!(
        all == expected[..capacity],
        "{left} bytes left, {} sent",
        all.len()
    );
    assert_eq!(outgoing.is_settled(), left == 0 && coding != Coding::Close);
    perform(&mut outgoing, &mut stream, Last(&"abc"[taken..])).await;
    perform(&mut outgoing, &mut stream, End(&[])).await;
    drop(stream);
    far.read_to_string(&mut all).await.unwrap();
    assert!(
        all == expected,
        "{left} bytes left, and then {:?}",
        &all[capacity..]
    );
}

#[test]
fn a_chunk_that_was_announced_keeps_its_size_when_more_data_comes() {
    rig::run(async {
        let (mut stream, mut far) = rig::narrow_pair();
        let mut outgoing = outgoing();
        let pad = "x".repeat(capacity().await);
        outgoing.begin_response((200, b"OK"), Coding::Chunked, |sink| {
            sink.field(b"X-Pad", pad.as_bytes());
        });
        let taken = poll_fn(|cx| outgoing.poll_data(&mut stream, cx, b"abc", false)).await;
        assert_eq!(
            taken.unwrap(),
            0,
            "the head alone is more than the system takes"
        );
        let mut all = String::new();
        let write = async {
            perform(&mut outgoing, &mut stream, Last("abcde")).await;
            perform(&mut outgoing, &mut stream, End(&[])).await;
            drop(stream);
        };
        let (read, ()) = tokio::join!(far.read_to_string(&mut all), write);
        read.unwrap();
        let body = &all[all.find("\r\n\r\n").unwrap()..];
        assert_eq!(body, "\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    });
}

#[test]
fn wherever_the_system_stops_the_rest_follows() {
    rig::run(async {
        let capacity = capacity().await;
        for (coding, end) in [
            (Coding::Chunked, "3\r\nabc\r\n0\r\n\r\n"),
            (Coding::Length(3), "abc"),
            (Coding::Close, "abc"),
        ] {
            // Ten more: some of the head is left as well.
            for left in 0..=end.len() + 10 {
                stopping(coding, capacity, left, end).await;
            }
        }
    });
}
