//! Long bodies pass from stream to stream unread: to the byte, with their ends where they are, and cut where they are cut.

use evenkeel_testkit::message::Framing;
use evenkeel_testkit::{Evenkeel, Gate, Origin, Pattern, Reply, Setup};

/// Many blocks long, and not a multiple of anything.
const LONG: usize = 3_000_001;

fn response(length: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    [head.into_bytes(), Pattern::bytes(length)].concat()
}

fn request(target: &str, length: usize) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    [head.into_bytes(), Pattern::bytes(length)].concat()
}

fn chunked(target: &str, length: usize) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut bytes = head.into_bytes();
    for chunk in Pattern::bytes(length).chunks(100_000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nX-Sum: 1\r\n\r\n");
    bytes
}

#[test]
fn requests_follow_long_bodies_on_the_same_connections() {
    let origin = Origin::http(|request| Reply::ok(&request.body));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    const LENGTHS: [usize; 5] = [LONG, LONG, 1, 70_000, 70_000];
    let mut client = proxy.client();
    let mut sender = client.sender();
    std::thread::scope(|scope| {
        // All of them are sent at once: each body ends where the next request begins.
        scope.spawn(move || {
            let requests = [
                request("/a", LONG),
                chunked("/b", LONG),
                request("/c", 1),
                chunked("/d", 70_000),
                request("/e", 70_000),
            ];
            assert!(sender.send(requests.concat()));
        });
        for length in LENGTHS {
            let response = client.response("POST").status(200);
            assert!(response.body == Pattern::bytes(length), "of {length}");
        }
    });
    let targets: Vec<String> = origin
        .requests()
        .iter()
        .map(|r| r.target().into())
        .collect();
    assert_eq!(targets, ["/a", "/b", "/c", "/d", "/e"]);
    assert_eq!(origin.connections(), 1);
    for (record, length) in proxy.records(5).iter().zip(LENGTHS) {
        assert_eq!(record["bytes_in"], length);
        assert_eq!(record["bytes_out"], length);
    }
}

#[test]
fn a_long_response_that_is_cut_shows_as_cut_with_all_that_came() {
    for reset in [false, true] {
        let read = Gate::new();
        let origin = Origin::script({
            let read = read.clone();
            move |conn| {
                conn.request();
                conn.send(&response(LONG)[..LONG - 1000]);
                if reset {
                    // What has not been taken by then goes with the connection.
                    read.wait();
                    conn.reset();
                } else {
                    conn.finish();
                }
            }
        });
        let proxy = Evenkeel::start(&Setup::to([&origin]));
        let mut client = proxy.client();
        client.send_request("GET", "/", "", "");
        let head = client.head();
        assert_eq!(
            head.response_framing("GET").unwrap(),
            Framing::Length(LONG as u64)
        );
        let most = LONG - 100_000;
        assert!(client.exactly(most) == Pattern::bytes(most));
        read.open();
        assert!(client.try_exactly(LONG - most).is_err(), "it is cut");
        let record = proxy.record();
        assert_eq!(record["fault"], "response-cut");
        assert!(record["bytes_out"].as_u64().unwrap() < LONG as u64);
    }
}

#[test]
fn a_long_request_that_is_cut_is_cut_for_the_endpoint() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send(&request("/", LONG)[..LONG - 1000]);
    drop(client);
    origin.wait_cut(1);
    assert_eq!(proxy.record()["fault"], "client-gone");
    proxy.client().get("/").status(200);
    assert_eq!(origin.connections(), 2, "what was cut carries nothing else");
}

#[test]
fn an_endpoint_that_answers_in_the_middle_of_a_long_request_is_heard() {
    let origin = Origin::script(|conn| {
        conn.head();
        assert!(conn.exactly(500_000) == Pattern::bytes(500_000));
        conn.send("HTTP/1.1 413 Enough\r\nContent-Length: 6\r\nConnection: close\r\n\r\nenough");
        conn.finish();
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    let mut sender = client.sender();
    std::thread::scope(|scope| {
        scope.spawn(move || sender.send(request("/", 100 * LONG)));
        client.response("POST").status(413).body("enough");
        client.finish();
    });
}

#[test]
fn a_long_body_may_not_be_longer_than_it_says() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.send([response(LONG), b"and more".to_vec()].concat());
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    for _ in 0..2 {
        let response = client.get("/").status(200);
        assert!(response.body == Pattern::bytes(LONG));
    }
    assert_eq!(
        origin.connections(),
        2,
        "one that says too much is not used again"
    );
}

#[test]
fn readers_that_stop_do_not_stop_others() {
    let origin = Origin::http(|_| Reply::ok(Pattern::bytes(5 * LONG)));
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    // More than a worker has pipes.
    let mut slow: Vec<_> = (0..70)
        .map(|_| {
            let mut client = proxy.client();
            client.send_request("GET", "/", "", "");
            assert_eq!(client.head().status(), 200);
            client
        })
        .collect();
    let response = proxy.client().get("/").status(200);
    assert!(response.body == Pattern::bytes(5 * LONG));
    for client in slow.iter_mut().take(1) {
        assert!(client.exactly(5 * LONG) == Pattern::bytes(5 * LONG));
    }
}
