//! Who is judged an outlier.

use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};

use super::*;

const RULES: OutlierRules = OutlierRules {
    min_requests: 50,
    ..OutlierRules::OFF
};
const PERCENT: OutlierRules = OutlierRules {
    fault_percent: 20,
    ..RULES
};
const LATENCY: OutlierRules = OutlierRules {
    latency_factor: 3.0,
    ..RULES
};

/// Of so many requests so many failed.
const fn failed(requests: u64, faults: u64) -> Seen {
    Seen {
        requests,
        faults,
        median_us: 0,
    }
}

/// A hundred requests with that median, in milliseconds.
const fn took(ms: u32) -> Seen {
    Seen {
        requests: 100,
        faults: 0,
        median_us: ms * 1_000,
    }
}

fn found(window: &[Seen], rules: &OutlierRules) -> Vec<(usize, Cause)> {
    let all = judge(window, rules);
    all.iter().map(|f| (f.at, f.cause)).collect()
}

#[test]
fn nothing_is_judged_unless_it_is_set() {
    let window = [failed(1_000, 1_000), took(1), took(1_000)];
    assert_eq!(found(&window, &RULES), []);
    assert_eq!(found(&[], &PERCENT), []);
    assert_eq!(found(&[], &LATENCY), []);
}

#[test]
fn a_percentage_of_faults_counts_from_enough_requests_on_the_worst_first() {
    let window = [
        failed(100, 19),
        failed(100, 20),
        failed(49, 49),
        failed(50, 50),
        failed(0, 0),
        failed(1_000_000, 300_000),
        // An attempt's fault may come when its request is counted already.
        failed(50, 51),
    ];
    let expected = [3, 6, 5, 1].map(|at| (at, Cause::Percentage));
    assert_eq!(found(&window, &PERCENT), expected);
    assert_eq!(judge(&window, &PERCENT)[0].measured, 100.0);
    assert_eq!(judge(&window, &PERCENT)[2].measured, 30.0);
}

#[test]
fn without_a_least_number_an_endpoint_without_requests_is_not_judged() {
    let rules = OutlierRules {
        min_requests: 0,
        ..PERCENT
    };
    assert_eq!(found(&[failed(0, 0)], &rules), []);
}

#[test]
fn the_slow_one_is_measured_by_the_others() {
    for (millis, expected) in [
        (&[10][..], &[][..]),
        (&[10, 10], &[]),
        (&[10, 29], &[]),
        (&[10, 30], &[1]),
        (&[10, 20, 100], &[2]),
        (&[10, 20, 44], &[]),
        (&[10, 20, 45], &[2]),
        (&[500, 10, 11, 12], &[0]),
        (&[10, 10, 10, 400, 600], &[4, 3]),
        // Half of a cluster slow: each is measured by what lies in the middle of the others.
        (&[10, 10, 400, 400], &[2, 3]),
        (&[10, 400, 400], &[]),
        (&[100, 100, 100, 100], &[]),
    ] {
        let window: Vec<Seen> = millis.iter().map(|ms| took(*ms)).collect();
        let at: Vec<usize> = judge(&window, &LATENCY).iter().map(|f| f.at).collect();
        assert_eq!(at, expected, "{millis:?}");
    }
}

#[test]
fn what_is_measured_is_how_many_times_slower() {
    let findings = judge(&[took(10), took(20), took(60)], &LATENCY);
    assert_eq!(findings.len(), 1);
    assert_eq!(
        (findings[0].cause, findings[0].measured),
        (Cause::Latency, 4.0)
    );
}

#[test]
fn less_than_a_millisecond_is_no_outlier_however_many_times() {
    let micros = |median_us| Seen {
        requests: 100,
        faults: 0,
        median_us,
    };
    assert_eq!(found(&[micros(80), micros(1_079)], &LATENCY), []);
    assert_eq!(
        found(&[micros(80), micros(1_080)], &LATENCY),
        [(1, Cause::Latency)]
    );
}

#[test]
fn who_had_few_requests_or_no_known_latency_is_neither_judged_nor_a_measure() {
    let few = Seen {
        requests: 49,
        ..took(1)
    };
    assert_eq!(found(&[few, took(500)], &LATENCY), []);
    assert_eq!(found(&[failed(100, 0), took(500)], &LATENCY), []);
    let slow = Seen {
        requests: 49,
        ..took(500)
    };
    assert_eq!(found(&[took(1), took(1), slow], &LATENCY), []);
}

#[test]
fn who_fails_and_is_slow_is_found_once() {
    let rules = OutlierRules {
        latency_factor: 3.0,
        ..PERCENT
    };
    let bad = Seen {
        faults: 50,
        ..took(900)
    };
    let window = [took(1), bad, took(1), took(90)];
    assert_eq!(
        found(&window, &rules),
        [(1, Cause::Percentage), (3, Cause::Latency)]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Against the rule written out: the median of the others, found by sorting them.
    #[test]
    fn latency_is_judged_as_the_rule_says(millis in prop::collection::vec(1..200_u32, 0..12)) {
        let window: Vec<Seen> = millis.iter().map(|ms| took(*ms)).collect();
        let findings = judge(&window, &LATENCY);
        for (at, own) in millis.iter().enumerate() {
            let mut others = millis.clone();
            others.remove(at);
            others.sort_unstable();
            let middle = |n: usize| f64::from(others[n]);
            let expected = !others.is_empty() && {
                let median = (middle((others.len() - 1) / 2) + middle(others.len() / 2)) / 2.0;
                let own = f64::from(*own);
                own >= 3.0 * median && own - median >= 1.0
            };
            prop_assert!(findings.iter().any(|f| f.at == at) == expected, "{at} of {millis:?}");
        }
        prop_assert!(findings.is_sorted_by(|a, b| a.measured >= b.measured));
    }
}
