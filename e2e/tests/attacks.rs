//! What attackers, and endpoints gone wrong, once got away with: each case is a bug that was found and has a name.

use std::fmt::Write;
use std::fs::OpenOptions;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::{
    Broken, Client, Conn, Evenkeel, Folder, Gate, Origin, Reply, Setup, eventually,
};

#[test]
fn a_malformed_chunk_is_not_read_a_second_time_as_another_size() {
    let origin = Origin::http(|request| Reply::ok(request.target()));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    // Read again from its first byte, "2" + "3" would have become 0x32 and the rest a body with a request behind it.
    let garbage = "x".repeat(0x32 - "AB\r\n3z".len());
    client.send(format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nAB\r\n3z{garbage}\r\n0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    ));
    client
        .response("POST")
        .status(400)
        .header("connection", "close")
        .fault("request-body-malformed");
    client.expect_closed();
    assert!(
        origin
            .requests()
            .iter()
            .all(|request| request.target() != "/smuggled")
    );
}

#[test]
fn a_wake_without_bytes_is_not_a_late_request() {
    let proxy = Evenkeel::start_text(
        "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\nrequest_header_timeout = \"600ms\"\n\
         keepalive_timeout = \"1500ms\"\n[[route]]\nrespond = { status = 200, body = \"hi\" }\n",
    );
    let mut client = proxy.client();
    // Head and body fill an input block to its last byte.
    let body = "b".repeat(16_000);
    let mut head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nX: ",
        body.len()
    );
    let filler = 16_384 - body.len() - head.len() - "\r\n\r\n".len();
    write!(head, "{}\r\n\r\n", "x".repeat(filler)).unwrap();
    client.send(head + &body);
    client.response("POST").status(200).body("hi");
    // Nothing but the end, when the idle time is over: no 408 that would be taken for the next request's answer.
    client.expect_closed();
}

