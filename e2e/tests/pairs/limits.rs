//! Limits on what a client may send, each with its consequence.

use std::fmt::Write;

use evenkeel_testkit::{Evenkeel, Length, Reply};

use super::each;

#[test]
fn a_head_beyond_its_limits_is_refused() {
    each(|pair| {
        let origin = pair.saying("ok");
        let setup = pair
            .setup([&origin])
            .listener("max_head = \"4KiB\"\nmax_fields = 20\nmax_request_line = \"1KiB\"");
        let proxy = Evenkeel::start(&setup);
        let many = |number: usize| {
            (0..number).fold(String::new(), |mut lines, i| {
                write!(lines, "X{i}: y\r\n").unwrap();
                lines
            })
        };
        for (target, fields, status) in [
            ("/".to_owned(), many(10), 200),
            ("/".to_owned(), many(30), 431),
            ("/".to_owned(), format!("X: {}\r\n", "x".repeat(3_000)), 200),
            ("/".to_owned(), format!("X: {}\r\n", "x".repeat(5_000)), 431),
            (format!("/{}", "p".repeat(900)), String::new(), 200),
            (format!("/{}", "p".repeat(1_100)), String::new(), 414),
        ] {
            let mut caller = pair.caller(&proxy);
            let response = caller.get_with(&target, &fields).status(status);
            if status != 200 && !pair.down.h2 {
                response.header("connection", "close");
            } else {
                // One stream was refused, or none.
                caller.get("/").status(200).body("ok");
            }
        }
    });
}

#[test]
fn a_body_that_is_too_long_is_a_413() {
    each(|pair| {
        let origin = pair.http(Reply::echo);
        let setup = pair.setup([&origin]).route("max_request_body = \"1KiB\"");
        let proxy = Evenkeel::start(&setup);
        let fits = "x".repeat(1024);
        pair.caller(&proxy).post("/", &fits).status(200).body(&fits);
        for length in [Length::Known(1025), Length::Unknown] {
            let mut caller = pair.caller(&proxy);
            let mut call = caller.begin("POST", "/", "", length);
            call.try_data("x".repeat(1025));
            call.response().status(413).fault("request-body-too-large");
        }
        origin.wait_exchanging(0);
        assert_eq!(origin.requests().len(), 1);
    });
}

#[test]
fn a_response_head_that_is_too_large_is_a_502() {
    each(|pair| {
        let origin = pair.http(|_| Reply::ok("ok").header("X", &"x".repeat(40_000)));
        let setup = pair.setup([&origin]).cluster("retry = { attempts = 0 }");
        let proxy = Evenkeel::start(&setup);
        let response = pair.caller(&proxy).get("/").status(502);
        let status = response.field("proxy-status").unwrap();
        assert!(status.contains("response-head-too-large"), "{status}");
    });
}

#[test]
fn a_rate_limit_answers_429() {
    each(|pair| {
        let origin = pair.saying("ok");
        let setup = pair
            .setup([&origin])
            .route("name = \"api\"\nrate_limit = { requests = 2, per = \"1h\" }");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        for _ in 0..2 {
            caller.post("/", "hello").status(200);
        }
        let response = caller.post("/", "hello").status(429).fault("rate-limited");
        assert!(response.field("retry-after").is_some(), "{response}");
        response.header("ratelimit-policy", "\"api\";q=2;w=3600");
        // The body of the refused one was read: the connection goes on.
        caller.get("/").status(429);
        assert_eq!(origin.requests().len(), 2);
    });
}
