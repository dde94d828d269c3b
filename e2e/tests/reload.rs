//! SIGHUP: another configuration takes the place of the one that runs, and nobody notices who has no part in it.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::{Client, Evenkeel, Gate, Origin, Reply, Setup, eventually};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::upgrade::{ASK, SWITCH};

/// So many routes are large.
const ROUTES: usize = 100_000;

/// A build without optimisations takes some seconds for them.
const LARGE_PATIENCE: Duration = Duration::from_mins(1);

/// One listener, one route that answers this.
fn saying(word: &str) -> String {
    format!(
        "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"{word}\"\n"
    )
}

#[test]
fn a_kept_connection_is_answered_by_the_new_configuration() {
    let mut proxy = Evenkeel::start_text(&saying("one"));
    let mut client = proxy.client();
    client.get("/").status(200).body("one");
    proxy.reload(&saying("two"));
    client
        .get("/")
        .status(200)
        .without("connection")
        .body("two");
}

#[test]
fn what_is_under_way_ends_as_it_began() {
    let (gate, new) = (Gate::new(), Origin::saying("new"));
    let origin = Origin::http({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            Reply::ok("old")
        }
    });
    let mut proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut early = proxy.client();
    early.send_request("GET", "/", "", "");
    origin.wait_requests(1);
    proxy.reload(&Setup::to([&new]).text());
    proxy.client().get("/").body("new");
    gate.open();
    early
        .response("GET")
        .status(200)
        .without("connection")
        .body("old");
    early.get("/").body("new");
}

#[test]
fn a_configuration_with_a_mistake_changes_nothing_and_says_why() {
    let proxy = Evenkeel::start_text(&saying("good"));
    let mut client = proxy.client();
    client.get("/").body("good");
    for wrong in ["version = 1\nlistner = 2\n", "this is no TOML", ""] {
        proxy.reload_in_vain(wrong);
        client.get("/").status(200).body("good");
    }
    proxy
        .log()
        .wait_for("the place", |line| line.contains("evenkeel.toml:2:1"));
}

#[test]
fn listeners_come_and_go_and_those_that_stay_are_not_touched() {
    let listeners = |names: &[&str]| {
        let mut text = String::from("version = 1\n[[route]]\nrespond.body = \"here\"\n");
        for name in names {
            text.push_str(&format!("[listener.{name}]\nbind = \"127.0.0.1:0\"\n"));
        }
        text
    };
    let mut proxy = Evenkeel::start_text(&listeners(&["a", "b"]));
    let (mut a, mut b) = (proxy.client_of("a"), proxy.client_of("b"));
    a.get("/").body("here");
    b.get("/").body("here");
    proxy.reload(&listeners(&["c", "b"]));
    proxy.client_of("c").get("/").body("here");
    b.get("/").without("connection").body("here");
    // Its next request is the last.
    a.get("/")
        .status(200)
        .header("connection", "close")
        .body("here");
    a.expect_closed();
    let gone = proxy.listener("a");
    eventually("its port to be closed", || {
        TcpStream::connect(gone).is_err().then_some(())
    });
    proxy.reload(&listeners(&["b"]));
    b.get("/").body("here");
}

#[test]
fn a_listener_that_comes_back_is_told_with_the_port_that_it_has_now() {
    let with = |name: &str| saying("here").replace("web", name);
    let mut proxy = Evenkeel::start_text(&with("a"));
    let before = proxy.listener("a");
    // Whoever has the port meanwhile, it is another one afterwards.
    proxy.reload(&with("b"));
    let _taken = std::net::TcpListener::bind(before);
    proxy.reload(&with("a"));
    let now = proxy.listener("a");
    assert_ne!(now, before);
    proxy.client_of("a").get("/").body("here");
    assert_eq!(proxy.status()["listeners"][0]["address"], now.to_string());
}

#[test]
fn an_address_that_is_taken_changes_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let proxy = Evenkeel::start_text(&saying("good"));
    let other = format!("{}[listener.more]\nbind = \"{address}\"\n", saying("bad"));
    let line = proxy.reload_in_vain(&other);
    assert!(line.contains("is taken by another process"), "{line}");
    proxy.client().get("/").body("good");
}

#[test]
fn what_was_learnt_of_endpoints_is_kept() {
    let well = Origin::saying("well");
    let sick = Origin::http(|_| Reply::new(503, "not now"));
    let setup = Setup::to([&well, &sick]).cluster("retry.attempts = 1");
    let mut proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let endpoint =
        |proxy: &Evenkeel, at: usize| proxy.status()["clusters"][0]["endpoints"][at].clone();
    for _ in 0..10 {
        client.get("/");
    }
    assert_eq!(endpoint(&proxy, 1)["phase"], "ejected");
    let connections = well.connections();
    for n in 0..5 {
        proxy.reload(
            &setup
                .clone()
                .cluster(&format!("idle_timeout = \"{}s\"", 50 + n))
                .text(),
        );
        client.get("/").status(200).body("well");
    }
    let (one, two) = (endpoint(&proxy, 0), endpoint(&proxy, 1));
    assert_eq!(two["phase"], "ejected", "{two}");
    assert_eq!(two["faults"], 5);
    assert_eq!(one["requests"], 10);
    assert_eq!(well.connections(), connections, "its pool was kept");
}

