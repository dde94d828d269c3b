//! `cargo xtask VERB`: the project's own commands, in Rust so that they need nothing but cargo.
//!
//! Each verb is a file. This one only finds the verb; it decides nothing. `cargo xtask ci` is what guards the branch.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool: its two outputs are its interface"
)]

mod balancing;
mod bench;
mod certificate;
mod ci;
mod docs;
mod experiment;
mod floors;
mod fuzz;
mod icount;
mod leftovers;
mod metrics;
mod modules;
mod pgo;
mod python;
mod reliability;
mod setup;
mod source;
mod step;
mod tidy;
mod tree;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask VERB

  ci               the whole gate, in the order that fails fastest
  test             install what the tests need (where that is allowed) and run every test
  setup            only install what the tests need
  floors           check who depends on whom, and that modules form no import circles
  tidy             check sizes, words, test manners and pages
  docs [--check]   write the generated pages, or compare them
  balancing …      run the scenarios of docs/balancing.md and write their results into it; --check compares
  metrics          print sizes of files and functions, and the share of documented items
  fuzz [SECONDS …] run every fuzz target, or those named, for so long; --keep TARGET… takes over new inputs
  icount …         instructions against checked-in figures; --profile NAME, --bless [NAME], --binary PATH
  reliability …    the bad day at length, beside nginx and HAProxy; writes docs/reliability.md
  experiment …     the balancing experiment, simulated and real; writes docs/balancing/experiment.md
  bench …          speed beside nginx and HAProxy; bench --list, bench --quick
  pgo              build evenkeel by a profile of how it runs
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match *arguments {
        ["ci"] => ci::run(),
        ["test"] => ci::test(),
        ["setup"] => setup::run(),
        ["floors"] => floors::run(),
        ["tidy"] => tidy::run(),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["balancing"] => balancing::write(),
        ["balancing", "--check"] => balancing::check(),
        ["metrics"] => metrics::run(),
        ["fuzz", ref rest @ ..] => fuzz::run(rest),
        ["icount", ref rest @ ..] => icount::run(rest),
        ["bench", ref rest @ ..] => bench::run(rest),
        ["reliability", ref rest @ ..] => reliability::run(rest),
        ["experiment", ref rest @ ..] => experiment::run(rest),
        ["pgo"] => pgo::run(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bail!("no such verb: {}\n\n{USAGE}", arguments.join(" ")),
    }
}
