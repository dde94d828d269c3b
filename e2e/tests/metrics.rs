//! The numbers for Prometheus: what traffic did stands in them, under names of the configuration, and a client library reads them.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

use evenkeel_testkit::{Evenkeel, Origin, Reply, Setup, eventually};

/// The page, by the series: name and labels as they are written.
fn scrape(proxy: &Evenkeel) -> HashMap<String, f64> {
    let page = proxy.control().get("/metrics").status(200);
    let lines = page.text();
    let samples = lines.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// The same once so many exchanges were counted: a client may have its answer a moment before.
fn scrape_after(proxy: &Evenkeel, exchanges: u32) -> HashMap<String, f64> {
    eventually("the exchanges to be counted", || {
        let seen = scrape(proxy);
        let counted = seen.get("evenkeel_listener_request_seconds_count{listener=\"web\"}");
        (counted == Some(&f64::from(exchanges))).then_some(seen)
    })
}

fn setup(origin: &Origin) -> Setup {
    Setup::to([origin])
        .add_route("name = \"own\"\npath = \"/own\"\nrespond.body = \"own\"")
        .add_route("name = \"dead\"\npath = \"/dead\"\ncluster = \"dead\"")
        .sections("[cluster.dead]\nendpoints = \"127.0.0.1:1\"\n")
}

/// What stands for those requests; `@` is the endpoint.
const SEEN: &str = r#"
    evenkeel_listener_responses_total{listener="web",class="2xx"} 4
    evenkeel_listener_responses_total{listener="web",class="4xx"} 1
    evenkeel_listener_responses_total{listener="web",class="5xx"} 1
    evenkeel_listener_faults_total{listener="web",fault="connect-refused"} 1
    evenkeel_listener_request_seconds_count{listener="web"} 6
    evenkeel_route_responses_total{route="own",class="2xx"} 1
    evenkeel_route_responses_total{route="dead",class="5xx"} 1
    evenkeel_route_faults_total{route="dead",fault="connect-refused"} 1
    evenkeel_client_connections_open 1
    evenkeel_requests_total 6
    evenkeel_cluster_request_seconds_count{cluster="app"} 4
    evenkeel_cluster_first_byte_seconds_count{cluster="app"} 4
    evenkeel_cluster_connect_seconds_count{cluster="app"} 1
    evenkeel_cluster_queue_seconds_count{cluster="app"} 0
    evenkeel_endpoint_attempts_total{@} 4
    evenkeel_endpoint_responses_total{@,class="2xx"} 3
    evenkeel_endpoint_responses_total{@,class="4xx"} 1
    evenkeel_endpoint_connects_total{@} 1
    evenkeel_endpoint_reuses_total{@} 3
    evenkeel_endpoint_bytes_received_total{@} 32
    evenkeel_endpoint_response_seconds_count{@} 4
    evenkeel_endpoint_health{@,health="unprobed"} 1
    evenkeel_endpoint_phase{@,phase="admitting"} 1
    evenkeel_endpoint_admin{@,admin="ready"} 1
"#;

#[test]
fn what_clients_saw_is_counted_by_listener_and_route() {
    let origin = Origin::http(|request| {
        if request.target().starts_with("/missing") {
            Reply::new(404, "no")
        } else {
            Reply::ok("0123456789")
        }
    });
    let proxy = Evenkeel::start(&setup(&origin));
    let mut client = proxy.client();
    for _ in 0..3 {
        client.get("/").status(200);
    }
    client.get("/missing?secret=x").status(404);
    client.get("/own").status(200);
    client.get("/dead").status(502);
    let seen = scrape_after(&proxy, 6);
    let endpoint = format!("cluster=\"app\",endpoint=\"{}\"", origin.address());
    for line in SEEN.trim().lines() {
        let (series, expected) = line.trim().rsplit_once(' ').unwrap();
        let series = series.replace('@', &endpoint);
        let expected: f64 = expected.parse().unwrap();
        assert_eq!(seen.get(&series), Some(&expected), "{series}: {seen:#?}");
    }
    // Nothing that a client sent is a label.
    assert!(
        !seen
            .keys()
            .any(|series| series.contains("missing") || series.contains("secret"))
    );
}

#[test]
fn series_of_what_is_gone_are_gone_and_counts_outlive_a_reload() {
    let origin = Origin::saying("ok");
    let mut proxy = Evenkeel::start(&setup(&origin));
    proxy.client().get("/own").status(200);
    proxy.client().get("/dead").status(502);
    assert!(
        scrape_after(&proxy, 2)
            .keys()
            .any(|series| series.contains("\"dead\""))
    );
    let without =
        Setup::to([&origin]).add_route("name = \"own\"\npath = \"/own\"\nrespond.body = \"other\"");
    proxy.reload(&without.text());
    let seen = scrape(&proxy);
    assert!(
        !seen.keys().any(|series| series.contains("\"dead\"")),
        "{seen:#?}"
    );
    let own = "evenkeel_route_responses_total{route=\"own\",class=\"2xx\"}";
    assert_eq!(seen.get(own), Some(&1.0));
    assert_eq!(seen.get("evenkeel_config_generation"), Some(&2.0));
    assert_eq!(
        seen.get("evenkeel_config_last_reload_successful"),
        Some(&1.0)
    );
    proxy.reload_in_vain("version = 2\n");
    let seen = scrape(&proxy);
    assert_eq!(
        seen.get("evenkeel_config_last_reload_successful"),
        Some(&0.0)
    );
}

#[test]
fn a_drained_endpoint_shows_as_drained() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&setup(&origin));
    proxy.order(&["endpoint", "drain", &format!("app/{}", origin.address())]);
    let endpoint = format!("{{cluster=\"app\",endpoint=\"{}\"", origin.address());
    let seen = scrape(&proxy);
    let drained = seen.get(&format!(
        "evenkeel_endpoint_admin{endpoint},admin=\"drain\"}}"
    ));
    let weight = seen.get(&format!("evenkeel_endpoint_weight{endpoint}}}"));
    assert_eq!((drained, weight), (Some(&1.0), Some(&0.0)));
    let admitting = "evenkeel_cluster_endpoints_admitting{cluster=\"app\"}";
    assert_eq!(seen.get(admitting), Some(&0.0));
}

