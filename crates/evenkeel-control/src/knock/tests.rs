//! Endpoints that traffic ejected, tried by connects.

use std::time::Duration;

use evenkeel_policy::Health;
use evenkeel_policy::outlier::Cause;
use evenkeel_policy::slow_start::Entry;

use super::*;
use crate::rig::{Mode, Origin, config, pass, published, until};

/// A cluster of these origins and one that admits always, the first ones ejected for this.
fn ejected_for<'a>(
    cause: Cause,
    origins: impl IntoIterator<Item = &'a Origin>,
) -> (Arc<Publisher>, Vec<Endpoint>) {
    let mut addresses: Vec<String> = origins.into_iter().map(Origin::address).collect();
    let number = addresses.len();
    addresses.extend((1..=number).map(|n| format!("127.0.0.1:{n}")));
    let publisher = published(config(&[&addresses]));
    let snapshot = publisher.current();
    let cluster = &snapshot.clusters()[0];
    let (list, rules) = (&cluster.endpoints.list, &cluster.config.outlier);
    for at in 0..number {
        let now_ms = Clock::of(&publisher).millis();
        assert!(
            cluster
                .state
                .eject(list, at, cause, rules, now_ms)
                .is_some()
        );
    }
    let ejected = list[..number].to_vec();
    (publisher, ejected)
}

fn phase(endpoint: &Endpoint) -> Phase {
    endpoint.state.standing.phase()
}

#[tokio::test(start_paused = true)]
async fn one_that_accepts_again_is_found_within_two_seconds() {
    let mut origin = Origin::closed();
    let (publisher, endpoints) = ejected_for(Cause::Connect, [&origin]);
    let task = tokio::spawn(run(Arc::clone(&publisher), Turns::new()));
    // Longer than the ejection lasts: nobody listens.
    pass(Duration::from_secs(60)).await;
    assert_eq!(phase(&endpoints[0]), Phase::Ejected);
    origin.open(Mode::Good);
    let took = until("a trial", || phase(&endpoints[0]) == Phase::Trial).await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_no_sign_that_answers_are_well() {
    let mut origin = Origin::new(Mode::Good);
    let (publisher, endpoints) = ejected_for(Cause::Status, [&origin]);
    let task = tokio::spawn(run(Arc::clone(&publisher), Turns::new()));
    pass(Duration::from_secs(5)).await;
    assert_eq!(phase(&endpoints[0]), Phase::Ejected);
    // But one that was gone and has come back may be another process.
    origin.close().await;
    pass(Duration::from_secs(2)).await;
    origin.open(Mode::Good);
    until("a trial", || phase(&endpoints[0]) == Phase::Trial).await;
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn who_is_not_ejected_is_not_knocked_at() {
    let origin = Origin::closed();
    let (publisher, endpoints) = ejected_for(Cause::Connect, [&origin]);
    let mut knocker = Knocker::new(Clock::of(&publisher), Turns::new());
    knocker.knock(&publisher.current());
    assert_eq!(knocker.tasks.len(), 1);
    knocker.knock(&publisher.current());
    assert_eq!(knocker.tasks.len(), 1, "the last one is still under way");
    drop(knocker.tasks.join_next().await);
    let standing = &endpoints[0].state.standing;
    assert!(standing.set_phase(Phase::Ejected, Phase::Admitting, Entry::Full, 1));
    let _ = standing.set_health(Health::Down, Entry::Full, 1);
    knocker.knock(&publisher.current());
    assert!(knocker.tasks.is_empty() && knocker.last.is_empty());
}

#[tokio::test(start_paused = true)]
async fn those_that_got_no_turn_are_first_in_the_next_round() {
    let origins: Vec<Origin> = (0..3).map(|_| Origin::closed()).collect();
    let (publisher, _) = ejected_for(Cause::Connect, &origins);
    let turns = Turns::new();
    // All turns but two.
    let mut held: Vec<Turn> = std::iter::from_fn(|| turns.try_knock()).collect();
    held.truncate(held.len() - 2);
    let mut knocker = Knocker::new(Clock::of(&publisher), turns);
    let mut rounds = Vec::new();
    for _ in 0..3 {
        knocker.knock(&publisher.current());
        let mut knocked = 0;
        while knocker.tasks.join_next().await.is_some() {
            knocked += 1;
        }
        let mut last: Vec<u64> = knocker.last.values().map(|(round, _)| *round).collect();
        last.sort_unstable();
        rounds.push((knocked, last));
    }
    assert_eq!(
        rounds,
        [(2, vec![1, 1]), (2, vec![1, 2, 2]), (2, vec![2, 3, 3])]
    );
}
