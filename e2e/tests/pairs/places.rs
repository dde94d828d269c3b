//! Where requests go, and what waits for a place: limits and their queue, sticky cookies, splits and mirrors.

use std::sync::mpsc::channel;
use std::thread;

use evenkeel_testkit::{Caller, Evenkeel, Gate, Length, Origin, Reply, eventually};

use super::{Pair, each};

/// An origin that answers with what was asked for, once the gate is open.
fn gated(pair: Pair) -> (Gate, Origin) {
    let gate = Gate::new();
    let origin = pair.http({
        let gate = gate.clone();
        move |request| {
            gate.wait();
            Reply::ok(request.target())
        }
    });
    (gate, origin)
}

#[test]
fn what_is_beyond_the_limit_waits_for_its_place() {
    each(|pair| {
        let (gate, origin) = gated(pair);
        let setup = pair
            .setup([&origin])
            .top("workers = 1")
            .cluster("limits = { endpoint_requests = 1, queue = { size = 1, timeout = \"10s\" } }");
        let proxy = Evenkeel::start(&setup);
        let mut first = pair.caller(&proxy);
        let mut served = first.begin("GET", "/1", "", Length::None);
        origin.wait_requests(1);
        thread::scope(|scope| {
            let (answer, answers) = channel();
            for target in ["/2", "/3"] {
                let (answer, proxy) = (answer.clone(), &proxy);
                scope.spawn(move || {
                    let response = pair.caller(proxy).get(target);
                    answer.send((target, response)).unwrap();
                });
            }
            // Whichever came later: the other one waits.
            let (_, refused) = answers.recv().unwrap();
            refused.status(503).fault("queue-full");
            assert_eq!(origin.requests().len(), 1);
            gate.open();
            served.response().status(200).body("/1");
            let (target, waited) = answers.recv().unwrap();
            waited.status(200).body(target);
        });
        assert_eq!(origin.requests().len(), 2);
    });
}

#[test]
fn a_client_that_leaves_the_queue_leaves_its_place() {
    each(|pair| {
        let (gate, origin) = gated(pair);
        let setup = pair
            .setup([&origin])
            .top("workers = 1")
            .cluster("limits = { endpoint_requests = 1, queue = { size = 5, timeout = \"10s\" } }");
        let proxy = Evenkeel::start(&setup);
        let mut first = pair.caller(&proxy);
        let mut served = first.begin("GET", "/1", "", Length::None);
        origin.wait_requests(1);
        let mut second = pair.caller(&proxy);
        second.begin("GET", "/2", "", Length::None).cancel();
        eventually("the record of who left", || {
            let records = proxy.log().records();
            let left = records.iter().find(|record| record["target"] == "/2")?;
            assert_eq!(left["fault"], "client-gone");
            Some(())
        });
        gate.open();
        served.response().status(200).body("/1");
        let mut third = pair.caller(&proxy);
        third.get("/3").status(200);
        let targets: Vec<String> = origin
            .requests()
            .iter()
            .map(|request| request.target().to_owned())
            .collect();
        assert_eq!(targets, ["/1", "/3"]);
    });
}

#[test]
fn a_cookie_keeps_a_client_at_its_endpoint() {
    each(|pair| {
        let origins = ["1", "2", "3"].map(|name| pair.saying(name));
        let setup = pair.setup(&origins).cluster("sticky = { cookie = \"at\" }");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        let first = caller.get("/").status(200);
        let cookie = first.field("set-cookie").unwrap();
        let (cookie, _) = cookie.split_once(';').unwrap();
        let fields = format!("Cookie: other=1\r\nCookie: {cookie}\r\n");
        for _ in 0..5 {
            let again = caller.get_with("/", &fields).status(200);
            again.without("set-cookie").body(&first.body);
        }
    });
}

#[test]
fn a_mirror_gets_what_the_first_cluster_gets() {
    each(|pair| {
        let (first, shadow) = (pair.http(Reply::echo), pair.saying("no one reads this"));
        let setup = pair
            .setup([&first])
            .route("mirror = { cluster = \"shadow\", percent = 100 }")
            .sections(&format!(
                "[cluster.shadow]\nendpoints = [{:?}]\n{}",
                shadow.address(),
                pair.cluster()
            ));
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        caller.get("/x?y").status(200);
        let long = "z".repeat(50_000);
        caller.post("/", &long).status(200).body(&long);
        let mut call = caller.begin("PUT", "/", "", Length::Unknown);
        call.data("one").data("two").end();
        call.response().status(200).body("onetwo");
        let shadowed = shadow.wait_requests(3);
        for request in first.wait_requests(3) {
            let twin = shadowed
                .iter()
                .find(|twin| twin.method() == request.method());
            let twin = twin.expect("the mirror got it too");
            assert_eq!(twin.target(), request.target());
            assert_eq!(twin.body, request.body);
            assert_eq!(
                twin.head.all("x-request-id"),
                request.head.all("x-request-id")
            );
        }
    });
}

#[test]
fn connections_to_endpoints_are_used_again() {
    each(|pair| {
        let origin = pair.saying("ok");
        let setup = pair.setup([&origin]).top("workers = 1");
        let proxy = Evenkeel::start(&setup);
        for _ in 0..3 {
            let mut caller = pair.caller(&proxy);
            for _ in 0..3 {
                caller.get("/").status(200);
            }
        }
        assert_eq!(origin.connections(), 1);
    });
}

#[test]
fn streams_of_one_client_do_not_wait_for_each_other() {
    each(|pair| {
        let gate = Gate::new();
        let origin = pair.http({
            let gate = gate.clone();
            move |request| {
                if request.target() == "/slow" {
                    gate.wait();
                }
                Reply::ok(request.target())
            }
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        // Of HTTP/1.1 they are connections.
        if let Caller::H2(client) = &mut caller {
            let mut slow = client.start("GET", "/slow", "", "");
            for _ in 0..10 {
                client.get("/fast").status(200).body("/fast");
            }
            gate.open();
            slow.response().status(200).body("/slow");
        } else {
            let mut slow = caller.begin("GET", "/slow", "", Length::None);
            for _ in 0..10 {
                pair.caller(&proxy).get("/fast").status(200).body("/fast");
            }
            gate.open();
            slow.response().status(200).body("/slow");
        }
    });
}
