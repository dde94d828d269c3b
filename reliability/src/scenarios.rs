//! Every bad day, by theme.

mod answers;
mod connections;
mod crowds;
mod deaths;
mod endings;
mod floods;
mod found;
mod limits;
mod reloads;
mod resources;
mod silence;
mod slowness;
mod upgrades;

use std::time::Duration;

use crate::scenario::Scenario;

/// What the soak does as well.
pub(crate) mod parts {
    pub(crate) use super::reloads::{open_tunnels, reload};
}

/// How long scenarios are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// A few seconds, for the gate; with leeway for what has a bound in time ([`crate::run::REHEARSAL`]).
    Short,
    /// Several times as many requests, for the page.
    Full,
}

impl Length {
    /// So many of something, in the short form and in the full one.
    const fn of(self, short: usize, full: usize) -> usize {
        match self {
            Self::Short => short,
            Self::Full => full,
        }
    }

    /// So many of a thousand.
    const fn tail(self, short: u32, full: u32) -> u32 {
        match self {
            Self::Short => short,
            Self::Full => full,
        }
    }

    /// So many requests in the short form.
    const fn requests(self, short: u64) -> u64 {
        match self {
            Self::Short => short,
            Self::Full => 5 * short,
        }
    }
}

/// Makes a scenario.
pub type Maker = fn(Length) -> Scenario;

/// All of them, in the order in which the page has them.
pub const ALL: &[(&str, Maker)] = &[
    ("killed", deaths::killed),
    ("frozen", silence::frozen),
    ("resetting-idle", connections::resetting_idle),
    ("rolling-restart", deaths::rolling_restart),
    ("coming-back", deaths::coming_back),
    ("garbage", answers::garbage),
    ("never-answering", silence::never_answering),
    ("half-bodies", answers::half_bodies),
    ("one-in-three", answers::one_in_three),
    ("slow", slowness::slow),
    ("flapping", deaths::flapping),
    ("cold", slowness::cold),
    ("all-down", deaths::all_down),
    ("lost-names", connections::lost_names),
    ("cut-network", silence::cut_network),
    ("storm", answers::storm),
    ("hedging", slowness::hedging),
    ("codel", limits::codel),
    ("adaptive", limits::adaptive),
    ("rate-limit", limits::rate_limit),
    ("priority", limits::priority),
    ("panic", answers::panic),
    ("slow-start", slowness::slow_start),
    ("reloads", reloads::reloads),
    ("broken-reload", reloads::broken_reload),
    ("listeners", reloads::listeners),
    ("upgrades", upgrades::upgrades),
    ("crashing-upgrade", upgrades::crashing_upgrade),
    ("terminated", endings::terminated),
    ("socket-activation", endings::socket_activation),
    ("slow-heads", crowds::slow_heads),
    ("slow-readers", crowds::slow_readers),
    ("slow-chunks", crowds::slow_chunks),
    ("h2-floods", floods::h2_floods),
    ("h2-stalled", crowds::h2_stalled),
    ("descriptors", resources::descriptors),
    ("memory", resources::memory),
    ("full-disk", resources::full_disk),
    ("dns-change", found::dns_change),
    ("dns-death", found::dns_death),
];

/// Makes a scenario of this length.
#[must_use]
pub fn make(maker: Maker, length: Length) -> Scenario {
    match length {
        Length::Short => maker(length).rehearsed(),
        Length::Full => maker(length),
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scenario_has_its_own_name_and_a_claim() {
        let names: BTreeSet<_> = ALL.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), ALL.len());
        for (name, make) in ALL {
            let scenario = make(Length::Short);
            assert_eq!(scenario.name, *name);
            assert!(
                !scenario.claims.is_empty() && !scenario.steps.is_empty(),
                "{name}"
            );
        }
    }
}
