//! evenkeel's own log, on stderr: what happened to evenkeel, not what requests passed.

use std::panic;

use evenkeel_config::model::{LogFormat, LogLevel, OperatorLog};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

/// Starts the log. Called once, before anything runs.
pub(crate) fn start(config: &OperatorLog) {
    let level = match config.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let builder = fmt()
        .with_max_level(level)
        .with_target(false)
        .with_writer(std::io::stderr);
    // A second start finds the first log in place, which is as good.
    let _ = match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            place,
            "panic: a mistake of evenkeel's own, please report it: {info}"
        );
    }));
}
