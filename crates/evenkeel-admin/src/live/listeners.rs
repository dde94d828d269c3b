//! Listeners in the picture, and what all their clients saw together.

use std::collections::HashMap;
use std::time::Duration;

use evenkeel_state::Snapshot;
use evenkeel_state::histogram::Counts;

use crate::live::bounds::BOUNDS;
use crate::live::count::{Seen, Window, add, quantiles};
use crate::look;
use crate::view::live::{Listener, Traffic};

/// The median and the 99th percentile, in microseconds.
type Latency = (Option<u64>, Option<u64>);

/// Listeners as they were a second ago.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    seen: HashMap<u32, Seen>,
    total: Counts,
    window: Option<Window>,
}

impl Listeners {
    /// What all of them saw since the last look, the latency of just that time, and the first of them one by one.
    pub(super) fn look(
        &mut self,
        snapshot: &Snapshot,
        span: Duration,
    ) -> (Traffic, Latency, Vec<Listener>) {
        let mut known = std::mem::take(&mut self.seen);
        let (mut total, mut counts) = (Traffic::default(), Counts::default());
        let mut shown = Vec::new();
        for (config, state) in snapshot.config.listeners.iter().zip(snapshot.listeners()) {
            let sum = state.traffic.sum();
            counts.add(&sum.total);
            let mut seen = known
                .remove(&state.serial)
                .unwrap_or_else(|| Seen::new(sum.clone()));
            let traffic = seen.look(sum, span);
            self.seen.insert(state.serial, seen);
            add(&mut total, &traffic);
            if shown.len() < BOUNDS.listeners {
                shown.push(Listener {
                    name: config.name.clone(),
                    address: look::address(config, state),
                    tls: config.tls.is_some(),
                    traffic,
                });
            }
        }
        let second = quantiles(&counts.since(&self.total));
        let window = self.window.get_or_insert_with(|| Window::new(&counts));
        (total.p50_us, total.p99_us) = window.look(&counts);
        self.total = counts;
        (total, second, shown)
    }
}
