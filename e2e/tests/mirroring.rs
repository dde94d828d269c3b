//! Mirrors: a second cluster gets what the first one got, and nothing that it does with that is felt by a client.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::{Duration, Instant};

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::faults::{BlackHole, DeadAddress};
use evenkeel_testkit::message::Field;
use evenkeel_testkit::{Client, Conn, Evenkeel, Gate, Origin, Reply, Request, Setup, eventually};

/// Everything to `first`, and to the cluster `shadow` as `mirror` says.
fn mirrored<S: Into<String>>(first: &Origin, shadow: S, mirror: &str) -> Setup {
    let shadow: String = shadow.into();
    Setup::to([first])
        .top("workers = 1")
        .route(&format!("mirror = {{ cluster = \"shadow\", {mirror} }}"))
        .sections(&format!("[cluster.shadow]\nendpoints = [\"{shadow}\"]"))
}

/// Every request.
const ALL: &str = "percent = 100";

/// An origin that reads requests and does not answer until the gate is open.
fn silent(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::http(move |_| {
        gate.wait();
        Reply::ok("at last")
    })
}

fn targets(origin: &Origin) -> Vec<String> {
    let requests = origin.requests();
    requests.iter().map(|r| r.target().to_owned()).collect()
}

/// What of a request does not depend on the connection that it came by.
fn content(request: &Request) -> (String, &[u8], &[Field]) {
    let head = String::from_utf8_lossy(&request.head.raw).into_owned();
    (head, &request.body, &request.trailers)
}

#[track_caller]
fn same_as_first(first: &Origin, shadow: &Origin, number: usize) {
    let (first, shadow) = (first.wait_requests(number), shadow.wait_requests(number));
    let [first, shadow] = [&first, &shadow].map(|requests| requests.last().unwrap());
    assert_eq!(content(shadow), content(first));
}

