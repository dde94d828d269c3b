//! Any rules that a file can say: strategies for the properties in [`crate::properties`], and nothing else.

use std::num::NonZeroU16;
use std::time::Duration;

use evenkeel_base::rules::{
    AdaptiveRules, BudgetRules, EndpointLimit, HedgeRules, LimitRules, MultiplexRules,
    OutlierRules, ProbeRules, QueueRules, RateKey, RateRules, RetryOn, RetryRules,
};
use evenkeel_base::{Address, ByteSize, GrpcStatus};
use evenkeel_config::model::{BodyMatch, Probe, ProbeAddress, ProbeRequest};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

/// A duration between two numbers of milliseconds, sometimes with microseconds.
fn millis(least: u64, greatest: u64) -> impl Strategy<Value = Duration> + Clone {
    prop_oneof![
        (least * 1_000..greatest * 1_000).prop_map(Duration::from_micros),
        (least..=greatest).prop_map(Duration::from_millis),
    ]
}

/// A cap, or none.
pub(crate) fn a_cap(greatest: u32) -> impl Strategy<Value = u32> {
    prop_oneof![Just(u32::MAX), 1..=greatest]
}

fn hedge() -> impl Strategy<Value = HedgeRules> {
    let on = (1_u8..=99, millis(1, 10_000));
    prop_oneof![
        Just(HedgeRules::OFF),
        on.prop_map(|(percentile, min_delay)| HedgeRules {
            percentile,
            min_delay
        }),
    ]
}

pub(crate) fn retry() -> impl Strategy<Value = RetryRules> {
    let kinds = any::<[bool; 4]>();
    let statuses = (
        vec(400_u16..=599, 0..4),
        vec(select(&GrpcStatus::ALL[1..]), 0..4),
    );
    let timeout = prop_oneof![Just(Duration::MAX), millis(1, 100_000)];
    let pauses = (millis(0, 60_000), millis(0, 60_000), millis(0, 60_000));
    let rest = (any::<bool>(), 0_u64..1 << 24, hedge());
    (0_u16..=10, kinds, statuses, timeout, pauses, rest).prop_map(
        |(attempts, kinds, statuses, attempt_timeout, pauses, rest)| RetryRules {
            attempts,
            on: RetryOn {
                connect: kinds[0],
                reset: kinds[1],
                timeout: kinds[2],
                malformed: kinds[3],
            },
            statuses: statuses.0.into_iter().collect(),
            grpc_statuses: statuses.1.into_iter().collect(),
            attempt_timeout,
            backoff: pauses.0.min(pauses.1),
            backoff_max: pauses.0.max(pauses.1),
            retry_after_max: pauses.2,
            non_idempotent: rest.0,
            replay_buffer: ByteSize(rest.1),
            hedge: rest.2,
        },
    )
}

/// What a route's rules are when it takes some of `own` and the rest from its cluster.
pub(crate) fn merged(base: RetryRules, own: RetryRules, takes: [bool; 3]) -> RetryRules {
    let mut merged = base;
    if takes[0] {
        (merged.attempts, merged.statuses, merged.on) = (own.attempts, own.statuses, own.on);
    }
    if takes[1] {
        (merged.hedge, merged.attempt_timeout) = (own.hedge, own.attempt_timeout);
        merged.grpc_statuses = own.grpc_statuses;
    }
    if takes[2] { own } else { merged }
}

pub(crate) fn budget() -> impl Strategy<Value = BudgetRules> {
    (0.0_f32..=1.0, 0_u32..=1_000_000).prop_map(|(ratio, burst)| BudgetRules { ratio, burst })
}

fn probe_rules() -> impl Strategy<Value = ProbeRules> {
    let times = (
        millis(100, 100_000),
        millis(100, 100_000),
        millis(100, 100_000),
        millis(1, 100_000),
    );
    let same = any::<(bool, bool)>();
    (times, same, 0_u8..=50, 1_u16..=100, 1_u16..=100).prop_map(
        |(times, same, jitter_percent, rise, fall)| {
            let interval = times.0;
            let down_interval = if same.0 { interval } else { times.2 };
            let timeout = if same.1 { interval } else { times.3 };
            ProbeRules {
                interval,
                changing_interval: times.1,
                down_interval,
                jitter_percent,
                timeout,
                rise,
                fall,
            }
        },
    )
}

fn probe_request() -> impl Strategy<Value = ProbeRequest> {
    let body = prop_oneof![
        Just(BodyMatch::Any),
        "[ -~\u{e9}\n]{1,9}".prop_map(BodyMatch::Contains),
        select(vec!["^ok$", "\"up\"|'UP'", r"\d{1,3}\s", "(?i)é"])
            .prop_map(|pattern| BodyMatch::Regex(pattern.to_owned())),
    ];
    let range = (200_u16..=599, 200_u16..=599).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let header = (select(vec!["X-A", "x-b"]), "([!-~]([ -~]{0,8}[!-~])?)?");
    (
        select(vec!["GET", "HEAD", "OPTIONS", "POST"]),
        "/[a-z0-9%?&=;./]{0,12}",
        select(vec!["", "a.example", "[::1]:80"]),
        vec(header, 0..3),
        vec(range, 1..4),
        body,
    )
        .prop_map(|(method, path, host, mut headers, statuses, body)| {
            headers.sort();
            ProbeRequest {
                method: method.to_owned(),
                path,
                host: host.to_owned(),
                headers: headers
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
                statuses,
                body: if method == "HEAD" {
                    BodyMatch::Any
                } else {
                    body
                },
            }
        })
}

