//! The commands that are more than a flag and less than a file of their own.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use evenkeel_config::model::Config;
use evenkeel_config::{Severity, render_all};

use crate::cli::{CheckArgs, Cli, CompletionsArgs, ProxyArgs, RunArgs};
use crate::files::{Files, read_config};
use crate::run::serve;
use crate::startup::say;

/// `evenkeel run`.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    match load(&args.config)? {
        Some(config) => serve(config, |_| {}),
        None => Ok(ExitCode::FAILURE),
    }
}

/// `evenkeel check`.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let Some(config) = load(&args.file)? else {
        return Ok(ExitCode::FAILURE);
    };
    let endpoints: usize = config
        .clusters
        .iter()
        .map(|cluster| cluster.endpoints.len())
        .sum();
    print(&format!(
        "{} is right: {}, {}, {}, {}\n",
        args.file.display(),
        plural(config.listeners.len(), "listener"),
        plural(config.routes.len(), "route"),
        plural(config.clusters.len(), "cluster"),
        plural(endpoints, "endpoint"),
    ))
}

/// `evenkeel proxy`.
pub(crate) fn proxy(args: &ProxyArgs) -> anyhow::Result<ExitCode> {
    let config = evenkeel_config::proxy(&args.listen, &args.to, args.balancer)
        .map_err(anyhow::Error::msg)?;
    if args.print_config {
        return print(&evenkeel_config::print(&config));
    }
    serve(config, |_| {})
}

/// `evenkeel schema`.
pub(crate) fn schema() -> anyhow::Result<ExitCode> {
    print(&evenkeel_config::schema_text())
}

/// `evenkeel completions`.
pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "evenkeel", &mut text);
    print(&String::from_utf8_lossy(&text))
}

/// Reads and checks a file, and tells what is wrong with it; none when it cannot be used.
fn load(path: &Path) -> anyhow::Result<Option<Config>> {
    let text = read_config(path)?;
    let name = path.display().to_string();
    let checked = evenkeel_config::check(&text, &name, &Files::beside(path));
    if !checked.diagnostics.is_empty() {
        let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        say(render_all(&checked.diagnostics, &text, color).trim_end());
    }
    let wrong = checked
        .diagnostics
        .iter()
        .any(|one| one.severity == Severity::Error);
    Ok(checked.config.filter(|_| !wrong))
}

/// Writes a result. A reader that stopped reading (`| head`) has what it wants.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn plural(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}
