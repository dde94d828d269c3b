//! gRPC: how calls end, what is read of their ends, and who is asked again.
//!
//! The clients and origins here are scripted, of every protocol that a call can come by and go by; real ones stand in
//! [`strangers`], probes in [`probes`].

mod probes;
mod strangers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evenkeel_testkit::faults::DeadAddress;
use evenkeel_testkit::message::values;
use evenkeel_testkit::{
    Broken, Caller, Evenkeel, Exchange, Gate, Length, Origin, Response, Setup, Speech,
};

/// What clients speak.
const DOWN: [fn(&Evenkeel) -> Caller; 2] = [
    |proxy| Caller::h1(proxy.address(), None),
    |proxy| Caller::h2(proxy.address(), None),
];

/// What endpoints speak.
const UP: [fn() -> Speech; 2] = [Speech::h1, Speech::h2];

const KIND: &str = "Content-Type: application/grpc\r\n";

/// The message `x` with the five bytes before it.
const MESSAGE: &str = "\0\0\0\0\x01x";

/// A call with these fields, and its response.
#[track_caller]
fn call(client: &mut Caller, fields: &str) -> Response {
    let fields = format!("{KIND}{fields}Content-Length: {}\r\n", MESSAGE.len());
    client.ask("POST", "/shop.Orders/Place", &fields, MESSAGE)
}

/// A response with one message that ends like this.
fn answer(exchange: &mut Exchange<'_>, status: &str) {
    exchange.request();
    // Whoever asked may be gone.
    let _ = exchange.respond(200, KIND, Length::Unknown)
        && exchange.data(MESSAGE)
        && exchange.trailers(&format!("grpc-status: {status}\r\n"));
}

/// A response that is its end alone.
fn refuse(exchange: &mut Exchange<'_>, fields: &str) {
    exchange.request();
    let _ = exchange.respond(200, &format!("{KIND}{fields}"), Length::Known(0)) && exchange.end();
}

#[track_caller]
fn ends(response: &Response, status: &str) {
    let all = [
        values(&response.head.fields, "grpc-status"),
        values(&response.trailers, "grpc-status"),
    ];
    assert_eq!(all.concat(), [status], "{response}");
}

/// How the calls of the log ended.
fn logged(proxy: &Evenkeel, number: usize) -> Vec<String> {
    let records = proxy.records(number);
    let status =
        |record: &serde_json::Value| record["grpc_status"].as_str().unwrap_or("none").to_owned();
    records.iter().map(status).collect()
}

#[test]
fn a_fault_ends_a_call_and_nothing_else_of_it() {
    let dead = DeadAddress::new();
    let setup = Setup::to_addresses([dead.address()])
        .route("max_request_body = \"9B\"\nerror_page = { 502 = { body = \"a page\" } }")
        .add_route("path = \"/denied\"\nrespond = { status = 200 }\ndeny = \"127.0.0.0/8\"");
    let proxy = Evenkeel::start(&setup);
    for connect in DOWN {
        let mut client = connect(&proxy);
        let response = call(&mut client, "")
            .status(200)
            .header("content-type", "application/grpc")
            .header("grpc-status", "14")
            .header(
                "grpc-message",
                "connect-refused: The endpoint refused the connection.",
            )
            .fault("connect-refused")
            .body("");
        assert!(response.trailers.is_empty());
        client
            .begin("POST", "/x", KIND, Length::Known(10))
            .response()
            .status(200)
            .header("grpc-status", "8")
            .fault("request-body-too-large");
        let mut client = connect(&proxy);
        let fields = "Content-Type: application/grpc+proto\r\nContent-Length: 0\r\n";
        client
            .ask("POST", "/denied", fields, "")
            .status(200)
            .header("grpc-status", "7");
        // What is no call is told as ever.
        for fields in [
            "Content-Type: application/grpc-web+proto\r\n",
            "Content-Type: application/grpcx\r\n",
            "",
        ] {
            let fields = format!("{fields}Content-Length: 0\r\n");
            client
                .ask("POST", "/x", &fields, "")
                .status(502)
                .without("grpc-status")
                .body("a page");
        }
    }
    // A record follows the end of its exchange, which may read the rest of a body for a moment.
    let mut known = logged(&proxy, 6 * DOWN.len());
    known.sort();
    let expected = [
        ["none"; 3],
        ["permission-denied", "resource-exhausted", "unavailable"],
    ];
    let expected: Vec<&str> = expected
        .concat()
        .into_iter()
        .flat_map(|one| std::iter::repeat_n(one, DOWN.len()))
        .collect();
    assert_eq!(known, expected);
    let records = proxy.records(6 * DOWN.len());
    let is_told = |record: &serde_json::Value| {
        record["status"] == 200 && record["fault"] == "connect-refused"
    };
    assert!(records.iter().any(is_told), "{records:?}");
}

