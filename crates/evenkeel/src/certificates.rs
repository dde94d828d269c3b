//! Certificates of the process that runs: read anew when their files change, and told of before they expire.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use evenkeel_config::model::Config;
use evenkeel_state::Lists;
use evenkeel_tls::certificate::date;
use tokio::time::{self, Interval, MissedTickBehavior};

use crate::admin_address::Change;
use crate::files::seconds_since_1970;
use crate::load::Reading;
use crate::process::Process;
use crate::renewal::{Renewed, of_now, renew};

/// A certificate that expires sooner is told of once a day. Whoever renews by a program does so with 30 days left, so by then that
/// has failed for a while; and a person needs some days as well.
const SOON: i64 = 21 * DAY;
const DAY: i64 = 86_400;

/// So long a way back waits for a disk, to serve the certificates of now: who goes back is in a hurry, and a healthy disk needs
/// milliseconds.
const HURRY: Duration = Duration::from_secs(5);

impl Process {
    /// Files of TLS have changed, or the time of one has come: what fits of them takes the place of what is served, and nothing else does.
    pub(crate) async fn renew_certificates(&mut self) {
        let Some(reading) = self.reading.clone() else {
            return;
        };
        let current = self.control.publisher().current();
        let config = Arc::clone(&current.config);
        let work = move || renew(&reading, &config);
        let Renewed {
            fit,
            report,
            seen,
            due,
        } = match self.disk.ask("reading certificates", work).await {
            Ok(renewed) => renewed,
            Err(error) => return tracing::error!("certificates stay as they were: {error:#}"),
        };
        if let Some(watched) = &mut self.certificates {
            watched.were_read_until(seen, due);
        }
        if let Some(report) = &report {
            tracing::error!("certificates stay as they were: {report}");
        }
        self.life.certificates_failed(report);
        let Some((config, reading)) = fit else {
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

    /// A configuration from before with the files of TLS as they are by now: those of then may be revoked or over.
    pub(crate) async fn with_certificates_of_now(
        &self,
        config: Arc<Config>,
        reading: Arc<Reading>,
    ) -> (Arc<Config>, Arc<Reading>) {
        let (before, served) = (Arc::clone(&reading), self.reading.clone());
        let work = move || of_now(&before, served.as_deref());
        let read = time::timeout(HURRY, self.disk.ask("reading certificates", work)).await;
        match read {
            Ok(Ok(Some((config, reading)))) => (Arc::from(config), reading),
            _ => {
                tracing::error!(
                    "certificates could not be read: at first those are served that were read with the configuration"
                );
                (config, reading)
            }
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

/// Says which certificates of the configuration are out of their time, or will be soon.
pub(crate) fn tell_of_soon(config: &Config) {
    let now = seconds_since_1970();
    for pair in config.pairs() {
        let (of, file) = (pair.holder, pair.certificate.display());
        let about = pair.identity.certificate();
        let left = about.not_after - now;
        if left < 0 {
            let since = date(about.not_after);
            tracing::error!(%of, %file, since, "this certificate has expired");
        } else if now < about.not_before {
            let before = date(about.not_before);
            tracing::error!(%of, %file, before, "this certificate is not valid yet");
        } else if left < SOON {
            let days = left / DAY;
            tracing::warn!(%of, %file, days, "this certificate expires soon");
        }
    }
}
