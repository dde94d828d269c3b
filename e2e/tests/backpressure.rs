//! A body streams: whoever is slow slows the other side down, and evenkeel's memory stays flat.
//!
//! 256 MiB by default; `EVENKEEL_E2E_BIG=10G` makes it ten gigabytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use evenkeel_testkit::message::Framing;
use evenkeel_testkit::{Evenkeel, Gate, Origin, Pattern, Reply, Setup, eventually};

/// How much more memory a transfer may take at its peak than evenkeel had before it: buffers of one exchange, and what
/// the allocator keeps.
const FLAT: u64 = 8 << 20;

/// More than all socket buffers on the way can hold, much less than the body.
const STUCK: u64 = 64 << 20;

fn size() -> u64 {
    let wanted = std::env::var("EVENKEEL_E2E_BIG").unwrap_or_else(|_| "256M".to_owned());
    let (number, unit) = wanted.split_at(wanted.len() - 1);
    let number: u64 = number
        .parse()
        .expect("EVENKEEL_E2E_BIG is a number and M or G");
    number << if unit == "G" { 30 } else { 20 }
}

/// Waits until a count has stopped growing: nobody takes any more.
fn wait_stuck(count: &AtomicU64) -> u64 {
    let (mut last, mut looks) = (0, 0);
    eventually("a sender to be held up", || {
        let now = count.load(Ordering::Relaxed);
        looks = if now == last { looks + 1 } else { 0 };
        last = now;
        (now > 0 && looks == 100).then_some(now)
    })
}

/// A response whose reader waits before it reads: with this framing.
fn download(framing: &'static str, chunked: bool) {
    let size = size();
    let sent = Arc::new(AtomicU64::new(0));
    let origin = Origin::script({
        let sent = Arc::clone(&sent);
        move |conn| {
            conn.request();
            conn.send(format!(
                "HTTP/1.1 200 OK\r\n{}\r\n\r\n",
                framing.replace("SIZE", &size.to_string())
            ));
            let mut pattern = Pattern::new();
            while pattern.offset() < size {
                let piece = pattern.next(size - pattern.offset());
                let framed = if chunked {
                    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
                } else {
                    piece.to_vec()
                };
                assert!(conn.send(framed), "evenkeel hung up");
                sent.store(pattern.offset(), Ordering::Relaxed);
            }
            if chunked {
                conn.send("0\r\n\r\n");
            }
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let before = proxy.peak_memory();
    let mut client = proxy.client();
    client.send_request("GET", "/", "", "");
    let held_up = wait_stuck(&sent);
    assert!(
        held_up < STUCK,
        "the origin could send {held_up} bytes to a client that reads nothing"
    );
    let head = client.head();
    let framing = head.response_framing("GET").unwrap();
    let mut pattern = Pattern::new();
    client.body(framing, &mut |piece| pattern.check(piece));
    assert_eq!(pattern.offset(), size);
    let grown = proxy.peak_memory().saturating_sub(before);
    assert!(grown < FLAT, "{grown} bytes more for a body of {size}");
}

#[test]
fn a_big_response_with_a_length_passes_with_flat_memory() {
    download("Content-Length: SIZE", false);
}

#[test]
fn a_big_chunked_response_passes_with_flat_memory() {
    download("Transfer-Encoding: chunked", true);
}

#[test]
fn a_big_response_until_close_passes_with_flat_memory() {
    download("X-Framing: none", false);
}

/// A request whose endpoint waits before it reads.
fn upload(chunked: bool) {
    let size = size();
    let read = Gate::new();
    let origin = Origin::script({
        let read = read.clone();
        move |conn| {
            let head = conn.head();
            read.wait();
            let mut pattern = Pattern::new();
            assert!(
                conn.body(&head, &mut |piece| pattern.check(piece)),
                "the body was cut"
            );
            assert_eq!(pattern.offset(), size);
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole");
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let before = proxy.peak_memory();
    let mut client = proxy.client();
    let framing = if chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {size}")
    };
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
    let sent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let held_up = wait_stuck(&sent);
            read.open();
            assert!(
                held_up < STUCK,
                "the client could send {held_up} bytes to an origin that reads nothing"
            );
        });
        let mut pattern = Pattern::new();
        while pattern.offset() < size {
            let piece = pattern.next(size - pattern.offset());
            if chunked {
                client.send(format!("{:x}\r\n", piece.len()));
            }
            client.send(piece);
            if chunked {
                client.send("\r\n");
            }
            sent.store(pattern.offset(), Ordering::Relaxed);
        }
        if chunked {
            client.send("0\r\n\r\n");
        }
    });
    client.response("POST").status(200).body("whole");
    let grown = proxy.peak_memory().saturating_sub(before);
    assert!(grown < FLAT, "{grown} bytes more for a body of {size}");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_big_request_with_a_length_passes_with_flat_memory() {
    upload(false);
}

#[test]
fn a_big_chunked_request_passes_with_flat_memory() {
    upload(true);
}

#[test]
fn big_bodies_pass_both_ways_at_once() {
    let size = size() / 4;
    let origin = Origin::script(move |conn| {
        let head = conn.head();
        let mut sender = conn.sender();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                sender.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"));
                let mut pattern = Pattern::new();
                while pattern.offset() < size {
                    let left = size - pattern.offset();
                    assert!(sender.send(pattern.next(left)), "evenkeel hung up");
                }
            });
            let mut pattern = Pattern::new();
            assert!(
                conn.body(&head, &mut |piece| pattern.check(piece)),
                "the body was cut"
            );
        });
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    let mut sender = client.sender();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            sender.send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"
            ));
            let mut pattern = Pattern::new();
            while pattern.offset() < size {
                let left = size - pattern.offset();
                assert!(sender.send(pattern.next(left)), "evenkeel hung up");
            }
        });
        assert_eq!(client.head().status(), 200);
        let mut pattern = Pattern::new();
        client.body(Framing::Length(size), &mut |piece| pattern.check(piece));
        assert_eq!(pattern.offset(), size);
    });
}

#[test]
fn an_endpoint_that_answers_early_is_sent_the_rest() {
    let size: u64 = 100_000;
    let origin = Origin::script(move |conn| {
        let head = conn.head();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
        let mut pattern = Pattern::new();
        assert!(
            conn.body(&head, &mut |piece| pattern.check(piece)),
            "the body was cut"
        );
        assert_eq!(pattern.offset(), size);
        conn.head();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext");
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    let mut pattern = Pattern::new();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"
    ));
    client.send(pattern.next(size / 2));
    assert_eq!(client.response("POST").body, b"early");
    client.send(pattern.next(size / 2));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response("GET").body, b"next");
}

#[test]
fn pipelined_requests_are_not_read_ahead_of_their_answers() {
    let origin = Origin::http(|_| Reply::ok([b'x'; 1000]));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    proxy.client().get("/").status(200);
    let before = proxy.peak_memory();
    let mut client = proxy.client().small_receive_buffer();
    let mut sender = client.sender();
    let sent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let requests = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
            while sender.send(&requests) {
                sent.fetch_add(requests.len() as u64, Ordering::Relaxed);
            }
        });
        // The client reads nothing: sooner or later nobody takes its requests either.
        let held_up = wait_stuck(&sent);
        assert!(held_up < STUCK, "{held_up} bytes of requests were taken");
        client.finish();
    });
    let grown = proxy.peak_memory().saturating_sub(before);
    assert!(grown < FLAT, "{grown} bytes more");
}
