//! Limits of a cluster: how much goes on at once, who waits, for how long, and who goes first.
//!
//! What waits in evenkeel cannot be seen from outside. So where an order matters there is one worker, and a test asks for
//! [`Full::settle`]: a request that is answered at once, after all that came before it has found its place.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::patience::PATIENCE;
use evenkeel_testkit::{Client, Conn, Evenkeel, Gate, Origin, Reply, Request, Setup, eventually};

/// Nobody leaves the queue but by its turn.
const PATIENT: &str = "queue = { timeout = \"1m\", target = \"30s\" }";

/// An origin that answers when the gate is open, and counts how many requests it has at once.
struct Busy {
    origin: Origin,
    most: Arc<AtomicUsize>,
}

impl Busy {
    fn new(gate: &Gate) -> Self {
        let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let origin = Origin::http({
            let (gate, most) = (gate.clone(), Arc::clone(&most));
            move |request: &Request| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.wait();
                now.fetch_sub(1, Ordering::SeqCst);
                Reply::ok(request.target())
            }
        });
        Self { origin, most }
    }

    /// The most requests that it had at once.
    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

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
fn one_request_at_a_time_whatever_the_number_of_workers() {
    for workers in [1, 2, 4] {
        let gate = Gate::new();
        let busy = [Busy::new(&gate), Busy::new(&gate)];
        let setup = Setup::to(busy.iter().map(|one| &one.origin))
            .top(&format!("workers = {workers}"))
            .cluster(&format!("limits = {{ endpoint_requests = 1, {PATIENT} }}"));
        let proxy = Evenkeel::start(&setup);
        let mut clients: Vec<Client> = (0..20).map(|_| proxy.client()).collect();
        for client in &mut clients {
            client.send_request("GET", "/", "", "");
        }
        for one in &busy {
            one.origin.wait_requests(1);
        }
        gate.open();
        for client in &mut clients {
            client.response("GET").status(200);
        }
        let seen = busy.each_ref().map(|one| one.origin.requests().len());
        assert_eq!(seen[0] + seen[1], 20, "{workers} workers");
        assert_eq!(busy.map(|one| one.most()), [1, 1], "{workers} workers");
    }
}

#[test]
fn as_many_at_once_as_the_limit_says() {
    let gate = Gate::new();
    let busy = Busy::new(&gate);
    let setup = Setup::to([&busy.origin])
        .cluster(&format!("limits = {{ endpoint_requests = 3, {PATIENT} }}"));
    let proxy = Evenkeel::start(&setup);
    let mut clients: Vec<Client> = (0..12).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("GET", "/", "", "");
    }
    eventually("three at once", || (busy.most() == 3).then_some(()));
    gate.open();
    for client in &mut clients {
        client.response("GET").status(200);
    }
    assert_eq!(busy.most(), 3);
}

#[test]
fn the_limit_of_a_cluster_is_for_all_of_its_endpoints() {
    let gate = Gate::new();
    let busy = [Busy::new(&gate), Busy::new(&gate)];
    let setup = Setup::to(busy.iter().map(|one| &one.origin))
        .cluster(&format!("limits = {{ requests = 1, {PATIENT} }}"));
    let proxy = Evenkeel::start(&setup);
    let mut clients: Vec<Client> = (0..10).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("GET", "/", "", "");
    }
    let seen = || busy.each_ref().map(|one| one.origin.requests().len());
    eventually("a request", || {
        (seen().iter().sum::<usize>() > 0).then_some(())
    });
    for idle in busy.iter().filter(|one| one.origin.requests().is_empty()) {
        assert_eq!(idle.origin.connections(), 0);
    }
    gate.open();
    for client in &mut clients {
        client.response("GET").status(200);
    }
    assert_eq!(seen().iter().sum::<usize>(), 10);
}

