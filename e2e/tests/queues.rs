//! The queue of a cluster: who waits, for how long, and who goes first.
//!
//! What waits in evenkeel cannot be seen from outside. So where an order matters there is one worker, and a test asks for
//! [`Full::settle`]: a request that is answered at once, after all that came before it has found its place.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::{Client, Conn, Evenkeel, Gate, Origin, Reply, Setup, eventually};

use crate::places::{Busy, PATIENT};

/// One endpoint with its one request in flight, `/first`, and a client that waits for it.
struct Full {
    proxy: Evenkeel,
    busy: Busy,
    gate: Gate,
    first: Client,
}

impl Full {
    /// With these rules for the queue, and routes `/low` and `/high` of those priorities, `/brief` of a total timeout.
    fn with(queue: &str) -> Self {
        let gate = Gate::new();
        let busy = Busy::new(&gate);
        let setup = Setup::to([&busy.origin])
            .top("workers = 1")
            .cluster(&format!("limits = {{ endpoint_requests = 1, {queue} }}"))
            .add_route("path = \"/low\"\npriority = \"low\"\ncluster = \"app\"")
            .add_route("path = \"/high\"\npriority = \"high\"\ncluster = \"app\"")
            .add_route("path = \"/brief\"\ntotal_timeout = \"200ms\"\ncluster = \"app\"")
            .add_route("path = \"/at-once\"\nrespond.body = \"\"");
        let proxy = Evenkeel::start(&setup);
        let mut first = proxy.client();
        first.send_request("GET", "/first", "", "");
        busy.origin.wait_requests(1);
        Self {
            proxy,
            busy,
            gate,
            first,
        }
    }

    /// All that was sent has found its place.
    fn settle(&self) {
        self.proxy.client().get("/at-once").status(200);
    }

    /// A client that waits for this.
    fn waits(&self, target: &str) -> Client {
        let mut client = self.proxy.client();
        client.send_request("GET", target, "", "");
        self.settle();
        client
    }

    /// Opens the gate. The first request is answered, and after it all others that wait.
    fn open(&mut self) {
        self.gate.open();
        self.first.response("GET").status(200).body("/first");
    }

    /// What the endpoint has seen.
    fn targets(&self) -> Vec<String> {
        let requests = self.busy.origin.requests();
        requests
            .iter()
            .map(|request| request.target().to_owned())
            .collect()
    }

    /// The record of the request for `target`.
    fn record(&self, target: &str) -> serde_json::Value {
        eventually(&format!("the record of {target}"), || {
            let mut records = self.proxy.log().records().into_iter();
            records.find(|record| record["target"] == target)
        })
    }
}

/// How long it waited in the queue, in milliseconds.
fn queued(record: &serde_json::Value) -> f64 {
    record["queued_ms"].as_f64().unwrap_or_default()
}

#[test]
fn who_waits_is_served_in_order_and_the_record_says_how_long_it_waited() {
    let mut full = Full::with(PATIENT);
    let mut clients = ["/1", "/2", "/3"].map(|target| full.waits(target));
    full.open();
    for client in &mut clients {
        client.response("GET").status(200);
    }
    in_order(&["/first", "/1", "/2", "/3"], &full.targets());
    assert_eq!(full.busy.most(), 1);
    assert_eq!(full.record("/first").get("queued_ms"), None);
    let waits = ["/1", "/2", "/3"].map(|target| queued(&full.record(target)));
    assert!(waits.iter().all(|&wait| wait > 0.0), "{waits:?}");
}

#[test]
fn the_higher_priority_goes_first() {
    let mut full = Full::with(PATIENT);
    let order = [
        "/low/1",
        "/normal/1",
        "/high/1",
        "/low/2",
        "/normal/2",
        "/high/2",
    ];
    let mut clients = order.map(|target| full.waits(target));
    full.open();
    for client in &mut clients {
        client.response("GET").status(200);
    }
    let expected = [
        "/first",
        "/high/1",
        "/high/2",
        "/normal/1",
        "/normal/2",
        "/low/1",
        "/low/2",
    ];
    in_order(&expected, &full.targets());
}