/// A probe; one at another port only where endpoints have ports.
pub(crate) fn probe(ports: bool) -> impl Strategy<Value = Probe> {
    let at = prop_oneof![
        Just(ProbeAddress::Endpoint),
        (1_u16..).prop_map(move |port| match NonZeroU16::new(port) {
            Some(port) if ports => ProbeAddress::Port(port),
            _ => ProbeAddress::Endpoint,
        }),
        select(vec!["10.0.0.9:81", "unix:/run/p.sock", "p.internal:80"])
            .prop_map(|text| ProbeAddress::Fixed(Address::parse(text).unwrap())),
    ];
    let bytes = || vec(any::<u8>(), 0..9);
    let what = prop_oneof![
        probe_request().prop_map(|request| Probe::Http {
            rules: ProbeRules::DEFAULT,
            at: ProbeAddress::Endpoint,
            request,
        }),
        (bytes(), bytes()).prop_map(|(send, expect)| Probe::Tcp {
            rules: ProbeRules::DEFAULT,
            at: ProbeAddress::Endpoint,
            send,
            expect,
        }),
        "([a-zé][a-zA-Z. \"]{0,8})?".prop_map(|service| Probe::Grpc {
            rules: ProbeRules::DEFAULT,
            at: ProbeAddress::Endpoint,
            service,
        }),
    ];
    let probe = (probe_rules(), at, what).prop_map(|(own_rules, own_at, mut probe)| {
        match &mut probe {
            Probe::Off => {}
            Probe::Http { rules, at, .. }
            | Probe::Tcp { rules, at, .. }
            | Probe::Grpc { rules, at, .. } => (*rules, *at) = (own_rules, own_at),
        }
        probe
    });
    prop_oneof![1 => Just(Probe::Off), 3 => probe]
}

pub(crate) fn outlier() -> impl Strategy<Value = OutlierRules> {
    let causes = (
        0_u32..=1_000_000,
        0_u8..=100,
        prop_oneof![Just(0.0_f32), 1.1_f32..1000.0],
    );
    let times = (
        millis(1_000, 3_600_000),
        millis(100, 86_400_000),
        millis(100, 86_400_000),
    );
    let rules = (causes, times, 1_u32..=1_000_000, 1_u8..=100).prop_map(
        |(causes, times, min_requests, max_ejected_percent)| OutlierRules {
            consecutive_faults: causes.0,
            fault_percent: causes.1,
            latency_factor: causes.2,
            window: times.0,
            min_requests,
            base_ejection: times.1.min(times.2),
            max_ejection: times.1.max(times.2),
            max_ejected_percent,
        },
    );
    prop_oneof![
        1 => Just(OutlierRules::DEFAULT),
        1 => Just(OutlierRules::OFF),
        3 => rules,
    ]
}

fn endpoint_limit() -> impl Strategy<Value = EndpointLimit> {
    let bounds = (1_u32..2_000, 1_u32..2_000, any::<u32>());
    let adaptive = (bounds, 1_u32..=1000).prop_map(|((a, b, between), tolerance_percent)| {
        let (min, max) = (a.min(b), a.max(b));
        AdaptiveRules {
            min,
            max,
            initial: min + between % (max - min + 1),
            tolerance_percent,
        }
    });
    prop_oneof![
        Just(EndpointLimit::Off),
        Just(EndpointLimit::Adaptive(AdaptiveRules::DEFAULT)),
        (1_u32..=10_000_000).prop_map(EndpointLimit::Fixed),
        adaptive.prop_map(EndpointLimit::Adaptive),
    ]
}

pub(crate) fn limits() -> impl Strategy<Value = LimitRules> {
    let time = || millis(1, 100_000);
    let queue = (0_u32..=1_000_000, time(), time(), time()).prop_map(
        |(size, timeout, target, interval)| QueueRules {
            size,
            timeout,
            target,
            interval,
        },
    );
    let cap = || a_cap(10_000_000);
    let queue = prop_oneof![Just(QueueRules::DEFAULT), queue];
    (cap(), endpoint_limit(), cap(), cap(), queue).prop_map(
        |(requests, endpoint_requests, connections, endpoint_connections, queue)| LimitRules {
            requests,
            endpoint_requests,
            connections,
            endpoint_connections,
            queue,
        },
    )
}

pub(crate) fn rate_limits() -> impl Strategy<Value = Vec<RateRules>> {
    let key = prop_oneof![
        Just(RateKey::Route),
        Just(RateKey::Client),
        Just(RateKey::Path),
        "[a-z][a-z0-9.-]{0,8}x".prop_map(|name| RateKey::Header(format!("x-{name}"))),
        "[A-Za-z0-9_-]{1,9}".prop_map(RateKey::Cookie),
    ];
    let rate = (1_u32..100_000, millis(1_000, 86_400_000), 1_u32..7);
    let rest = (key, any::<bool>(), 1_u32..=1 << 24, option::of(1_u32..1000));
    let one = (rate, rest).prop_map(|((requests, per, times), rest)| RateRules {
        requests,
        per,
        burst: rest
            .3
            .map_or(requests, |part| (requests * times / part).max(1)),
        key: rest.0,
        dry_run: rest.1,
        keys: rest.2,
    });
    vec(one, 0..3)
}

pub(crate) fn multiplexing() -> impl Strategy<Value = MultiplexRules> {
    let interval = prop_oneof![Just(Duration::MAX), millis(1, 100_000)];
    let rules = (1_u32..=1_024, 1_u32..=10_000, interval, millis(1, 100_000)).prop_map(
        |(max_connections, max_concurrent_streams, ping_interval, ping_timeout)| MultiplexRules {
            max_connections,
            max_concurrent_streams,
            ping_interval,
            ping_timeout,
        },
    );
    prop_oneof![Just(MultiplexRules::DEFAULT), rules]
}