#[test]
fn requests_that_find_no_room_do_not_turn_the_rotation() {
    for (number, at_once) in [(2, 2), (3, 2), (2, 3), (3, 3)] {
        let (answers, turn) = mpsc::channel();
        let turn = Arc::new(Mutex::new(turn));
        let origins = ["1", "2", "3"].map(|name| {
            let turn = Arc::clone(&turn);
            Origin::http(move |_| {
                let turn = turn.lock().expect("no script fails");
                match turn.recv_timeout(PATIENCE) {
                    Ok(()) => Reply::ok(name),
                    Err(_) => Reply::new(500, "no turn"),
                }
            })
        });
        let setup = Setup::to(&origins[..number])
            .top("workers = 1")
            .cluster(&format!("limits = {{ requests = 1, {PATIENT} }}"))
            .add_route("path = \"/at-once\"\nrespond.body = \"\"");
        let proxy = Evenkeel::start(&setup);
        let mut clients: VecDeque<Client> = (0..at_once).map(|_| proxy.client()).collect();
        let send = |client: &mut Client| {
            client.send_request("GET", "/", "", "");
            proxy.client().get("/at-once").status(200);
        };
        clients.iter_mut().for_each(send);
        let mut order = String::new();
        for _ in 0..12 {
            let mut client = clients.pop_front().expect("a client");
            answers.send(()).expect("an origin waits for it");
            order.push_str(&client.response("GET").status(200).text());
            send(&mut client);
            clients.push_back(client);
        }
        drop(answers);
        let shares = ["1", "2", "3"].map(|name| order.matches(name).count());
        let share = 12 / number;
        assert!(
            shares[..number].iter().all(|one| one.abs_diff(share) <= 1),
            "{order} with {number} endpoints and {at_once} clients"
        );
    }
}

