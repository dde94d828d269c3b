//! HTTP/2 connections that make work and nothing else: each is ended by the name of what it did, and others notice nothing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_testkit::faults::BlackHole;
use evenkeel_testkit::floods::{FLOODS, Flood, PROVOCATIONS, SLOW, stream};
use evenkeel_testkit::frames::code::ENHANCE_YOUR_CALM;
use evenkeel_testkit::frames::flag::END_STREAM;
use evenkeel_testkit::frames::{Frame, Outcome, Raw, get, kind, post};
use evenkeel_testkit::{Evenkeel, Origin, Reply, Setup, eventually};

/// The most that memory may grow by while a flood lasts.
const MEMORY: u64 = 10 << 20;

/// Answers at once, except what asks for [`SLOW`].
fn origin() -> Origin {
    Origin::script(|conn| {
        while let Some(request) = conn.request() {
            if request.target() == SLOW {
                conn.until_closed();
                return;
            }
            conn.reply(&request, &Reply::ok("hello"));
        }
    })
}

/// How long each answer took that the good clients got.
type Answers = Vec<Duration>;

/// Runs `attack` while two good clients go on asking, one in each protocol.
fn beside(proxy: &Evenkeel, attack: impl FnOnce()) -> Answers {
    let (over, answers) = (AtomicBool::new(false), Mutex::new(Answers::new()));
    thread::scope(|scope| {
        let good = |mut ask: Box<dyn FnMut() + Send>| {
            let (over, answers) = (&over, &answers);
            scope.spawn(move || {
                while !over.load(Ordering::Acquire) {
                    let began = Instant::now();
                    ask();
                    answers.lock().unwrap().push(began.elapsed());
                }
            })
        };
        let mut h1 = proxy.client();
        let mut h2 = proxy.h2();
        let both = [
            good(Box::new(move || {
                drop(h1.get("/").status(200).body("hello"));
            })),
            good(Box::new(move || {
                drop(h2.get("/").status(200).body("hello"));
            })),
        ];
        attack();
        over.store(true, Ordering::Release);
        for client in both {
            client.join().expect("a good client gets all its answers");
        }
    });
    answers.into_inner().unwrap()
}

/// Prints what an attack cost the good clients: times are shown and not asserted, since others use the machine too.
fn compare(what: &str, mut without: Answers, mut with: Answers) {
    for answers in [&mut without, &mut with] {
        answers.sort();
        assert!(!answers.is_empty(), "the good clients were served");
    }
    let at = |answers: &Answers, part: usize| answers[(answers.len() - 1) * part / 100];
    for part in [50, 99] {
        eprintln!(
            "{what}: p{part} {:?} without, {:?} with; {} and {} answers",
            at(&without, part),
            at(&with, part),
            without.len(),
            with.len()
        );
    }
}

/// Good clients alone, for a second.
fn in_peace(proxy: &Evenkeel) -> Answers {
    beside(proxy, || {
        let began = Instant::now();
        eventually("a second to pass", || {
            (began.elapsed() > Duration::from_secs(1)).then_some(())
        });
    })
}

/// What a connection takes with all the requests that it may have, so that this counts as no growth.
fn fill(proxy: &Evenkeel, origin: &Origin) {
    let mut raw = Raw::greeted(proxy.address());
    raw.send(
        (0..100)
            .flat_map(|n| get(stream(n), SLOW))
            .collect::<Vec<_>>(),
    );
    eventually("a hundred requests at the endpoint", || {
        (origin.requests().len() >= 100).then_some(())
    });
    drop(raw);
    origin.wait_open(10);
}

/// Sends a flood on a connection of its own, and reads how that is ended.
#[track_caller]
fn send(proxy: &Evenkeel, flood: &Flood) {
    let mut raw = Raw::greeted(proxy.address());
    let mut sender = raw.sender();
    let (name, bytes) = (flood.name(), flood.bytes());
    thread::scope(|scope| {
        // It takes no more when it has seen enough.
        scope.spawn(move || sender.send(&bytes));
        let end = raw.end();
        assert_eq!(end.goaway, Some(ENHANCE_YOUR_CALM), "{name}: {end:?}");
    });
}

#[test]
fn every_flood_is_ended_by_its_name_while_others_go_on() {
    let origin = origin();
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    fill(&proxy, &origin);
    let without = in_peace(&proxy);
    let before = proxy.peak_memory();
    let with = beside(&proxy, || {
        for flood in FLOODS {
            send(&proxy, flood);
        }
    });
    for flood in FLOODS {
        let log = proxy.log();
        log.wait_for(flood.name(), |line| flood.is_told_by(line));
    }
    let grown = proxy.peak_memory().saturating_sub(before);
    assert!(grown < MEMORY, "memory grew by {grown}");
    compare("floods one by one", without, with);
}

