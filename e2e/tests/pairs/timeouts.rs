//! Everything that may be waited for has an end, with a name.

use evenkeel_testkit::faults::BlackHole;
use evenkeel_testkit::{Evenkeel, Gate, Length, Reply, eventually};

use super::each;

const NO_RETRY: &str = "retry = { attempts = 0 }";

#[test]
fn a_body_that_pauses_too_long_is_a_408() {
    each(|pair| {
        let origin = pair.http(Reply::echo);
        let setup = pair
            .setup([&origin])
            .listener("request_body_idle_timeout = \"200ms\"");
        let proxy = Evenkeel::start(&setup);
        for length in [Length::Known(10), Length::Unknown] {
            let mut caller = pair.caller(&proxy);
            let mut call = caller.begin("POST", "/", "", length);
            call.data("hello");
            let response = call.response().status(408).fault("request-body-timeout");
            if !pair.down.h2 {
                response.header("connection", "close");
            }
        }
        origin.wait_exchanging(0);
        assert_eq!(origin.requests(), []);
    });
}

#[test]
fn an_endpoint_that_does_not_accept_is_a_504() {
    each(|pair| {
        let hole = BlackHole::new();
        let setup = pair
            .setup_to([pair.address(&hole.address())])
            .cluster("connect_timeout = \"100ms\"");
        let proxy = Evenkeel::start(&setup);
        pair.caller(&proxy)
            .get("/")
            .status(504)
            .fault("connect-timeout");
    });
}

#[test]
fn an_endpoint_that_does_not_answer_is_a_504() {
    each(|pair| {
        let origin = pair.frozen();
        let setup = pair
            .setup([&origin])
            .cluster(&format!("response_header_timeout = \"100ms\"\n{NO_RETRY}"));
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        caller.get("/").status(504).fault("response-header-timeout");
        caller
            .post("/", "x")
            .status(504)
            .fault("response-header-timeout");
        origin.wait_exchanging(0);
        assert_eq!(origin.exchanges(), 2);
    });
}

#[test]
fn a_get_that_is_not_answered_is_tried_elsewhere() {
    each(|pair| {
        let (silent, good) = (pair.frozen(), pair.saying("ok"));
        let setup = pair
            .setup([&silent, &good])
            .cluster("response_header_timeout = \"1s\"");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        for _ in 0..2 {
            caller.get("/").status(200).body("ok");
        }
        let records = proxy.records(2);
        let twice = records.iter().any(|record| record["attempts"] == 2);
        assert!(twice, "{records:?}");
    });
}

#[test]
fn the_total_timeout_covers_all_attempts() {
    each(|pair| {
        let origin = pair.frozen();
        let setup = pair
            .setup([&origin])
            .route("total_timeout = \"400ms\"")
            .cluster("response_header_timeout = \"100ms\"\nretry = { attempts = 10 }");
        let proxy = Evenkeel::start(&setup);
        pair.caller(&proxy)
            .get("/")
            .status(504)
            .fault("total-timeout");
        origin.wait_exchanging(0);
        assert!(origin.exchanges() < 8, "{}", origin.exchanges());
    });
}

#[test]
fn the_total_timeout_cuts_a_body_that_takes_too_long() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.request();
            exchange.respond(200, "", Length::Known(1_000_000));
            eventually("the end of a slow body", || {
                (!exchange.data("x")).then_some(())
            });
        });
        let setup = pair.setup([&origin]).route("total_timeout = \"1s\"");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("GET", "/", "", Length::None);
        call.cut_response();
        assert_eq!(proxy.record()["fault"], "total-timeout");
    });
}

#[test]
fn a_response_that_stalls_is_cut_after_the_idle_timeout() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.request();
            exchange.respond(200, "", Length::Known(10));
            exchange.data("part");
            exchange.wait_gone();
        });
        let setup = pair.setup([&origin]).cluster("idle_timeout = \"300ms\"");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("GET", "/", "", Length::None);
        let cut = call.cut_response();
        assert_eq!(cut.body, b"part");
        assert_eq!(proxy.record()["fault"], "idle-timeout");
        origin.wait_exchanging(0);
    });
}

#[test]
fn a_client_that_takes_nothing_is_cut_after_the_write_timeout() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.request();
            exchange.respond(200, "", Length::Known(1_000_000_000));
            while exchange.data([b'x'; 65_536]) {}
        });
        let setup = pair.setup([&origin]).listener("write_timeout = \"300ms\"");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("GET", "/", "", Length::None);
        assert_eq!(call.head().status(), 200);
        origin.wait_exchanging(0);
        assert_eq!(proxy.record()["fault"], "client-stalled");
    });
}

#[test]
fn an_endpoint_that_takes_nothing_is_given_up() {
    each(|pair| {
        let done = Gate::new();
        let origin = pair.serve({
            let done = done.clone();
            move |_| done.wait()
        });
        let setup = pair.setup([&origin]).listener("write_timeout = \"300ms\"");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("POST", "/", "", Length::Known(1_000_000_000));
        while call.try_data([b'x'; 65_536]) {}
        let record = proxy.record();
        assert_eq!(record["status"], 504, "{record}");
        assert_eq!(record["fault"], "endpoint-stalled", "{record}");
        done.open();
    });
}
