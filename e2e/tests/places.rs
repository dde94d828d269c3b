//! Places at a cluster: how many requests and connections there are at once, whoever has them, and that none is lost.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_testkit::patience::PATIENCE;
use evenkeel_testkit::{Client, Conn, Evenkeel, Gate, Origin, Reply, Request, Setup, eventually};

/// Nobody leaves the queue but by its turn.
pub(crate) const PATIENT: &str = "queue = { timeout = \"1m\", target = \"30s\" }";

/// An origin that answers when the gate is open, and counts how many requests it has at once.
pub(crate) struct Busy {
    pub(crate) origin: Origin,
    most: Arc<AtomicUsize>,
}

impl Busy {
    /// One that waits for this gate.
    pub(crate) fn new(gate: &Gate) -> Self {
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
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
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
    for number in [2, 3] {
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
        // One is served and one waits, so that it is known who is next.
        let mut clients = VecDeque::from([proxy.client(), proxy.client()]);
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
            "{order} with {number} endpoints"
        );
    }
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
fn nobody_waits_for_an_endpoint_that_died() {
    let frozen = Origin::script(|conn: &mut Conn| {
        conn.request();
        conn.until_closed();
    });
    let setup = Setup::to([&frozen])
        .top("workers = 1")
        .cluster(&format!("limits = {{ endpoint_requests = 1, {PATIENT} }}"))
        .add_route("path = \"/at-once\"\nrespond.body = \"\"");
    let proxy = Evenkeel::start(&setup);
    let mut clients: Vec<Client> = (0..5).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("GET", "/", "", "");
    }
    frozen.wait_requests(1);
    proxy.client().get("/at-once").status(200);
    let _dead = frozen.stop();
    for client in &mut clients {
        client.response("GET").status(502).fault("connect-refused");
    }
}

#[test]
fn a_well_endpoint_is_waited_for_rather_than_an_ejected_one_asked() {
    let gate = Gate::new();
    let bad = Origin::http(|_| Reply::new(503, "not now"));
    let busy = Origin::http({
        let gate = gate.clone();
        move |request: &Request| {
            if request.target() == "/slow" {
                gate.wait();
            }
            Reply::ok(request.target())
        }
    });
    let setup = Setup::to([&bad, &busy])
        .top("workers = 1")
        .cluster("outlier = { base_ejection = \"1m\" }")
        .cluster(&format!("limits = {{ endpoint_requests = 1, {PATIENT} }}"))
        .add_route("path = \"/at-once\"\nrespond.body = \"\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for _ in 0..10 {
        client.get("/");
    }
    assert_eq!(bad.requests().len(), 5, "it is ejected");
    let mut clients = [proxy.client(), proxy.client(), proxy.client()];
    for client in &mut clients {
        client.send_request("GET", "/slow", "", "");
        proxy.client().get("/at-once").status(200);
    }
    gate.open();
    for client in &mut clients {
        client.response("GET").status(200).body("/slow");
    }
    assert_eq!(bad.requests().len(), 5);
}

/// A client that does one of many things with a connection of its own.
fn fickle(address: SocketAddr, what: usize) {
    let mut client = Client::connect(address);
    match what {
        0 => client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        1 => client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"),
        2 => {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            client.reset();
        }
        3 => {
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
            client.reset();
        }
        4 => drop(client.get("/large").status(200)),
        5 => {
            client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
            client.exactly(100);
        }
        _ => drop(client.post("/", "hello").status(200)),
    }
}

#[test]
fn no_place_is_lost_whatever_clients_do() {
    for limits in [
        "endpoint_requests = 1",
        "requests = 1",
        "endpoint_connections = 1",
        "requests = 3, connections = 2, endpoint_requests = 2, endpoint_connections = 1",
    ] {
        let origins = ["a", "b"].map(|name| {
            let large = vec![b'x'; 1_000_000];
            Origin::http(move |request: &Request| match request.target() {
                "/large" => Reply::ok(&large),
                _ => Reply::ok(name),
            })
        });
        let setup = Setup::to(&origins)
            .top("workers = 4")
            .cluster(&format!("limits = {{ {limits}, {PATIENT} }}"));
        let proxy = Evenkeel::start(&setup);
        let address = proxy.address();
        let threads: Vec<_> = (0..7)
            .map(|first| {
                thread::spawn(move || {
                    (0..70).for_each(|turn| fickle(address, (first + turn * turn) % 7));
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("who stays is answered");
        }
        for _ in 0..10 {
            proxy.client().get("/").status(200);
        }
    }
}