#[test]
fn resets_that_are_provoked_one_by_one_are_ended_too() {
    let origin = origin();
    for provoke in PROVOCATIONS {
        let proxy = Evenkeel::start(&Setup::to([&origin]));
        let mut raw = Raw::greeted(proxy.address());
        let mut provoked = 0;
        let end = 'over: loop {
            raw.try_send((provoke.piece)(provoked));
            loop {
                match raw.try_frame() {
                    Ok(frame) if frame.kind == kind::GOAWAY => break 'over frame.number(4),
                    Ok(frame) if frame.kind == kind::RST_STREAM => break,
                    Ok(_) => {}
                    Err(broken) => panic!("after {provoked}: {broken}"),
                }
            }
            provoked += 1;
        };
        assert_eq!(end, ENHANCE_YOUR_CALM);
        assert!((90..=110).contains(&provoked), "two for each: {provoked}");
        let log = proxy.log();
        log.wait_for(provoke.name(), |line| provoke.is_told_by(line));
        raw.end();
    }
}

#[test]
fn a_hundred_attackers_at_once_are_ended_while_others_go_on() {
    let origin = origin();
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    fill(&proxy, &origin);
    let without = in_peace(&proxy);
    let before = proxy.peak_memory();
    let with = beside(&proxy, || {
        thread::scope(|scope| {
            for flood in FLOODS.iter().cycle().take(100) {
                let proxy = &proxy;
                scope.spawn(move || send(proxy, flood));
            }
        });
    });
    let grown = proxy.peak_memory().saturating_sub(before);
    // Each that is under way may hold a window of its own, and its output.
    assert!(grown < 4 * MEMORY, "memory grew by {grown}");
    compare("a hundred floods", without, with);
}

#[test]
fn small_frames_that_nobody_takes_are_limited() {
    let hole = BlackHole::new();
    let origin = origin();
    let proxy = Evenkeel::start(
        &Setup::to([&origin])
            .top("workers = 1")
            .add_route("path = \"/hole\"\ncluster = \"hole\"")
            .sections(&format!(
                "[cluster.hole]\nendpoints = [\"{}\"]\nconnect_timeout = \"10s\"",
                hole.address()
            )),
    );
    fill(&proxy, &origin);
    let before = proxy.peak_memory();
    let mut raw = Raw::greeted(proxy.address());
    let mut sender = raw.sender();
    let tiny = Frame::data(1, 0, b"x").bytes().repeat(60_000);
    let end = thread::scope(|scope| {
        let bytes = [post(1, "/hole"), tiny].concat();
        scope.spawn(move || sender.send(&bytes));
        raw.end()
    });
    assert_eq!(end.goaway, Some(ENHANCE_YOUR_CALM), "{end:?}");
    proxy
        .log()
        .wait_for("tiny-data", |line| line.contains("tiny-data"));
    let grown = proxy.peak_memory().saturating_sub(before);
    assert!(grown < MEMORY, "memory grew by {grown}");
}

/// Calls whose messages of 25 bytes are frames of their own, as some clients of gRPC write them, fill their windows: before an
/// endpoint that takes none of it, and before one that there is no connection to.
#[test]
fn calls_whose_endpoint_pauses_are_never_ended() {
    let hole = BlackHole::new();
    let origin = Origin::script(|conn| {
        let mut raw = Raw::of_origin(conn, &[(4, 0)]);
        while raw.try_frame().is_ok() {}
    });
    let address = format!("h2c://{}", origin.address());
    let proxy = Evenkeel::start(
        &Setup::to_addresses([address])
            .top("workers = 1")
            .add_route("path = \"/hole\"\ncluster = \"hole\"")
            .sections(&format!(
                "[cluster.hole]\nendpoints = [\"h2c://{}\"]\nconnect_timeout = \"10s\"",
                hole.address()
            )),
    );
    for path in ["/", "/hole"] {
        let mut raw = Raw::greeted(proxy.address());
        for call in 0..4 {
            let message = Frame::data(stream(call), 0, [0; 30]).bytes();
            let messages = message.repeat(65_535 / 30);
            raw.send([post(stream(call), path), messages].concat());
        }
        assert_eq!(raw.outcome(1, false), Outcome::Goes, "{path}");
    }
}

#[test]
fn responses_that_nobody_reads_stop_their_endpoint_and_are_ended() {
    const STREAMS: u32 = 100;
    let body = "x".repeat(4 << 20);
    let origin = Origin::script(move |conn| {
        while let Some(request) = conn.request() {
            if !conn.reply(&request, &Reply::ok(&body)) {
                return;
            }
        }
    });
    let proxy = Evenkeel::start(
        &Setup::to([&origin])
            .top("workers = 1")
            .listener("write_timeout = \"2s\""),
    );
    proxy.client().get("/").status(200);
    let before = proxy.peak_memory();
    let mut raw = Raw::connect(proxy.address());
    // No window at all: not a byte of a body may be sent.
    raw.greet(&[(4, 0)]);
    raw.send(
        (0..STREAMS)
            .flat_map(|n| get(stream(n), "/"))
            .collect::<Vec<_>>(),
    );
    let mut open = STREAMS;
    loop {
        match raw.try_frame() {
            Ok(frame) if frame.kind == kind::RST_STREAM => open -= 1,
            Ok(frame) => assert!(frame.kind != kind::DATA || frame.payload.is_empty()),
            Err(_) => break,
        }
        if open == 0 {
            break;
        }
    }
    let grown = proxy.peak_memory().saturating_sub(before);
    // 64 KiB for each stream, and the large blocks that a worker lends.
    assert!(
        grown < (u64::from(STREAMS) << 16) + (64 << 17),
        "memory grew by {grown}"
    );
    eventually("a record of each", || {
        (proxy.log().records().len() > usize::try_from(STREAMS).unwrap()).then_some(())
    });
}

