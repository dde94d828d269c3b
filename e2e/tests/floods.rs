//! Clients that are many, slow or silent, and what the others notice of it: nothing.

use std::time::{Duration, Instant};

use evenkeel_testkit::{Client, Evenkeel, Origin, Setup, eventually};

#[test]
fn hundreds_of_slow_and_silent_clients_harm_nobody() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener("request_header_timeout = \"2s\""));
    let mut slow: Vec<Client> = (0..400).map(|_| proxy.client()).collect();
    for client in slow.iter_mut().step_by(2) {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    }
    let mut good = proxy.client();
    for _ in 0..200 {
        good.get("/").status(200).body("ok");
        proxy.client().get("/").status(200).body("ok");
    }
    for mut client in slow {
        let answer = client.rest();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 408 "),
            "{answer:?}"
        );
    }
}

#[test]
fn two_thousand_slow_heads_harm_nobody_and_are_told_when_their_time_is_over() {
    const TIMEOUT: Duration = Duration::from_secs(3);
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener("request_header_timeout = \"3s\""));
    let slow = |_| {
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
        client
    };
    let mut slow: Vec<Client> = (0..2000).map(slow).collect();
    let last = Instant::now();
    let mut good = proxy.client();
    let mut turn = 0;
    while last.elapsed() < TIMEOUT / 2 {
        good.get("/").status(200).body("ok");
        proxy.client().get("/").status(200).body("ok");
        // A byte now and then does not help them.
        slow[turn % 2000].try_send("x");
        turn += 1;
    }
    for client in &mut slow {
        client.response("GET").status(408);
        client.expect_closed();
    }
    // That all are gone within a second of it, the bad day `slow-heads` shows: by clients that look all the time and know how
    // long the machine held them up. Here two thousand are read one after the other.
}

/// Clients that read nothing of a response.
const READERS: u64 = 500;

/// How much memory those cost all together, with a body of this framing.
fn slow_readers(framing: &'static str) -> u64 {
    let body = "x".repeat(8 << 20);
    let origin = Origin::script(move |conn| {
        conn.request();
        let head = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
        // It is not taken whole.
        if conn.send(head) && framing.starts_with("Transfer") {
            while conn.send("10000\r\n") && conn.send(&body[..0x10000]) && conn.send("\r\n") {}
        } else {
            conn.send(&body);
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    let before = proxy.peak_memory();
    let reader = |_| {
        let mut client = proxy.client().small_receive_buffer();
        client.send_request("GET", "/", "", "");
        client
    };
    let mut readers: Vec<Client> = (0..READERS).map(reader).collect();
    for client in &mut readers {
        assert_eq!(client.head().status(), 200);
    }
    let began = Instant::now();
    eventually("a second to pass", || {
        (began.elapsed() > Duration::from_secs(1)).then_some(())
    });
    proxy.peak_memory().saturating_sub(before)
}

#[test]
fn readers_that_stop_cost_no_more_than_a_buffer_each() {
    for framing in ["Content-Length: 8388608", "Transfer-Encoding: chunked"] {
        let all = slow_readers(framing);
        assert!(all <= READERS * (64 << 10), "{all} with {framing}");
    }
}

#[test]
fn an_idle_connection_costs_little_memory() {
    const CLIENTS: u64 = 2000;
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    // Each has been busy once, and has given back what it needed for that.
    let busy = |_| {
        let mut client = proxy.client();
        client.get("/").status(200);
        client
    };
    let warm: Vec<Client> = (0..200).map(busy).collect();
    let before = proxy.peak_memory();
    let idle: Vec<Client> = (0..CLIENTS).map(busy).collect();
    let each = (proxy.peak_memory().saturating_sub(before)) / CLIENTS;
    assert!(each < 4096, "{each} bytes for each idle connection");
    drop((warm, idle));
}

#[test]
fn out_of_descriptors_it_waits_without_spinning_and_recovers() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin])
        .top("workers = 1")
        .listener("request_header_timeout = \"1h\"");
    let proxy = Evenkeel::start_with_descriptors(&setup, 60);
    // More than it can have; the rest waits in the system's queue.
    let mut clients: Vec<Client> = (0..100).map(|_| proxy.client()).collect();
    let before = proxy.ticks();
    // Long enough for a loop that spins to use up processor time, measured by our own clock only.
    let began = Instant::now();
    eventually("a second to pass", || {
        (began.elapsed().as_millis() > 1000).then_some(())
    });
    let used = proxy.ticks() - before;
    assert!(
        used < 30,
        "{used} hundredths of a second of processor time, for waiting"
    );
    for client in clients.drain(..).rev() {
        drop(client);
    }
    recovered(&proxy);
    for _ in 0..5 {
        proxy.client().get("/").status(200).body("ok");
    }
}

#[test]
fn clients_beyond_the_descriptors_get_an_answer_all_the_same() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin])
        .top("workers = 1")
        .cluster("retry = { attempts = 0 }");
    let proxy = Evenkeel::start_with_descriptors(&setup, 60);
    let mut clients: Vec<Client> = (0..150).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("GET", "/", "Connection: close\r\n", "");
    }
    for mut client in clients {
        // Not always a good one: the way to the endpoint needs descriptors too.
        let response = client.response("GET");
        assert!(
            [200, 502, 503].contains(&response.head.status()),
            "{response}"
        );
    }
    recovered(&proxy);
}

/// Waits until a client is served again: the level follows what is used ten times a second, and one may come before it does.
fn recovered(proxy: &Evenkeel) {
    eventually("a client that is served again", || {
        let mut client = proxy.client();
        if !client.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") {
            return None;
        }
        let response = client.try_response("GET").ok()?;
        (response.head.status() == 200).then_some(())
    });
}
