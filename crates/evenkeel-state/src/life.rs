//! What is known of the process as a whole, for people: when it began, what it serves, how its last reload went.
//!
//! The binary writes it, whoever answers operators reads it. Nothing is decided by it, but for one thing: whether the process
//! is ready for traffic.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use evenkeel_config::model::LogLevel;

use crate::change::Change;
use crate::sync::Mutex;

/// Where the process is between its start and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It does not serve yet.
    Starting,
    /// It serves.
    Serving,
    /// It is about to end: it finishes what it has.
    Draining,
}

impl Stage {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
        }
    }
}

/// Down to where evenkeel's own log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// What the configuration says.
    pub configured: LogLevel,
    /// What was ordered in its place, and until when if that was said; none: nothing.
    pub ordered: Option<(LogLevel, Option<Instant>)>,
}

impl Logged {
    /// What counts.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.ordered.map_or(self.configured, |(level, _)| level)
    }
}

/// What is told of the process.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where it is.
    pub stage: Stage,
    /// The configuration file; none: it was started without one.
    pub file: Option<PathBuf>,
    /// When the configuration that is served was read.
    pub loaded: SystemTime,
    /// Why the last reload changed nothing, and when that was; none: it went well, or there was none.
    pub failed: Option<(SystemTime, String)>,
    /// Whether that was a trial: the file was right, and what it said did not do well.
    failed_on_trial: bool,
    /// Since when something else is served than the file said when it was last found right, and why; none: that is served.
    pub went_back: Option<(SystemTime, String)>,
    /// Which certificates could not be read anew, and when that was tried; none: all could.
    pub certificates: Option<(SystemTime, String)>,
    /// When the trial of the configuration ends; none: it is on no trial.
    pub trial: Option<Instant>,
    /// Down to where it logs.
    pub logged: Logged,
    /// What another configuration changed last; none: it serves the one that it began with.
    pub change: Option<Arc<Change>>,
}

/// The process.
#[derive(Debug)]
pub struct Life {
    began: Instant,
    told: Mutex<Told>,
}

impl Life {
    /// It starts now, with a configuration that was just read.
    #[must_use]
    pub fn new(file: Option<PathBuf>) -> Self {
        Self {
            began: Instant::now(),
            told: Mutex::new(Told {
                stage: Stage::Starting,
                file,
                loaded: SystemTime::now(),
                failed: None,
                failed_on_trial: false,
                went_back: None,
                certificates: None,
                trial: None,
                logged: Logged {
                    configured: LogLevel::Info,
                    ordered: None,
                },
                change: None,
            }),
        }
    }

    /// How long it runs.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// What is told of it.
    #[must_use]
    pub fn told(&self) -> Told {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// It is there now.
    pub fn enter(&self, stage: Stage) {
        self.change(|told| told.stage = stage);
    }

    /// What the file said then is served.
    pub fn loaded(&self, at: SystemTime) {
        self.change(|told| {
            told.loaded = at;
            told.failed = None;
            told.went_back = None;
            told.certificates = None;
        });
    }

    /// A configuration from before is served again, which was read then. Since when and why it is not what the file said last;
    /// none: it is, for who goes back twice goes forth.
    ///
    /// A file that could not be read is as wrong as it was.
    pub fn went_back(&self, read: SystemTime, from: Option<(SystemTime, String)>) {
        self.change(|told| {
            told.loaded = read;
            told.certificates = None;
            if from.is_none() && told.failed_on_trial {
                told.failed = None;
            }
            told.went_back = from;
        });
    }

    /// A reload changed nothing, for this reason.
    pub fn failed(&self, why: String) {
        self.change(|told| {
            told.failed = Some((SystemTime::now(), why));
            told.failed_on_trial = false;
        });
    }

    /// A reload was taken back by itself, for this reason.
    pub fn failed_on_trial(&self, why: String) {
        self.failed(why);
        self.change(|told| told.failed_on_trial = true);
    }

    /// Certificates were read anew, all but these; none: all.
    pub fn certificates_failed(&self, why: Option<String>) {
        self.change(|told| told.certificates = why.map(|why| (SystemTime::now(), why)));
    }

    /// The configuration is on trial until then, or on none any more.
    pub fn on_trial(&self, until: Option<Instant>) {
        self.change(|told| told.trial = until);
    }

    /// Another configuration changed this.
    pub fn changed(&self, change: Change) {
        self.change(|told| told.change = Some(Arc::new(change)));
    }

    /// It logs so.
    pub fn logs(&self, logged: Logged) {
        self.change(|told| told.logged = logged);
    }

    fn change(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_that_goes_well_is_the_end_of_what_was_wrong() {
        let life = Life::new(None);
        assert_eq!(life.told().stage, Stage::Starting);
        life.enter(Stage::Serving);
        life.failed("a mistake".to_owned());
        let told = life.told();
        assert_eq!(
            told.failed.map(|(_, why)| why).as_deref(),
            Some("a mistake")
        );
        assert_eq!(
            told.stage,
            Stage::Serving,
            "a mistake in a file stops nothing"
        );
        life.loaded(SystemTime::UNIX_EPOCH);
        let told = life.told();
        assert_eq!((told.failed, told.loaded), (None, SystemTime::UNIX_EPOCH));
    }

    #[test]
    fn going_back_leaves_a_file_that_is_wrong_as_wrong_as_it_was() {
        let life = Life::new(None);
        let back = || Some((SystemTime::now(), "by order".to_owned()));
        life.failed("a mistake".to_owned());
        for from in [back(), None] {
            life.went_back(SystemTime::UNIX_EPOCH, from.clone());
            let told = life.told();
            assert_eq!(told.went_back, from);
            assert_eq!(told.loaded, SystemTime::UNIX_EPOCH);
            assert!(told.failed.is_some(), "the file was not read since");
        }
        life.loaded(SystemTime::now());
        assert_eq!(life.told().failed, None);
        // What a trial says is over once what was on trial is served after all.
        life.failed_on_trial("it made things worse".to_owned());
        life.went_back(SystemTime::UNIX_EPOCH, back());
        assert!(life.told().failed.is_some());
        life.went_back(SystemTime::UNIX_EPOCH, None);
        assert_eq!(life.told().failed, None);
        life.went_back(SystemTime::UNIX_EPOCH, back());
        life.loaded(SystemTime::now());
        assert_eq!(life.told().went_back, None);
    }
}
