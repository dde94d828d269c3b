//! Another process takes the place of this one: what it is given, and what comes of it. How long that is under way stands in
//! [`crate::upgrade`].

use std::path::Path;

use anyhow::anyhow;
use evenkeel_net::Lease;

use crate::admin_address;
use crate::before::Before;
use crate::handover::{Estate, Given, Taken};
use crate::load::Earlier;
use crate::process::{End, Process, UPGRADING};
use crate::upgrade::{Asker, Farewell, Upgrade, refuse};

/// Why there is no upgrade during a trial: there would be nobody to go back.
const ON_TRIAL: &str =
    "the configuration is on trial: try again when it is over, or end it by `evenkeel rollback`";

impl Process {
    /// Begins an upgrade to that program; empty: the one that runs, as it is on disk by now.
    pub(crate) fn upgrade_to(&mut self, program: &Path, asker: Asker) {
        if self.upgrade.is_some() {
            return refuse(asker, &anyhow!(UPGRADING));
        }
        if self.trial.is_some() {
            return refuse(asker, &anyhow!(ON_TRIAL));
        }
        let snapshot = self.control.publisher().current();
        let listeners = snapshot.config.listeners.iter().zip(snapshot.listeners());
        let listeners = listeners.map(|(config, state)| {
            let sockets = self.plane.sockets(state.serial);
            (config.name.clone(), config.bind.to_string(), sockets)
        });
        let address = self.console.address().and_then(Lease::get);
        let admin = snapshot.config.admin.as_ref().zip(address);
        let admin = admin.map(|(config, loan)| {
            let place = admin_address::place(config.bind);
            (admin_address::NAME.to_owned(), place, vec![loan])
        });
        let estate = Estate {
            inheritance: self.control.bequeath(),
            given: self.given(),
            listeners: listeners.chain(admin).chain(self.parked.all()).collect(),
            control: self.console.socket().and_then(Lease::get),
        };
        let is_same = program.as_os_str().is_empty();
        let program = if is_same { &self.program } else { program };
        self.upgrade = Upgrade::begin(program, estate, asker);
    }

    /// What is served and what was, for the next process to go on with and to go back to.
    fn given(&self) -> Given {
        let read = self.life.told().loaded;
        let reading = self.reading.clone();
        let served = reading.map(|reading| Earlier { reading, read });
        let before = self.before.as_ref().and_then(Before::earlier);
        Given::new(self.back(), served, before)
    }

    /// What came of the upgrade; what it leads to, when that is the end of this process.
    pub(crate) fn upgraded(&mut self, outcome: anyhow::Result<Taken>) -> Option<End> {
        let asker = self.upgrade.take().and_then(|upgrade| upgrade.asker);
        let taken = match outcome {
            Ok(taken) => taken,
            Err(error) if self.back().is_some() => {
                let error = error.context("it was to go on with what was rolled back to");
                refuse(asker, &error);
                return None;
            }
            Err(error) => {
                refuse(asker, &error);
                return None;
            }
        };
        self.notify.replaced(taken.pid);
        let (old, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
        let mut what = format!(
            "evenkeel {} (process {}) has taken the place of {old} (process {pid}), which finishes what it has",
            taken.version, taken.pid
        );
        if self.back().is_some() {
            what += "; it goes on with what was rolled back to, and not with the file";
        }
        tracing::info!("{what}");
        let done = self.done(&what);
        self.farewell = Some(Farewell { asker, done });
        Some(End::Replaced)
    }
}
