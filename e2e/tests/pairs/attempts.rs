//! What is tried again, and what is not: nothing is lost when an endpoint fails, and no POST is sent twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use evenkeel_testkit::faults::{BlackHole, DeadAddress};
use evenkeel_testkit::{Evenkeel, Exchange, Gate, Length, Origin, Reply, eventually};

use super::{Pair, each, each_where};

/// How an endpoint fails a request that it has read.
#[derive(Clone, Copy, Debug)]
enum Fails {
    Cut,
    Reset,
    HangUp,
}

const FAILURES: [Fails; 3] = [Fails::Cut, Fails::Reset, Fails::HangUp];

/// An endpoint that reads requests and fails them.
fn failing(pair: Pair, how: Fails) -> Origin {
    pair.serve(move |exchange| {
        exchange.request();
        fail(exchange, how);
    })
}

fn fail(exchange: &mut Exchange<'_>, how: Fails) {
    match how {
        Fails::Cut => exchange.cut(),
        Fails::Reset => exchange.reset(2),
        Fails::HangUp => exchange.hang_up(),
    }
}

#[test]
fn while_one_endpoint_lives_nobody_notices_the_dead_ones() {
    each(|pair| {
        let origin = pair.saying("alive");
        let dead = [DeadAddress::new(), DeadAddress::new()];
        let addresses = [pair.dead(&dead[0]), origin.address(), pair.dead(&dead[1])];
        let proxy = Evenkeel::start(&pair.setup_to(addresses));
        let mut caller = pair.caller(&proxy);
        for _ in 0..6 {
            caller.get("/").status(200).body("alive");
            caller.post("/", "x").status(200).body("alive");
        }
        let records = proxy.records(12);
        let thrice = records.iter().any(|record| record["attempts"] == 3);
        assert!(thrice, "{records:?}");
    });
}

#[test]
fn when_all_are_dead_the_reply_says_so() {
    each(|pair| {
        let dead = DeadAddress::new();
        let proxy = Evenkeel::start(&pair.setup_to([pair.dead(&dead)]));
        let mut caller = pair.caller(&proxy);
        for _ in 0..2 {
            let response = caller.get("/").status(502).fault("connect-refused");
            let status = response.field("proxy-status").unwrap();
            assert!(status.contains("error=connection_refused"), "{status}");
        }
        assert_eq!(proxy.records(2)[1]["fault"], "connect-refused");
    });
}

#[test]
fn an_endpoint_that_does_not_accept_is_left_for_another() {
    each(|pair| {
        let (hole, origin) = (BlackHole::new(), pair.saying("ok"));
        let setup = pair
            .setup_to([pair.address(&hole.address()), origin.address()])
            .cluster("connect_timeout = \"1s\"");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        for _ in 0..2 {
            caller.get("/").status(200).body("ok");
            caller.post("/", "x").status(200).body("ok");
        }
    });
}

#[test]
fn what_one_endpoint_fails_is_asked_of_another() {
    each(|pair| {
        for how in FAILURES {
            let (bad, good) = (failing(pair, how), pair.http(Reply::echo));
            let proxy = pair.start([&bad, &good]);
            let mut caller = pair.caller(&proxy);
            for _ in 0..4 {
                caller.get("/").status(200);
                let length = "Content-Length: 5\r\n";
                let put = caller.ask("PUT", "/", length, "hello");
                put.status(200).body("hello");
            }
            assert!(
                !bad.requests().is_empty(),
                "{how:?}: some had to be sent again"
            );
            let records = proxy.records(8);
            let most = records.iter().map(|record| record["attempts"].as_u64());
            assert_eq!(most.max().flatten(), Some(2), "{how:?}: {records:?}");
        }
    });
}

#[test]
fn a_post_that_an_endpoint_failed_is_not_sent_twice() {
    each(|pair| {
        for how in FAILURES {
            let bad = failing(pair, how);
            let proxy = pair.start([&bad]);
            let mut caller = pair.caller(&proxy);
            let response = caller.post("/", "x").status(502);
            let status = response.field("proxy-status").unwrap();
            let name = ["endpoint-closed", "endpoint-reset"];
            assert!(name.iter().any(|name| status.contains(name)), "{status}");
            assert_eq!(bad.requests().len(), 1, "{how:?}");
            caller.get("/").status(502);
            assert_eq!(bad.requests().len(), 4, "{how:?}: a GET is sent 3 times");
        }
    });
}

#[test]
fn a_stream_that_an_endpoint_refused_is_sent_again_whatever_it_is() {
    each_where(
        |pair| pair.up.h2,
        |pair| {
            const REFUSED: u32 = 7;
            let refused = Arc::new(AtomicUsize::new(0));
            let origin = pair.serve({
                let refused = Arc::clone(&refused);
                move |exchange| {
                    // Before anything of the body was read: a refusal says that nothing was done.
                    if refused.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                        return exchange.reset(REFUSED);
                    }
                    let request = exchange.request().unwrap();
                    exchange.reply(&Reply::echo(&request));
                }
            });
            let proxy = pair.start([&origin]);
            let mut caller = pair.caller(&proxy);
            for _ in 0..3 {
                caller.post("/", "hello").status(200).body("hello");
            }
            assert_eq!(origin.requests().len(), 3);
            assert_eq!(origin.exchanges(), 6);
            let records = proxy.records(3);
            let twice = records.iter().all(|record| record["attempts"] == 2);
            assert!(twice, "{records:?}");
        },
    );
}