#[test]
fn health_is_kept_and_nobody_waits_for_probes_again() {
    let probe = "probe.http.path = \"/healthz\"\nprobe.interval = \"1h\"";
    let origin = Origin::http(|request| match request.target() {
        "/healthz" => Reply::ok("well"),
        _ => Reply::ok("here"),
    });
    let mut proxy = Evenkeel::start(&Setup::to([&origin]).cluster(probe));
    proxy.client().get("/").status(200).body("here");
    for n in 0..3 {
        let lines = format!("{probe}\nidle_timeout = \"{}s\"", 50 + n);
        proxy.reload(&Setup::to([&origin]).cluster(&lines).text());
        let status = proxy.status();
        assert_eq!(status["clusters"][0]["endpoints"][0]["health"], "up");
    }
    let probes = origin
        .requests()
        .iter()
        .filter(|request| request.target() == "/healthz")
        .count();
    assert_eq!(probes, 1);
}

#[test]
fn a_websocket_lives_over_twenty_reloads_under_load() {
    let chat = Origin::script(|conn| {
        drop(conn.head());
        conn.send(SWITCH);
        loop {
            let word = conn.exactly(4);
            conn.send(&word);
            if word == b"last" {
                break;
            }
        }
    });
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let setup = |origin: &Origin| {
        Setup::to([origin])
            .add_route("path = \"/chat\"\ncluster = \"chat\"")
            .sections(&format!(
                "[cluster.chat]\nendpoints = [\"{}\"]",
                chat.address()
            ))
            .text()
    };
    let mut proxy = Evenkeel::start_text(&setup(&one));
    let mut socket = proxy.client();
    socket.send(ASK);
    assert_eq!(socket.head().status(), 101);
    let on = AtomicBool::new(true);
    let clients: Vec<_> = (0..4).map(|_| proxy.client()).collect();
    let asked = AtomicUsize::new(0);
    thread::scope(|scope| {
        for mut client in clients {
            let (on, asked) = (&on, &asked);
            scope.spawn(move || {
                while on.load(Ordering::Relaxed) {
                    client.get("/").status(200).without("connection");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for n in 0..20 {
            proxy.reload(&setup(if n % 2 == 0 { &two } else { &one }));
            let before = asked.load(Ordering::Relaxed);
            socket.send("word");
            assert_eq!(socket.exactly(4), b"word");
            eventually("answers after the reload", || {
                (asked.load(Ordering::Relaxed) > before + 8).then_some(())
            });
        }
        on.store(false, Ordering::Relaxed);
    });
    socket.send("last");
    assert_eq!(socket.exactly(4), b"last");
    assert_eq!(proxy.status()["generation"], 21);
}

#[test]
fn a_large_configuration_does_not_hold_up_traffic() {
    let large = |word: &str| {
        let mut text = saying(word);
        for n in 0..ROUTES {
            write!(
                text,
                "[[route]]\npath = \"/r/{n}/x\"\nrespond.body = \"{n}\"\n"
            )
            .unwrap();
        }
        text
    };
    let proxy = Evenkeel::start_text(&saying("small"));
    let mut client = proxy.client();
    for word in ["large", "another"] {
        proxy.write_config(&large(word));
        let (began, mut longest) = (Instant::now(), Duration::ZERO);
        proxy.signal(Signal::Hangup);
        loop {
            let asked = Instant::now();
            let said = client.get("/").status(200).text();
            longest = longest.max(asked.elapsed());
            if said == word {
                break;
            }
            assert!(began.elapsed() < LARGE_PATIENCE, "it is not served");
        }
        let took = began.elapsed();
        // Who waits for all of it waits for most of it.
        assert!(
            longest * 2 < took,
            "a request took {longest:?} of the reload's {took:?}"
        );
        client.get("/r/4711/x").body("4711");
    }
}

/// The lowest number of descriptors at which so many are free.
fn limit_that_leaves(pid: i32, free: usize) -> u64 {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let open = open.filter_map(|one| one.unwrap().file_name().to_str()?.parse().ok());
    let open: HashSet<u64> = open.collect();
    let mut unused = (0..).filter(|number| !open.contains(number));
    unused.nth(free).unwrap()
}

#[test]
fn a_reload_at_the_limit_of_descriptors_is_whole_or_nothing() {
    let text = saying("here").replacen('\n', "\nworkers = 4\n", 1);
    let proxy = Evenkeel::start_text(&text);
    let pid = i32::try_from(proxy.status()["pid"].as_i64().unwrap()).unwrap();
    let limit = |most: u64| {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(20_000),
        };
        prlimit(Pid::from_raw(pid), Resource::Nofile, limit).unwrap();
    };
    // Whether that is served once it was read.
    let is_served = |text: &str| {
        let of = |what: &str| {
            let lines = proxy.log().lines();
            lines.iter().filter(|line| line.contains(what)).count()
        };
        let outcomes = || [of("a new configuration is served"), of("stays as it was")];
        let before = outcomes();
        proxy.write_config(text);
        proxy.signal(Signal::Hangup);
        eventually("what comes of it", || {
            let now = outcomes();
            (now != before).then_some(now[0] > before[0])
        })
    };
    let mut seen = HashSet::new();
    // A socket for each worker and what it accepts by are eight, and reading the file takes one at a time.
    for free in 1..12 {
        limit(limit_that_leaves(pid, free));
        let served = is_served(&format!(
            "{text}[listener.more-{free}]\nbind = \"127.0.0.1:0\"\n"
        ));
        limit(20_000);
        seen.insert(served);
        let listeners = proxy.status()["listeners"].clone();
        assert_eq!(listeners.as_array().unwrap().len(), 1 + usize::from(served));
        if served {
            let address = listeners[1]["address"].as_str().unwrap().parse().unwrap();
            let is_short = || {
                let told = proxy.control().get("/metrics").text();
                !told.contains("\nevenkeel_overload_level 0\n")
            };
            eventually("the shortage to be over", || (!is_short()).then_some(()));
            for _ in 0..24 {
                Client::connect(address).get("/").body("here");
            }
            assert!(is_served(&text));
        }
    }
    assert_eq!(seen.len(), 2, "some had enough, and some had not");
}
