//! The command line: its grammar and its help, and nothing that acts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use evenkeel_base::BalancerKind;
use evenkeel_base::unit::parse_duration;

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
    /// Try balancers on modelled endpoints and clients, before real traffic does
    #[command(
        after_help = "Example: evenkeel simulate --scenario slow-endpoint --compare round-robin,least-request\nWith the cluster of a configuration: evenkeel simulate --config evenkeel.toml --scenario slow-endpoint"
    )]
    Simulate(SimulateArgs),
    /// Show what a running evenkeel serves, and how its endpoints are
    Status(AskArgs),
    /// Watch a running evenkeel on a terminal: what is wrong, clusters and endpoints with rates and latencies; keys to drain and readmit
    #[command(
        after_help = "Keys: ? shows them. Without a terminal, or with --once, one picture is printed.\nNO_COLOR=1 leaves colors out."
    )]
    Top(TopArgs),
    /// Have a running evenkeel read its configuration file again; one with a mistake changes nothing
    Reload(ReloadArgs),
    /// Have a running evenkeel go back to the configuration before; twice is forth again
    Rollback(AskArgs),
    /// Have another program take the place of a running evenkeel, or the same as it is on disk by now; no request is lost
    #[command(
        after_help = "A program that does not start, or refuses the configuration, changes nothing. SIGUSR2 does the same."
    )]
    Upgrade(UpgradeArgs),
    /// Have a running evenkeel finish what it has and end
    Drain(AskArgs),
    /// Have a running evenkeel end at once
    Stop(AskArgs),
    /// Take an endpoint out, bring it back, change its weight, add or remove one, over what the file says
    #[command(
        after_help = "Examples: evenkeel endpoint drain api/10.0.0.7:8080\n          evenkeel endpoint add api 10.0.0.9:8080 --weight 2\n\nWhat is ordered stays over reloads and upgrades, until `reset` or `remove`; the file is not written."
    )]
    Endpoint(EndpointArgs),
    /// Say what would become of a request, and why: listener, route, checks, cluster, endpoint, fields, timeouts
    #[command(
        after_help = "Examples:\n  evenkeel explain GET https://shop.example/api/cart\n  evenkeel explain POST http://shop.example/api -H 'Content-Length: 20' --from 203.0.113.9\n  evenkeel explain GET https://shop.example/ --config evenkeel.toml\n\nNothing is sent. Without --config the running evenkeel is asked, with what it knows of its endpoints.\nExit codes: 0 it would be served, 1 evenkeel would reply a fault, 2 the question is wrong, 3 no evenkeel answers."
    )]
    Explain(ExplainArgs),
    /// Write a running evenkeel's own log down to another level
    #[command(
        after_help = "Example: evenkeel log-level debug --for 10m\n\nIt holds for the time given, or until the configuration is read again."
    )]
    LogLevel(LogLevelArgs),
    /// Say what a fault means, what usually causes it, and what to look at; without a name all faults are listed
    #[command(
        after_help = "Example: evenkeel why connect-refused\n\nThe name stands in the access log, and in the `details` of a reply's Proxy-Status."
    )]
    Why(WhyArgs),
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
    /// Read the file again whenever it, or a file that it names, has changed
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// Where operators are listened to.
#[derive(Args, Debug, Default)]
pub(crate) struct ControlArgs {
    /// The control socket, or `none`; without it evenkeel.sock in $RUNTIME_DIRECTORY, in $XDG_RUNTIME_DIR, or (root) in /run
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,
}

