//! The cap over a whole cluster.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use evenkeel_base::Target;
use evenkeel_base::rules::{AdminState, LimitRules};
use evenkeel_policy::Health;
use evenkeel_policy::slow_start::Entry;

use super::*;
use crate::dial::Dial;
use crate::endpoint::EndpointState;
use crate::overlay::Ordered;

const RULES: OutlierRules = OutlierRules::DEFAULT;

/// Endpoints of these weights.
fn endpoints(weights: &[u16]) -> Vec<Endpoint> {
    let endpoint = |(&weight, serial): (&u16, u32)| Endpoint {
        id: serial.to_string().into(),
        authority: "".into(),
        target: Target::Ip(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))),
        dial: Dial::PLAIN,
        weight,
        configured_weight: weight,
        configured_admin: AdminState::Ready,
        ordered: Ordered::default(),
        is_added: false,
        admin: AdminState::Ready,
        rank: 0,
        state: Arc::new(EndpointState::new(serial, 1)),
    };
    weights.iter().zip(0..).map(endpoint).collect()
}

fn cluster() -> ClusterState {
    ClusterState::new(Budget::new(0.2, 100), &LimitRules::DEFAULT, 1)
}

/// Which endpoints could be ejected when all should be, in their order.
fn ejected(cluster: &ClusterState, list: &[Endpoint]) -> Vec<usize> {
    let eject = |at: &usize| {
        cluster
            .eject(list, *at, Cause::Connect, &RULES, 1_000)
            .is_some()
    };
    (0..list.len()).filter(eject).collect()
}

fn set_health(endpoint: &Endpoint, to: Health) {
    let before = endpoint.state.standing.set_health(to, Entry::Full, 1);
    assert!(before.is_some());
}

#[test]
fn half_of_a_cluster_is_ejected_and_never_the_last() {
    for (weights, expected) in [
        (&[1][..], &[][..]),
        (&[1, 1], &[0]),
        (&[1, 1, 1], &[0, 1]),
        (&[1, 1, 1, 1], &[0, 1]),
        (&[1; 7], &[0, 1, 2, 3]),
        // Without weight it is no part of the cluster, and not counted: it is ejected while another one is well, so that a client of
        // its own goes there.
        (&[0, 1], &[0]),
        (&[0, 0], &[]),
        (&[1, 0, 0, 1, 0], &[0, 1, 2, 4]),
    ] {
        let list = endpoints(weights);
        assert_eq!(ejected(&cluster(), &list), expected, "{weights:?}");
    }
}

#[test]
fn who_is_down_does_not_stand_in_for_the_last_that_is_well() {
    let list = endpoints(&[1, 1, 1]);
    set_health(&list[1], Health::Down);
    assert_eq!(
        ejected(&cluster(), &list),
        [0, 1],
        "the one that is down may be"
    );
    let list = endpoints(&[1, 1, 1]);
    set_health(&list[1], Health::Down);
    set_health(&list[2], Health::Waiting);
    assert_eq!(ejected(&cluster(), &list), [1, 2], "but not the last");
}

#[test]
fn an_endpoint_on_trial_takes_its_place_under_the_cap() {
    let (cluster, list) = (cluster(), endpoints(&[1, 1]));
    let eject = |at: usize, now| {
        cluster
            .eject(&list, at, Cause::Connect, &RULES, now)
            .is_some()
    };
    assert!(eject(0, 1_000));
    assert!(!eject(0, 1_000), "it is ejected already");
    let trial = |now| {
        let state = &list[0].state;
        state.outlier.connected(&state.standing, now).is_some()
    };
    assert!(trial(2_000));
    assert!(!eject(1, 3_000), "the other would be left to one on trial");
    assert!(eject(0, 3_000), "the one on trial itself may go back");
    assert!(trial(4_000));
    let state = &list[0].state;
    assert!(state.tick(&RULES, Duration::ZERO, 14_000).is_some());
    assert!(eject(1, 14_001));
}

#[test]
fn an_endpoint_that_is_not_there_is_no_panic() {
    let list = endpoints(&[1, 1]);
    let event = cluster().eject(&list, 2, Cause::Connect, &RULES, 0);
    assert_eq!(event, None);
}

#[test]
fn a_panic_is_told_when_it_begins_and_when_it_ends() {
    let cluster = cluster();
    assert!(!cluster.is_panicking());
    let told = [false, true, true, false, false].map(|to| cluster.set_panicking(to));
    assert_eq!(told, [false, true, false, true, false]);
    assert!(!cluster.is_panicking());
}
