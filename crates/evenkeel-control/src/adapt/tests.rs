//! Endpoints whose latency is told tick by tick. How the limit moves is tested in `evenkeel-policy`; here, that it is fed.

use std::time::Duration;

use evenkeel_config::model::Config;

use super::*;
use crate::rig::{config, endpoints, published};

const RULES: AdaptiveRules = AdaptiveRules {
    min: 2,
    max: 100,
    initial: 20,
    ..AdaptiveRules::DEFAULT
};

fn limited(limit: EndpointLimit) -> Config {
    let addresses = ["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()];
    let mut config = config(&[&addresses]);
    config.clusters[0].limits.endpoint_requests = limit;
    config
}

#[test]
fn the_limit_begins_where_it_should_and_follows_latency() {
    let publisher = published(limited(EndpointLimit::Adaptive(RULES)));
    let snapshot = publisher.current();
    let [slowing, steady] = &endpoints(&snapshot)[..] else {
        panic!("two endpoints");
    };
    let (mut adapters, mut now) = (Adapters::default(), Instant::now());
    adapters.adapt(&snapshot, now);
    assert_eq!(slowing.state.limit(), 20);
    let busy: Vec<_> = (0..20)
        .map(|_| (slowing.state.begin(), steady.state.begin()))
        .collect();
    let mut feed = |adapters: &mut Adapters, ticks: u32, millis: u64| {
        for _ in 0..ticks {
            for (endpoint, millis) in [(slowing, millis), (steady, 10)] {
                let latency = endpoint.state.counters(0).latency();
                (0..50).for_each(|_| latency.record(Duration::from_millis(millis)));
            }
            now += Duration::from_millis(100);
            adapters.adapt(&snapshot, now);
        }
    };
    feed(&mut adapters, 50, 10);
    let before = (slowing.state.limit(), steady.state.limit());
    assert!(before.0 >= 20 && before.1 >= 20, "{before:?}");
    feed(&mut adapters, 100, 500);
    let after = (slowing.state.limit(), steady.state.limit());
    assert!(
        after.0 < before.0 && after.1 >= before.1,
        "{before:?} {after:?}"
    );
    drop(busy);
}

#[test]
fn others_keep_their_limits_and_who_no_longer_adapts_is_forgotten() {
    let (mut adapters, now) = (Adapters::default(), Instant::now());
    adapters.adapt(
        &published(limited(EndpointLimit::Adaptive(RULES))).current(),
        now,
    );
    assert_eq!(adapters.all.len(), 2);
    let publisher = published(limited(EndpointLimit::Off));
    adapters.adapt(&publisher.current(), now);
    assert!(adapters.all.is_empty());
    let limits = endpoints(&publisher.current());
    assert!(limits.iter().all(|one| one.state.limit() == u32::MAX));
}

#[test]
fn other_rules_begin_anew() {
    let (mut adapters, now) = (Adapters::default(), Instant::now());
    let publisher = published(limited(EndpointLimit::Adaptive(RULES)));
    adapters.adapt(&publisher.current(), now);
    let state = &endpoints(&publisher.current())[0].state;
    let other = AdaptiveRules {
        initial: 7,
        ..RULES
    };
    adapters.adapt_one(state, other, now);
    assert_eq!(state.limit(), 7);
}
