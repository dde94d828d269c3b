//! What time does to endpoints and clusters, at written-out moments.

use std::future::poll_fn;
use std::time::Duration;

use evenkeel_base::rules::{EndpointLimit, Priority};
use evenkeel_config::model::Config;
use evenkeel_policy::outlier::{Attempted, Cause};
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Health, Phase};
use evenkeel_state::{Endpoint, Newcomer};

use super::*;
use crate::rig::{config, endpoints, pass, published, until};

/// A cluster of so many endpoints, which nobody connects to.
fn cluster(number: usize) -> Config {
    let addresses: Vec<String> = (1..=number).map(|n| format!("127.0.0.1:{n}")).collect();
    config(&[&addresses])
}

fn eject(cluster: &ClusterSnapshot, at: usize, now_ms: u64) -> bool {
    let (list, rules) = (&cluster.endpoints.list, &cluster.config.outlier);
    let state = &cluster.state;
    state
        .eject(list, at, Cause::Status, rules, now_ms)
        .is_some()
}

fn set_health(endpoint: &Endpoint, health: Health, now_ms: u64) {
    let standing = &endpoint.state.standing;
    let _ = standing.set_health(health, Entry::Full, now_ms);
}

#[test]
fn an_ejection_ends_in_a_trial_and_a_trial_without_faults_in_a_ramp() {
    let publisher = published(cluster(2));
    let snapshot = publisher.current();
    let cluster = &snapshot.clusters()[0];
    let standing = &cluster.endpoints.list[0].state.standing;
    assert!(eject(cluster, 0, 1_000));
    for (now_ms, phase, share) in [
        (1_100, Phase::Ejected, 0),
        (10_900, Phase::Ejected, 0),
        (11_000, Phase::Trial, Standing::TRIAL),
        (20_900, Phase::Trial, Standing::TRIAL),
        (21_000, Phase::Admitting, 100),
        (26_000, Phase::Admitting, 550),
        (31_000, Phase::Admitting, 1_000),
    ] {
        look_at_all(&snapshot, now_ms);
        let stands = (standing.phase(), standing.share());
        assert_eq!(stands, (phase, share), "{now_ms}");
    }
}

#[test]
fn a_fault_of_a_trial_ejects_for_twice_as_long() {
    let publisher = published(cluster(2));
    let snapshot = publisher.current();
    let cluster = &snapshot.clusters()[0];
    let standing = &cluster.endpoints.list[0].state.standing;
    assert!(eject(cluster, 0, 1_000));
    look_at_all(&snapshot, 11_000);
    let attempt = Attempted {
        began_ms: 11_100,
        ended_ms: 11_200,
    };
    assert!(cluster.failed(0, 0, Cause::Status, attempt).is_some());
    for (now_ms, phase) in [(31_100, Phase::Ejected), (31_200, Phase::Trial)] {
        look_at_all(&snapshot, now_ms);
        assert_eq!(standing.phase(), phase, "{now_ms}");
    }
}

#[test]
fn a_cluster_panics_when_none_admits_and_until_one_does() {
    let publisher = published(cluster(3));
    let snapshot = publisher.current();
    let state = &snapshot.clusters()[0].state;
    let list = endpoints(&snapshot);
    for (downs, panicking) in [(0, false), (2, false), (3, true), (1, false)] {
        for (at, endpoint) in list.iter().enumerate() {
            let health = if at < downs { Health::Down } else { Health::Up };
            set_health(endpoint, health, 1_000);
        }
        look_at_all(&snapshot, 1_000);
        assert_eq!(state.is_panicking(), panicking, "{downs} down");
    }
}

#[test]
fn a_cluster_may_panic_by_a_percentage() {
    let mut config = cluster(4);
    config.clusters[0].panic_below_percent = 50;
    let publisher = published(config);
    let snapshot = publisher.current();
    let state = &snapshot.clusters()[0].state;
    let list = endpoints(&snapshot);
    for (downs, panicking) in [(2, false), (3, true), (2, false)] {
        for (at, endpoint) in list.iter().enumerate() {
            let health = if at < downs { Health::Down } else { Health::Up };
            set_health(endpoint, health, 1_000);
        }
        look_at_all(&snapshot, 1_000);
        assert_eq!(state.is_panicking(), panicking, "{downs} down");
    }
}

#[test]
fn a_cluster_without_endpoints_is_in_no_panic() {
    let mut config = cluster(1);
    config.clusters[0].endpoints.clear();
    let publisher = published(config);
    look_at_all(&publisher.current(), 1_000);
    assert!(!publisher.current().clusters()[0].state.is_panicking());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_that_nobody_gives_back_is_called() {
    let mut config = cluster(1);
    config.clusters[0].limits.endpoint_requests = EndpointLimit::Fixed(1);
    let publisher = published(config);
    let snapshot = publisher.current();
    let cluster = &snapshot.clusters()[0];
    let state = &cluster.endpoints.list[0].state;
    let held = cluster.state.limits.begin(state).unwrap();
    let newcomer = Newcomer {
        priority: Priority::Normal,
        deadline: None,
        has_looked: true,
    };
    let now = time::Instant::now().into_std();
    let mut ticket = cluster.state.limits.room.enter(newcomer, now).unwrap();
    // It is called to look again, finds nothing, and waits.
    poll_fn(|cx| ticket.poll_ready(cx)).await.unwrap();
    ticket.again(false, now);
    let mut ticker = Ticker::new(Clock::of(&publisher));
    ticker.tick(&snapshot);
    state.set_limit(2);
    ticker.tick(&snapshot);
    poll_fn(|cx| ticket.poll_ready(cx)).await.unwrap();
    let found = cluster.state.limits.begin(state).unwrap();
    ticket.served();
    drop((held, found));
}

#[tokio::test(start_paused = true)]
async fn the_clock_ticks_by_itself() {
    let publisher = published(cluster(2));
    let snapshot = publisher.current();
    let standing = &snapshot.clusters()[0].endpoints.list[0].state.standing;
    let task = tokio::spawn(run(Arc::clone(&publisher)));
    pass(Duration::from_secs(1)).await;
    let now_ms = Clock::of(&publisher).millis();
    assert!(eject(&snapshot.clusters()[0], 0, now_ms));
    let took = until("a trial", || standing.phase() == Phase::Trial).await;
    let expected = Duration::from_secs(10);
    assert!(took >= expected && took <= expected + 2 * TICK, "{took:?}");
    until("full share", || standing.share() == Standing::FULL).await;
    task.abort();
}
