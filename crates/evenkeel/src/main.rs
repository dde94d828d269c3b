//! evenkeel: one binary that spreads traffic over many servers and keeps it on an even keel.
//!
//! Floor 4: it reads the command line, wires the planes together and obeys signals. What it does not do itself: anything
//! with a request in it.

mod activation;
mod admin_address;
mod before;
mod certificates;
mod cli;
mod command;
mod control_socket;
mod demo;
mod desk;
mod disk;
mod event;
mod explain;
mod files;
mod forbidden;
mod handover;
mod inbox;
mod listeners;
mod load;
mod notify;
mod operate;
mod operator_log;
mod orders;
mod parked;
mod privileges;
mod process;
mod renewal;
mod run;
mod simulate;
mod stamp;
mod startup;
mod status;
mod succession;
mod top;
mod trial;
mod upgrade;
mod watched_files;
mod why;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::handover::Handover;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    refuse_huge_pages();
    match Handover::begin() {
        Ok(mut handover) => {
            let outcome = run(&mut handover);
            if let Err(error) = &outcome {
                handover.refuse(&format!("{error:#}"));
            }
            told(outcome)
        }
        Err(error) => told(Err(error)),
    }
}

/// Asks the kernel for no pages of 2 MiB, as the allocator is built not to. Each worker would have one for each size of what it
/// holds: the streams that a client makes it reset, 500 of them, took 9 MiB for 1.5. What requests cost has not changed.
fn refuse_huge_pages() {
    // A kernel that cannot be asked has none to refuse.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn run(handover: &mut Handover) -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Run(args) => command::run(&args, handover),
        Command::Check(args) => command::check(&args),
        Command::Demo(args) => demo::run(&args, handover),
        Command::Proxy(args) => command::proxy(&args, handover),
        Command::Simulate(args) => simulate::run(&args),
        Command::Status(args) => operate::status(&args),
        Command::Top(args) => top::run(&args),
        Command::Reload(args) => operate::reload(&args),
        Command::Rollback(args) => operate::order(&args, "rollback"),
        Command::Upgrade(args) => operate::upgrade(&args),
        Command::Drain(args) => operate::order(&args, "drain"),
        Command::Stop(args) => operate::order(&args, "stop"),
        Command::Endpoint(args) => operate::endpoint(&args),
        Command::Explain(args) => explain::run(&args),
        Command::LogLevel(args) => operate::log_level(&args),
        Command::Why(args) => why::run(&args),
        Command::Schema => command::schema(),
        Command::Completions(args) => command::completions(&args),
    }
}

fn told(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) => {
            startup::say(&format!("evenkeel: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
