//! The command line: its grammar and its help, and nothing that acts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use evenkeel_base::BalancerKind;

/// evenkeel spreads traffic over many servers and keeps it on an even keel.
#[derive(Debug, Parser)]
#[command(
    name = "evenkeel",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve what a configuration file says
    Run(RunArgs),
    /// Read a configuration file and report every mistake in it
    Check(CheckArgs),
    /// Start three small endpoints and a load balancer in front of them, to try things out
    Demo(DemoArgs),
    /// Serve without a file: one listener, one cluster
    #[command(
        after_help = "Example: evenkeel proxy --listen :8080 --to 127.0.0.1:9001 --to 127.0.0.1:9002-9004"
    )]
    Proxy(ProxyArgs),
    /// Print the JSON Schema of the configuration file
    Schema,
    /// Print completions for a shell
    Completions(CompletionsArgs),
}

/// `evenkeel run`.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = "evenkeel.toml")]
    pub(crate) config: PathBuf,
}

/// `evenkeel check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The configuration file
    #[arg(value_name = "FILE", default_value = "evenkeel.toml")]
    pub(crate) file: PathBuf,
}

/// `evenkeel demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// The port of the load balancer; 0 lets the system choose
    #[arg(long, default_value_t = 5000)]
    pub(crate) port: u16,
    /// How many workers run; without it one per core
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<std::num::NonZeroU16>,
    /// Do not show requests as they pass
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// `evenkeel proxy`.
#[derive(Args, Debug)]
pub(crate) struct ProxyArgs {
    /// Where to listen: host:port, :port (all addresses) or unix:/path
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: String,
    /// An endpoint: host:port, :port (this host), http://host:port, host:9002-9004 or unix:/path; may be repeated
    #[arg(long, value_name = "ADDRESS", required = true)]
    pub(crate) to: Vec<String>,
    /// Who picks the endpoint: least-request, round-robin or random
    #[arg(long, value_name = "NAME", value_parser = parse_balancer)]
    pub(crate) balancer: Option<BalancerKind>,
    /// Print the configuration file that does the same, and do nothing else
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// `evenkeel completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

fn parse_balancer(name: &str) -> Result<BalancerKind, String> {
    BalancerKind::from_name(name).ok_or_else(|| {
        let names: Vec<_> = BalancerKind::ALL.iter().map(|kind| kind.name()).collect();
        format!("the balancers are {}", names.join(", "))
    })
}
