//! The configuration before the current one: what a rollback goes back to, within a process and over an upgrade.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::bail;
use evenkeel_config::model::Config;

use crate::disk::Disk;
use crate::load::{Earlier, Loaded, Reading, load_again};

/// A configuration to go back to.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    what: What,
    /// When it was read.
    pub(crate) read: SystemTime,
}

#[derive(Clone, Debug)]
enum What {
    /// It was served here. Without a reading it came from the command line.
    Served(Arc<Config>, Option<Arc<Reading>>),
    /// The process before this one served it: it is checked when somebody goes back to it, for few do.
    HandedOver(Arc<Reading>),
}

impl Before {
    /// One that was served until now.
    pub(crate) const fn served(
        config: Arc<Config>,
        reading: Option<Arc<Reading>>,
        read: SystemTime,
    ) -> Self {
        let what = What::Served(config, reading);
        Self { what, read }
    }

    /// What the next process would need to go back to it; none: it came from no file.
    pub(crate) fn earlier(&self) -> Option<Earlier> {
        let reading = match &self.what {
            What::Served(_, reading) => reading.as_ref()?,
            What::HandedOver(reading) => reading,
        };
        Some(Earlier {
            reading: Arc::clone(reading),
            read: self.read,
        })
    }

    /// The configuration, and what it was read from.
    ///
    /// # Errors
    /// When what was handed over cannot be served by this evenkeel, or with the certificates of now.
    pub(crate) async fn get(
        self,
        disk: &Disk,
    ) -> anyhow::Result<(Arc<Config>, Option<Arc<Reading>>)> {
        let reading = match self.what {
            What::Served(config, reading) => return Ok((config, reading)),
            What::HandedOver(reading) => reading,
        };
        let look = move || load_again(&reading, false).0;
        match disk.ask("checking the configuration before", look).await? {
            Loaded::Good {
                config, reading, ..
            } => Ok((Arc::from(config), Some(reading))),
            Loaded::Bad { report } => {
                bail!(
                    "what the process before this one served cannot be served any more:\n{report}"
                )
            }
        }
    }
}

impl From<Earlier> for Before {
    fn from(earlier: Earlier) -> Self {
        Self {
            what: What::HandedOver(earlier.reading),
            read: earlier.read,
        }
    }
}
