//! How many connections one client may have open.

use evenkeel_testkit::{Client, Evenkeel, Origin, Setup, eventually};

fn limited(origin: &Origin, workers: usize) -> Setup {
    Setup::to([origin])
        .top(&format!("workers = {workers}"))
        .listener("max_connections_per_client = 3")
}

/// Three connections that were used and are idle.
fn three(proxy: &Evenkeel) -> Vec<Client> {
    (0..3)
        .map(|_| {
            let mut client = proxy.client();
            client.get("/").status(200).body("ok");
            client
        })
        .collect()
}

#[test]
fn one_connection_too_many_is_told_so_and_closed() {
    for workers in [1, 2, 4] {
        let origin = Origin::saying("ok");
        let proxy = Evenkeel::start(&limited(&origin, workers));
        let mut open = three(&proxy);
        let mut fourth = proxy.client();
        fourth
            .response("GET")
            .status(429)
            .header("connection", "close")
            .header("retry-after", "1")
            .fault("too-many-connections");
        fourth.expect_closed();
        // The others are none the worse for it.
        for client in &mut open {
            client.get("/").status(200).body("ok");
        }
        assert_eq!(origin.requests().len(), 6);
    }
}

#[test]
fn a_connection_that_is_closed_makes_room_for_another() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&limited(&origin, 2));
    let mut open = three(&proxy);
    open.pop();
    eventually("a place", || {
        let mut client = proxy.client();
        client.send_request("GET", "/", "", "");
        (client.head().status() == 200).then_some(())
    });
}

#[test]
fn what_the_one_too_many_sends_meanwhile_does_not_take_its_answer_away() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&limited(&origin, 1));
    let _open = three(&proxy);
    let mut fourth = proxy.client();
    fourth.send_request(
        "POST",
        "/",
        "Content-Length: 100000\r\n",
        &"x".repeat(100_000),
    );
    fourth.response("POST").status(429);
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn proxies_that_are_trusted_speak_for_many_and_are_not_limited() {
    let origin = Origin::saying("ok");
    let setup = limited(&origin, 1).listener("trusted_proxies = [\"127.0.0.0/8\"]");
    let proxy = Evenkeel::start(&setup);
    let _open = three(&proxy);
    proxy.client().get("/").status(200).body("ok");
}

#[test]
fn the_log_says_who_was_turned_away() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&limited(&origin, 1));
    let _open = three(&proxy);
    proxy.client().response("GET").status(429);
    let line = proxy
        .log()
        .wait_for("a line", |line| line.contains("turned away"));
    assert!(line.contains("127.0.0.1"), "{line}");
}