#[test]
fn the_mirror_gets_every_byte_that_the_first_cluster_gets() {
    let [first, shadow] = [
        Origin::http(Reply::echo),
        Origin::saying("no one reads this"),
    ];
    let proxy = Evenkeel::start(&mirrored(&first, shadow.address(), ALL));
    let mut client = proxy.client().host("www.example:81");
    let odd = "x-B: 2\r\nX-a: 1\r\nx-B: 3\r\nX-Empty:\r\nCookie: a=b\r\nCookie: c\r\nX-Request-Id: mine\r\n";
    let long = "z".repeat(50_000);
    let framed = |body: &str| format!("Content-Length: {}\r\n", body.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    let cases = [
        ("GET", "/a%2Fb//c?x=1&y", odd.to_owned(), String::new()),
        ("HEAD", "/", String::new(), String::new()),
        ("DELETE", "/one", String::new(), String::new()),
        ("POST", "/", String::new(), String::new()),
        ("POST", "/", framed("hello"), "hello".to_owned()),
        ("PUT", "/", framed("hello"), "hello".to_owned()),
        ("PUT", "/", framed(&long), long.clone()),
        ("POST", "/", framed(&long), long),
        ("POST", "/", framed(""), String::new()),
        (
            "PATCH",
            "/",
            chunked.to_owned(),
            "5\r\nhello\r\n6;a=b\r\n there\r\n0\r\n\r\n".to_owned(),
        ),
        ("PUT", "/", chunked.to_owned(), "0\r\n\r\n".to_owned()),
        (
            "POST",
            "/",
            chunked.to_owned(),
            "1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n".to_owned(),
        ),
        (
            "PROPFIND",
            "/",
            "Connection: X-Hop\r\nX-Hop: 1\r\n".to_owned(),
            String::new(),
        ),
    ];
    for (number, (method, target, fields, body)) in (1..).zip(&cases) {
        client.ask(method, target, fields, body).status(200);
        same_as_first(&first, &shadow, number);
    }
}

#[test]
fn what_the_route_changes_is_changed_for_both() {
    let [first, shadow] = [Origin::saying("a"), Origin::saying("b")];
    let setup = mirrored(&first, shadow.address(), ALL)
        .listener("trusted_proxies = [\"127.0.0.0/8\"]")
        .route("strip_prefix = true\nhost_header = \"inner.example\"")
        .route("request_headers = { set = { X-Env = \"blue\" }, remove = [\"Cookie\"] }");
    let proxy = Evenkeel::start(&setup);
    let fields = "Cookie: a\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n";
    proxy.client().get_with("/x", fields).status(200).body("a");
    same_as_first(&first, &shadow, 1);
    let seen = shadow.request();
    assert_eq!(seen.field("host").as_deref(), Some("inner.example"));
    assert_eq!(seen.field("x-env").as_deref(), Some("blue"));
    assert_eq!(
        seen.field("x-forwarded-for").as_deref(),
        Some("1.2.3.4, 127.0.0.1")
    );
}

#[test]
fn a_request_id_is_one_for_both() {
    let [first, shadow] = [Origin::saying("a"), Origin::saying("b")];
    let proxy = Evenkeel::start(&mirrored(&first, shadow.address(), ALL));
    proxy.client().get("/").status(200);
    let [first, shadow] = [first.request(), shadow.request()].map(|r| r.field("x-request-id"));
    assert!(first.is_some() && first == shadow);
}

#[test]
fn the_mirror_gets_its_part_of_the_requests() {
    const REQUESTS: u16 = 1_000;
    let [first, shadow] = [Origin::saying("a"), Origin::saying("b")];
    let setup = mirrored(&first, shadow.address(), "percent = 25");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for _ in 0..REQUESTS {
        client.get("/").status(200).body("a");
    }
    let (mut last, mut looks) = (0, 0);
    let drawn = eventually("the last mirrored request", || {
        let now = shadow.requests().len();
        looks = if now == last { looks + 1 } else { 0 };
        last = now;
        (looks == 50).then_some(now)
    });
    // Six standard deviations of a coin that falls 25 times in 100.
    let (mean, off) = (250.0, 6.0 * (1_000.0_f64 * 0.25 * 0.75).sqrt());
    let drawn = f64::from(u32::try_from(drawn).unwrap());
    assert!((drawn - mean).abs() < off, "{drawn} of {REQUESTS}");
    assert_eq!(first.requests().len(), usize::from(REQUESTS));
}

/// Requests of a client whose route is mirrored to that address: none of them is answered otherwise, or later.
#[track_caller]
fn unfelt(what: &str, shadow: impl Into<String>) {
    let first = Origin::http(Reply::echo);
    let setup = mirrored(&first, shadow, ALL);
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let began = Instant::now();
    for number in 0..20 {
        let body = format!("{what} {number}");
        client.post("/post", &body).status(200).body(&body);
        client.get("/get").status(200).body("");
    }
    // Each that waited for its mirror would have waited for a timeout, two seconds at least: eighty in all.
    assert!(began.elapsed() < Duration::from_secs(10), "{what}");
    assert_eq!(first.requests().len(), 40, "{what}");
    assert_eq!(first.connections(), 1, "{what}");
    let records = proxy.records(40);
    assert_eq!(records.len(), 40, "a mirror makes no record");
    for record in &records {
        assert_eq!(
            (&record["status"], &record["cluster"]),
            (&200.into(), &"app".into())
        );
    }
}

/// What an origin does with a connection.
type Script = fn(&mut Conn);

/// The same, of an origin that gets the requests.
#[track_caller]
fn unfelt_at(what: &str, shadow: &Origin) {
    unfelt(what, shadow.address());
    assert!(shadow.connections() > 0, "{what}");
}

#[test]
fn a_mirror_that_is_not_there_is_not_felt() {
    unfelt("refusing", DeadAddress::new().address());
    unfelt("dropping", BlackHole::new().address());
}

#[test]
fn a_mirror_that_does_not_answer_is_not_felt() {
    let gate = Gate::new();
    let shadow = silent(&gate);
    unfelt_at("silent", &shadow);
    gate.open();
}

#[test]
fn a_mirror_that_is_slow_is_not_felt() {
    let shadow = Origin::script(|conn| {
        while conn.request().is_some() {
            conn.send_bytewise("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
        }
    });
    unfelt_at("slow", &shadow);
}

#[test]
fn a_mirror_that_breaks_off_is_not_felt() {
    let scripts: [(&str, Script); 4] = [
        ("resetting", |conn| {
            conn.exactly(1);
            conn.reset();
        }),
        ("closing", |conn| drop(conn.request())),
        ("cutting a head", |conn| {
            conn.request();
            conn.send("HTTP/1.1 200 OK\r\nContent-Le");
        }),
        ("cutting a body", |conn| {
            conn.request();
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        }),
    ];
    for (what, script) in scripts {
        unfelt_at(what, &Origin::script(script));
    }
}

#[test]
fn a_mirror_that_answers_nonsense_is_not_felt() {
    for nonsense in [
        "garbage\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_owned(),
        "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100),
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000)),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".to_owned(),
        "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno and more".to_owned(),
    ] {
        let what = nonsense.chars().take(40).collect::<String>();
        unfelt_at(&what, &Origin::http(move |_| Reply::raw(&nonsense)));
    }
}

