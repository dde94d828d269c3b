//! Ejection: traffic itself shows that an endpoint is not well, and how it comes back: by a trial, then bit by bit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_testkit::faults::DeadAddress;
use evenkeel_testkit::origin::answering;
use evenkeel_testkit::{Client, Conn, Evenkeel, Gate, Origin, Reply, Request, Setup, eventually};

/// An origin that always says that it is not there. What it says, no connection refutes.
fn unavailable() -> Origin {
    Origin::http(|_| Reply::new(503, "not now"))
}

/// An origin that says so to the first five requests, and its name to the others.
fn unavailable_at_first(name: &'static str) -> Origin {
    let seen = Arc::new(AtomicUsize::new(0));
    Origin::http(move |_| match seen.fetch_add(1, Ordering::Relaxed) {
        0..5 => Reply::new(503, "not yet"),
        _ => Reply::ok(name),
    })
}

/// Asks until evenkeel has said this.
#[track_caller]
fn ask_until(proxy: &Evenkeel, said: &str) -> String {
    eventually(&format!("{said:?} in the log"), || {
        let mut client = proxy.client();
        client.send_request("GET", "/", "", "");
        // Of an endpoint that answers by halves.
        drop(client.try_response("GET"));
        let mut lines = proxy.log().lines().into_iter();
        lines.find(|line| line.contains(said))
    })
}

/// Waits until evenkeel has said this.
#[track_caller]
fn wait_until(proxy: &Evenkeel, said: &str) -> String {
    proxy.log().wait_for(said, |line| line.contains(said))
}

/// How many ejections the log tells of.
fn ejections(proxy: &Evenkeel) -> usize {
    let lines = proxy.log().lines();
    let ejected = |line: &&String| line.contains("endpoint ejected");
    lines.iter().filter(ejected).count()
}

/// The first of two endpoints in rotation has five requests, which it fails; nobody asks until it is on trial.
#[track_caller]
fn put_on_trial(proxy: &Evenkeel) {
    let mut client = proxy.client();
    for _ in 0..10 {
        client.get("/");
    }
    wait_until(proxy, "endpoint on trial: its ejection is over");
}

/// Who answers so many requests.
fn answers(client: &mut Client, number: usize) -> Vec<String> {
    (0..number)
        .map(|_| client.get("/").status(200).text())
        .collect()
}

fn count(answers: &[String], name: &str) -> usize {
    answers.iter().filter(|answer| *answer == name).count()
}

#[test]
fn five_gateway_faults_in_a_row_eject() {
    let (bad, good) = (unavailable(), Origin::saying("good"));
    let setup = Setup::to([&bad, &good]).cluster("outlier = { base_ejection = \"1m\" }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let seen: Vec<u16> = (0..10).map(|_| client.get("/").head.status()).collect();
    assert_eq!(seen, [[503, 200]; 5].concat());
    assert_eq!(answers(&mut client, 20), ["good"; 20]);
    assert_eq!(bad.requests().len(), 5);
    let said = "endpoint ejected for at most 1m: status, 5 in a row (ejection 1)";
    let line = wait_until(&proxy, said);
    for part in ["WARN", "cluster=\"app\"", &bad.address()] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

/// An origin that answers every request with these bytes, and closes.
fn closing(bytes: &'static str) -> Origin {
    Origin::script(move |conn: &mut Conn| {
        conn.request();
        conn.send(bytes);
    })
}

/// An origin that takes requests and says nothing.
fn frozen() -> Origin {
    Origin::script(|conn: &mut Conn| {
        conn.request();
        conn.until_closed();
    })
}

#[track_caller]
fn expect_ejected(address: &str, cause: &str) {
    let good = Origin::saying("good");
    let setup = Setup::to_addresses([address, &good.address()])
        .cluster("response_header_timeout = \"300ms\"");
    let proxy = Evenkeel::start(&setup);
    let line = ask_until(&proxy, "endpoint ejected");
    let said = format!(": {cause}, 5 in a row");
    assert!(line.contains(&said) && line.contains(address), "{line}");
}

#[test]
fn every_kind_of_gateway_fault_counts() {
    expect_ejected(&DeadAddress::new().address(), "connect");
    expect_ejected(&frozen().address(), "timeout");
    for (answer, cause) in [
        ("", "reset"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "malformed"),
        (
            "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n",
            "status",
        ),
        (
            "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n",
            "status",
        ),
    ] {
        expect_ejected(&closing(answer).address(), cause);
    }
}

#[test]
fn responses_that_end_in_their_middle_count() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello",
    ] {
        expect_ejected(&closing(answer).address(), "reset");
    }
}

