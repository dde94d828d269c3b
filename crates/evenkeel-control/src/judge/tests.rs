//! Endpoints whose requests fail too often, or take too long, second after second.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_config::model::Config;
use evenkeel_policy::outlier::Cause;

use super::*;
use crate::rig::{config, published};

/// Three endpoints; nothing ejects but what the test sets.
fn three() -> Config {
    let addresses: Vec<String> = (1..=3).map(|n| format!("127.0.0.1:{n}")).collect();
    let mut config = config(&[&addresses]);
    config.clusters[0].outlier.consecutive_faults = 0;
    config
}

/// A second of traffic to every endpoint: so many requests, of which so many fail, each of this latency.
fn traffic(cluster: &ClusterSnapshot, second: [(u64, u64, u64); 3]) {
    for (endpoint, (requests, faults, millis)) in cluster.endpoints.list.iter().zip(second) {
        let counters = endpoint.state.counters(0);
        for n in 0..requests {
            counters.attempts.add(1);
            counters.response(if n < faults { 503 } else { 200 });
            counters.latency().record(Duration::from_millis(millis));
            if n < faults {
                counters.gateway_fault(Cause::Status);
            }
        }
    }
}

fn phases(cluster: &ClusterSnapshot) -> Vec<Phase> {
    let list = cluster.endpoints.list.iter();
    list.map(|endpoint| endpoint.state.standing.phase())
        .collect()
}

/// Which phases there are after so many seconds of the same traffic.
fn after(config: Config, seconds: u64, second: [(u64, u64, u64); 3]) -> Vec<Phase> {
    let publisher = published(config);
    let snapshot = publisher.current();
    let cluster = Arc::clone(&snapshot.clusters()[0]);
    let mut judges = Judges::default();
    judges.judge(&snapshot, 1_000);
    for n in 0..seconds {
        traffic(&cluster, second);
        judges.judge(&snapshot, 2_000 + n * 1_000);
    }
    phases(&cluster)
}

const ADMITTING: [Phase; 3] = [Phase::Admitting; 3];
const FIRST_OUT: [Phase; 3] = [Phase::Ejected, Phase::Admitting, Phase::Admitting];

#[test]
fn nothing_is_judged_unless_it_is_asked_for() {
    let bad = [(100, 100, 500), (100, 0, 1), (100, 0, 1)];
    assert_eq!(after(three(), 5, bad), ADMITTING);
}

#[test]
fn a_percentage_of_faults_ejects_once_enough_was_seen() {
    let mut config = three();
    config.clusters[0].outlier.fault_percent = 30;
    let third = [(30, 10, 1), (30, 8, 1), (30, 0, 1)];
    assert_eq!(after(config.clone(), 1, third), ADMITTING, "30 requests");
    assert_eq!(after(config.clone(), 2, third), FIRST_OUT);
    let less = [(30, 8, 1), (30, 8, 1), (30, 0, 1)];
    assert_eq!(after(config, 10, less), ADMITTING);
}

#[test]
fn one_that_is_much_slower_than_the_others_is_ejected() {
    let mut config = three();
    config.clusters[0].outlier.latency_factor = 3.0;
    let slow = [(60, 0, 50), (60, 0, 10), (60, 0, 10)];
    assert_eq!(after(config.clone(), 1, slow), FIRST_OUT);
    let less = [(60, 0, 20), (60, 0, 10), (60, 0, 10)];
    assert_eq!(after(config.clone(), 10, less), ADMITTING);
    let all = [(60, 0, 500), (60, 0, 500), (60, 0, 500)];
    assert_eq!(after(config, 10, all), ADMITTING);
}

#[test]
fn what_was_seen_before_an_ejection_is_not_held_against_it_again() {
    let mut config = three();
    config.clusters[0].outlier.fault_percent = 30;
    let publisher = published(config);
    let snapshot = publisher.current();
    let cluster = &snapshot.clusters()[0];
    let mut judges = Judges::default();
    judges.judge(&snapshot, 1_000);
    traffic(cluster, [(100, 50, 1), (100, 0, 1), (100, 0, 1)]);
    judges.judge(&snapshot, 2_000);
    assert_eq!(phases(cluster), FIRST_OUT);
    judges.judge(&snapshot, 3_000);
    crate::ticker::look_at_all(&snapshot, 12_000);
    crate::ticker::look_at_all(&snapshot, 22_000);
    judges.judge(&snapshot, 22_000);
    judges.judge(&snapshot, 23_000);
    assert_eq!(phases(cluster), ADMITTING);
}

#[test]
fn endpoints_that_are_gone_are_forgotten() {
    let mut config = three();
    config.clusters[0].outlier.fault_percent = 30;
    let mut judges = Judges::default();
    judges.judge(&published(config).current(), 1_000);
    assert_eq!(judges.0.len(), 3);
    judges.judge(&published(three()).current(), 2_000);
    assert!(judges.0.is_empty());
}
