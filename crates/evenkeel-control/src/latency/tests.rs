//! The delays that routes hedge by, second after second.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_config::model::Config;
use evenkeel_state::Publisher;

use super::*;
use crate::rig::{config, published};

/// Two clusters, `a` and `b`; the route to `a` hedges by this percentile.
fn hedged(percentile: u8) -> Config {
    let addresses = ["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()];
    let mut config = config(&[&addresses, &addresses]);
    let route = config.routes.iter_mut().find(
        |route| matches!(&route.action, Action::Forward { split, .. } if split.clusters().any(|id| id.index() == 0)),
    );
    route.unwrap().retry.hedge.percentile = percentile;
    config
}

/// Records a hundred requests of 1 to 100 times this, in both clusters, and measures.
fn second(latencies: &mut Latencies, publisher: &Arc<Publisher>, unit: Duration) {
    let snapshot = publisher.current();
    for cluster in snapshot.clusters() {
        for n in 1..=100 {
            let endpoint = &cluster.endpoints.list[n as usize % 2];
            endpoint.state.counters(0).latency().record(unit * n);
        }
    }
    latencies.measure(&snapshot);
}

fn delay(publisher: &Publisher, cluster: usize, percentile: u8) -> Option<u128> {
    let snapshot = publisher.current();
    let delay = snapshot.clusters()[cluster].state.hedge_delay(percentile);
    delay.map(|delay| delay.as_millis())
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_percentiles_that_routes_name_are_measured_and_no_others() {
    let publisher = published(hedged(90));
    let mut latencies = Latencies::default();
    latencies.measure(&publisher.current());
    assert_eq!(delay(&publisher, 0, 90), None);
    second(&mut latencies, &publisher, MS);
    let measured = delay(&publisher, 0, 90).unwrap();
    assert!((90..=102).contains(&measured), "{measured}");
    assert_eq!(delay(&publisher, 0, 95), None);
    assert_eq!(delay(&publisher, 1, 90), None, "nobody hedges there");
}

#[test]
fn only_the_last_seconds_count() {
    let publisher = published(hedged(50));
    let mut latencies = Latencies::default();
    latencies.measure(&publisher.current());
    for _ in 0..5 {
        second(&mut latencies, &publisher, 10 * MS);
    }
    assert!(delay(&publisher, 0, 50).unwrap() >= 500);
    for _ in 0..SECONDS {
        second(&mut latencies, &publisher, MS);
    }
    let measured = delay(&publisher, 0, 50).unwrap();
    assert!((50..=57).contains(&measured), "{measured}");
}

#[test]
fn too_few_requests_leave_the_delay_as_it_was() {
    let publisher = published(hedged(50));
    let mut latencies = Latencies::default();
    latencies.measure(&publisher.current());
    second(&mut latencies, &publisher, MS);
    let snapshot = publisher.current();
    (0..SECONDS).for_each(|_| latencies.measure(&snapshot));
    let before = delay(&publisher, 0, 50);
    assert!(before.is_some());
    let counters = snapshot.clusters()[0].endpoints.list[0].state.counters(0);
    for _ in 0..2 * SECONDS {
        counters.latency().record(Duration::from_secs(1));
        latencies.measure(&snapshot);
    }
    assert_eq!(delay(&publisher, 0, 50), before);
}

#[test]
fn a_route_that_no_longer_hedges_is_forgotten() {
    let mut latencies = Latencies::default();
    latencies.measure(&published(hedged(50)).current());
    assert_eq!(latencies.recent.len(), 1);
    // Another generation of the same process.
    latencies.generation = Some(0);
    latencies.measure(&published(hedged(0)).current());
    assert!(latencies.recent.is_empty() && latencies.wanted.is_empty());
}
