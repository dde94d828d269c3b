//! What the log says of an endpoint: one line for each decision, with the cluster, the endpoint and the cause.

use evenkeel_base::unit::format_duration;
use evenkeel_config::model::Cluster;
use evenkeel_policy::Health;
use evenkeel_policy::outlier::{Event, Finding};
use evenkeel_policy::tiers::Tier;
use evenkeel_state::Endpoint;

use crate::probe::{Bad, Good};

/// The endpoint that lines are about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'a> {
    cluster: &'a Cluster,
    endpoint: &'a Endpoint,
}

impl<'a> Of<'a> {
    pub(crate) const fn new(cluster: &'a Cluster, endpoint: &'a Endpoint) -> Self {
        Self { cluster, endpoint }
    }

    /// Its probes have made it up.
    pub(crate) fn up(&self, from: Health, good: Good, slow_start: bool) {
        let (cluster, endpoint) = (&self.cluster.name, &*self.endpoint.id);
        if from == Health::Waiting && !slow_start {
            // As everybody expects of a start, endpoint by endpoint.
            tracing::debug!(cluster, endpoint, "endpoint up: {good}");
            return;
        }
        let from = from.name();
        let slow_start = format_duration(if slow_start {
            self.cluster.slow_start
        } else {
            std::time::Duration::ZERO
        });
        tracing::info!(cluster, endpoint, from, slow_start, "endpoint up: {good}");
    }

    /// Its probes have made it down: `results` bad ones in a row, the last of them `bad`.
    pub(crate) fn down(&self, from: Health, bad: &Bad, results: u16) {
        let (cluster, endpoint) = (&self.cluster.name, &*self.endpoint.id);
        let from = from.name();
        tracing::warn!(cluster, endpoint, from, results, "endpoint down: {bad}");
    }

    /// Its phase has changed.
    pub(crate) fn event(&self, event: &Event) {
        let (cluster, endpoint) = (&self.cluster.name, &*self.endpoint.id);
        match event {
            Event::Ejected { .. } => tracing::warn!(cluster, endpoint, "{event}"),
            Event::Trial { .. } => tracing::info!(cluster, endpoint, "{event}"),
            Event::Readmitted { .. } => {
                let slow_start = format_duration(self.cluster.slow_start);
                tracing::info!(cluster, endpoint, slow_start, "{event}");
            }
        }
    }

    /// It was ejected for what was measured within the window.
    pub(crate) fn found(&self, event: &Event, finding: &Finding) {
        let (cluster, endpoint) = (&self.cluster.name, &*self.endpoint.id);
        let measured = finding.measured;
        tracing::warn!(cluster, endpoint, measured, "{event}");
    }
}

/// A cluster's probes for load fail: that many since this was last told, the last of them for that.
pub(crate) fn load_probes_fail(cluster: &str, failed: u32, last: &Bad) {
    tracing::warn!(cluster, failed, "probes for load fail: {last}");
}

/// Too few endpoints of a cluster admit: all are used.
pub(crate) fn panics_now(cluster: &str, admitting: usize, endpoints: usize) {
    tracing::warn!(
        cluster,
        admitting,
        endpoints,
        "panic: too few endpoints admit, so all of them are used whatever their standing"
    );
}

/// Enough of them admit again.
pub(crate) fn panic_over(cluster: &str, admitting: usize, endpoints: usize) {
    tracing::info!(
        cluster,
        admitting,
        endpoints,
        "panic over: endpoints are used by their standing again"
    );
}

/// Too little of a tier admits for all requests that get as far as it.
pub(crate) fn spills_over(cluster: &str, tier: &Tier) {
    tracing::warn!(
        cluster,
        tier = tier.number(),
        zone = zone(tier),
        keeps_percent = percent(tier),
        "spill: too little of the tier admits, so a part of its requests goes to the next"
    );
}

/// It admits enough again, or nothing gets as far as it any more.
pub(crate) fn keeps_all(cluster: &str, tier: &Tier) {
    tracing::info!(
        cluster,
        tier = tier.number(),
        zone = zone(tier),
        keeps_percent = percent(tier),
        "spill over: no request of the tier goes to the next"
    );
}

const fn zone(tier: &Tier) -> &'static str {
    if tier.is_elsewhere() {
        "others"
    } else {
        "own or any"
    }
}

/// Of all requests to the cluster.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to 100"
)]
fn percent(tier: &Tier) -> u8 {
    (tier.keeps * 100.0).round() as u8
}
