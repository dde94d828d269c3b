//! One request, told of four times: by a line of the access log, a trace, the numbers for Prometheus, and an explanation before it
//! was sent. They must not contradict each other.

use evenkeel_testkit::faults::DeadAddress;
use evenkeel_testkit::{Evenkeel, Origin, Setup, eventually};
use serde_json::{Value, json};

use super::received::{attribute, collector, to, trace};
use super::{count, id, traceparent};

/// What is told of a request before it is sent.
fn explained(proxy: &Evenkeel, target: &str) -> Value {
    let port = proxy.address().port();
    let url = format!("http://shop.example:{port}{target}");
    let ask = json!({ "method": "GET", "url": url }).to_string();
    let fields = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        ask.len()
    );
    let answer = proxy
        .control()
        .ask("POST", "/api/v1/explain", &fields, &ask)
        .status(200);
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_scrape_a_trace_an_explanation_and_a_line_of_the_log_agree() {
    let (collector, first, second) = (collector(), Origin::saying("a"), Origin::saying("b"));
    let setup = Setup::to([&first, &second])
        .top("workers = 1")
        .no_route()
        .add_route("name = \"shop\"\nhost = \"shop.example\"\npath = \"/a\"\ncluster = \"app\"")
        .add_route("name = \"rest\"\nrespond.body = \"\"")
        .sections(&to(&collector, "trust = true"));
    let proxy = Evenkeel::start(&setup);
    let told = explained(&proxy, "/a/b");
    let response = proxy
        .client()
        .host("shop.example")
        .get_with("/a/b", &traceparent(1, "01"))
        .status(200);
    let record = proxy.record();
    let trace = trace(&collector, &id(1));
    let (exchange, attempt) = (trace.one("GET shop"), trace.one("GET"));

    // The endpoint that was said to be next is the one that answered.
    let endpoint = told["verdict"]["endpoint"].as_str().unwrap().to_owned();
    let said = if endpoint == first.address() {
        "a"
    } else {
        "b"
    };
    assert_eq!(response.text(), said);
    for seen in [
        record["endpoint"].as_str().unwrap().to_owned(),
        attribute(attempt, "evenkeel.endpoint"),
    ] {
        assert_eq!(seen, endpoint);
    }
    for (of_told, of_record, of_trace) in [
        (&told["listener"]["name"], "listener", "evenkeel.listener"),
        (&told["route"]["name"], "route", "http.route"),
        (&told["cluster"]["name"], "cluster", "evenkeel.cluster"),
    ] {
        assert_eq!(of_told, &record[of_record], "{of_record}");
        assert_eq!(*of_told, attribute(exchange, of_trace).as_str());
    }
    assert_eq!(record["trace_id"], id(1).as_str());
    assert_eq!(
        record["request_id"],
        attribute(exchange, "evenkeel.request_id").as_str()
    );
    assert_eq!(
        record["status"].to_string(),
        attribute(exchange, "http.response.status_code")
    );
    assert_eq!(
        record["bytes_out"].to_string(),
        attribute(exchange, "evenkeel.bytes_out")
    );
    assert_eq!(
        record["attempts"].to_string(),
        attribute(exchange, "evenkeel.attempts")
    );
    let millis = |nanos: u64| nanos as f64 / 1e6;
    let took = millis(exchange.end_time_unix_nano - exchange.start_time_unix_nano);
    let logged = record["total_ms"].as_f64().unwrap();
    assert!((took - logged).abs() < 0.002, "{took} ms and {logged} ms");

    assert_counted(&proxy, &endpoint);
    assert_timed(&proxy, logged);
}

