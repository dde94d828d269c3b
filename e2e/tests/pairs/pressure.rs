//! Whoever is slow slows the other side down, and evenkeel holds little meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use evenkeel_testkit::{Caller, Evenkeel, Gate, Length, Pattern, Reply, eventually};

use super::{Pair, each};

/// More than all socket buffers on the way can hold, much less than the body.
const STUCK: u64 = 48 << 20;

const SIZE: u64 = 64 << 20;

/// How much more memory a transfer may take, of whatever size it is: buffers of one exchange, and what the allocator keeps. It
/// takes pages of 2 MiB, and each kind of buffer that is used for the first time may touch one more: with TLS and HTTP/2 on both
/// sides it was 8 MiB for 64 as for 192.
const FLAT: u64 = 16 << 20;

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

/// What one stream may hold on its way through evenkeel and both sides' sockets, as far as streams bound it.
fn bound(pair: Pair) -> u64 {
    // Streams on both sides: a window of 64 KiB before and behind evenkeel, what it holds, and a piece of ours.
    if pair.down.h2 && pair.up.h2 {
        512 << 10
    } else {
        STUCK
    }
}

#[test]
fn a_client_that_does_not_read_stops_its_endpoint() {
    each(|pair| {
        let sent = Arc::new(AtomicU64::new(0));
        let origin = pair.serve({
            let sent = Arc::clone(&sent);
            move |exchange| {
                exchange.request();
                if exchange.head().start[1] == "/first" {
                    exchange.reply(&Reply::ok(""));
                    return;
                }
                exchange.respond(200, "", Length::Known(SIZE));
                let mut pattern = Pattern::new();
                while pattern.offset() < SIZE {
                    let left = SIZE - pattern.offset();
                    assert!(exchange.data(pattern.next(left)), "evenkeel hung up");
                    sent.store(pattern.offset(), Ordering::Relaxed);
                }
                exchange.end();
            }
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        // Once before it counts: the pages of the code are memory as well.
        caller.get("/first").status(200);
        let before = proxy.peak_memory();
        let mut call = caller.begin("GET", "/", "", Length::None);
        let held_up = wait_stuck(&sent);
        assert!(held_up < bound(pair), "{held_up} bytes for nobody");
        assert_eq!(call.head().status(), 200);
        let mut pattern = Pattern::new();
        while let Some(piece) = call.piece().unwrap() {
            pattern.check(&piece);
        }
        assert_eq!(pattern.offset(), SIZE);
        let grown = proxy.peak_memory().saturating_sub(before);
        assert!(grown < FLAT, "{grown} bytes more");
    });
}

#[test]
fn an_endpoint_that_does_not_read_stops_its_client() {
    each(|pair| {
        let read = Gate::new();
        let origin = pair.serve({
            let read = read.clone();
            move |exchange| {
                if exchange.head().start[1] == "/first" {
                    exchange.request();
                    exchange.reply(&Reply::ok(""));
                    return;
                }
                read.wait();
                let mut pattern = Pattern::new();
                assert!(
                    exchange.body(&mut |piece| pattern.check(piece)),
                    "it was cut"
                );
                assert_eq!(pattern.offset(), SIZE);
                exchange.reply(&Reply::ok("whole"));
            }
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        caller.get("/first").status(200);
        let before = proxy.peak_memory();
        let mut call = caller.begin("POST", "/", "", Length::Known(SIZE));
        let sent = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let held_up = wait_stuck(&sent);
                read.open();
                assert!(held_up < bound(pair), "{held_up} bytes for nobody");
            });
            let mut pattern = Pattern::new();
            while pattern.offset() < SIZE {
                call.data(pattern.next(SIZE - pattern.offset()));
                sent.store(pattern.offset(), Ordering::Relaxed);
            }
        });
        call.end();
        call.response().status(200).body("whole");
        let grown = proxy.peak_memory().saturating_sub(before);
        assert!(grown < FLAT, "{grown} bytes more");
    });
}

#[test]
fn a_stream_that_stands_still_holds_up_no_other() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.request();
            if exchange.head().start[1] == "/small" {
                exchange.reply(&Reply::ok("small"));
                return;
            }
            exchange.respond(200, "", Length::Unknown);
            let mut pattern = Pattern::new();
            while exchange.data(pattern.next(65_000)) {}
        });
        let setup = pair.setup([&origin]).top("workers = 1");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        if let Caller::H2(client) = &mut caller {
            // Windows of the client's connection are for all of its streams: there is room for some that stand still.
            let mut settings = evenkeel_testkit::h2::Settings::new();
            settings = settings.connection_window(10 << 20);
            let terms = super::Terms::get();
            let tls = client.handshake().is_some().then_some(&terms.wanted);
            let mut client =
                evenkeel_testkit::h2::Client::connect_with(proxy.address(), tls, &settings);
            let mut still: Vec<_> = (0..5)
                .map(|_| client.start("GET", "/endless", "", ""))
                .collect();
            for call in &mut still {
                assert_eq!(call.head().status(), 200);
            }
            for _ in 0..20 {
                client.get("/small").status(200).body("small");
            }
        } else {
            let mut still: Vec<Caller> = (0..5).map(|_| pair.caller(&proxy)).collect();
            for caller in &mut still {
                let mut call = caller.begin("GET", "/endless", "", Length::None);
                assert_eq!(call.head().status(), 200);
            }
            for _ in 0..20 {
                caller.get("/small").status(200).body("small");
            }
        }
    });
}