#[test]
fn a_success_between_faults_begins_the_count_anew() {
    let seen = Arc::new(AtomicUsize::new(0));
    let moody = Origin::http(move |_| match seen.fetch_add(1, Ordering::Relaxed) % 5 {
        4 => Reply::ok("moody"),
        _ => Reply::new(503, "four of five"),
    });
    let good = Origin::saying("good");
    let proxy = Evenkeel::start(&Setup::to([&moody, &good]));
    let mut client = proxy.client();
    for _ in 0..40 {
        client.get("/");
    }
    assert_eq!(moody.requests().len(), 20);
    assert_eq!(ejections(&proxy), 0);
}

#[test]
fn statuses_that_say_nothing_of_the_gateway_eject_nobody() {
    let bad = Origin::http(|request: &Request| {
        let status = request.target().trim_start_matches('/').parse();
        Reply::new(status.expect("a status"), "no")
    });
    let good = Origin::saying("good");
    let proxy = Evenkeel::start(&Setup::to([&bad, &good]));
    let mut client = proxy.client();
    for status in ["/500", "/501", "/404", "/429"] {
        for _ in 0..20 {
            client.get(status);
        }
    }
    assert_eq!(bad.requests().len(), 40);
    assert_eq!(ejections(&proxy), 0);
}