#[test]
fn what_goes_wrong_with_a_mirror_is_told_to_who_looks_for_it() {
    let first = Origin::saying("a");
    let setup = mirrored(&first, DeadAddress::new().address(), ALL);
    let proxy = Evenkeel::start(&setup.sections("[log]\nlevel = \"debug\""));
    proxy.client().get("/").status(200);
    let told =
        |line: &str| line.contains("a mirrored request failed") && line.contains("connect-refused");
    proxy.log().wait_for("the fault of the mirror", told);
}

#[test]
fn a_mirror_that_answers_without_end_is_cut_off() {
    let [first, shadow] = [
        Origin::saying("a"),
        Origin::script(|conn| {
            conn.request();
            conn.send("HTTP/1.1 200 OK\r\n\r\n");
            while conn.send([0; 65_536]) {}
        }),
    ];
    let proxy = Evenkeel::start(&mirrored(&first, shadow.address(), ALL));
    let before = proxy.peak_memory();
    proxy.client().get("/").status(200).body("a");
    shadow.wait_connections(1);
    shadow.wait_open(0);
    let grown = proxy.peak_memory().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more");
}

#[test]
fn a_mirror_s_connection_is_used_again() {
    let [first, shadow] = [Origin::saying("a"), Origin::saying(&"b".repeat(100_000))];
    let proxy = Evenkeel::start(&mirrored(&first, shadow.address(), ALL));
    let mut client = proxy.client();
    for number in 1..=100 {
        client.post("/", "hello").status(200).body("a");
        assert_eq!(shadow.wait_requests(number).len(), number);
    }
    assert_eq!(first.connections(), 1);
    // The next request may come before the last response was read to its end.
    assert!(shadow.connections() < 50, "{}", shadow.connections());
}

#[test]
fn only_bodies_up_to_the_limit_are_mirrored() {
    let [first, shadow] = [Origin::http(Reply::echo), Origin::saying("b")];
    let setup = mirrored(
        &first,
        shadow.address(),
        "percent = 100, max_body = \"1KiB\"",
    );
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (target, length, goes) in [
        ("/1023", 1023, true),
        ("/1024", 1024, true),
        ("/1025", 1025, false),
        ("/large", 300_000, false),
    ] {
        let body = "x".repeat(length);
        client.post(target, &body).status(200).body(&body);
        let chunks = chunks(&body, 700);
        client
            .ask("POST", &format!("{target}/chunked"), chunked, &chunks)
            .status(200)
            .body(&body);
        if goes {
            shadow.wait_requests(2);
        }
    }
    client.get("/end").status(200);
    shadow.wait_requests(5);
    let mut seen = targets(&shadow);
    seen.sort();
    assert_eq!(
        seen,
        ["/1023", "/1023/chunked", "/1024", "/1024/chunked", "/end"]
    );
}

/// The body in chunks of that size.
fn chunks(body: &str, size: usize) -> String {
    let mut text = String::new();
    for piece in body.as_bytes().chunks(size) {
        write!(
            text,
            "{:x}\r\n{}\r\n",
            piece.len(),
            String::from_utf8_lossy(piece)
        )
        .unwrap();
    }
    text + "0\r\n\r\n"
}

#[test]
fn requests_that_are_more_than_a_message_are_not_mirrored() {
    let [first, shadow] = [Origin::http(Reply::echo), Origin::saying("b")];
    let setup = mirrored(&first, shadow.address(), ALL).route("request_trailers = true");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client
        .get_with("/upgrade", "Connection: upgrade\r\nUpgrade: x\r\n")
        .status(200);
    client
        .ask(
            "POST",
            "/expect",
            "Expect: 100-continue\r\nContent-Length: 2\r\n",
            "hi",
        )
        .status(200);
    let trailed = "1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n";
    client
        .ask(
            "POST",
            "/trailers",
            "Transfer-Encoding: chunked\r\n",
            trailed,
        )
        .status(200);
    client.get("/end").status(200);
    shadow.wait_requests(1);
    assert_eq!(
        (targets(&shadow), first.requests().len()),
        (vec!["/end".to_owned()], 4)
    );
}

#[test]
fn what_was_not_answered_is_not_mirrored() {
    let [first, shadow] = [
        Origin::script(|conn| {
            while let Some(request) = conn.request() {
                if request.target() != "/end" {
                    return conn.reset();
                }
                conn.reply(&request, &Reply::ok("a"));
            }
        }),
        Origin::saying("b"),
    ];
    let setup = mirrored(&first, shadow.address(), ALL);
    let proxy = Evenkeel::start(&setup);
    proxy.client().post("/reset", "hello").status(502);
    proxy.client().get("/reset").status(502);
    proxy.client().get("/end").status(200);
    shadow.wait_requests(1);
    assert_eq!(targets(&shadow), ["/end"]);
}