/// A command for a running evenkeel.
#[derive(Args, Debug)]
pub(crate) struct AskArgs {
    /// The control socket of the evenkeel that is meant
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) control: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// `evenkeel top`.
#[derive(Args, Debug)]
pub(crate) struct TopArgs {
    /// Print one picture, and end
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// `evenkeel reload`.
#[derive(Args, Debug)]
pub(crate) struct ReloadArgs {
    /// Put the configuration on trial for so long: when more requests fail, evenkeel goes back by itself. Waits for the verdict
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) trial: Option<String>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// `evenkeel upgrade`.
#[derive(Args, Debug)]
pub(crate) struct UpgradeArgs {
    /// The program; without it the one that was started, as it is on disk by now
    #[arg(value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// `evenkeel endpoint`.
#[derive(Args, Debug)]
pub(crate) struct EndpointArgs {
    #[command(subcommand)]
    pub(crate) order: EndpointOrder,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// What to order.
#[derive(Debug, Subcommand)]
pub(crate) enum EndpointOrder {
    /// No new requests; what is under way is finished, and probes go on
    Drain(OneEndpoint),
    /// No new requests, and no probes
    Maint(OneEndpoint),
    /// It takes requests, also when the file says otherwise
    Ready(OneEndpoint),
    /// Another weight, 0 to 1,000
    Weight {
        #[command(flatten)]
        endpoint: OneEndpoint,
        /// The weight
        #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
        weight: u16,
    },
    /// As the configuration file has it
    Reset(OneEndpoint),
    /// Add one to those of the file; it gets requests once its probes are good, and slowly more of them
    Add {
        /// The cluster
        #[arg(value_name = "CLUSTER")]
        cluster: String,
        /// Where it is: host:port or unix:/path
        #[arg(value_name = "ADDRESS")]
        address: String,
        /// What it is called; without it its address
        #[arg(long, value_name = "NAME")]
        id: Option<String>,
        /// Its weight, 0 to 1,000; without it 1
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
        weight: Option<u16>,
        /// The zone it is in
        #[arg(long, value_name = "ZONE")]
        zone: Option<String>,
    },
    /// Remove one that was added; what is under way is finished
    Remove(OneEndpoint),
}

/// Which endpoint is meant.
#[derive(Args, Debug)]
pub(crate) struct OneEndpoint {
    /// Its cluster, and its id or address
    #[arg(value_name = "CLUSTER/ENDPOINT", value_parser = parse_endpoint)]
    pub(crate) endpoint: (String, String),
}

/// `evenkeel log-level`.
#[derive(Args, Debug)]
pub(crate) struct LogLevelArgs {
    /// error, warn, info or debug; as-configured takes back what was ordered; without it the level is shown
    #[arg(value_name = "LEVEL", value_parser = ["error", "warn", "info", "debug", "as-configured"])]
    pub(crate) level: Option<String>,
    /// For so long; without it until the configuration is read again
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time, requires = "level")]
    pub(crate) time: Option<String>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
}

/// `evenkeel explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The method of the request
    #[arg(value_name = "METHOD")]
    pub(crate) method: String,
    /// Its address: http:// or https://, a host, and a path with a query
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// A field of the request; may be repeated. Host is the address's unless it is given
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The address that it comes from, or `unix`; without it 127.0.0.1
    #[arg(long, value_name = "IP")]
    pub(crate) from: Option<String>,
    /// The listener that it comes to; without it the one that the address leads to
    #[arg(long, value_name = "NAME")]
    pub(crate) listener: Option<String>,
    /// Explain by this file; nothing has to run, and nothing is known of endpoints
    #[arg(long, short, value_name = "FILE", conflicts_with = "control")]
    pub(crate) config: Option<PathBuf>,
    /// The control socket of the evenkeel that is meant
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `evenkeel why`.
#[derive(Args, Debug)]
pub(crate) struct WhyArgs {
    /// The fault, by its name
    #[arg(value_name = "FAULT")]
    pub(crate) fault: Option<String>,
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
    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// `evenkeel proxy`.
#[derive(Args, Debug)]
pub(crate) struct ProxyArgs {
    /// Where to listen: an IP address and a port (127.0.0.1:8080), :port (all addresses) or unix:/path
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: String,
    /// An endpoint: host:port, :port (this host), http://host:port, host:9002-9004 or unix:/path; may be repeated
    #[arg(long, value_name = "ADDRESS", required = true)]
    pub(crate) to: Vec<String>,
    /// Who picks the endpoint: the name of a balancer, such as round-robin or maglev
    #[arg(long, value_name = "NAME", value_parser = evenkeel_config::parse_balancer)]
    pub(crate) balancer: Option<BalancerKind>,
    /// Print the configuration file that does the same, and do nothing else
    #[arg(long)]
    pub(crate) print_config: bool,
    #[command(flatten)]
    pub(crate) control: ControlArgs,
}

/// `evenkeel simulate`.
#[derive(Args, Debug)]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    pub(crate) what: SimulateWhat,
    /// Take the rules and the endpoints of a cluster of this configuration file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Which cluster of it; not needed when there is one
    #[arg(long, value_name = "NAME", requires = "config")]
    pub(crate) cluster: Option<String>,
    /// Who picks; without it the cluster's own balancer
    #[arg(long, value_name = "NAME", conflicts_with = "compare")]
    pub(crate) balancer: Option<String>,
    /// Run with each of these, and put them side by side; NAME:KNOB=VALUE tunes one, and "paper" is the rules of the Prequal paper
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub(crate) compare: Vec<String>,
    /// Where chance begins: the same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Stop after so many requests, or go on until then, whatever the scenario's duration is
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// Print everything that was measured as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a page with tables and plots as well
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// What `evenkeel simulate` is to do.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct SimulateWhat {
    /// The scenario: one of --list, or a TOML file
    #[arg(long, short, value_name = "NAME|FILE")]
    pub(crate) scenario: Option<String>,
    /// List the scenarios that come with evenkeel
    #[arg(long)]
    pub(crate) list: bool,
    /// Print the file of one of them, to begin your own with
    #[arg(long, value_name = "NAME")]
    pub(crate) show: Option<String>,
}

/// `evenkeel completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}
fn parse_time(text: &str) -> Result<String, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("no time at all: write how long, as in 10m".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

fn parse_endpoint(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('/');
    let parts = parts.filter(|(cluster, endpoint)| !cluster.is_empty() && !endpoint.is_empty());
    parts
        .map(|(cluster, endpoint)| (cluster.to_owned(), endpoint.to_owned()))
        .ok_or_else(|| "write CLUSTER/ENDPOINT, as in api/10.0.0.7:8080".to_owned())
}
