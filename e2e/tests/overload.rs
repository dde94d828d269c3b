//! Near its limits evenkeel gives up what is worth least, says so, and recovers by itself.

use std::time::{Duration, Instant};

use evenkeel_testkit::{Client, Evenkeel, Gate, Origin, Reply, Setup, eventually};

/// A ceiling that evenkeel alone is beyond: the worst level.
const NO_MEMORY: &str = "max_memory = \"16MiB\"";

/// Routes of all priorities to an origin, and one that answers itself.
fn by_priority(origin: &Origin) -> Setup {
    let route = |name| format!("path = \"/{name}\"\ncluster = \"app\"\npriority = \"{name}\"");
    Setup::to([origin])
        .add_route(&route("low"))
        .add_route(&route("high"))
        .add_route("path = \"/own\"\nrespond.body = \"own\"")
}

/// Waits for a line about that level.
fn wait_level(proxy: &Evenkeel, level: &str) -> String {
    let wanted = format!("level=\"{level}\"");
    proxy.log().wait_for(&wanted, |line| line.contains(&wanted))
}

/// A connection that is served, once there is one.
fn served(proxy: &Evenkeel) -> Client {
    eventually("a connection that is served", || {
        let mut client = proxy.client();
        if !client.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") {
            return None;
        }
        let response = client.try_response("GET").ok()?;
        (response.head.status() == 200).then_some(client)
    })
}

/// So many connections that were used and are idle.
fn idle(proxy: &Evenkeel, count: usize) -> Vec<Client> {
    let one = |_| {
        let mut client = proxy.client();
        client.get("/").status(200);
        client
    };
    (0..count).map(one).collect()
}

#[test]
fn one_client_too_many_is_told_so_and_there_is_room_again_when_one_leaves() {
    let gate = Gate::new();
    let origin = Origin::http({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            Reply::ok("ok")
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 2\nmax_connections = 4"));
    let mut busy: Vec<Client> = (0..4).map(|_| proxy.client()).collect();
    for client in &mut busy {
        client.send_request("GET", "/", "", "");
    }
    origin.wait_requests(4);
    // None of them is idle, so none makes room.
    let line = wait_level(&proxy, "high");
    for said in ["cause=\"connections\"", "used=4", "most=4", "percent=100"] {
        assert!(line.contains(said), "{line}");
    }
    let mut fifth = proxy.client();
    fifth
        .response("GET")
        .status(503)
        .header("connection", "close")
        .header("retry-after", "1")
        .fault("overloaded");
    fifth.expect_closed();
    let line = proxy
        .log()
        .wait_for("who was turned away", |line| line.contains("turned away"));
    assert!(line.contains("limit=4"), "{line}");
    gate.open();
    for client in &mut busy {
        client.response("GET").status(200).body("ok");
    }
    busy.clear();
    served(&proxy);
    wait_level(&proxy, "normal");
}

#[test]
fn idle_connections_make_room_and_the_oldest_go_first() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1\nmax_connections = 20"));
    let mut clients = idle(&proxy, 20);
    // Until four fifths are left, and one or two more for what was seen late.
    for client in &mut clients[..5] {
        client.expect_closed();
    }
    wait_level(&proxy, "normal");
    for client in &mut clients[8..] {
        client.get("/").status(200).body("ok");
    }
    served(&proxy);
}

#[test]
fn without_memory_high_priority_is_served_and_the_rest_is_refused() {
    let origin = Origin::saying("ok");
    let setup = by_priority(&origin);
    let mut proxy = Evenkeel::start(&setup);
    let mut clients = idle(&proxy, 4);
    proxy.reload(&setup.clone().top(NO_MEMORY).text());
    let line = wait_level(&proxy, "extreme");
    assert!(line.contains("cause=\"memory\""), "{line}");
    assert!(line.contains("most=16777216"), "{line}");
    // Idle connections go one after the other; these ask before it is their turn.
    let mut kept = clients.split_off(1);
    let mut last = kept.pop().unwrap();
    last.get("/high").status(200).body("ok");
    last.get("/own").status(200).body("own");
    for refused in ["/low", "/"] {
        let mut client = kept.pop().unwrap();
        client
            .get(refused)
            .status(503)
            .header("connection", "close")
            .header("retry-after", "1")
            .fault("overloaded");
        client.expect_closed();
    }
    let mut new = proxy.client();
    new.response("GET").status(503).fault("overloaded");
    new.expect_closed();
    proxy.reload(&setup.text());
    wait_level(&proxy, "normal");
    for path in ["/low", "/", "/high"] {
        proxy.client().get(path).status(200).body("ok");
    }
}

#[test]
fn clients_leave_a_third_of_the_descriptors_to_the_way_to_endpoints() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin])
        .top("workers = 1")
        .listener("request_header_timeout = \"1h\"");
    let proxy = Evenkeel::start_with_descriptors(&setup, 100);
    let line = proxy
        .log()
        .wait_for("the most", |line| line.contains("max_connections="));
    let (_, most) = line.split_once("max_connections=").unwrap();
    let most: usize = most.split_whitespace().next().unwrap().parse().unwrap();
    assert!((40..66).contains(&most), "{line}");
    let mut clients: Vec<Client> = (0..most).map(|_| proxy.client()).collect();
    let mut more: Vec<Client> = (0..200).map(|_| proxy.client()).collect();
    for client in &mut more {
        client.response("GET").status(503).fault("overloaded");
    }
    // Many more than fit wait for nothing, and cost nothing.
    let before = proxy.ticks();
    let began = Instant::now();
    eventually("a second to pass", || {
        (began.elapsed() > Duration::from_secs(1)).then_some(())
    });
    let used = proxy.ticks() - before;
    assert!(used < 30, "{used} hundredths of a second, for waiting");
    for client in &mut clients {
        client.get("/").status(200).body("ok");
    }
    drop((clients, more));
    served(&proxy);
}

