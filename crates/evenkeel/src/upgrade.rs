//! An upgrade as the running process sees it: from the order to the moment at which another process serves.
//!
//! Until then everything goes on, but for what would change what was handed over: reloads and orders for endpoints are refused.

use std::path::Path;

use evenkeel_state::command::{Answer, Done, Refused};
use tokio::sync::oneshot;

use crate::handover::{Estate, Giving, Taken};

/// Who ordered an upgrade and waits to hear of it; none: a signal did.
pub(crate) type Asker = Option<oneshot::Sender<Answer>>;

/// An upgrade that is under way.
#[derive(Debug)]
pub(crate) struct Upgrade {
    giving: Giving,
    /// Who hears of it.
    pub(crate) asker: Asker,
}

impl Upgrade {
    /// Begins one to that program; none when it cannot be started, which is told.
    pub(crate) fn begin(program: &Path, estate: Estate, asker: Asker) -> Option<Self> {
        tracing::info!(program = %program.display(), "upgrading");
        match Giving::begin(program, estate) {
            Ok(giving) => Some(Self { giving, asker }),
            Err(error) => {
                refuse(asker, &error);
                None
            }
        }
    }

    /// What comes of it.
    pub(crate) async fn outcome(&mut self) -> anyhow::Result<Taken> {
        self.giving.outcome().await
    }
}

/// What is told once nobody can ask this process any more.
#[derive(Debug)]
pub(crate) struct Farewell {
    pub(crate) asker: Asker,
    pub(crate) done: Done,
}

impl Farewell {
    /// Tells whoever ordered the upgrade that it is done.
    pub(crate) fn say(self) {
        if let Some(asker) = self.asker {
            let _ = asker.send(Ok(self.done));
        }
    }
}

/// Tells why nothing comes of an upgrade.
pub(crate) fn refuse(asker: Asker, error: &anyhow::Error) {
    let why = format!("everything stays as it was: {error:#}");
    tracing::error!("no upgrade: {why}");
    if let Some(asker) = asker {
        let _ = asker.send(Err(Refused::Cannot(why)));
    }
}
