//! evenkeel's own log, on stderr: what happened to evenkeel, not what requests passed. Its lines are kept as events, too.

use std::fmt;
use std::panic;
use std::sync::Arc;
use std::time::SystemTime;

use evenkeel_config::model::{LogFormat, LogLevel, OperatorLog};
use evenkeel_state::Events;
use evenkeel_state::events::Severity;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt as lines_of};

type Written = Box<dyn Layer<Registry> + Send + Sync>;

/// The log, whose level and form may change.
pub(crate) struct Log {
    handle: Handle<Written, Registry>,
    config: OperatorLog,
    /// Its lines of late.
    pub(crate) events: Arc<Events>,
}

/// Starts the log. Called once, before anything runs.
pub(crate) fn start(config: &OperatorLog) -> Log {
    let (layer, handle) = reload::Layer::new(written(config));
    // A second start finds the first log in place, which is as good.
    let events = Arc::new(Events::new());
    let kept = Kept(Arc::clone(&events));
    let _ = tracing_subscriber::registry()
        .with(layer)
        .with(kept)
        .try_init();
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
        events,
    }
}

impl Log {
    /// Writes in this way from now on.
    pub(crate) fn follow(&mut self, config: &OperatorLog) {
        if self.config != *config {
            self.config = *config;
            // It fails when the log is not the one in place, and then nothing is to be changed.
            let _ = self.handle.reload(written(config));
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
    // Events are kept down to their own level, whatever is written.
    let seen = LevelFilter::from_level(level.max(Level::INFO));
    match config.format {
        LogFormat::Text => seen.and_then(lines.with_ansi(false)).boxed(),
        LogFormat::Json => seen.and_then(lines.json().flatten_event(true)).boxed(),
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