#[test]
fn who_waits_is_served_in_order_and_the_record_says_how_long_it_waited() {
    let mut full = Full::with(PATIENT);
    let mut clients = ["/1", "/2", "/3"].map(|target| full.waits(target));
    full.open();
    for client in &mut clients {
        client.response("GET").status(200);
    }
    assert_eq!(full.targets(), ["/first", "/1", "/2", "/3"]);
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
    assert_eq!(full.targets(), expected);
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
fn a_tunnel_keeps_its_place_until_it_ends() {
    let origin = Origin::script(|conn: &mut Conn| {
        while let Some(request) = conn.request() {
            if request.field("upgrade").is_none() {
                conn.reply(&request, &Reply::ok("ok"));
                continue;
            }
            let switched = "HTTP/1.1 101 Switching Protocols\r\n";
            conn.send(format!(
                "{switched}Connection: Upgrade\r\nUpgrade: foo\r\n\r\n"
            ));
            conn.until_closed();
            return;
        }
    });
    let setup = Setup::to([&origin])
        .cluster("limits = { endpoint_requests = 1, queue = { timeout = \"100ms\" } }");
    let proxy = Evenkeel::start(&setup);
    let mut tunnel = proxy.client();
    tunnel.send_request("GET", "/", "Connection: Upgrade\r\nUpgrade: foo\r\n", "");
    assert_eq!(tunnel.head().status(), 101);
    let mut client = proxy.client();
    client.get("/").status(503).fault("queue-timeout");
    drop(tunnel);
    eventually("a place", || {
        (client.get("/").head.status() == 200).then_some(())
    });
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
fn an_adaptive_limit_stays_within_its_bounds() {
    let gate = Gate::new();
    let busy = Busy::new(&gate);
    let adaptive = "endpoint_requests = { min = 2, max = 4, initial = 3 }";
    let setup = Setup::to([&busy.origin]).cluster(&format!("limits = {{ {adaptive}, {PATIENT} }}"));
    let proxy = Evenkeel::start(&setup);
    let mut clients: Vec<Client> = (0..20).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("GET", "/", "", "");
    }
    eventually("three at once", || (busy.most() == 3).then_some(()));
    gate.open();
    for client in &mut clients {
        client.response("GET").status(200);
    }
    assert!(busy.most() <= 4, "{}", busy.most());
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
fn a_second_attempt_needs_a_place_too() {
    let gate = Gate::new();
    let silent = Origin::script(|conn: &mut Conn| drop(conn.request()));
    let busy = Busy::new(&gate);
    let setup = Setup::to([&silent, &busy.origin])
        .cluster("outlier = \"off\"")
        .cluster(&format!("limits = {{ endpoint_requests = 1, {PATIENT} }}"));
    let proxy = Evenkeel::start(&setup);
    let mut clients: Vec<Client> = (0..6).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("GET", "/", "", "");
    }
    busy.origin.wait_requests(1);
    gate.open();
    for client in &mut clients {
        client.response("GET").status(200);
    }
    assert_eq!(busy.most(), 1);
    assert_eq!(busy.origin.requests().len(), 6);
    assert!(!silent.requests().is_empty());
}

#[test]
fn the_attempt_that_lost_gives_its_place_back_at_once() {
    let gates = [Gate::new(), Gate::new()];
    let slow = Origin::http({
        let gate = gates[0].clone();
        move |request: &Request| {
            if request.target() == "/long" {
                gate.wait();
            }
            Reply::ok("slow")
        }
    });
    let fast = Origin::script({
        let gate = gates[1].clone();
        move |conn: &mut Conn| {
            while let Some(request) = conn.request() {
                if request.target() == "/long" {
                    conn.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlo");
                    gate.wait();
                    conn.send("ng");
                } else {
                    conn.reply(&request, &Reply::ok("fast"));
                }
            }
        }
    });
    let setup = Setup::to([&slow, &fast])
        .cluster(&format!("limits = {{ endpoint_requests = 1, {PATIENT} }}"))
        .route("retry = { hedge = { percentile = 90, min_delay = \"20ms\" } }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    // What is usual has to be learnt first: from the requests of some seconds.
    let began = Instant::now();
    while client.get("/").text() == "slow" || began.elapsed() < Duration::from_secs(3) {}
    client.send_request("GET", "/long", "", "");
    client.head();
    let asked = |origin: &Origin| {
        let requests = origin.requests();
        requests
            .iter()
            .filter(|one| one.target() == "/long")
            .count()
    };
    assert_eq!((asked(&slow), asked(&fast)), (1, 1));
    // While the response of the one is passed on, the other is free.
    proxy.client().get("/").status(200).body("slow");
    gates.iter().for_each(Gate::open);
    assert_eq!(client.exactly(4), b"long");
}

/// An origin that serves one connection at a time, as simple ones do: another one waits until the first is closed.
fn one_by_one() -> Origin {
    let alone = Mutex::new(());
    Origin::script(move |conn: &mut Conn| {
        let Ok(_alone) = alone.lock() else { return };
        while let Some(request) = conn.request() {
            conn.reply(&request, &Reply::ok(request.target()));
        }
    })
}

#[test]
fn one_connection_at_a_time_also_when_another_worker_has_it_idle() {
    for workers in [1, 2, 4] {
        let origin = one_by_one();
        let setup = Setup::to([&origin])
            .top(&format!("workers = {workers}"))
            .cluster(&format!(
                "limits = {{ endpoint_connections = 1, {PATIENT} }}"
            ));
        let proxy = Evenkeel::start(&setup);
        let mut clients: Vec<Client> = (0..16).map(|_| proxy.client()).collect();
        // One after another, so that the connection is idle in the worker of the one before.
        for client in &mut clients {
            client.get("/").status(200);
        }
        // And all together.
        for client in &mut clients {
            client.send_request("GET", "/", "", "");
        }
        for client in &mut clients {
            client.response("GET").status(200);
        }
    }
}

#[test]
fn an_idle_connection_to_another_endpoint_makes_room_for_the_cluster() {
    let origins = [Origin::saying("a"), Origin::saying("b")];
    let setup = Setup::to(&origins)
        .top("workers = 1")
        .cluster(&format!("limits = {{ connections = 1, {PATIENT} }}"));
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let seen: Vec<String> = (0..6).map(|_| client.get("/").status(200).text()).collect();
    // Whether it goes on with the connection that is open or keeps to the rotation: all are answered.
    assert_eq!(seen.len(), 6);
    assert!(origins[0].connections() + origins[1].connections() > 0);
}

#[test]
fn few_connections_for_many_requests_never_stall() {
    for (workers, limit) in [
        (1, "connections = 1"),
        (4, "connections = 1"),
        (4, "connections = 3"),
        (4, "endpoint_connections = 1"),
        (4, "endpoint_connections = 1, endpoint_requests = 1"),
    ] {
        let origins = ["a", "b"].map(Origin::saying);
        let setup = Setup::to(&origins)
            .top(&format!("workers = {workers}"))
            .cluster(&format!("limits = {{ {limit}, {PATIENT} }}"));
        let proxy = Evenkeel::start(&setup);
        let address = proxy.address();
        let threads: Vec<_> = (0..6)
            .map(|_| {
                thread::spawn(move || {
                    let mut client = Client::connect(address);
                    for _ in 0..50 {
                        client.get("/").status(200);
                        // Not on a connection that was idle for long.
                        client.post("/", "x").status(200);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("every request is answered");
        }
        let seen = origins.each_ref().map(|origin| origin.requests().len());
        assert_eq!(seen[0] + seen[1], 600, "{workers} workers, {limit}");
    }
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
