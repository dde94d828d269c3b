//! Rate limits: how many requests pass, who is counted apart, and what the others are told.

use std::thread;
use std::time::{Duration, Instant};

use evenkeel_testkit::{Client, Evenkeel, Origin, Response, Setup, eventually};

/// The cluster's route with this rate limit, or these.
fn limited(origin: &Origin, rate_limit: &str) -> Setup {
    Setup::to([origin]).route(&format!("name = \"api\"\nrate_limit = {rate_limit}"))
}

/// The statuses of so many requests.
fn statuses(client: &mut Client, target: &str, number: usize) -> Vec<u16> {
    (0..number)
        .map(|_| client.get(target).head.status())
        .collect()
}

/// So many requests pass, and no more.
#[track_caller]
fn expect_passed(client: &mut Client, target: &str, number: usize) {
    let expected = [vec![200; number], vec![429; 3]].concat();
    assert_eq!(statuses(client, target, number + 3), expected, "{target}");
}

/// What it says about the next request, in seconds.
#[track_caller]
fn retry_after(response: &Response) -> u64 {
    let value = response.field("retry-after").expect("Retry-After");
    value.parse().expect("a number of seconds")
}

#[test]
fn what_is_too_much_is_answered_429_and_told_when_to_come_back() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&limited(&origin, "{ requests = 5, per = \"1h\" }"));
    let mut client = proxy.client();
    for _ in 0..5 {
        client
            .get("/")
            .status(200)
            .without("ratelimit")
            .without("retry-after");
    }
    let response = client
        .get("/")
        .status(429)
        .fault("rate-limited")
        .header("ratelimit-policy", "\"api\";q=5;w=3600");
    // A fifth of an hour, less what has passed since.
    let seconds = retry_after(&response);
    assert!((600..=721).contains(&seconds), "{response}");
    let limit = format!("\"api\";r=0;t={seconds}");
    response.header("ratelimit", &limit);
    assert_eq!(origin.requests().len(), 5);
    let record = proxy.records(6).remove(5);
    assert_eq!(
        (&record["status"], &record["route"]),
        (&429.into(), &"api".into())
    );
    assert_eq!(record["fault"], "rate-limited");
    assert_eq!(record.get("endpoint"), None, "{record}");
}

#[test]
fn a_burst_is_as_many_as_it_says() {
    for (rate_limit, passed) in [
        ("{ requests = 1, per = \"1h\" }", 1),
        ("{ requests = 20, per = \"1h\" }", 20),
        ("{ requests = 1, per = \"1h\", burst = 7 }", 7),
        ("{ requests = 20, per = \"1h\", burst = 2 }", 2),
    ] {
        let origin = Origin::saying("ok");
        let proxy = Evenkeel::start(&limited(&origin, rate_limit));
        expect_passed(&mut proxy.client(), "/", passed);
        assert_eq!(origin.requests().len(), passed);
    }
}

