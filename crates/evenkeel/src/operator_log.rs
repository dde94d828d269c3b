//! evenkeel's own log, on stderr: what happened to evenkeel, not what requests passed.

use std::panic;

use evenkeel_config::model::{LogFormat, LogLevel, OperatorLog};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

type Written = Box<dyn Layer<Registry> + Send + Sync>;

/// The log, whose level and form may change.
pub(crate) struct Log {
    handle: Handle<Written, Registry>,
    config: OperatorLog,
}

/// Starts the log. Called once, before anything runs.
pub(crate) fn start(config: &OperatorLog) -> Log {
    let (layer, handle) = reload::Layer::new(written(config));
    // A second start finds the first log in place, which is as good.
    let _ = tracing_subscriber::registry().with(layer).try_init();
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
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let lines = fmt::layer().with_target(false).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => level.and_then(lines.with_ansi(false)).boxed(),
        LogFormat::Json => level.and_then(lines.json().flatten_event(true)).boxed(),
    }
}