#[test]
fn a_body_behind_a_response_to_head_is_not_the_next_response() {
    let origin = Origin::script(|conn| {
        while let Some(request) = conn.request() {
            let poison = "HTTP/1.1 200 OK\r\nX: poison\r\nContent-Length: 0\r\n\r\n";
            if request.method() == "HEAD" {
                conn.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                    poison.len()
                ));
                conn.send(poison);
            } else {
                conn.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
            }
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    let mut client = proxy.client();
    for _ in 0..100 {
        client.send("HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
        client.response("HEAD").status(200);
        client.response("GET").status(200).without("x").body("good");
    }
}

#[test]
fn an_early_response_leaves_the_connection_as_it_said() {
    let origin = Origin::script(|conn| {
        let head = conn.head();
        // It says that it closes: a POST on a connection that closes under it would be a 502.
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly");
        conn.body(&head, &mut |_| {});
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    let body = "b".repeat(100_000);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    client
        .response("POST")
        .status(200)
        .without("connection")
        .body("early");
    client.send(body);
    client.get("/next").status(200).body("early");
    // More than is read after a response is refused at once, in words.
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
    client
        .response("POST")
        .status(200)
        .header("connection", "close")
        .body("early");
}

#[test]
fn a_426_says_what_to_upgrade_to() {
    let origin = Origin::http(|_| {
        Reply::new(426, "")
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    proxy
        .client()
        .get("/")
        .status(426)
        .header("upgrade", "websocket")
        .header("connection", "upgrade");
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_process_alive() {
    let folder = Folder::new();
    let pipe = folder.join("access.pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    // A reader that never reads; both ways, so that neither end waits for the other to open.
    let _reader = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    let proxy = Evenkeel::start_text(&format!(
        "version = 1\n[access_log]\nto = {{ file = \"{}\" }}\n[listener.web]\nbind = \"127.0.0.1:0\"\n\
         [[route]]\nrespond = {{ status = 200 }}\n",
        pipe.display()
    ));
    let mut client = proxy.client();
    for _ in 0..300 {
        client.get(&format!("/{}", "x".repeat(1000))).status(200);
    }
    client.finish();
    drop(client);
    proxy.stop();
}

#[test]
fn what_a_stop_cuts_is_seen_as_cut_and_recorded() {
    let origin = Origin::script(|conn| {
        conn.head();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    client.head();
    assert_eq!(client.exactly(3), b"abc");
    proxy.signal(Signal::Terminate);
    proxy
        .log()
        .wait_for("the drain", |line| line.contains("draining"));
    proxy.signal(Signal::Terminate);
    // The body ends with the connection, so only a reset shows that it is not whole.
    assert!(
        matches!(client.try_exactly(1), Err(Broken::Reset)),
        "a stop must not look like an end"
    );
    assert_eq!(proxy.record()["fault"], "shutdown");
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn a_client_that_waits_for_leave_is_not_late_with_its_body() {
    let origin = Origin::http(|request| Reply::ok(request.text()));
    let setup = Setup::to([&origin]).listener("request_body_idle_timeout = \"800ms\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    // The endpoint says nothing, so the leave is evenkeel's own, after a second: longer than a body may pause.
    assert_eq!(client.head().status(), 100);
    client.send("body");
    client.response("POST").status(200).body("body");
}

/// Ejects at the first fault, for long.
const STRICT: &str =
    "outlier = { consecutive_faults = 1, base_ejection = \"1m\" }\nretry.attempts = 0";

#[test]
fn a_slow_upload_is_not_the_endpoint_s_fault() {
    let (one, two) = (Origin::http(Reply::echo), Origin::http(Reply::echo));
    let setup = Setup::to([&one, &two])
        .cluster(STRICT)
        .route("retry = { attempt_timeout = \"1s\" }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo");
    park_timeout(Duration::from_millis(1_400));
    client.send("dy");
    client.response("POST").status(200).body("body");
    assert!(!proxy.log().stderr().contains("ejected"));
}

#[test]
fn a_client_that_reads_no_interim_response_is_not_a_late_endpoint() {
    let large = format!(
        "HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n",
        "x".repeat(8_000)
    );
    let origin = Origin::script(move |conn: &mut Conn| {
        while conn.request().is_some() {
            for _ in 0..30 {
                conn.send(&large);
            }
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let other = Origin::saying("other");
    let setup = Setup::to([&origin, &other])
        .cluster(&format!("response_header_timeout = \"1s\"\n{STRICT}"))
        .listener("write_timeout = \"1500ms\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client().small_receive_buffer();
    for _ in 0..200 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let record = eventually("a fault", || {
        let records = proxy.log().records();
        records.into_iter().find(|one| !one["fault"].is_null())
    });
    assert_eq!(record["fault"], "client-stalled");
    assert!(!proxy.log().stderr().contains("ejected"));
}

#[test]
fn an_endpoint_that_answers_and_leaves_the_body_unread_is_well() {
    let streaming = || {
        Origin::script(|conn: &mut Conn| {
            conn.small_receive_buffer();
            conn.head();
            conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            eventually("the end of a stream", || {
                (!conn.send("1\r\nx\r\n")).then_some(())
            });
        })
    };
    let (one, two) = (streaming(), streaming());
    let setup = Setup::to([&one, &two])
        .cluster(STRICT)
        .listener("write_timeout = \"300ms\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    while client.try_send([b'x'; 65_536]) {}
    assert_eq!(proxy.record()["fault"], "endpoint-stalled");
    assert!(!proxy.log().stderr().contains("ejected"));
}

#[test]
fn a_body_that_cannot_be_sent_again_is_not_sent_on_a_connection_that_idled() {
    let origin = Origin::script(|conn: &mut Conn| {
        if let Some(request) = conn.request() {
            conn.reply(&request, &Reply::echo(&request));
        }
        // The endpoint lets go of the connection as the next request comes.
        conn.head();
        conn.reset();
    });
    let setup = Setup::to([&origin]).route("retry = { replay_buffer = \"1KiB\" }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let body = "y".repeat(2_000);
    for _ in 0..2 {
        client
            .ask("PUT", "/", "Content-Length: 2000\r\n", &body)
            .status(200)
            .body(&body);
        park_timeout(Duration::from_millis(1_200));
    }
}

/// Learns for as long as it takes until requests are hedged.
fn learn(client: &mut Client) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        client.get("/").status(200);
    }
}

#[test]
fn a_hedge_s_loser_leaves_its_place_when_it_has_lost() {
    let (slow, ending) = (Gate::new(), Gate::new());
    let one = Origin::script({
        let slow = slow.clone();
        move |conn: &mut Conn| {
            while let Some(request) = conn.request() {
                if request.target() == "/slow" {
                    slow.wait();
                }
                conn.reply(&request, &Reply::ok("one"));
            }
        }
    });
    let two = Origin::script({
        let ending = ending.clone();
        move |conn: &mut Conn| {
            while let Some(request) = conn.request() {
                if request.target() == "/slow" {
                    conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nt");
                    ending.wait();
                    conn.send("w");
                } else {
                    conn.reply(&request, &Reply::ok("two"));
                }
            }
        }
    });
    let setup = Setup::to([&one, &two])
        .route("retry = { hedge = { percentile = 90, min_delay = \"20ms\" } }")
        .cluster("limits = { endpoint_requests = 1, queue = { timeout = \"500ms\" } }");
    let proxy = Evenkeel::start(&setup);
    learn(&mut proxy.client());
    // By turns one endpoint or the other is first: a winner that is first has no loser beside it.
    let winner = eventually("a request that was hedged", || {
        let mut client = proxy.client();
        client.send_request("GET", "/slow", "", "");
        client.head();
        assert_eq!(client.exactly(1), b"t");
        let requests = one.requests();
        let is_hedged = requests.iter().any(|request| request.target() == "/slow");
        is_hedged.then_some(client)
    });
    proxy.client().get("/").status(200).body("one");
    slow.open();
    ending.open();
    drop(winner);
}

#[test]
fn a_stale_connection_of_a_hedge_is_no_fault_of_its_endpoint() {
    let stale = |conn: &mut Conn| {
        while let Some(request) = conn.request() {
            if request.target() == "/stale" {
                park_timeout(Duration::from_millis(100));
                return conn.reset();
            }
            conn.reply(&request, &Reply::ok("stale"));
        }
    };
    let late = |conn: &mut Conn| {
        while let Some(request) = conn.request() {
            if request.target() == "/stale" {
                park_timeout(Duration::from_millis(400));
            }
            conn.reply(&request, &Reply::ok("late"));
        }
    };
    let (one, two) = (Origin::script(stale), Origin::script(late));
    let setup = Setup::to([&one, &two])
        .route("retry = { attempts = 2, hedge = { percentile = 90, min_delay = \"20ms\" } }")
        .cluster(STRICT);
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    learn(&mut client);
    client.get("/stale").status(200).body("late");
    let tried = |one: &serde_json::Value| one["tried"][0]["why"] == "endpoint-reset";
    eventually("the record of a hedged request", || {
        proxy.log().records().iter().any(tried).then_some(())
    });
    assert!(!proxy.log().stderr().contains("ejected"));
}

#[test]
fn what_one_endpoint_asks_for_is_not_forgotten_over_another_s_fault() {
    let patient = Origin::http(|_| Reply::new(503, "later").header("Retry-After", "1"));
    let hasty = Origin::script(|conn: &mut Conn| drop(conn.request()));
    let setup = Setup::to([&patient, &hasty])
        .cluster("outlier = \"off\"")
        .route("retry = { statuses = [503], attempts = 2 }");
    let proxy = Evenkeel::start(&setup);
    let began = Instant::now();
    let mut client = proxy.client();
    client.get("/");
    client.get("/");
    assert!(patient.requests().len() >= 2);
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn an_endpoint_that_closes_on_what_is_too_large_for_it_is_well() {
    let refusing = || {
        Origin::script(|conn: &mut Conn| {
            conn.head();
            conn.exactly(5);
            conn.reset();
        })
    };
    let (one, two) = (refusing(), refusing());
    let proxy = Evenkeel::start(&Setup::to([&one, &two]).cluster(STRICT));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhello");
    client.response("POST").status(502).fault("endpoint-reset");
    assert!(!proxy.log().stderr().contains("ejected"));
}

#[test]
fn an_answer_that_is_thrown_away_counts_as_an_answer() {
    let (bad, good) = (
        Origin::http(|_| Reply::new(503, "busy")),
        Origin::saying("ok"),
    );
    let setup = Setup::to([&bad, &good])
        .cluster("outlier = { consecutive_faults = \"off\", fault_percent = 50, min_requests = 5, window = \"10s\" }\nretry.budget_burst = 1000000")
        .route("retry = { statuses = [503] }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    eventually("an ejection", || {
        client.get("/").status(200).body("ok");
        proxy.log().stderr().contains("ejected").then_some(())
    });
}

#[test]
fn an_endpoint_that_cuts_every_body_fails_every_time() {
    let cutting = Origin::script(|conn: &mut Conn| {
        if conn.request().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart");
        }
    });
    let good = Origin::saying("ok");
    let setup = Setup::to([&cutting, &good])
        .cluster("outlier = { consecutive_faults = \"off\", fault_percent = 90, min_requests = 5, window = \"10s\" }");
    let proxy = Evenkeel::start(&setup);
    eventually("an ejection", || {
        let mut client = proxy.client();
        client.send_request("GET", "/", "", "");
        client.head();
        proxy.log().stderr().contains("ejected").then_some(())
    });
}

#[test]
fn a_hedge_that_finds_no_place_costs_nothing() {
    let (busy, ends) = (Gate::new(), Gate::new());
    let origin = || {
        let (busy, ends) = (busy.clone(), ends.clone());
        let failures = AtomicUsize::new(0);
        Origin::script(move |conn: &mut Conn| {
            while let Some(request) = conn.request() {
                match request.target() {
                    "/hold" => {
                        busy.open();
                        ends.wait();
                    }
                    "/slow" => park_timeout(Duration::from_millis(600)),
                    // Once at either: the first is a stale connection, and free.
                    "/fail" if failures.fetch_add(1, Ordering::Relaxed) == 0 => {
                        return conn.reset();
                    }
                    _ => {}
                }
                conn.reply(&request, &Reply::ok("ok"));
            }
        })
    };
    let (one, two) = (origin(), origin());
    let setup = Setup::to([&one, &two])
        .route("retry = { hedge = { percentile = 90, min_delay = \"300ms\" } }")
        .cluster("outlier = \"off\"\nlimits = { endpoint_requests = 1 }\nretry = { budget_ratio = 0, budget_burst = 2 }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    learn(&mut client);
    let mut holding = proxy.client();
    // A hedge of this one may cost the first token.
    holding.send_request("POST", "/hold", "", "");
    busy.wait();
    for _ in 0..4 {
        client.get("/slow").status(200);
    }
    ends.open();
    holding.response("POST").status(200);
    client.get("/fail").status(200);
}

#[test]
fn after_a_stale_connection_no_other_endpoint_is_waited_for() {
    let (busy, ends) = (Gate::new(), Gate::new());
    let origin = || {
        let (busy, ends) = (busy.clone(), ends.clone());
        let failures = AtomicUsize::new(0);
        Origin::script(move |conn: &mut Conn| {
            while let Some(request) = conn.request() {
                match request.target() {
                    "/hold" => {
                        busy.open();
                        ends.wait();
                    }
                    "/fail" if failures.fetch_add(1, Ordering::Relaxed) == 0 => {
                        return conn.reset();
                    }
                    _ => {}
                }
                conn.reply(&request, &Reply::ok("ok"));
            }
        })
    };
    let (one, two) = (origin(), origin());
    let limits = "limits = { endpoint_requests = 1, queue = { timeout = \"1s\" } }";
    let proxy = Evenkeel::start(&Setup::to([&one, &two]).cluster(limits));
    let mut client = proxy.client();
    for _ in 0..4 {
        client.get("/").status(200);
    }
    let mut holding = proxy.client();
    holding.send_request("GET", "/hold", "", "");
    busy.wait();
    client.get("/fail").status(200);
    ends.open();
    holding.response("GET").status(200);
}
