//! What is known of an endpoint after some attempts, and for how long.

use super::*;

const DECAY: Decay = Decay::over(Duration::from_secs(10));

/// An attempt that took so many milliseconds.
fn took(ms: u64) -> Observed {
    Observed {
        latency: Some(Duration::from_millis(ms)),
        ..Observed::default()
    }
}

/// A failure after so many milliseconds.
fn failed(ms: u64) -> Observed {
    Observed {
        failed: true,
        ..took(ms)
    }
}

/// A second.
const S: u64 = 1_000_000;

/// Peak and average in milliseconds at a time, after attempts that ended at theirs.
fn after(attempts: &[(u64, Observed)], at: u64) -> Option<(f32, f32)> {
    let load = Load::new();
    for (ended, observed) in attempts {
        load.observe_peak(observed, *ended, DECAY);
        load.observe_average(observed, *ended, DECAY);
    }
    let peak = load.peak_us(at, DECAY)?;
    let average = load.average_us(at, DECAY)?;
    Some((
        (peak / 10.0).round() / 100.0,
        (average / 10.0).round() / 100.0,
    ))
}

#[test]
fn a_peak_rises_at_once_and_falls_slowly_an_average_follows_time() {
    let (ten, hundred) = ((0, took(10)), (0, took(100)));
    for (attempts, at, expected) in [
        (&[][..], 0, None),
        (&[ten], 0, Some((10.0, 10.0))),
        (&[ten], 10 * S, Some((3.68, 10.0))),
        (&[ten], 30 * S, Some((0.5, 10.0))),
        // Three decays later nothing is known.
        (&[ten], 30 * S + 1_000, None),
        (&[ten, (S, took(100))], S, Some((100.0, 18.56))),
        (&[hundred, (S, took(10))], S, Some((91.44, 91.44))),
        (&[hundred, (10 * S, took(10))], 10 * S, Some((43.11, 43.11))),
        // What was forgotten has no weight.
        (&[hundred, (31 * S, took(10))], 31 * S, Some((10.0, 10.0))),
        // Of one millisecond the first counts for the average, the worst for the peak.
        (
            &[ten, (100, took(90)), (200, took(20))],
            0,
            Some((90.0, 10.0)),
        ),
        // A worker that read its clock earlier.
        (
            &[(5 * S, took(10)), (4 * S, took(30))],
            5 * S,
            Some((30.0, 10.0)),
        ),
    ] {
        assert_eq!(after(attempts, at), expected, "{attempts:?}");
    }
}

#[test]
fn a_failure_counts_as_a_slow_attempt() {
    let nothing = Observed {
        failed: true,
        ..Observed::default()
    };
    for (attempts, peak) in [
        (&[failed(1)][..], 1_000.0),
        (&[nothing], 1_000.0),
        (&[failed(30_000)], 30_000.0),
        (&[took(5_000), failed(1)], 10_000.0),
        (&[failed(1), failed(1), failed(1)], 4_000.0),
        (&[failed(1); 20], 60_000.0),
        (&[took(600_000)], 60_000.0),
        (&[took(0)], 0.0),
    ] {
        let attempts: Vec<_> = attempts.iter().map(|&observed| (0, observed)).collect();
        assert_eq!(after(&attempts, 0).unwrap().0, peak, "{attempts:?}");
    }
    assert_eq!(after(&[(0, Observed::default())], 0), None);
}

#[test]
fn a_clock_that_begins_anew_ages_nothing() {
    let wrap = (u64::from(u32::MAX) + 1) * 1_000;
    let load = Load::new();
    load.observe_average(&took(10), wrap - 1_000, DECAY);
    assert_eq!(load.average_us(wrap + 1_000, DECAY), Some(10_000.0));
    assert_eq!(load.average_us(wrap + 29_000_000, DECAY), Some(10_000.0));
    assert_eq!(load.average_us(wrap + 30_000_000, DECAY), None);
}

#[test]
fn a_reported_weight_is_the_last_one_and_expires() {
    let load = Load::new();
    assert_eq!(load.reported_weight(0, 1_000), None);
    load.set_reported_weight(3.0, 0);
    load.set_reported_weight(2.5, 1_000_000);
    for nothing in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        load.set_reported_weight(nothing, 1_500_000);
    }
    assert_eq!(load.reported_weight(2_000_000, 1_000), Some(2.5));
    assert_eq!(load.reported_weight(2_001_000, 1_000), None);
}

#[test]
fn decays_are_bounded() {
    assert_eq!(
        Decay::over(Duration::ZERO),
        Decay::over(Duration::from_millis(1))
    );
    assert_eq!(
        Decay::over(Duration::MAX),
        Decay::over(Duration::from_hours(24))
    );
    assert!(size_of::<Load>() <= 24);
}

#[test]
fn an_error_is_slow_on_average_and_no_peak() {
    let error = Observed {
        erred: true,
        ..took(1)
    };
    for (attempts, expected) in [
        (&[(0, error)][..], (1_000.0, 1_000.0)),
        (&[(0, took(20)), (S, error)], (20.0, 113.26)),
        (&[(0, took(20)), (S, error), (2 * S, error)], (20.0, 197.64)),
    ] {
        let at = attempts.last().unwrap().0;
        assert_eq!(after(attempts, at), Some(expected), "{attempts:?}");
    }
}

#[test]
fn errors_are_those_of_the_endpoint_that_are_no_gateway_faults() {
    let errors: Vec<u16> = (100..=508)
        .filter(|&s| Observed::is_error(s, None))
        .collect();
    assert_eq!(errors, [500, 506, 507, 508]);
    let of_calls = GrpcStatus::ALL.into_iter();
    let of_calls = of_calls.filter(|&status| Observed::is_error(200, Some(status)));
    let names: Vec<&str> = of_calls.map(GrpcStatus::name).collect();
    assert_eq!(names, ["unknown", "internal", "data-loss"]);
}