#[test]
fn a_client_that_leaves_within_its_request_has_sent_none() {
    let [first, shadow] = [Origin::saying("a"), Origin::saying("b")];
    let proxy = Evenkeel::start(&mirrored(&first, shadow.address(), ALL));
    let mut client = proxy.client();
    client.send_request("POST", "/half", "Content-Length: 10\r\n", "hello");
    drop(client);
    first.wait_cut(1);
    proxy.client().get("/end").status(200);
    shadow.wait_requests(1);
    assert_eq!(
        (targets(&shadow), shadow.cut_requests()),
        (vec!["/end".to_owned()], 0)
    );
}

#[test]
fn a_client_that_leaves_within_its_response_takes_the_mirror_not_along() {
    let gate = Gate::new();
    let first = Origin::script({
        let gate = gate.clone();
        move |conn| {
            conn.request();
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
            gate.wait();
        }
    });
    let shadow = Origin::saying("b");
    let proxy = Evenkeel::start(&mirrored(&first, shadow.address(), ALL));
    let mut client = proxy.client();
    client.send_request("POST", "/", "Content-Length: 5\r\n", "hello");
    client.head();
    // It does not wait for the response's end either.
    assert_eq!(shadow.request().body, b"hello");
    drop(client);
    gate.open();
    assert_eq!(shadow.requests().len(), 1);
}

#[test]
fn a_response_before_the_end_of_the_request_does_not_cost_the_mirror_its_body() {
    let first = Origin::script(|conn| {
        let head = conn.head();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        conn.body(&head, &mut |_| {});
    });
    let shadow = Origin::saying("b");
    let proxy = Evenkeel::start(&mirrored(&first, shadow.address(), ALL));
    let mut client = proxy.client();
    client.send_request("PUT", "/", "Content-Length: 10\r\n", "hello");
    client.response("PUT").status(200).body("ok");
    client.send("there");
    assert_eq!(shadow.request().body, b"hellothere");
}

#[test]
fn a_request_that_was_tried_again_is_mirrored_once() {
    let [first, shadow] = [Origin::http(Reply::echo), Origin::saying("b")];
    let broken = Origin::script(|conn| drop(conn.request()));
    let setup = Setup::to([&broken, &first])
        .route("mirror = { cluster = \"shadow\", percent = 100 }")
        .sections(&format!(
            "[cluster.shadow]\nendpoints = [\"{}\"]",
            shadow.address()
        ));
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for number in 1..=4 {
        client
            .ask("PUT", "/", "Content-Length: 5\r\n", "hello")
            .status(200)
            .body("hello");
        assert_eq!(shadow.wait_requests(number).len(), number);
    }
    assert!(!broken.requests().is_empty());
    assert!(
        shadow
            .requests()
            .iter()
            .all(|request| request.body == b"hello")
    );
}

#[test]
fn a_request_that_is_hedged_is_mirrored_once() {
    let [first, shadow] = [Origin::saying("a"), Origin::saying("b")];
    let setup =
        mirrored(&first, shadow.address(), ALL).route("retry = { hedge = { percentile = 99 } }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for number in 1..=5 {
        client.get("/").status(200).body("a");
        same_as_first(&first, &shadow, number);
    }
    assert_eq!(shadow.requests().len(), 5);
}

#[test]
fn the_limits_of_the_mirror_s_cluster_hold_and_nothing_waits_for_them() {
    let gate = Gate::new();
    let [first, shadow] = [Origin::saying("a"), silent(&gate)];
    let mut setup = mirrored(&first, shadow.address(), ALL);
    setup = setup.sections("limits = { endpoint_requests = 2 }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for number in 0..10 {
        client.get(&format!("/{number}")).status(200).body("a");
    }
    shadow.wait_requests(2);
    gate.open();
    // Both places are free again in a moment, and what was dropped does not come late.
    let seen = eventually("a place at the mirror", || {
        client.get("/later").status(200);
        let seen = targets(&shadow);
        seen.contains(&"/later".to_owned()).then_some(seen)
    });
    let mut taken = seen[..2].to_vec();
    // They come by two connections, so either may be seen first.
    taken.sort();
    assert_eq!(taken, ["/0", "/1"]);
    assert!(
        seen[2..].iter().all(|target| target == "/later"),
        "{seen:?}"
    );
}