#[test]
fn a_route_that_is_not_there_is_a_method_that_is_not_there() {
    let origin = Origin::saying("x");
    let proxy = Evenkeel::start(
        &Setup::to([&origin])
            .no_route()
            .add_route("path = \"/a\"\ncluster = \"app\""),
    );
    for connect in DOWN {
        call(&mut connect(&proxy), "")
            .header("grpc-status", "12")
            .fault("no-route");
    }
}

#[test]
fn what_a_client_waits_is_believed_on_every_route_and_told_to_the_endpoint() {
    for speech in UP {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = speech().serve(move |exchange| {
            exchange.request();
            if exchange.head().start[1] == "/shop.Orders/Place" {
                held.wait();
            }
            answer(exchange, "0");
        });
        let proxy = Evenkeel::start(&Setup::to([&origin]));
        for connect in DOWN {
            call(&mut connect(&proxy), "grpc-timeout: 100m\r\n")
                .status(200)
                .header("grpc-status", "4")
                .fault("total-timeout");
        }
        gate.open();
        for connect in DOWN {
            let response = call(&mut connect(&proxy), "Grpc-Timeout: 9S\r\nTE: trailers\r\n");
            ends(&response, "0");
            let request = origin.requests().pop().unwrap();
            let told = request.field("grpc-timeout").unwrap();
            let left: u32 = told.strip_suffix('m').unwrap().parse().unwrap();
            assert!((1..=9_000).contains(&left), "{told}");
        }
    }
}

#[test]
fn a_call_is_made_again_where_the_route_names_its_status() {
    for speech in UP {
        let busy = speech().serve(|exchange| refuse(exchange, "grpc-status: 14\r\n"));
        let well = speech().serve(|exchange| answer(exchange, "0"));
        let setup = Setup::to([&busy, &well])
            .cluster("outlier = \"off\"\nretry = { grpc_statuses = \"unavailable\" }");
        let proxy = Evenkeel::start(&setup);
        let mut asked = 0;
        for connect in DOWN {
            let mut client = connect(&proxy);
            for _ in 0..2 {
                let response = call(&mut client, "grpc-timeout: 9S\r\n")
                    .status(200)
                    .body(MESSAGE);
                ends(&response, "0");
                asked += 1;
            }
        }
        assert_eq!(well.requests().len(), asked);
        let again = busy.requests().len();
        assert!(again > 0);
        // Nothing of the request is lost on the way, and no attempt has more time than the one before.
        assert!(
            well.requests()
                .iter()
                .all(|request| request.body == MESSAGE.as_bytes())
        );
        let tried: Vec<_> = proxy
            .records(asked)
            .iter()
            .filter_map(|record| Some(record["tried"].get(0)?["why"].clone()))
            .collect();
        assert_eq!(tried, vec!["unavailable"; again]);
    }
}

/// Routes and what they say of retries, what is refused there and how, and what is left of it.
const WITHOUT_LEAVE: [(&str, &str, &str); 6] = [
    ("{}", "grpc-status: 14\r\n", "14"),
    ("{ non_idempotent = true }", "grpc-status: 14\r\n", "14"),
    (
        "{ grpc_statuses = \"unavailable\" }",
        "grpc-status: 13\r\n",
        "13",
    ),
    (
        "{ grpc_statuses = \"unavailable\" }",
        "grpc-status: 14\r\ngrpc-retry-pushback-ms: -1\r\n",
        "14",
    ),
    (
        "{ grpc_statuses = \"unavailable\", replay_buffer = \"5B\" }",
        "grpc-status: 14\r\n",
        "14",
    ),
    (
        "{ grpc_statuses = \"unavailable\", attempts = 0 }",
        "grpc-status: 14\r\n",
        "14",
    ),
];

