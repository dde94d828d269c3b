//! Interim (1xx) responses and `Expect: 100-continue`.

use evenkeel_testkit::{Evenkeel, Gate, Length, Reply};

use super::each;

const EXPECT: &str = "Expect: 100-continue\r\n";

#[test]
fn early_hints_arrive_before_the_response() {
    each(|pair| {
        let seen = Gate::new();
        let origin = pair.serve({
            let seen = seen.clone();
            move |exchange| {
                exchange.request();
                exchange.interim(103, "Link: </a>; rel=preload\r\n");
                seen.wait();
                exchange.interim(103, "Link: </b>\r\n");
                exchange.reply(&Reply::ok("ok"));
            }
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("GET", "/", "", Length::None);
        let hints = call.interim();
        assert_eq!(hints.status(), 103);
        assert_eq!(hints.all("link"), ["</a>; rel=preload"]);
        seen.open();
        let response = call.response().status(200).body("ok");
        assert_eq!(response.interim.len(), 1, "{response}");
        caller.get("/").status(200).body("ok");
    });
}

#[test]
fn an_endpoint_that_says_continue_gets_the_body() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            assert_eq!(exchange.head().all("expect"), ["100-continue"]);
            exchange.interim(100, "");
            let request = exchange.request().unwrap();
            exchange.reply(&Reply::echo(&request));
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("POST", "/", EXPECT, Length::Known(5));
        assert_eq!(call.interim().status(), 100);
        call.data("hello").end();
        call.response().status(200).body("hello");
    });
}

#[test]
fn an_endpoint_that_does_not_know_expectations_gets_the_body_all_the_same() {
    each(|pair| {
        let origin = pair.http(Reply::echo);
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("POST", "/", EXPECT, Length::Known(5));
        assert_eq!(call.interim().status(), 100);
        call.data("hello").end();
        call.response().status(200).body("hello");
        assert_eq!(origin.request().text(), "hello");
    });
}

#[test]
fn a_client_that_does_not_wait_for_leave_is_served_too() {
    each(|pair| {
        let origin = pair.http(Reply::echo);
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        for _ in 0..2 {
            let mut call = caller.begin("POST", "/", EXPECT, Length::Known(5));
            call.data("hello").end();
            call.response().status(200).body("hello");
        }
    });
}

#[test]
fn a_final_answer_instead_of_leave_arrives() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.reply(&Reply::new(403, "no"));
            exchange.wait_gone();
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("POST", "/", EXPECT, Length::Known(5));
        let response = call.response().status(403).body("no");
        assert_eq!(response.interim, []);
        drop(call);
        // Nobody waits for a body that nobody was asked for.
        origin.wait_exchanging(0);
    });
}

#[test]
fn endless_interim_responses_are_a_fault() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.request();
            // As many as no limit allows; a stream's are queued, so there is no telling when it is enough.
            for _ in 0..1000 {
                if !exchange.interim(102, "") {
                    return;
                }
            }
            exchange.wait_gone();
        });
        let setup = pair.setup([&origin]).cluster("retry = { attempts = 0 }");
        let proxy = Evenkeel::start(&setup);
        let response = pair
            .caller(&proxy)
            .get("/")
            .status(502)
            .fault("too-many-interim");
        assert!(response.interim.len() < 100, "{}", response.interim.len());
    });
}