#[test]
fn a_connection_that_its_endpoint_ends_after_a_response_loses_no_request() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            let request = exchange.request().unwrap();
            exchange.reply(&Reply::echo(&request));
            // HTTP/1.1 closes without having said so, HTTP/2 says GOAWAY.
            exchange.retire();
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        // A connection of HTTP/1.1 may close when a request is on its way: a POST is lost then, and nothing else is.
        let method = if pair.up.h2 { "POST" } else { "PUT" };
        for _ in 0..10 {
            let response = caller.ask(method, "/", "Content-Length: 5\r\n", "hello");
            response.status(200).body("hello");
            caller.get("/").status(200);
        }
        assert!(origin.requests().len() >= 20);
    });
}

#[test]
fn a_connection_that_dies_when_it_is_used_again_costs_a_get_nothing() {
    each(|pair| {
        // The first request of each connection is answered; the second one finds it dead.
        let origin = pair.serve({
            let last = Arc::new(AtomicUsize::new(usize::MAX));
            move |exchange| {
                if last.swap(exchange.connection(), Ordering::Relaxed) == exchange.connection() {
                    return exchange.hang_up();
                }
                if let Some(request) = exchange.request() {
                    exchange.reply(&Reply::echo(&request));
                }
            }
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        for _ in 0..6 {
            caller.get("/").status(200);
        }
        let records = proxy.records(6);
        let again = records.iter().any(|record| record["attempts"] == 2);
        assert!(again, "{records:?}");
    });
}

#[test]
fn an_endpoint_that_dies_and_comes_back_is_used_again() {
    each(|pair| {
        let origin = pair.saying("first");
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        caller.get("/").status(200).body("first");
        // The client has its body before HTTP/2 has said that it is over: an endpoint that dies in between has cut it.
        assert!(proxy.record()["fault"].is_null());
        let dead = origin.stop();
        caller.get("/").status(502);
        let _origin = pair.speech().revive(dead, |exchange| {
            exchange.request();
            exchange.reply(&Reply::ok("second"));
        });
        eventually("the endpoint to be back", || {
            let response = caller.get("/");
            (response.head.status() == 200).then(|| response.body("second"))
        });
    });
}

#[test]
fn an_upload_goes_on_at_another_endpoint_where_it_broke_off() {
    each(|pair| {
        let bad = pair.serve(|exchange| {
            exchange.piece();
            exchange.reset(2);
        });
        let good = pair.http(Reply::echo);
        let proxy = pair.start([&bad, &good]);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("PUT", "/", "", Length::Known(10));
        call.data("hello");
        bad.wait_exchanges(1);
        bad.wait_exchanging(0);
        good.wait_exchanges(1);
        call.data(" you!").end();
        call.response().status(200).body("hello you!");
    });
}

#[test]
fn a_status_is_tried_again_where_the_route_names_it() {
    each(|pair| {
        let busy = pair.http(|_| Reply::new(503, "busy"));
        let good = pair.saying("ok");
        let setup = pair
            .setup([&busy, &good])
            .cluster("outlier = \"off\"")
            .route("retry = { statuses = [503] }");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        for _ in 0..4 {
            caller.get("/").status(200).body("ok");
        }
        assert!(!busy.requests().is_empty());
    });
}

#[test]
fn an_answer_that_is_not_tried_again_is_the_endpoint_s_own() {
    each(|pair| {
        let busy = pair.http(|_| Reply::new(503, "busy").header("X-From", "endpoint"));
        let proxy = pair.start([&busy]);
        let response = pair.caller(&proxy).get("/").status(503).body("busy");
        response
            .header("x-from", "endpoint")
            .without("proxy-status");
    });
}

#[test]
fn an_attempt_that_takes_too_long_is_left_for_another_endpoint() {
    each(|pair| {
        let (slow, good) = (pair.frozen(), pair.saying("ok"));
        let setup = pair
            .setup([&slow, &good])
            .route("retry = { attempt_timeout = \"1s\" }");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        for _ in 0..2 {
            caller.get("/").status(200).body("ok");
        }
        let records = proxy.records(2);
        let left = |one: &serde_json::Value| one["tried"][0]["why"] == "attempt-timeout";
        assert!(records.iter().any(left), "{records:?}");
        slow.wait_exchanging(0);
    });
}

#[test]
fn an_endpoint_that_fails_in_a_row_is_ejected() {
    each(|pair| {
        let bad = failing(pair, Fails::Reset);
        let good = pair.saying("ok");
        let proxy = pair.start([&bad, &good]);
        let mut caller = pair.caller(&proxy);
        eventually("an ejection", || {
            caller.get("/").status(200).body("ok");
            proxy.log().stderr().contains("ejected").then_some(())
        });
    });
}

#[test]
fn a_hedge_answers_while_the_first_attempt_is_still_waited_for() {
    each(|pair| {
        let gate = Gate::new();
        let slow = pair.http({
            let gate = gate.clone();
            move |request| {
                if request.target() == "/slow" {
                    gate.wait();
                }
                Reply::ok("one")
            }
        });
        let fast = pair.saying("two");
        let setup = pair
            .setup([&slow, &fast])
            .top("workers = 1")
            .route("retry = { hedge = { percentile = 90, min_delay = \"20ms\" } }");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        // What is usual has to be learnt first: from the requests of some seconds.
        let began = Instant::now();
        eventually("evenkeel to know what is usual", || {
            caller.get("/").status(200);
            (began.elapsed() > Duration::from_secs(3)).then_some(())
        });
        // The rotation takes one of two to the slow endpoint first.
        caller.get("/slow").status(200).body("two");
        caller.get("/slow").status(200).body("two");
        gate.open();
        let hedged = |one: &serde_json::Value| one["tried"][0]["why"] == "cancelled";
        eventually("the record of a hedged request", || {
            proxy.log().records().iter().any(hedged).then_some(())
        });
    });
}