#[test]
fn ejection_can_be_off() {
    let (bad, good) = (unavailable(), Origin::saying("good"));
    let setup = Setup::to([&bad, &good]).cluster("outlier = \"off\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let seen: Vec<u16> = (0..40).map(|_| client.get("/").head.status()).collect();
    assert_eq!(seen, [[503, 200]; 20].concat());
    assert_eq!(ejections(&proxy), 0);
}

#[test]
fn the_last_endpoint_is_never_ejected() {
    let (a, b) = (unavailable(), unavailable());
    let setup = Setup::to([&a, &b]).cluster("outlier = { base_ejection = \"1m\" }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for _ in 0..50 {
        client.get("/").status(503).without("proxy-status");
    }
    assert_eq!([a.requests().len(), b.requests().len()], [5, 45]);
    wait_until(&proxy, "endpoint ejected");
    assert_eq!(ejections(&proxy), 1);
}

#[test]
fn no_more_of_a_cluster_is_ejected_than_the_cap_allows() {
    for (percent, expected) in [(50, 2), (25, 1), (51, 3), (100, 3)] {
        let bad: Vec<Origin> = (0..4).map(|_| unavailable()).collect();
        let rules = format!("outlier = {{ base_ejection = \"1m\", max_ejected = {percent} }}");
        let proxy = Evenkeel::start(&Setup::to(&bad).cluster(&rules));
        let mut client = proxy.client();
        for _ in 0..60 {
            client.get("/").status(503).without("proxy-status");
        }
        eventually(&format!("{expected} ejections"), || {
            (ejections(&proxy) == expected).then_some(())
        });
    }
}

#[test]
fn who_is_drained_or_in_maintenance_does_not_stand_in_for_the_ejected() {
    for admin in ["drain", "maint"] {
        let (bad, spare) = (unavailable(), Origin::saying("spare"));
        let (at, spare_at) = (bad.address(), spare.address());
        let endpoints =
            format!("endpoints = [{at:?}, {{ address = {spare_at:?}, admin = {admin:?} }}]");
        let proxy = Evenkeel::start(&Setup::to_addresses([""; 0]).cluster(&endpoints));
        let mut client = proxy.client();
        for _ in 0..20 {
            client.get("/").status(503).without("proxy-status");
        }
        assert_eq!((bad.requests().len(), spare.requests().len()), (20, 0));
        assert_eq!(ejections(&proxy), 0);
    }
}

#[test]
fn what_an_endpoint_said_ejects_it_for_the_whole_time_and_then_for_twice_as_long() {
    let (bad, good) = (unavailable(), Origin::saying("good"));
    let setup = Setup::to([&bad, &good]).cluster("outlier = { base_ejection = \"1500ms\" }");
    let proxy = Evenkeel::start(&setup);
    let began = Instant::now();
    ask_until(&proxy, "endpoint ejected for at most 1500ms: status, 5");
    ask_until(&proxy, "endpoint on trial: its ejection is over");
    let lasted = began.elapsed();
    // A connection is tried every second, and succeeds; it shows nothing.
    assert!(lasted >= Duration::from_millis(1_500), "{lasted:?}");
    ask_until(
        &proxy,
        "endpoint ejected again for at most 3s: status, 1 in a row (ejection 2)",
    );
    assert_eq!(bad.requests().len(), 6);
}

#[test]
fn a_dead_endpoint_that_is_back_is_on_trial_long_before_its_ejection_is_over() {
    let (a, b) = (Origin::saying("a"), Origin::saying("b"));
    let setup = Setup::to([&a, &b]).cluster("outlier = { base_ejection = \"1m\" }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    assert_eq!(answers(&mut client, 4), ["a", "b", "a", "b"]);
    let dead = a.stop();
    // Nobody notices: what is refused is asked of the other.
    assert_eq!(answers(&mut client, 20), ["b"; 20]);
    wait_until(
        &proxy,
        "endpoint ejected for at most 1m: connect, 5 in a row",
    );
    let a = Origin::revive(dead, answering(|_: &Request| Reply::ok("a")));
    // How long it takes (a second, for that is how often it is tried) is measured by the bad day `coming-back`.
    eventually("an answer of the endpoint that is back", || {
        (client.get("/").status(200).text() == "a").then_some(())
    });
    wait_until(&proxy, "endpoint on trial: connected");
    ask_until(&proxy, "endpoint readmitted after 5 good requests");
    assert!(a.requests().len() >= 5);
}

#[test]
fn on_trial_it_gets_a_trickle() {
    let gate = Gate::new();
    let seen = Arc::new(AtomicUsize::new(0));
    let a = Origin::http({
        let gate = gate.clone();
        move |_| {
            if seen.fetch_add(1, Ordering::Relaxed) < 5 {
                return Reply::new(503, "not yet");
            }
            gate.wait();
            Reply::ok("a")
        }
    });
    let b = Origin::saying("b");
    let setup = Setup::to([&a, &b]).cluster("outlier = { base_ejection = \"100ms\" }");
    let proxy = Evenkeel::start(&setup);
    put_on_trial(&proxy);
    // What goes to it hangs, so that the trial does not end.
    let before = a.requests().len() + b.requests().len();
    let mut clients: Vec<Client> = (0..200).map(|_| proxy.client()).collect();
    for (sent, client) in clients.iter_mut().enumerate() {
        client.send_request("GET", "/", "", "");
        eventually("the request at an endpoint", || {
            (a.requests().len() + b.requests().len() > before + sent).then_some(())
        });
    }
    let tried = a.requests().len() - 5;
    // One in twenty; a share would be 100, and more than 40 come once in 10^14 runs.
    assert!(tried <= 40, "{tried}");
    gate.open();
    for client in &mut clients {
        client.response("GET").status(200);
    }
}

#[test]
fn nobody_tries_an_endpoint_out_with_a_post_while_another_is_left() {
    let (a, b) = (unavailable_at_first("a"), Origin::saying("b"));
    let setup = Setup::to([&a, &b]).cluster("outlier = { base_ejection = \"100ms\" }");
    let proxy = Evenkeel::start(&setup);
    put_on_trial(&proxy);
    let mut client = proxy.client();
    for _ in 0..200 {
        client.post("/", "order").status(200).body("b");
    }
    let _dead = b.stop();
    client.post("/", "order").status(200).body("a");
}

/// A cluster of `a`, just readmitted, and `b`.
fn readmitted(slow_start: &str) -> (Evenkeel, [Origin; 2]) {
    let origins = [unavailable_at_first("a"), Origin::saying("b")];
    let setup = Setup::to(&origins)
        .cluster("outlier = { base_ejection = \"100ms\" }")
        .cluster(&format!("slow_start = {slow_start:?}"));
    let proxy = Evenkeel::start(&setup);
    put_on_trial(&proxy);
    ask_until(&proxy, "endpoint readmitted after 5 good requests");
    (proxy, origins)
}

#[test]
fn readmitted_it_begins_with_a_tenth() {
    let (proxy, _origins) = readmitted("1h");
    let answers = answers(&mut proxy.client(), 400);
    // 40 are expected. Fewer than 8, or more than 100, come once in 10^9 runs; without a ramp these are 200.
    let share = count(&answers, "a");
    assert!((8..=100).contains(&share), "{share}");
}

#[test]
fn its_share_rises_to_what_it_was() {
    let (proxy, _origins) = readmitted("2s");
    let mut client = proxy.client();
    eventually("strict rotation", || {
        let answers = answers(&mut client, 60);
        (count(&answers, "a") == 30 && answers[0] != answers[1]).then_some(())
    });
}

#[test]
fn without_slow_start_it_has_its_share_at_once() {
    let (proxy, _origins) = readmitted("off");
    let answers = answers(&mut proxy.client(), 40);
    assert_eq!(count(&answers, "a"), 20);
}

#[test]
fn a_part_of_faults_ejects_where_the_cluster_says_so() {
    let seen = Arc::new(AtomicUsize::new(0));
    let moody = Origin::http(move |_| match seen.fetch_add(1, Ordering::Relaxed) % 2 {
        0 => Reply::ok("moody"),
        _ => Reply::new(503, "every second"),
    });
    let good = Origin::saying("good");
    let setup = Setup::to([&moody, &good])
        .cluster("outlier = { fault_percent = 40, min_requests = 20, base_ejection = \"1m\" }");
    let proxy = Evenkeel::start(&setup);
    let line = ask_until(&proxy, "endpoint ejected for at most 1m: fault-percent");
    assert!(line.contains(&moody.address()), "{line}");
    assert!(line.contains("measured="), "{line}");
    assert_eq!(answers(&mut proxy.client(), 10), ["good"; 10]);
}

#[test]
fn an_endpoint_slower_than_the_others_is_ejected_where_the_cluster_says_so() {
    let slow = Origin::http(|_| {
        thread::park_timeout(Duration::from_millis(30));
        Reply::ok("slow")
    });
    let fast = ["b", "c"].map(Origin::saying);
    let setup = Setup::to([&slow, &fast[0], &fast[1]])
        .cluster("outlier = { latency_factor = 3.0, min_requests = 20, base_ejection = \"1m\" }");
    let proxy = Evenkeel::start(&setup);
    let line = ask_until(&proxy, "endpoint ejected for at most 1m: latency");
    assert!(line.contains(&slow.address()), "{line}");
    let answers = answers(&mut proxy.client(), 10);
    assert_eq!(count(&answers, "slow"), 0);
}

#[test]
fn an_endpoint_that_never_answers_does_not_hide_behind_hedges() {
    let gate = Gate::new();
    let hung = Origin::http({
        let (gate, seen) = (gate.clone(), AtomicUsize::new(0));
        // As many as it takes until evenkeel knows what is usual.
        move |_| {
            if seen.fetch_add(1, Ordering::Relaxed) >= 100 {
                gate.wait();
            }
            Reply::ok("a")
        }
    });
    let b = Origin::saying("b");
    let setup = Setup::to([&hung, &b])
        .cluster("retry = { budget_burst = 10000 }")
        .route("retry = { attempt_timeout = \"300ms\", hedge = { percentile = 90, min_delay = \"5ms\" } }");
    let proxy = Evenkeel::start(&setup);
    ask_until(&proxy, "endpoint ejected for at most 10s: timeout");
    gate.open();
}