#[test]
fn a_call_is_not_made_again_without_leave() {
    let origins = [0, 1].map(|_| {
        Speech::h1().serve(|exchange| {
            let place: usize = exchange.head().start[1][1..].parse().unwrap();
            refuse(exchange, WITHOUT_LEAVE[place].1);
        })
    });
    let mut setup = Setup::to(&origins).cluster("outlier = \"off\"");
    for (place, (retry, ..)) in WITHOUT_LEAVE.iter().enumerate() {
        setup = setup.add_route(&format!(
            "path = \"/{place}\"\ncluster = \"app\"\nretry = {retry}"
        ));
    }
    let proxy = Evenkeel::start(&setup);
    let mut client = Caller::h1(proxy.address(), None);
    for (place, (retry, _, status)) in WITHOUT_LEAVE.iter().enumerate() {
        let fields = format!("{KIND}Content-Length: {}\r\n", MESSAGE.len());
        let response = client.ask("POST", &format!("/{place}"), &fields, MESSAGE);
        ends(&response.status(200), status);
        let asked: usize = origins.iter().map(|one| one.requests().len()).sum();
        assert_eq!(asked, place + 1, "{retry}");
    }
}

#[test]
fn a_response_that_has_said_something_is_passed_on_whatever_its_end() {
    let origins = [0, 1].map(|_| Speech::h1().serve(|exchange| answer(exchange, "14")));
    let setup = Setup::to(&origins).cluster("retry = { grpc_statuses = \"unavailable\" }");
    let proxy = Evenkeel::start(&setup);
    let response = call(&mut Caller::h1(proxy.address(), None), "").body(MESSAGE);
    ends(&response, "14");
    assert_eq!(logged(&proxy, 1), ["unavailable"]);
}

#[test]
fn calls_that_end_as_unavailable_eject_and_other_errors_do_not() {
    for speech in UP {
        for statuses in [&["14"][..], &["4", "13", "2"]] {
            // In trailers and in a head alone, by turns.
            let turns = Arc::new(AtomicUsize::new(0));
            let bad = speech().serve(move |exchange| {
                let turn = turns.fetch_add(1, Ordering::Relaxed);
                let status = statuses[turn % statuses.len()];
                if turn.is_multiple_of(2) {
                    answer(exchange, status);
                } else {
                    refuse(exchange, &format!("grpc-status: {status}\r\n"));
                }
            });
            let good = speech().serve(|exchange| answer(exchange, "0"));
            let setup = Setup::to([&bad, &good]).cluster("outlier = { base_ejection = \"1m\" }");
            let proxy = Evenkeel::start(&setup);
            let mut client = Caller::h1(proxy.address(), None);
            for _ in 0..20 {
                call(&mut client, "").status(200);
            }
            let page = proxy.control().get("/metrics").status(200).text();
            let counted = |name: &str, number: usize| {
                let series = format!(
                    "evenkeel_endpoint_grpc_calls_total{{cluster=\"app\",endpoint=\"{}\",status=\"{name}\"}} {number}\n",
                    bad.socket_address()
                );
                assert!(page.contains(&series), "{series}{page}");
            };
            if statuses.len() > 1 {
                assert_eq!(bad.requests().len(), 10);
                counted("deadline-exceeded", 4);
                counted("internal", 3);
                continue;
            }
            assert_eq!(bad.requests().len(), 5);
            counted("unavailable", 5);
            let line = proxy
                .log()
                .wait_for("ejected", |line| line.contains("endpoint ejected"));
            assert!(line.contains("grpc-status, 5 in a row"), "{line}");
        }
    }
}