/// Who is called in by the clock of the control plane may be overtaken, while its wake is on its way, by the one behind it: by one
/// place, and by no more.
#[track_caller]
fn in_order(expected: &[&str], seen: &[String]) {
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for (at, target) in expected.iter().enumerate() {
        let place = seen.iter().position(|one| one == target);
        let moved = place.map(|place| place.abs_diff(at));
        assert!(
            moved.is_some_and(|moved| moved <= 1),
            "{target} of {seen:?}"
        );
    }
}

#[test]
fn without_a_queue_one_more_is_answered_503_at_once() {
    let mut full = Full::with("queue = { size = 0, timeout = \"1m\" }");
    full.proxy
        .client()
        .get("/second")
        .status(503)
        .fault("queue-full")
        .header("retry-after", "1");
    full.open();
    full.first.get("/third").status(200);
    assert_eq!(full.targets(), ["/first", "/third"]);
}

#[test]
fn a_full_queue_takes_no_more() {
    let mut full = Full::with("queue = { size = 2, timeout = \"1m\", target = \"30s\" }");
    let mut clients = ["/1", "/2"].map(|target| full.waits(target));
    for target in ["/3", "/low"] {
        let response = full.proxy.client().get(target).status(503);
        response.fault("queue-full").header("retry-after", "1");
    }
    full.open();
    for client in &mut clients {
        client.response("GET").status(200);
    }
}

#[test]
fn in_a_full_queue_the_lower_gives_its_place_to_the_higher() {
    let mut full = Full::with("queue = { size = 2, timeout = \"1m\", target = \"30s\" }");
    let [mut low, mut normal] = ["/low", "/normal"].map(|target| full.waits(target));
    let mut high = full.waits("/high/1");
    low.response("GET").status(503).fault("queue-full");
    assert!(queued(&full.record("/low")) > 0.0, "it did wait");
    let mut higher = full.waits("/high/2");
    normal.response("GET").status(503).fault("queue-full");
    // Among equals nobody gives way.
    full.proxy
        .client()
        .get("/high/3")
        .status(503)
        .fault("queue-full");
    full.open();
    high.response("GET").status(200);
    higher.response("GET").status(200);
    assert_eq!(full.targets(), ["/first", "/high/1", "/high/2"]);
}

#[test]
fn nobody_waits_longer_than_the_queue_lets_it() {
    let mut full = Full::with("queue = { timeout = \"100ms\", target = \"30s\" }");
    full.proxy
        .client()
        .get("/second")
        .status(503)
        .fault("queue-timeout")
        .header("retry-after", "1");
    assert!(queued(&full.record("/second")) >= 100.0);
    full.open();
    assert_eq!(full.targets(), ["/first"]);
}

#[test]
fn the_total_timeout_covers_the_queue() {
    let mut full = Full::with(PATIENT);
    full.proxy
        .client()
        .get("/brief")
        .status(504)
        .fault("total-timeout");
    let record = full.record("/brief");
    assert!(queued(&record) >= 190.0, "{record}");
    assert_eq!(record.get("endpoint"), None, "{record}");
    full.open();
    assert_eq!(full.targets(), ["/first"]);
}

#[test]
fn a_client_that_leaves_while_it_waits_frees_its_place() {
    let mut full = Full::with("queue = { size = 1, timeout = \"1m\", target = \"30s\" }");
    drop(full.waits("/gone"));
    let record = full.record("/gone");
    assert_eq!(record["fault"], "client-gone", "{record}");
    let mut client = full.waits("/stays");
    full.open();
    client.response("GET").status(200);
    assert_eq!(full.targets(), ["/first", "/stays"]);
}

