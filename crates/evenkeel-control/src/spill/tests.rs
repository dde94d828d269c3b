//! When a tier is said to spill over, and when to have stopped.

use std::sync::Arc;

use evenkeel_policy::Health;
use evenkeel_policy::slow_start::Entry;
use evenkeel_state::Publisher;

use super::*;
use crate::rig::{config, published};

/// A cluster of these tiers, with two endpoints in each, and what was told of it so far.
struct Setting {
    publisher: Arc<Publisher>,
    spills: Spills,
}

impl Setting {
    fn new(tiers: &[u8]) -> Self {
        let ports = 1..=tiers.len() * 2;
        let addresses: Vec<String> = ports.map(|n| format!("127.0.0.1:{n}")).collect();
        let mut config = config(&[&addresses]);
        for (at, endpoint) in config.clusters[0].endpoints.iter_mut().enumerate() {
            endpoint.tier = tiers[at / 2];
        }
        Self {
            publisher: published(config),
            spills: Spills::default(),
        }
    }

    /// So many of the endpoints of each tier are well from now on; gives what is told then: tier and percentage that it keeps.
    fn well(&mut self, well: &[usize]) -> Vec<(u16, f64)> {
        let snapshot = self.publisher.current();
        let cluster = &snapshot.clusters()[0];
        for (at, endpoint) in cluster.endpoints.list.iter().enumerate() {
            let health = if at % 2 < well[at / 2] {
                Health::Up
            } else {
                Health::Down
            };
            let standing = &endpoint.state.standing;
            let _ = standing.set_health(health, Entry::Full, 1);
        }
        tick_all(&snapshot, 1);
        let told = self.spills.news(cluster);
        let percent = |tier: &Tier| (tier.number(), (tier.keeps * 100.0).round());
        told.iter().map(percent).collect()
    }
}

#[test]
fn a_tier_is_told_once_when_it_begins_to_spill_and_once_when_it_stops() {
    let mut setting = Setting::new(&[0, 3]);
    assert_eq!(setting.well(&[2, 2]), []);
    assert_eq!(setting.well(&[1, 2]), [(0, 71.0)]);
    assert_eq!(setting.well(&[0, 2]), [], "more of it is no news");
    assert_eq!(setting.well(&[2, 2]), [(0, 100.0)]);
    assert_eq!(setting.well(&[2, 0]), [], "nothing gets as far as the last");
}

#[test]
fn each_tier_has_news_of_its_own() {
    let mut setting = Setting::new(&[0, 1, 2]);
    assert_eq!(setting.well(&[0, 1, 2]), [(0, 0.0), (1, 71.0)]);
    assert_eq!(setting.well(&[0, 2, 2]), [(1, 100.0)]);
    assert_eq!(setting.well(&[2, 1, 2]), [(0, 100.0)]);
}

#[test]
fn one_tier_has_nothing_to_tell() {
    let mut setting = Setting::new(&[5]);
    assert_eq!(setting.well(&[0]), []);
}

#[test]
fn nothing_is_told_while_the_cluster_panics() {
    let mut setting = Setting::new(&[0, 1]);
    let snapshot = setting.publisher.current();
    let state = &snapshot.clusters()[0].state;
    assert_eq!(setting.well(&[0, 2]), [(0, 0.0)]);
    assert!(state.set_panicking(true));
    assert_eq!(setting.well(&[0, 0]), []);
    assert!(state.set_panicking(false));
    assert_eq!(setting.well(&[1, 2]), []);
    assert_eq!(setting.well(&[2, 2]), [(0, 100.0)]);
}

#[test]
fn a_cluster_that_is_gone_is_forgotten() {
    let mut setting = Setting::new(&[0, 1]);
    assert_eq!(setting.well(&[0, 2]), [(0, 0.0)]);
    setting.spills.tick(&setting.publisher.current(), 2);
    assert_eq!(setting.spills.known.len(), 1);
    let mut other = config(&[&["127.0.0.1:1".to_owned()]]);
    other.clusters[0].name = "b".into();
    let other = published(other).current();
    setting.spills.generation = None;
    setting.spills.tick(&other, 3);
    assert!(setting.spills.known.is_empty());
}
