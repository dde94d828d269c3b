//! The command line of the load generator: its grammar and its help, and nothing that acts.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Sends requests and prints one JSON object about the responses
#[derive(Debug, Parser)]
#[command(
    name = "bench-load",
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Options {
    #[command(subcommand)]
    pub(super) mode: Mode,
}

#[derive(Debug, Subcommand)]
pub(super) enum Mode {
    /// Every connection asks again as soon as it is answered: how much goes through
    Closed(Closed),
    /// A fixed rate, whatever happens; latency is counted from the intended instant: how long it takes
    Open(Open),
    /// Opens connections, asks once on each, and holds them until the standard input ends: what they weigh
    Idle(Idle),
}

#[derive(Args, Debug)]
pub(super) struct Closed {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) span: Span,
    #[command(flatten)]
    pub(super) upload: Upload,
    /// Send N requests at once, and the next N when all are answered
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000),
        conflicts_with_all = ["upload", "one_request_per_connection"])]
    pub(super) pipeline: u32,
    /// Stop after N requests, all of them answered; then --seconds is the longest wait, 600 when not given
    #[arg(long, value_name = "N")]
    pub(super) requests: Option<u64>,
}

#[derive(Args, Debug)]
pub(super) struct Open {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) span: Span,
    #[command(flatten)]
    pub(super) upload: Upload,
    /// Requests per second, evenly spaced
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) rate: u32,
}

#[derive(Args, Debug)]
pub(super) struct Idle {
    #[command(flatten)]
    pub(super) target: Target,
    /// Ask nothing: connections that have just been opened
    #[arg(long)]
    pub(super) fresh: bool,
}

/// Whom to ask for what.
#[derive(Args, Debug)]
pub(super) struct Target {
    /// Where to connect to
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) to: SocketAddrV4,
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) connections: u32,
    /// What to ask for; a path that ends in /b/N or /c/N must be answered with N bytes
    #[arg(long, value_name = "PATH", default_value = "/b/128")]
    pub(super) path: String,
    /// Ask for these instead, pseudo-randomly in turn: lines of HOST PATH
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    pub(super) paths_file: Option<PathBuf>,
    /// How the requests look
    #[arg(long, value_name = "KIND", default_value = "plain")]
    pub(super) head: HeadKind,
    /// A request on which nothing moves for so long has failed
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds)]
    pub(super) timeout: Duration,
}

/// The fields of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum HeadKind {
    /// `Host` alone, as wrk sends it
    Plain,
    /// What a browser sends: 20 fields, 1.5 KB
    Browser,
}

/// How long.
#[derive(Args, Debug)]
pub(super) struct Span {
    /// How long to measure, from when all connections are open; 10 when not given
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(super) seconds: Option<Duration>,
    /// How long to run before that; only errors count
    #[arg(long, value_name = "S", default_value = "0", value_parser = seconds)]
    pub(super) warmup: Duration,
    /// Close after each response, as asked by `Connection: close`
    #[arg(long)]
    pub(super) one_request_per_connection: bool,
}

/// What to send.
#[derive(Args, Debug)]
pub(super) struct Upload {
    /// POST a body of so many bytes
    #[arg(long, value_name = "BYTES")]
    pub(super) upload: Option<u64>,
    /// Send the body in chunks of 8 KiB
    #[arg(long, requires = "upload")]
    pub(super) upload_chunked: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration > Duration::from_hours(24) {
        return Err("longer than a day".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn durations_are_seconds_with_a_fraction() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for text in ["", "x", "-1", "NaN", "1e9"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
