//! The load generator: as many requests as will go, a fixed rate of them, or idle connections.
//!
//! One thread, one epoll loop, one report. Every response is checked: its framing, its status, and the length of its
//! body against what the path asked for. It compares nothing with earlier runs and knows nothing of who answers.

mod connection;
mod engine;
mod options;
mod pace;
mod requests;
mod tally;
mod timer;

use std::io::{self, Write};

use anyhow::{Context, Result};

pub use options::Options;

use engine::Engine;

/// Does what the command line says and prints the report.
///
/// # Errors
///
/// Fails when the options cannot be carried out; failed requests are a matter of the report.
pub fn run(options: &Options) -> Result<()> {
    crate::socket::raise_descriptor_limit().context("raising the limit of descriptors")?;
    let mut engine = Engine::new(options)?;
    let report = engine.run(|line| {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    })?;
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}
