//! evenkeel: one binary that spreads traffic over many servers and keeps it on an even keel.
//!
//! Floor 4: it reads the command line, wires the planes together and obeys signals. What it does not do itself: anything
//! with a request in it.

mod cli;
mod command;
mod demo;
mod files;
mod operator_log;
mod run;
mod startup;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => command::run(&args),
        Command::Check(args) => command::check(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Proxy(args) => command::proxy(&args),
        Command::Schema => command::schema(),
        Command::Completions(args) => command::completions(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            startup::say(&format!("evenkeel: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