#[test]
fn answers_to_pings_that_nobody_reads_are_bounded() {
    let origin = origin();
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener("write_timeout = \"2s\""));
    proxy.client().get("/").status(200);
    let before = proxy.peak_memory();
    let raw = Raw::greeted(proxy.address());
    raw.small_receive_buffer();
    let mut sender = raw.sender();
    // DATA that evenkeel sends would pay for them; nothing pays for these, and nothing of the answers is read.
    while sender.send(Frame::ping([1; 8]).bytes()) {}
    let grown = proxy.peak_memory().saturating_sub(before);
    assert!(grown < MEMORY, "memory grew by {grown}");
}

#[test]
fn no_more_requests_reach_an_endpoint_than_a_connection_may_have() {
    let origin = origin();
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    let mut raw = Raw::greeted(proxy.address());
    for n in 0..150 {
        raw.try_send([get(stream(n), SLOW), Frame::reset(stream(n), 8).bytes()].concat());
    }
    raw.try_send(
        (150..250)
            .flat_map(|n| get(stream(n), SLOW))
            .collect::<Vec<_>>(),
    );
    // Those that were taken back are left, and of the others no more are begun than may be.
    origin.wait_open(100);
    drop(raw);
    origin.wait_open(0);
}

#[test]
fn honest_clients_are_never_ended() {
    let origin = Origin::http(|request| match request.target() {
        "/large" => Reply::ok("x".repeat(1 << 20)),
        _ => Reply::ok("hello"),
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut raw = Raw::greeted(proxy.address());
    let mut next = 0;
    let mut id = || {
        next += 1;
        stream(next)
    };
    // A thousand requests, of which every other one is taken back when it may have been answered already.
    for _ in 0..1_000 {
        let (kept, left) = (id(), id());
        raw.send(
            [
                get(kept, "/"),
                get(left, "/"),
                Frame::reset(left, 8).bytes(),
            ]
            .concat(),
        );
        raw.wait_for("an answer", |frame| {
            (frame.stream == kept && frame.has(END_STREAM) && frame.kind < 2).then_some(())
        });
    }
    // Downloads whose reader gives each frame back to both windows, and measures the path all the time.
    for _ in 0..20 {
        let large = id();
        raw.send(get(large, "/large"));
        loop {
            let frame = raw.frame();
            if frame.stream != large || frame.kind != kind::DATA {
                continue;
            }
            if frame.has(END_STREAM) {
                break;
            }
            let length = u32::try_from(frame.payload.len()).unwrap();
            if length > 0 {
                let windows = [Frame::window(0, length), Frame::window(large, length)];
                raw.send(windows.map(Vec::from).concat());
                raw.send(Frame::ping([7; 8]));
            }
        }
        // The last frame's bytes come back to the connection's window as well.
        raw.send(Frame::window(0, 16_384));
    }
}

#[test]
fn a_client_that_reads_by_four_kilobytes_is_never_ended() {
    /// As much of a stream as Go takes before its program has read any.
    const STREAM: u32 = 4 << 20;
    const PIECE: u32 = 4 << 10;
    let body = "x".repeat(3 * STREAM as usize);
    let origin = Origin::http(move |_| Reply::ok(&body));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for frame in [16 << 10, 1 << 20] {
        let mut raw = Raw::connect(proxy.address());
        raw.greet(&[(4, STREAM), (5, frame)]);
        raw.send([Frame::window(0, 1 << 30).bytes(), get(1, "/")].concat());
        let (mut unread, mut ends) = (0, false);
        while !ends {
            // All that may come is there before the first of it is read.
            while unread < STREAM && !ends {
                (unread, ends) = raw.wait_for("data", |frame| {
                    let length = u32::try_from(frame.payload.len()).unwrap();
                    (frame.kind == kind::DATA).then(|| (unread + length, frame.has(END_STREAM)))
                });
            }
            let mut sender = raw.sender();
            let windows = [Frame::window(0, PIECE), Frame::window(1, PIECE)];
            let windows = windows.map(Vec::from).concat();
            let read = unread / PIECE;
            unread %= PIECE;
            assert!(sender.send(windows.repeat(read as usize)));
        }
        assert_eq!(raw.outcome(1, false), Outcome::Goes, "{frame}");
    }
}