/// That the record's time is the one in the histograms of its listener and its route: their sum, and the bucket that moved.
#[track_caller]
fn assert_timed(proxy: &Evenkeel, logged: f64) {
    // A record has microseconds, and so has a histogram.
    const EXACT: f64 = 2e-6;
    let seconds = logged / 1e3;
    let page = eventually("the exchange to be counted", || {
        let page = proxy.control().get("/metrics").status(200).text();
        let counted = "evenkeel_listener_request_seconds_count{listener=\"web\"} 1\n";
        page.contains(counted).then_some(page)
    });
    let value = |line: &str| -> f64 { line.rsplit_once(' ').unwrap().1.parse().unwrap() };
    for (family, label) in [
        ("evenkeel_listener_request_seconds", "listener=\"web\""),
        ("evenkeel_route_request_seconds", "route=\"shop\""),
    ] {
        let of = |suffix: &str, end: &str| -> Vec<&str> {
            let begin = format!("{family}_{suffix}{{{label}{end}");
            let lines = page.lines();
            lines.filter(|line| line.starts_with(&begin)).collect()
        };
        assert_eq!(value(of("count", "}")[0]), 1.0, "{family}");
        let sum = value(of("sum", "}")[0]);
        assert!(
            (sum - seconds).abs() < EXACT,
            "{family}: {sum} s and {seconds} s"
        );
        let bound = |line: &&str| -> f64 {
            let bound = line
                .split_once("le=\"")
                .unwrap()
                .1
                .split('"')
                .next()
                .unwrap();
            bound.replace("+Inf", "inf").parse().unwrap()
        };
        let buckets = of("bucket", ",le=");
        let moved = buckets.iter().position(|line| value(line) > 0.0).unwrap();
        let over = buckets[..moved].last().map_or(0.0, bound);
        let under = bound(&buckets[moved]);
        assert!(
            over - EXACT < seconds && seconds < under + EXACT,
            "{family}: {seconds} s between {over} s and {under} s"
        );
    }
}

/// What stands in the numbers for one request that this endpoint answered.
#[track_caller]
fn assert_counted(proxy: &Evenkeel, endpoint: &str) {
    let labels = format!("cluster=\"app\",endpoint=\"{endpoint}\"");
    for (series, number) in [
        (
            "evenkeel_route_responses_total{route=\"shop\",class=\"2xx\"} ".to_owned(),
            1,
        ),
        (format!("evenkeel_endpoint_attempts_total{{{labels}}} "), 1),
        (
            format!("evenkeel_endpoint_responses_total{{{labels},class=\"2xx\"}} "),
            1,
        ),
        (
            "evenkeel_cluster_request_seconds_count{cluster=\"app\"} ".to_owned(),
            1,
        ),
    ] {
        // A worker counts after it has answered.
        eventually(&format!("{series}{number}"), || {
            let counted = count(proxy, &series).filter(|counted| *counted >= number)?;
            assert_eq!(counted, number, "{series}");
            Some(())
        });
    }
}

#[test]
fn a_fault_has_the_same_name_for_the_client_and_in_all_that_is_told() {
    let (collector, dead) = (collector(), DeadAddress::new());
    let setup = Setup::to_addresses([dead.address()])
        .route("name = \"shop\"")
        .sections(&to(&collector, "trust = true"));
    let proxy = Evenkeel::start(&setup);
    let told = explained(&proxy, "/a");
    assert_eq!(told["verdict"]["endpoint"], dead.address().as_str());
    let mut client = proxy.client();
    let response = client.get_with("/a", &traceparent(1, "01")).status(502);
    let record = proxy.record();
    let trace = trace(&collector, &id(1));
    let exchange = trace.one("GET shop");

    let fault = "connect-refused";
    let status = response.field("proxy-status").unwrap();
    assert!(status.contains(fault), "{status}");
    assert_eq!(record["fault"], fault);
    assert_eq!(attribute(exchange, "error.type"), fault);
    assert_eq!(record["status"], 502);
    assert_eq!(attribute(exchange, "http.response.status_code"), "502");
    assert_eq!(record["route"], told["route"]["name"]);
    assert_eq!(record["cluster"], told["cluster"]["name"]);
    assert_eq!(record["trace_id"], id(1).as_str());
    let attempts = attribute(exchange, "evenkeel.attempts");
    assert_eq!(record["attempts"].to_string(), attempts);
    let tries = record["tries"].as_array().unwrap();
    assert_eq!(tries.len().to_string(), attempts);
    for one in tries {
        assert_eq!(one["endpoint"], dead.address().as_str());
    }
    for (family, labels) in [
        (
            "route_faults_total",
            format!("route=\"shop\",fault=\"{fault}\""),
        ),
        (
            "listener_faults_total",
            format!("listener=\"web\",fault=\"{fault}\""),
        ),
        (
            "route_responses_total",
            "route=\"shop\",class=\"5xx\"".to_owned(),
        ),
    ] {
        let series = format!("evenkeel_{family}{{{labels}}} ");
        eventually(&series, || {
            count(&proxy, &series).filter(|number| *number == 1)
        });
    }
    let series = format!(
        "evenkeel_endpoint_attempts_total{{cluster=\"app\",endpoint=\"{}\"}} ",
        dead.address()
    );
    assert_eq!(
        count(&proxy, &series).map(|number| number.to_string()),
        Some(attempts)
    );
}
