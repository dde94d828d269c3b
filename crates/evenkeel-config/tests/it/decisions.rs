//! Health, attempts and limits of files that are right: what is said, what follows from it, what a route takes over.

use std::num::NonZeroU16;
use std::time::Duration;

use evenkeel_base::rules::{
    AdaptiveRules, AdminState, EndpointLimit, HedgeRules, LimitRules, MultiplexRules, OutlierRules,
    Priority, ProbeRules, QueueRules, RateKey, RateRules, RetryOn, RetryRules,
};
use evenkeel_config::model::{BodyMatch, Cluster, Probe, ProbeAddress, ProbeRequest, Route};
use evenkeel_config::{Nowhere, check, print, render_all};

/// The first route and cluster of a file with these lines, which has no mistake and prints to one that means the same.
#[track_caller]
fn read(route: &str, cluster: &str) -> (Route, Cluster) {
    let text = format!(
        "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"c\"\n{route}\n[cluster.c]\nendpoints = [\":2\"]\n{cluster}\n"
    );
    let checked = check(&text, "test.toml", &Nowhere);
    assert_eq!(render_all(&checked.diagnostics, &text, false), "");
    let mut config = checked.config.unwrap();
    let printed = print(&config);
    assert_eq!(
        check(&printed, "printed.toml", &Nowhere).config.as_ref(),
        Some(&config),
        "{printed}"
    );
    (config.routes.remove(0), config.clusters.remove(0))
}

#[track_caller]
fn cluster(lines: &str) -> Cluster {
    read("", lines).1
}

#[test]
fn what_is_not_said_is_what_the_rules_say() {
    let (route, cluster) = read("", "");
    assert_eq!(
        (cluster.retry, route.retry),
        (RetryRules::DEFAULT, RetryRules::DEFAULT)
    );
    assert_eq!(cluster.probe, Probe::Off);
    assert_eq!(cluster.outlier, OutlierRules::DEFAULT);
    assert_eq!(cluster.limits, LimitRules::DEFAULT);
    assert_eq!(cluster.slow_start, Duration::from_secs(10));
    assert_eq!(cluster.panic_below_percent, 0);
    assert_eq!(cluster.endpoints[0].admin, AdminState::Ready);
    assert_eq!(
        (route.priority, route.rate_limits.len()),
        (Priority::Normal, 0)
    );
    assert_eq!(route.deadline_header, "");
}

#[test]
fn a_route_takes_from_its_cluster_what_it_does_not_say() {
    let of_cluster =
        "[cluster.c.retry]\nattempts = 4\nstatuses = 503\nhedge = {}\nbackoff = \"1ms\"";
    let (route, cluster) = read("", of_cluster);
    assert_eq!(route.retry, cluster.retry);
    assert_eq!(cluster.retry.hedge, HedgeRules::DEFAULT);
    let own = "retry = { attempts = 2, on = \"connect\", statuses = [], hedge = \"off\" }";
    let (route, cluster) = read(own, of_cluster);
    assert_eq!(cluster.retry.attempts, 4);
    assert_eq!(
        route.retry,
        RetryRules {
            on: RetryOn {
                connect: true,
                reset: false,
                timeout: false,
                malformed: false,
            },
            backoff: Duration::from_millis(1),
            ..RetryRules::DEFAULT
        }
    );
}

#[test]
fn the_shortest_probes() {
    let rules = ProbeRules::DEFAULT;
    let request = ProbeRequest {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        host: String::new(),
        headers: Vec::new(),
        statuses: vec![(200, 399)],
        body: BodyMatch::Any,
    };
    let at = ProbeAddress::Endpoint;
    assert_eq!(
        cluster("probe.http = {}").probe,
        Probe::Http { rules, at, request }
    );
    let tcp = |at| Probe::Tcp {
        rules,
        at,
        send: Vec::new(),
        expect: Vec::new(),
    };
    assert_eq!(cluster("probe.tcp = {}").probe, tcp(ProbeAddress::Endpoint));
    let port = ProbeAddress::Port(NonZeroU16::new(81).unwrap());
    assert_eq!(cluster("probe = { tcp = {}, port = 81 }").probe, tcp(port));
    assert_eq!(cluster("probe = \"off\"").probe, Probe::Off);
}