#[test]
fn a_client_that_leaves_its_upload_while_it_waits_frees_its_place_too() {
    let mut full = Full::with("queue = { size = 1, timeout = \"1m\", target = \"30s\" }");
    let mut client = full.proxy.client();
    client.send("PUT /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    full.settle();
    drop(client);
    let record = full.record("/gone");
    assert_eq!(record["fault"], "client-gone", "{record}");
    let mut client = full.waits("/stays");
    full.open();
    client.response("GET").status(200);
    assert_eq!(full.targets(), ["/first", "/stays"]);
}

#[test]
fn a_queue_that_stands_is_thinned_out() {
    let slow = Origin::http(|_| {
        thread::park_timeout(Duration::from_millis(20));
        Reply::ok("ok")
    });
    let setup = Setup::to([&slow]).cluster(
        "limits = { endpoint_requests = 1, queue = { timeout = \"1m\", target = \"5ms\", interval = \"50ms\" } }",
    );
    let proxy = Evenkeel::start(&setup);
    let mut clients: Vec<Client> = (0..50).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("GET", "/", "", "");
    }
    let mut served = 0;
    for client in &mut clients {
        let response = client.response("GET");
        match response.head.status() {
            200 => served += 1,
            _ => drop(
                response
                    .status(503)
                    .fault("queue-dropped")
                    .header("retry-after", "1"),
            ),
        }
    }
    assert!((1..50).contains(&served), "{served}");
    assert_eq!(slow.requests().len(), served);
}

#[test]
fn a_pause_before_a_second_attempt_is_no_time_in_the_queue() {
    let bad = Origin::script(|conn: &mut Conn| drop(conn.request()));
    let setup = Setup::to([&bad])
        .cluster("outlier = \"off\"\nretry = { attempts = 1, backoff = \"200ms\" }");
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/").status(502);
    let record = proxy.record();
    assert_eq!(record["attempts"], 2);
    assert_eq!(record.get("queued_ms"), None, "{record}");
}

#[test]
fn an_upload_waits_with_its_body() {
    let mut full = Full::with(PATIENT);
    let mut client = full.proxy.client();
    let body = "y".repeat(300_000);
    let mut sender = client.sender();
    let sent = body.clone();
    let upload = thread::spawn(move || {
        let head = format!(
            "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            sent.len()
        );
        sender.send(head) && sender.send(sent)
    });
    full.settle();
    full.open();
    client.response("POST").status(200).body("/up");
    assert!(upload.join().expect("a thread"));
    assert_eq!(full.busy.origin.requests()[1].body, body.as_bytes());
}

#[test]
fn who_leaves_while_it_is_served_makes_room() {
    let mut full = Full::with(PATIENT);
    let mut second = full.waits("/second");
    let gone = std::mem::replace(&mut full.first, full.proxy.client());
    drop(gone);
    full.busy.origin.wait_requests(2);
    full.gate.open();
    second.response("GET").status(200).body("/second");
}

#[test]
fn a_stop_serves_who_waits() {
    let mut full = Full::with(PATIENT);
    let mut clients = ["/1", "/2", "/3"].map(|target| full.waits(target));
    full.proxy.signal(Signal::Terminate);
    // Only then are clients told that their connections end.
    let address = full.proxy.address();
    eventually("connections to be refused", || {
        TcpStream::connect(address).is_err().then_some(())
    });
    full.open();
    for client in &mut clients {
        client
            .response("GET")
            .status(200)
            .header("connection", "close");
    }
    assert_eq!(full.proxy.wait(), 0);
}

#[test]
fn a_stop_that_must_not_last_answers_who_waits() {
    let full = Full::with(PATIENT);
    let mut clients = ["/1", "/2", "/3"].map(|target| full.waits(target));
    full.proxy.signal(Signal::Terminate);
    full.proxy
        .log()
        .wait_for("draining", |line| line.contains("draining"));
    // The second one ends it at once.
    full.proxy.signal(Signal::Terminate);
    assert_eq!(full.proxy.wait(), 0);
    for client in &mut clients {
        client.response("GET").status(503).fault("shutdown");
    }
    full.gate.open();
}