#[test]
fn a_stream_of_the_client_s_may_pause_before_the_response() {
    for speech in UP {
        let origin = speech().serve(|exchange| answer(exchange, "0"));
        let setup = Setup::to([&origin]).listener("request_body_idle_timeout = \"100ms\"");
        let proxy = Evenkeel::start(&setup);
        for connect in DOWN {
            let mut client = connect(&proxy);
            let mut call = client.begin("POST", "/s/m", KIND, Length::Unknown);
            call.data("\0\0\0");
            // Begun later, this one is over when its pause is longer than the timeout; so the other's is.
            let mut other = Caller::h1(proxy.address(), None);
            let mut late = other.begin("POST", "/s/m", "", Length::Unknown);
            late.data("x");
            late.response().status(408);
            call.data("\0\x01x");
            call.end();
            let response = call.response().status(200).body(MESSAGE);
            ends(&response, "0");
        }
        let requests = origin.requests();
        assert!(
            requests
                .iter()
                .all(|request| request.body == MESSAGE.as_bytes())
        );
    }
}

#[test]
fn a_call_whose_response_takes_its_time_is_waited_for() {
    for (speech, connect) in UP.into_iter().flat_map(|up| DOWN.map(|down| (up, down))) {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = speech().serve(move |exchange| {
            exchange.request();
            held.wait();
            answer(exchange, "0");
        });
        let setup = Setup::to([&origin]).cluster("response_header_timeout = \"100ms\"");
        let proxy = Evenkeel::start(&setup);
        let mut client = connect(&proxy);
        let mut call = client.begin("POST", "/s/m", KIND, Length::Known(6));
        call.data(MESSAGE);
        call.end();
        origin.wait_exchanging(1);
        // Begun later, this one is over when the timeout is; so the call's is.
        let mut other = Caller::h1(proxy.address(), None);
        other
            .post("/s/m", "x")
            .status(504)
            .fault("response-header-timeout");
        gate.open();
        ends(&call.response().status(200), "0");
    }
}

#[test]
fn a_stream_that_is_silent_on_both_sides_ends_by_the_idle_timeout() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Speech::h2().serve(move |_| held.wait());
    let setup = Setup::to([&origin]).cluster("idle_timeout = \"100ms\"");
    let proxy = Evenkeel::start(&setup);
    for connect in DOWN {
        let mut client = connect(&proxy);
        let mut call = client.begin("POST", "/s/m", KIND, Length::Unknown);
        call.data("\0\0\0");
        let response = call.response().status(200).fault("idle-timeout");
        ends(&response, "4");
    }
    gate.open();
}

#[test]
fn messages_flow_both_ways_at_once_and_trailers_in_both_directions() {
    for speech in UP {
        let origin = speech().serve(|exchange| {
            exchange.respond(200, KIND, Length::Unknown);
            while let Some(piece) = exchange.piece() {
                exchange.data(piece);
            }
            exchange.trailers("grpc-status: 0\r\nx-last: b\r\n");
        });
        let proxy = Evenkeel::start(&Setup::to([&origin]));
        for connect in DOWN {
            let mut client = connect(&proxy);
            let fields = format!("{KIND}TE: trailers\r\n");
            let mut call = client.begin("POST", "/s/m", &fields, Length::Unknown);
            call.head();
            for message in ["one", "two", "three"] {
                call.data(message);
                assert_eq!(call.exactly(message.len()), message.as_bytes());
            }
            call.trailers("x-first: a\r\n");
            assert_eq!(call.piece(), Ok(None));
        }
        assert_eq!(logged(&proxy, DOWN.len()), vec!["ok"; DOWN.len()]);
        for request in origin.requests() {
            assert_eq!(values(&request.trailers, "x-first"), ["a"]);
        }
    }
}

#[test]
fn a_response_that_breaks_off_has_no_end_for_the_client_either() {
    for speech in UP {
        let origin = speech().serve(|exchange| {
            exchange.request();
            exchange.respond(200, KIND, Length::Unknown);
            exchange.data(MESSAGE);
            exchange.cut();
        });
        let proxy = Evenkeel::start(&Setup::to([&origin]));
        for connect in DOWN {
            let mut client = connect(&proxy);
            let mut call = client.begin("POST", "/s/m", KIND, Length::Known(0));
            call.end();
            let cut = call.try_response().unwrap_err();
            assert!(
                matches!(
                    cut.why,
                    Broken::Closed | Broken::Reset | Broken::StreamReset(_)
                ),
                "{cut:?}"
            );
        }
        assert_eq!(logged(&proxy, DOWN.len()), vec!["none"; DOWN.len()]);
    }
}
