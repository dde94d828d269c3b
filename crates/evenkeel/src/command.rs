//! The commands that are more than a flag and less than a file of their own.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{CheckArgs, Cli, CompletionsArgs, ProxyArgs, RunArgs};
use crate::files::Files;
use crate::handover::Handover;
use crate::load::{Loaded, lists, load, load_again, load_to_check};
use crate::process::{FromFile, Origin};
use crate::run::serve;

/// `evenkeel run`.
pub(crate) fn run(args: &RunArgs, handover: &mut Handover) -> anyhow::Result<ExitCode> {
    // What was rolled back must not come back because the program is another.
    let back = handover.back(&args.config);
    let (loaded, seen) = match &back {
        Some(back) => load_again(&back.served, is_colorful()),
        None => {
            let (loaded, seen) = load(&args.config, is_colorful());
            (loaded?, seen)
        }
    };
    if let Loaded::Bad { report } = &loaded {
        handover.refuse(report);
    }
    match loaded.told_by_its_log() {
        Some((config, reading)) => {
            let before = handover.before(&args.config, &reading, &lists(&config));
            let from = FromFile {
                path: args.config.clone(),
                watched: args.watch,
                seen,
                reading,
                back,
                before,
            };
            let origin = Origin::File(Box::new(from));
            serve(config, origin, &args.control, handover, None, |_| {})
        }
        None => Ok(ExitCode::FAILURE),
    }
}

/// `evenkeel check`.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let Some((config, _)) = load_to_check(&args.file, is_colorful())?.told() else {
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
pub(crate) fn proxy(args: &ProxyArgs, handover: &mut Handover) -> anyhow::Result<ExitCode> {
    let source = Files::beside(Path::new(""));
    let config = evenkeel_config::proxy(&args.listen, &args.to, args.balancer, &source)
        .map_err(anyhow::Error::msg)?;
    if args.print_config {
        return print(&evenkeel_config::print(&config));
    }
    serve(
        config,
        Origin::CommandLine,
        &args.control,
        handover,
        None,
        |_| {},
    )
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

/// Whether who reads stderr sees colors.
pub(crate) fn is_colorful() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Writes a result. A reader that stopped reading (`| head`) has what it wants.
pub(crate) fn print(text: &str) -> anyhow::Result<ExitCode> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

pub(crate) fn plural(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}
