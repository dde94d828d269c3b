//! `bench-relay-tokio`: the command line of the bare relay on tokio.

use anyhow::Result;
use clap::Parser;
use evenkeel_bench::relay_tokio::Relay;
use evenkeel_bench::{ready, socket};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A bare HTTP/1.1 relay on tokio's current-thread runtime, the upper floor of the benchmark; prints `ready PORT` when
/// it listens
#[derive(Debug, Parser)]
#[command(name = "bench-relay-tokio", max_term_width = 100)]
struct Options {
    /// The port of 127.0.0.1 to listen on; 0 lets the system choose
    listen: u16,
    /// The origins' ports on 127.0.0.1, used in turn
    #[arg(value_name = "ORIGIN", required = true)]
    origins: Vec<u16>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    socket::raise_descriptor_limit()?;
    let relay = Relay::new(&options.origins);
    Ok(relay.run(options.listen, |port| ready::announce(&[port]))?)
}
