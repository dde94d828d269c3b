//! Which exchanges have a record.

use std::time::Instant;

use evenkeel_base::{Fault, GrpcStatus};
use evenkeel_config::{Nowhere, check};
use evenkeel_policy::Failure;

use super::*;

fn rules(lines: &str) -> Rules {
    let text = format!(
        "version = 1\n[access_log]\n{lines}\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"\"\n"
    );
    Rules::of(&check(&text, "test", &Nowhere).config.unwrap().access_log)
}

fn record(status: u16, took: Duration) -> Record {
    let mut record = Record::new(Instant::now(), [b'0'; 32]);
    record.status = status;
    record.ended = record.began + took;
    record
}

fn attempt(record: &Record, fate: Fate) -> Attempted {
    Attempted {
        endpoint: 0,
        began: record.began,
        queued: Duration::ZERO,
        connect: Duration::ZERO,
        tls: Duration::ZERO,
        head: None,
        ended: record.began,
        fate,
    }
}

const FAST: Duration = Duration::from_millis(10);

#[test]
fn without_a_share_every_record_stands_for_itself() {
    let never = |_| -> u32 { panic!("nothing is drawn") };
    assert_eq!(rules("").draw(&record(200, FAST), never), Some(ONE));
}

#[test]
fn a_record_that_is_drawn_stands_for_those_that_are_not() {
    for (sample, drawn, expected) in [
        ("10%", 9_999, Some(10_000)),
        ("10%", 10_000, None),
        ("30%", 0, Some(3_333)),
        ("0.001%", 0, Some(100_000_000)),
        ("0.001%", 1, None),
        ("0%", 0, None),
    ] {
        let rules = rules(&format!("sample = \"{sample}\""));
        let found = rules.draw(&record(200, FAST), |bound| {
            assert_eq!(bound, ALL_RECORDS);
            drawn
        });
        assert_eq!(found, expected, "{sample} {drawn}");
    }
}

#[test]
fn what_somebody_will_look_at_is_written_anyway_and_stands_for_itself() {
    let rules = rules("sample = \"0%\"\nslow = \"250ms\"");
    let kept = |record: &Record| rules.draw(record, |_| 0);
    for (status, millis, expected) in [
        (200, 249, None),
        (200, 250, Some(ONE)),
        (404, 10, None),
        (499, 10, None),
        (500, 10, Some(ONE)),
        (503, 10, Some(ONE)),
    ] {
        let record = record(status, Duration::from_millis(millis));
        assert_eq!(kept(&record), expected, "{status} after {millis} ms");
    }
    let mut failed = record(499, FAST);
    failed.fault = Some(Fault::ClientGone);
    assert_eq!(kept(&failed), Some(ONE));
    let mut call = record(200, FAST);
    call.grpc = Some(GrpcStatus::Unavailable);
    assert_eq!(kept(&call), Some(ONE));
    call.grpc = Some(GrpcStatus::NotFound);
    assert_eq!(kept(&call), None, "an answer like another");
    let mut again = record(200, FAST);
    again.tried(attempt(&again, Fate::Cancelled));
    assert_eq!(kept(&again), None, "a hedge that lost is no failure");
    again.tried(attempt(
        &again,
        Fate::Failed(Failure::Fault(Fault::EndpointReset)),
    ));
    assert_eq!(kept(&again), Some(ONE));
}

/// Over many, what the records stand for is what there was.
#[test]
fn sums_can_be_made() {
    let rules = rules("sample = \"12.5%\"");
    let mut rng = evenkeel_base::Rng::new(7);
    let total = 200_000;
    let stands_for: u64 = (0..total)
        .filter_map(|_| rules.draw(&record(200, FAST), |bound| rng.below(bound)))
        .map(u64::from)
        .sum();
    let sum = stands_for / u64::from(ONE);
    assert!((total - 4_000..total + 4_000).contains(&sum), "{sum}");
}