/// Who changes one number must not be told that the default of another one contradicts it.
#[test]
fn defaults_follow_what_is_given() {
    let rules = |lines: &str| {
        *cluster(&format!("probe.tcp = {{}}\n{lines}"))
            .probe
            .rules()
            .unwrap()
    };
    let quick = rules("probe.interval = \"500ms\"");
    let half = Duration::from_millis(500);
    assert_eq!((quick.timeout, quick.changing_interval), (half, half));
    assert_eq!(quick.down_interval, half);
    let slow = rules("probe.interval = \"30s\"");
    assert_eq!(slow.timeout, Duration::from_secs(2));
    assert_eq!(slow.changing_interval, Duration::from_secs(1));
    assert_eq!(slow.down_interval, Duration::from_secs(30));

    let adaptive = |lines: &str| match cluster(&format!("limits.endpoint_requests = {lines}"))
        .limits
        .endpoint_requests
    {
        EndpointLimit::Adaptive(AdaptiveRules {
            min, max, initial, ..
        }) => (min, max, initial),
        other => panic!("{other:?}"),
    };
    assert_eq!(adaptive("\"adaptive\""), (3, 1_000, 20));
    assert_eq!(adaptive("{ max = 10 }"), (3, 10, 10));
    assert_eq!(adaptive("{ max = 2 }"), (2, 2, 2));
    assert_eq!(adaptive("{ min = 50 }"), (50, 1_000, 50));
}

#[test]
fn limits_and_their_queue() {
    let limits = cluster("[cluster.c.limits]\nendpoint_requests = 100\nqueue.size = 0").limits;
    assert_eq!(limits.endpoint_requests, EndpointLimit::Fixed(100));
    assert_eq!((limits.requests, limits.connections), (u32::MAX, u32::MAX));
    let queue = QueueRules {
        size: 0,
        ..QueueRules::DEFAULT
    };
    assert_eq!(limits.queue, queue);
    assert!(cluster("limits = { requests = \"off\" }").limits.is_off());
}

#[test]
fn http2_and_its_pings() {
    assert_eq!(cluster("").http2, MultiplexRules::DEFAULT);
    let rules = cluster("http2 = { max_connections = 2, ping_interval = \"off\" }").http2;
    assert_eq!(
        rules,
        MultiplexRules {
            max_connections: 2,
            ping_interval: Duration::MAX,
            ..MultiplexRules::DEFAULT
        }
    );
    // Where streams are waited for there is a queue without a limit.
    let queue = cluster("protocol = \"h2\"\nlimits.queue.size = 3")
        .limits
        .queue;
    assert_eq!(queue.size, 3);
}

#[test]
fn outliers_off_and_in_part() {
    assert_eq!(cluster("outlier = \"off\"").outlier, OutlierRules::OFF);
    let rules = cluster("outlier = { consecutive_faults = \"off\", latency_factor = 3 }").outlier;
    assert_eq!(
        rules,
        OutlierRules {
            latency_factor: 3.0,
            ..OutlierRules::OFF
        }
    );
}

#[test]
fn one_rate_limit_or_several() {
    let one = read("rate_limit = { requests = 10 }", "").0.rate_limits;
    let ten = RateRules {
        requests: 10,
        per: Duration::from_secs(1),
        burst: 10,
        key: RateKey::Client,
        keys: RateRules::DEFAULT_KEYS,
        dry_run: false,
    };
    assert_eq!(one, std::slice::from_ref(&ten));
    let several = "rate_limit = [{ requests = 10 }, { requests = 60, per = \"1m\", burst = 5, key = \"header:X-Api-Key\" }]";
    let minute = RateRules {
        requests: 60,
        per: Duration::from_mins(1),
        burst: 5,
        key: RateKey::Header("x-api-key".to_owned()),
        ..ten
    };
    assert_eq!(read(several, "").0.rate_limits, [ten, minute]);
}

/// The highest rate and the longest burst that are accepted, which one step more would not be.
#[test]
fn rates_at_their_bounds() {
    let accepts = |limit: &str| {
        let text = format!(
            "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"\"\nrate_limit = {limit}\n"
        );
        check(&text, "test.toml", &Nowhere).config.is_some()
    };
    for (limit, expected) in [
        ("{ requests = 1000, per = \"1ms\" }", true),
        ("{ requests = 1001, per = \"1ms\" }", false),
        ("{ requests = 1000000 }", true),
        ("{ requests = 1000001 }", false),
        ("{ requests = 1, per = \"24h\", burst = 7 }", true),
        ("{ requests = 1, per = \"24h\", burst = 8 }", false),
    ] {
        assert_eq!(accepts(limit), expected, "{limit}");
    }
}
