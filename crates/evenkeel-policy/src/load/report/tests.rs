//! Reports of both forms, and what is none.

use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::*;
use crate::fuzzing;

/// What a report says, in short: only what it says something of.
fn said(text: &str) -> String {
    let Some(report) = Report::parse(text.as_bytes()) else {
        return "nothing".to_owned();
    };
    let parts = [
        report.in_flight.map(|n| format!("{n} in flight")),
        report.latency.map(|latency| format!("{latency:?}")),
        report.utilization.map(|part| format!("used {part}")),
        report.requests_per_second.map(|rate| format!("{rate}/s")),
        report
            .errors_per_second
            .map(|rate| format!("{rate} errors/s")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn assert_says(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(said(text), *expected, "{text}");
    }
}

#[test]
fn pairs_as_text() {
    assert_says(&[
        ("TEXT cpu_utilization=0.3", "used 0.3"),
        ("cpu_utilization=0.3", "used 0.3"),
        (
            "text  cpu_utilization = 0.3 ,, eps=0 ,",
            "used 0.3, 0 errors/s",
        ),
        (
            "TEXT cpu_utilization=0.3,mem_utilization=0.8,rps_fractional=10.5,eps=1e-1,request_cost.x=NaN",
            "used 0.3, 10.5/s, 0.1 errors/s",
        ),
        (
            "application_utilization=0.7, cpu_utilization=0.3",
            "used 0.7",
        ),
        ("cpu_utilization=0.3, application_utilization=0", "used 0.3"),
        ("application_utilization=0", "used 0"),
        ("cpu_utilization=1.5", "used 1.5"),
        ("rps=20", "20/s"),
        ("rps_fractional=3, rps=20", "3/s"),
        (
            "named_metrics.in_flight=3, latency_ms=12.5",
            "3 in flight, 12.5ms",
        ),
        ("rif=4\nlatency_us=90\n", "4 in flight, 90µs"),
        ("named_metrics.rif=0", "0 in flight"),
        ("in_flight=-0.0", "0 in flight"),
        ("named_metrics.eps=5, in_flight=1", "1 in flight"),
        ("utilization.eps=5, in_flight=1", "1 in flight"),
    ]);
}

#[test]
fn an_object_as_json() {
    assert_says(&[
        (r#"JSON {"cpu_utilization": 0.3}"#, "used 0.3"),
        (r#" {"cpu_utilization":0.3}"#, "used 0.3"),
        (
            r#"{"cpuUtilization": 3e-1, "rpsFractional": 7, "eps": 0}"#,
            "used 0.3, 7/s, 0 errors/s",
        ),
        (
            r#"JSON {"named_metrics": {"in_flight": 3, "latency_ms": 2}, "rps": 5}"#,
            "3 in flight, 2ms, 5/s",
        ),
        (
            r#"{"utilization": {"eps": 4}, "namedMetrics": {"eps": 4}, "rif": 1}"#,
            "1 in flight",
        ),
        (
            r#"{"a": [1, {"eps": 2}, "x\"}"], "b": null, "c": true, "eps": 1}"#,
            "1 errors/s",
        ),
        (r#"{"e\u0070s": 2, "rif": 1}"#, "1 in flight"),
        (
            r#"{"named_metrics": {"named_metrics": {"rif": 2}}, "rif": 1}"#,
            "1 in flight",
        ),
    ]);
}

#[test]
fn what_is_wrong_in_one_place_is_believed_in_none() {
    for text in [
        "",
        "TEXT ",
        "TEXT",
        "JSON",
        "BIN CgkKBAAAAAAAAPA/",
        "hello",
        "mem_utilization=0.5",
        "cpu_utilization=",
        "cpu_utilization=NaN",
        "cpu_utilization=inf",
        "cpu_utilization=1e39",
        "cpu_utilization=-1",
        "cpu_utilization=0.3, eps=-1",
        "cpu_utilization=0.3, eps",
        "cpu_utilization=0.3 eps=1",
        "in_flight=4294967296",
        "latency_ms=1e300",
        "JSON {}",
        "JSON cpu_utilization=0.3",
        r#"{"cpu_utilization": 0.3"#,
        r#"{"cpu_utilization": 0.3}}"#,
        r#"{"cpu_utilization": 0.3,}"#,
        r#"{"cpu_utilization" 0.3}"#,
        r#"{"cpu_utilization": 0.3, "x": nul}"#,
        r#"{"cpu_utilization": 0.3, "x": "}"#,
        r#"{"cpu_utilization": -0.3}"#,
        r#"{"cpu_utilization": 1-1}"#,
        r#"[{"cpu_utilization": 0.3}]"#,
    ] {
        assert_eq!(said(text), "nothing", "{text}");
    }
    assert_eq!(Report::parse(b"cpu_utilization=0.3, x=\xff"), None);
}

#[test]
fn length_and_depth_have_limits() {
    let long = |length: usize| format!("{:<length$}", "eps=1");
    assert!(Report::parse(long(MOST_BYTES).as_bytes()).is_some());
    assert!(Report::parse(long(MOST_BYTES + 1).as_bytes()).is_none());
    let deep = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"eps": 1, "x": {open}{close}}}"#)
    };
    assert!(Report::parse(deep(7).as_bytes()).is_some());
    assert!(Report::parse(deep(8).as_bytes()).is_none());
    assert!(Report::parse(deep(2_000).as_bytes()).is_none());
}

/// Pieces that reports are made of, to reach further than bytes by chance do.
const PIECES: [&str; 24] = [
    "TEXT ",
    "JSON ",
    "cpu_utilization",
    "application_utilization",
    "rps_fractional",
    "eps",
    "rif",
    "latency_us",
    "latency_ms",
    "named_metrics",
    ".",
    "=",
    ",",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\"",
    "0.5",
    "-1",
    "1e999",
    "\\",
    " ",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic_or_give_numbers_that_are_none(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        fuzzing::report(&bytes);
    }

    #[test]
    fn no_pieces_do(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24)) {
        fuzzing::report(pieces.concat().as_bytes());
    }

    /// Both forms say the same.
    #[test]
    fn text_and_json_of_the_same_numbers_agree(
        used in 0.0_f32..4.0, rate in 0.0_f32..1e6, errors in 0.0_f32..1e6, rif in any::<u32>(),
    ) {
        let text = format!("cpu_utilization={used},rps_fractional={rate},eps={errors},named_metrics.rif={rif}");
        let json = format!(
            r#"{{"cpu_utilization":{used},"rps_fractional":{rate},"eps":{errors},"named_metrics":{{"rif":{rif}}}}}"#
        );
        let expected = Report {
            in_flight: Some(rif),
            latency: None,
            utilization: Some(used),
            requests_per_second: Some(rate),
            errors_per_second: Some(errors),
        };
        assert_eq!(Report::parse(text.as_bytes()), Some(expected));
        assert_eq!(Report::parse(json.as_bytes()), Some(expected));
    }
}