/// Reads the page by the parser of Prometheus' own client library; where it is not installed, the test says so.
fn parse(parser: &str, page: &str) -> Option<String> {
    let script = format!(
        "import sys\nfrom prometheus_client.{parser} import text_string_to_metric_families as parse\n\
         print(sum(len(family.samples) for family in parse(sys.stdin.read())))"
    );
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    python.stdin.take()?.write_all(page.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("No module named 'prometheus_client'") {
        eprintln!("prometheus_client is not here: cargo xtask setup installs it");
        return None;
    }
    assert!(output.status.success(), "{errors}\n{page}");
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn a_client_library_reads_both_formats() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&setup(&origin));
    proxy.client().get("/").status(200);
    proxy.client().get("/dead").status(502);
    let plain = proxy.control().get("/metrics").status(200);
    assert_eq!(
        plain.field("Content-Type").as_deref(),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let open = proxy.control().get_with("/metrics", accept).status(200);
    for (parser, page) in [
        ("parser", plain.text()),
        ("openmetrics.parser", open.text()),
    ] {
        let samples = page.lines().filter(|line| !line.starts_with('#')).count();
        if let Some(read) = parse(parser, &page) {
            assert_eq!(read, samples.to_string(), "{parser}");
        }
    }
    assert!(open.text().ends_with("# EOF\n"));
    eventually("the process to have used the processor", || {
        let used = *scrape(&proxy).get("process_cpu_seconds_total")?;
        (used > 0.0).then_some(())
    });
}
