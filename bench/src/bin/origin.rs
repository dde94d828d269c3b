//! `bench-origin`: the command line of the origin.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use clap::Parser;
use evenkeel_bench::origin::Origin;
use evenkeel_bench::{ready, socket};

/// Answers `/b/N` with N bytes and `/c/N` with N bytes in chunks, on 127.0.0.1; prints `ready PORT…` when it listens
#[derive(Debug, Parser)]
#[command(name = "bench-origin", max_term_width = 100)]
struct Options {
    /// Ports to listen on; 0 lets the system choose
    #[arg(value_name = "PORT", required = true)]
    ports: Vec<u16>,
    /// Listen on all addresses, so that 127.1.2.3 reaches it too
    #[arg(long)]
    any: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    socket::raise_descriptor_limit()?;
    let address = if options.any {
        Ipv4Addr::UNSPECIFIED
    } else {
        Ipv4Addr::LOCALHOST
    };
    let mut origin = Origin::bind(address, &options.ports).context("listening")?;
    ready::announce(origin.ports())?;
    Ok(origin.run()?)
}