#[test]
fn a_refused_request_is_read_to_its_end_and_the_connection_goes_on() {
    let origin = Origin::saying("ok");
    let setup = limited(&origin, "{ requests = 1, per = \"1h\", key = \"path\" }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.post("/a", "hello").status(200);
    client.post("/a", "hello").status(429).without("connection");
    client.post("/b", "hello").status(200);
}

#[test]
fn requests_are_counted_apart_by_what_the_key_says() {
    let key = |value| format!("X-Key: {value}\r\n");
    let cookie = |value| format!("Cookie: a=1; sid={value}; b=2\r\n");
    let none = String::new;
    for (by, requests) in [
        ("route", [("/a", none()), ("/b", key(1)), ("/c", none())]),
        ("client", [("/a", none()), ("/b", key(1)), ("/c", none())]),
        ("path", [("/a", none()), ("/a?x", key(1)), ("/a?y", none())]),
        (
            "header:X-Key",
            [("/a", key(1)), ("/b", key(1)), ("/c", key(1))],
        ),
        (
            "header:x-key",
            [("/a", none()), ("/b", none()), ("/c", none())],
        ),
        (
            "cookie:sid",
            [("/a", cookie(1)), ("/b", cookie(1)), ("/c", cookie(1))],
        ),
        (
            "cookie:sid",
            [("/a", none()), ("/b", key(1)), ("/c", none())],
        ),
    ] {
        let origin = Origin::saying("ok");
        let rule = format!("{{ requests = 2, per = \"1h\", key = {by:?} }}");
        let proxy = Evenkeel::start(&limited(&origin, &rule));
        let mut client = proxy.client();
        let mut ask =
            |(target, fields): &(&str, String)| client.get_with(target, fields).head.status();
        let seen: Vec<u16> = requests.iter().map(&mut ask).collect();
        assert_eq!(seen, [200, 200, 429], "{by} {requests:?}");
        let others: &[(&str, String)] = match by {
            "path" => &[("/b", none())],
            "header:X-Key" | "header:x-key" => &[("/a", key(2)), ("/a", key(3))],
            "cookie:sid" => &[("/a", cookie(2)), ("/a", cookie(3))],
            _ => &[],
        };
        for other in others {
            assert_eq!(ask(other), 200, "{by} {other:?}");
        }
    }
}

#[test]
fn behind_a_trusted_proxy_it_is_the_client_that_counts() {
    let origin = Origin::saying("ok");
    let setup = limited(&origin, "{ requests = 1, per = \"1h\" }");
    let from = |hops: &str| format!("X-Forwarded-For: {hops}\r\n");
    let trusting = setup
        .clone()
        .listener("trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]");
    let proxy = Evenkeel::start(&trusting);
    let mut client = proxy.client();
    for (hops, status) in [
        ("9.9.9.9", 200),
        ("9.9.9.9", 429),
        // What stands further to the left is the client's own word.
        ("1.2.3.4, 9.9.9.9, 10.0.0.1", 429),
        ("9.9.9.8", 200),
        ("2001:db8::1", 200),
        ("2001:db8::ffff:2", 429),
        ("2001:db8:0:1::1", 200),
    ] {
        client.get_with("/", &from(hops)).status(status);
    }
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.get_with("/", &from("9.9.9.9")).status(200);
    client.get_with("/", &from("9.9.9.8")).status(429);
}

#[test]
fn a_limit_on_trial_lets_pass_and_the_record_says_whom_it_would_hit() {
    let origin = Origin::saying("ok");
    let rule = "{ requests = 2, per = \"1h\", dry_run = true }";
    let proxy = Evenkeel::start(&limited(&origin, rule));
    assert_eq!(statuses(&mut proxy.client(), "/", 4), [200; 4]);
    let details: Vec<_> = proxy
        .records(4)
        .iter()
        .map(|record| record.get("detail").cloned())
        .collect();
    let hit = Some("rate-limit-dry-run".into());
    assert_eq!(details, [None, None, hit.clone(), hit]);
}

#[test]
fn tokens_come_back_one_by_one() {
    let origin = Origin::saying("ok");
    let setup = limited(&origin, "{ requests = 4, per = \"2s\", burst = 2 }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let began = Instant::now();
    let mut passed = 0;
    eventually("six requests that pass", || {
        let response = client.get("/");
        if response.head.status() == 200 {
            passed += 1;
        } else {
            assert_eq!(retry_after(&response), 1);
        }
        (passed == 6).then_some(())
    });
    // Two at once, and four more half a second apart.
    let after = began.elapsed();
    assert!(after >= Duration::from_secs(2), "{after:?}");
}

#[test]
fn routes_have_buckets_of_their_own() {
    let origin = Origin::saying("ok");
    let rule = "rate_limit = { requests = 2, per = \"1h\" }";
    let setup = limited(&origin, "{ requests = 4, per = \"1h\" }")
        .add_route(&format!("path = \"/a\"\ncluster = \"app\"\n{rule}"))
        .add_route(&format!("path = \"/b\"\ncluster = \"app\"\n{rule}"))
        .add_route("path = \"/free\"\ncluster = \"app\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    expect_passed(&mut client, "/a", 2);
    expect_passed(&mut client, "/b", 2);
    expect_passed(&mut client, "/", 4);
    assert_eq!(statuses(&mut client, "/free", 20), [200; 20]);
}

#[test]
fn all_limits_of_a_route_must_admit_and_the_one_that_refuses_is_named() {
    let origin = Origin::saying("ok");
    let rules = "[{ requests = 2, per = \"1h\", key = \"path\" }, { requests = 3, per = \"1m\" }]";
    let proxy = Evenkeel::start(&limited(&origin, rules));
    let mut client = proxy.client();
    client.get("/a").status(200);
    client.get("/a").status(200);
    client
        .get("/a")
        .status(429)
        .header("ratelimit-policy", "\"api\";q=2;w=3600");
    client.get("/b").status(200);
    client
        .get("/b")
        .status(429)
        .header("ratelimit-policy", "\"api-2\";q=3;w=60");
}

#[test]
fn responses_of_evenkeel_s_own_are_limited_as_well() {
    let origin = Origin::saying("ok");
    let rule = "rate_limit = { requests = 2, per = \"1h\" }";
    let setup = Setup::to([&origin])
        .add_route(&format!("path = \"/fixed\"\nrespond.body = \"hi\"\n{rule}"))
        .add_route(&format!(
            "path = \"/moved\"\nredirect = {{ path = \"/\", status = 302 }}\n{rule}"
        ));
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    assert_eq!(statuses(&mut client, "/fixed", 4), [200, 200, 429, 429]);
    assert_eq!(statuses(&mut client, "/moved", 4), [302, 302, 429, 429]);
}

#[test]
fn who_may_not_use_the_route_takes_no_token() {
    let origin = Origin::saying("ok");
    let setup = limited(&origin, "{ requests = 1, per = \"1h\", key = \"route\" }")
        .route("max_request_body = \"1KiB\"");
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/a/../b").status(400);
    proxy
        .client()
        .ask("GET", "/", "Content-Length: 2000\r\n", "")
        .status(413);
    proxy.client().get("/").status(200);
}

#[test]
fn the_429_may_have_a_page_of_its_own() {
    let origin = Origin::saying("ok");
    let setup = limited(&origin, "{ requests = 1, per = \"1h\" }")
        .route("error_page = { 429 = { body = \"Slow down.\" } }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.get("/").status(200);
    let response = client.get("/").status(429).body("Slow down.");
    assert!(retry_after(&response) > 3_000, "{response}");
}

#[test]
fn workers_count_together() {
    let origin = Origin::saying("ok");
    let setup = limited(&origin, "{ requests = 50, per = \"1h\" }").top("workers = 4");
    let proxy = Evenkeel::start(&setup);
    let address = proxy.address();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(move || {
                (0..12)
                    .map(|_| Client::connect(address).get("/").head.status())
                    .filter(|&status| status == 200)
                    .count()
            })
        })
        .collect();
    let passed: usize = threads
        .into_iter()
        .map(|thread| thread.join().expect("a thread of clients"))
        .sum();
    assert_eq!(passed, 50);
    assert_eq!(origin.requests().len(), 50);
}
