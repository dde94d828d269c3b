//! `bench-relay-epoll`: the command line of the bare relay on epoll.

use anyhow::{Context, Result};
use clap::Parser;
use evenkeel_bench::relay_epoll::Relay;
use evenkeel_bench::{ready, socket};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A bare HTTP/1.1 relay on epoll, the lower floor of the benchmark; prints `ready PORT` when it listens
#[derive(Debug, Parser)]
#[command(name = "bench-relay-epoll", max_term_width = 100)]
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
    let mut relay = Relay::bind(options.listen, &options.origins).context("listening")?;
    ready::announce(&[relay.port()])?;
    Ok(relay.run()?)
}
