//! What happens to the process that it has to do something about, and what it does. One of them is carried out at a time.

use std::path::Path;

use crate::certificates::tell_of_soon;
use crate::handover::Taken;
use crate::inbox::Wish;
use crate::process::{End, Process};
use crate::trial::Verdict;

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A signal came, or an operator's order.
    Wish(Wish),
    /// The configuration file, or one that it names, has changed.
    FileChanged,
    /// Files of TLS have changed.
    CertificatesChanged,
    /// Another day has begun.
    Day,
    /// The time of a level of the log that was ordered is over.
    LogLevelOver,
    /// The trial has come to this.
    Judged(Verdict),
    /// The upgrade has come to this.
    Upgraded(anyhow::Result<Taken>),
}

impl Process {
    /// Does what follows; what that leads to, when it is the end.
    pub(crate) async fn follow(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Wish(Wish::End(name)) => return Some(End::Drain(name)),
            // What is wrong has been said.
            Event::Wish(Wish::Reload) => drop(self.reload().await),
            Event::Wish(Wish::Reopen) => self.reopen_log().await,
            Event::Wish(Wish::Upgrade) => self.upgrade_to(Path::new(""), None),
            Event::Wish(Wish::Order(order)) => return self.obey(order).await,
            Event::FileChanged => self.reload_changed().await,
            Event::CertificatesChanged => self.renew_certificates().await,
            Event::Day => tell_of_soon(&self.control.publisher().current().config),
            Event::LogLevelOver => self.log_as_configured(),
            Event::Judged(verdict) => self.judged(verdict).await,
            Event::Upgraded(outcome) => return self.upgraded(outcome),
        }
        None
    }
}
