//! Certificates of the process that runs: read anew when their files change, and told of before they expire.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use evenkeel_config::model::Config;
use evenkeel_state::Lists;
use tokio::time::{self, Interval, MissedTickBehavior};

use crate::admin_address::{self, Change};
use crate::load::{Renewed, renew};
use crate::process::Process;

/// A certificate that expires sooner is told of once a day. Whoever renews by a program does so with 30 days left, so by then that
/// has failed for a while; and a person needs some days as well.
const SOON: i64 = 21 * DAY;
const DAY: i64 = 86_400;

impl Process {
    /// Files of TLS have changed: what fits of them takes the place of what is served, and nothing else does.
    pub(crate) async fn renew_certificates(&mut self) {
        let Some(reading) = self.reading.clone() else {
            return;
        };
        let current = self.control.publisher().current();
        let config = Arc::clone(&current.config);
        let work = move || renew(&reading, &config);
        let Renewed {
            config,
            report,
            seen,
        } = match self.disk.ask("reading certificates", work).await {
            Ok(renewed) => renewed,
            Err(error) => return tracing::error!("certificates stay as they were: {error:#}"),
        };
        if let Some(watched) = &mut self.certificates {
            watched.were_read(seen);
        }
        if let Some(report) = &report {
            tracing::error!("certificates stay as they were: {report}");
        }
        self.life.certificates_failed(report);
        let Some((config, reading)) = config else {
            return;
        };
        match self.publish_certificates(*config).await {
            Ok(generation) => {
                self.reading = Some(reading);
                let served = self.control.publisher().current();
                Change::Stays.apply(&mut self.console, &served.config).await;
                tracing::info!(generation, "certificates were read anew");
            }
            Err(error) => tracing::error!("certificates stay as they were: {error:#}"),
        }
    }

    async fn publish_certificates(&self, config: Config) -> anyhow::Result<u64> {
        let config = Arc::new(config);
        // All else is as it was read: so is nothing but what lists said then, and they may have changed.
        let (prepared, _) = self.control.prepare(config, Lists::Served).await;
        let published = self.control.publish(prepared).await;
        published.context("the new certificates cannot be served")
    }
}

/// Once a day the time to tell of what expires soon.
#[derive(Debug)]
pub(crate) struct Days(Interval);

impl Days {
    /// The first is now.
    pub(crate) fn begin() -> Self {
        let mut days = time::interval(Duration::from_secs(DAY.unsigned_abs()));
        days.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(days)
    }

    /// Waits for the next.
    pub(crate) async fn next(&mut self) {
        self.0.tick().await;
    }
}

/// Says which certificates of the configuration expire soon.
pub(crate) fn tell_of_soon(config: &Config) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    });
    let listeners = config.listeners.iter().flat_map(|listener| {
        let all = listener.tls.iter().flat_map(|tls| &tls.certificates);
        all.map(|one| (listener.name.as_str(), one))
    });
    let admin = config.admin.iter().filter_map(|admin| admin.tls.as_ref());
    let admin = admin.map(|tls| (admin_address::NAME, &tls.certificate));
    for (listener, one) in listeners.chain(admin) {
        let left = one.identity.certificate().not_after - now;
        let file = one.certificate.display();
        if left < 0 {
            tracing::error!(listener, %file, "this certificate has expired");
        } else if left < SOON {
            let days = left / DAY;
            tracing::warn!(listener, %file, days, "this certificate expires soon");
        }
    }
}
