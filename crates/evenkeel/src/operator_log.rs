//! evenkeel's own log, on stderr: what happened to evenkeel, not what requests passed. Its lines are kept as events, too.

use std::fmt;
use std::panic;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use evenkeel_config::model::{LogFormat, LogLevel, OperatorLog};
use evenkeel_state::Events;
use evenkeel_state::events::Severity;
use evenkeel_state::life::Logged;
use tokio::time;
use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt as lines_of};

/// How the targets of our own lines begin: a target is the module's path.
const OWN: &str = "evenkeel";

type Written = Box<dyn Layer<Registry> + Send + Sync>;

/// The log, whose level and form may change.
pub(crate) struct Log {
    handle: Handle<Written, Registry>,
    config: OperatorLog,
    /// The level that was ordered in the place of the configuration's, and until when.
    ordered: Option<(LogLevel, Option<Instant>)>,
    /// Its lines of late.
    pub(crate) events: Arc<Events>,
}

/// Starts the log. Called once, before anything runs.
pub(crate) fn start(config: &OperatorLog) -> Log {
    let (layer, handle) = reload::Layer::new(written(config));
    // A second start finds the first log in place, which is as good.
    let events = Arc::new(Events::new());
    let kept = Kept(Arc::clone(&events));
    let _ = subscriber(layer, kept).try_init();
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            place,
            "panic: a mistake of evenkeel's own, please report it: {info}"
        );
    }));
    Log {
        handle,
        config: *config,
        ordered: None,
        events,
    }
}

/// Who hears of what is said.
fn subscriber(
    lines: reload::Layer<Written, Registry>,
    kept: Kept,
) -> impl Subscriber + Send + Sync {
    tracing_subscriber::registry().with(lines).with(kept)
}

/// Lines of JSON for what is said no less than in passing, kept nowhere: what a start says, whatever the level of the log is.
pub(crate) fn all_as_json() -> impl Subscriber + Send + Sync {
    let log = OperatorLog {
        level: LogLevel::Info,
        format: LogFormat::Json,
    };
    tracing_subscriber::registry().with(written(&log))
}

impl Log {
    /// Writes in this way from now on, whatever was ordered: who reads the configuration again wants what it says.
    pub(crate) fn follow(&mut self, config: &OperatorLog) {
        self.change(*config, None);
    }

    /// Writes down to this level from now on, in the place of the configuration's: for so long, or until that is read again where the
    /// time is zero. None takes it back.
    pub(crate) fn order(&mut self, level: Option<LogLevel>, time: Duration) {
        // A time that the clock cannot tell is for ever.
        let until = (!time.is_zero()).then(|| Instant::now().checked_add(time));
        self.change(self.config, level.map(|level| (level, until.flatten())));
    }

    /// Down to where it is written.
    pub(crate) const fn logged(&self) -> Logged {
        Logged {
            configured: self.config.level,
            ordered: self.ordered,
        }
    }

    /// Waits until the time of a level that was ordered is over.
    pub(crate) async fn over(&self) {
        match self.ordered {
            Some((_, Some(until))) => time::sleep_until(until.into()).await,
            Some((_, None)) | None => std::future::pending().await,
        }
    }

    fn change(&mut self, config: OperatorLog, ordered: Option<(LogLevel, Option<Instant>)>) {
        let in_force = |log: &Self| OperatorLog {
            level: log.logged().level(),
            ..log.config
        };
        let before = in_force(self);
        (self.config, self.ordered) = (config, ordered);
        let now = in_force(self);
        if before != now {
            // It fails when the log is not the one in place, and then nothing is to be changed.
            let _ = self.handle.reload(written(&now));
        }
    }
}

fn written(config: &OperatorLog) -> Written {
    let level = match config.level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
    };
    let lines = lines_of::layer()
        .with_target(false)
        .with_writer(std::io::stderr.with_max_level(level));
    // Events are kept down to their own level, whatever is written. Below that what others write is not for operators: the codec of
    // HTTP/2 has a line for each frame, in which the three that a request is told by would not be found.
    let seen = Targets::new()
        .with_target(OWN, level.max(Level::INFO))
        .with_default(Level::INFO);
    // The filter is the outer one: only then does the log tell beforehand what it never wants. The other way round each of the
    // eighty lines that the codec of HTTP/2 has for every request asked anew, a ninth of all that such a request took.
    match config.format {
        LogFormat::Text => lines.with_ansi(false).and_then(seen).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).and_then(seen).boxed(),
    }
}

/// Keeps what is said as an event.
struct Kept(Arc<Events>);

impl<S: Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let severity = match *event.metadata().level() {
            Level::ERROR => Severity::Error,
            Level::WARN => Severity::Warn,
            Level::INFO => Severity::Info,
            _ => return,
        };
        let mut read = Read::default();
        event.record(&mut read);
        self.0
            .add(SystemTime::now(), severity, read.text, read.fields);
    }
}

/// What an event says.
#[derive(Default)]
struct Read {
    text: String,
    fields: Vec<(&'static str, String)>,
}

impl Visit for Read {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.text),
            name => self.fields.push((name, value.to_owned())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing::level_filters::LevelFilter;

    use super::*;

    #[test]
    fn what_is_never_wanted_is_known_before_it_is_said() {
        for (level, expected) in [
            (LogLevel::Error, LevelFilter::INFO),
            (LogLevel::Info, LevelFilter::INFO),
            (LogLevel::Debug, LevelFilter::DEBUG),
        ] {
            for format in [LogFormat::Text, LogFormat::Json] {
                let config = OperatorLog { level, format };
                let (layer, _handle) = reload::Layer::new(written(&config));
                let log = subscriber(layer, Kept(Arc::new(Events::new())));
                assert_eq!(log.max_level_hint(), Some(expected), "{config:?}");
            }
        }
    }
}