#[test]
fn the_mirror_s_cluster_picks_by_its_own_rules() {
    let [first, one, other] = ["a", "b", "c"].map(Origin::saying);
    let shadow = format!("{}\", \"{}", one.address(), other.address());
    let setup = mirrored(&first, shadow, ALL)
        .cluster("sticky = \"cookie\"")
        .sections("balancer = { kind = \"maglev\", key = [\"header:X-Id\"] }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for number in 0..60 {
        let field = format!("X-Id: {}\r\n", number % 6);
        let cookies = client
            .get_with("/", &field)
            .status(200)
            .head
            .all("set-cookie");
        assert_eq!(
            cookies.len(),
            1,
            "that of the first cluster alone: {cookies:?}"
        );
    }
    let [one, other] = [&one, &other].map(|origin| {
        let requests = origin.requests();
        let ids = requests.iter().filter_map(|request| request.field("x-id"));
        ids.collect::<BTreeSet<String>>()
    });
    assert!(one.is_disjoint(&other), "{one:?} {other:?}");
    assert!(!one.is_empty() || !other.is_empty());
}

#[test]
fn a_worker_has_no_more_mirrors_under_way_than_it_may() {
    const MOST: usize = 128;
    let gate = Gate::new();
    let [first, shadow] = [Origin::saying("a"), silent(&gate)];
    let proxy = Evenkeel::start(&mirrored(&first, shadow.address(), ALL));
    let mut client = proxy.client();
    for _ in 0..MOST + 50 {
        client.get("/").status(200).body("a");
    }
    shadow.wait_requests(MOST);
    client.get("/more").status(200).body("a");
    assert_eq!(shadow.connections(), MOST);
    gate.open();
    eventually("mirrors to go on", || {
        client.get("/more").status(200);
        targets(&shadow).contains(&"/more".to_owned()).then_some(())
    });
}

#[test]
fn a_mirror_s_failures_are_its_own() {
    let [first, well] = [Origin::saying("a"), Origin::saying("b")];
    let ill = DeadAddress::new().address();
    let shadow = format!("{}\", \"{ill}", well.address());
    let proxy = Evenkeel::start(&mirrored(&first, shadow, ALL));
    let mut client = proxy.client();
    let ejected = eventually("the mirror's endpoint to be ejected", || {
        client.get("/").status(200).body("a");
        let lines = proxy.log().lines();
        lines.into_iter().find(|line| line.contains("ejected"))
    });
    assert!(
        ejected.contains("shadow") && ejected.contains(&ill),
        "{ejected}"
    );
}

/// A client with an answer, whose mirror waits at the gate.
fn waiting(setup: fn(Setup) -> Setup) -> (Evenkeel, Client, [Origin; 2], Gate) {
    let gate = Gate::new();
    let [first, shadow] = [Origin::saying("a"), silent(&gate)];
    let proxy = Evenkeel::start(&setup(mirrored(&first, shadow.address(), ALL)));
    let mut client = proxy.client();
    client.get("/").status(200).body("a");
    shadow.wait_requests(1);
    (proxy, client, [first, shadow], gate)
}

#[test]
fn a_drain_does_not_wait_for_mirrors() {
    let (proxy, client, _origins, gate) = waiting(|setup| setup.top("shutdown_timeout = \"1h\""));
    proxy.signal(Signal::Terminate);
    drop(client);
    assert_eq!(proxy.wait(), 0);
    gate.open();
}

#[test]
fn a_worker_that_drains_begins_no_mirrors() {
    let (proxy, mut client, [first, shadow], gate) =
        waiting(|setup| setup.top("shutdown_timeout = \"1h\""));
    proxy.signal(Signal::Terminate);
    let draining = |line: &str| line.contains("draining");
    proxy.log().wait_for("draining", draining);
    let address = proxy.address();
    eventually("connections to be refused", || {
        std::net::TcpStream::connect(address).is_err().then_some(())
    });
    client.get("/last").status(200).body("a");
    assert_eq!(proxy.wait(), 0);
    gate.open();
    assert_eq!(
        (targets(&first), targets(&shadow)),
        (
            vec!["/".to_owned(), "/last".to_owned()],
            vec!["/".to_owned()]
        )
    );
}

#[test]
fn a_stop_ends_mirrors() {
    let (proxy, mut client, _origins, gate) =
        waiting(|setup| setup.top("shutdown_timeout = \"1h\""));
    // A request that holds up the drain, so that the stop is what ends the mirror.
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    proxy.signal(Signal::Terminate);
    proxy
        .log()
        .wait_for("draining", |line| line.contains("draining"));
    proxy.signal(Signal::Terminate);
    proxy.wait();
    gate.open();
}