#[test]
fn out_of_descriptors_upstream_it_is_our_fault_and_not_the_endpoints() {
    let gate = Gate::new();
    let origin = Origin::http({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            Reply::ok("ok")
        }
    });
    // More clients than a limit of 100 has room for, each with a request of its own under way.
    let setup = Setup::to([&origin])
        .top("workers = 1\nmax_connections = 70")
        .route("priority = \"high\"");
    let proxy = Evenkeel::start_with_descriptors(&setup, 100);
    proxy
        .log()
        .wait_for("a warning", |line| line.contains("room for"));
    let mut clients: Vec<Client> = (0..60).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("GET", "/", "", "");
    }
    let line = wait_level(&proxy, "extreme");
    assert!(line.contains("cause=\"descriptors\""), "{line}");
    gate.open();
    let mut refused = 0;
    for client in &mut clients {
        let response = client.response("GET");
        match response.head.status() {
            200 => {}
            _ => {
                response.status(503).fault("no-descriptors");
                refused += 1;
            }
        }
    }
    assert!((1..60).contains(&refused), "{refused} of 60");
    let blamed = proxy
        .log()
        .lines()
        .iter()
        .any(|line| line.contains("eject"));
    assert!(!blamed, "{}", proxy.log());
    drop(clients);
    wait_level(&proxy, "normal");
    served(&proxy);
}

#[test]
fn five_times_the_memory_there_is_ends_at_the_ceiling() {
    const CEILING: usize = 64 << 20;
    const HEAD: usize = 60 << 10;
    const BEYOND: usize = 8 << 20;
    let gate = Gate::new();
    let origin = Origin::http({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            Reply::ok("ok")
        }
    });
    let setup = Setup::to([&origin])
        .top("max_memory = \"64MiB\"")
        .listener("max_head = \"63KiB\"\nrequest_header_timeout = \"1m\"");
    let proxy = Evenkeel::start(&setup);
    let mut early = proxy.client();
    early.send_request("GET", "/", "", "");
    origin.wait_requests(1);
    // Clients that never finish their heads, of which evenkeel holds every byte.
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(HEAD));
    let slow = |_| {
        let mut client = proxy.client();
        // One that is turned away may be closed in the middle of it.
        client.try_send(&head);
        client
    };
    let slow: Vec<Client> = (0..5 * CEILING / HEAD).map(slow).collect();
    let line = proxy.log().wait_for("the level", |line| {
        line.contains("new connections are turned away")
    });
    let peak = usize::try_from(proxy.peak_memory()).unwrap();
    assert!(line.contains("cause=\"memory\""), "{line}");
    // What workers take between two looks is counted before it is touched: the last of it may not be.
    assert!(peak > CEILING / 2, "{peak}");
    // What was under way, and what an allocator keeps: an amount, and no part of the ceiling.
    assert!(peak < CEILING + BEYOND, "{peak}");
    // What was under way is not touched.
    gate.open();
    early.response("GET").status(200).body("ok");
    drop(slow);
    wait_level(&proxy, "normal");
    served(&proxy);
}
