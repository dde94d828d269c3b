//! `cargo xtask look [--release]`: a quick look at CPU per request beside nginx, and HAProxy where it is installed.
//!
//! One core for the proxy, the other for wrk and the origins (an nginx that answers by itself); all proxies in turns,
//! so that what the machine does meanwhile hits all alike. It is no benchmark: two cores, loopback, one small response.
//! The figures to quote are ratios of one run. A run with an error in it is no result.

mod load;
mod proxies;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::step::cargo;
use crate::tree;
use load::Round;
use proxies::{Origins, Proxy, Scratch};

/// How often each proxy has its turn; the median counts.
const ROUNDS: usize = 3;

/// How long a turn is. CPU time comes in ticks of 10 ms, so 5 s of one core are known to 0.2 %.
const TURN: Duration = Duration::from_secs(5);

/// The load average up to which a machine counts as quiet. Our own build raises it, so a second run is the one to quote.
const QUIET: f64 = 1.0;

/// A turn nobody counts, which fills pools and caches.
const WARM_UP: Duration = Duration::from_secs(1);

/// Runs the verb.
pub(crate) fn run(release: bool) -> Result<()> {
    if std::thread::available_parallelism()?.get() < 2 {
        bail!("this needs two cores: one for the proxy, one for what drives it");
    }
    for (program, package) in [
        ("nginx", "nginx-light"),
        ("wrk", "wrk"),
        ("taskset", "util-linux"),
    ] {
        if proxies::find(program).is_none() {
            bail!("{program} is not installed: apt-get install {package}");
        }
    }
    let binary = build(if release { "release" } else { "dist" })?;
    warn_of_company();
    let scratch = Scratch::new()?;
    let origins = Origins::start(&scratch)?;
    let mut proxies = vec![
        Proxy::evenkeel(&scratch, &origins, &binary)?,
        Proxy::nginx(&scratch, &origins)?,
    ];
    match proxies::find("haproxy") {
        Some(_) => proxies.push(Proxy::haproxy(&scratch, &origins)?),
        None => println!("haproxy is not installed, so it is not in the table"),
    }
    for proxy in &proxies {
        load::run(proxy.port(), WARM_UP)?;
    }
    let mut rounds: Vec<Vec<Measured>> = proxies.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (proxy, rounds) in proxies.iter().zip(&mut rounds) {
            rounds.push(measure(proxy)?);
        }
    }
    print(&proxies, &mut rounds)
}

/// One turn of one proxy.
#[derive(Debug)]
struct Measured {
    round: Round,
    /// CPU time of the proxy's process, user and kernel.
    cpu: Duration,
}

impl Measured {
    fn micros_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.round.requests.max(1.0)
    }
}

fn measure(proxy: &Proxy) -> Result<Measured> {
    let before = proxy.cpu()?;
    let round = load::run(proxy.port(), TURN)?;
    let cpu = proxy.cpu()?.saturating_sub(before);
    Ok(Measured { round, cpu })
}

/// Says so when the machine has other work: figures of such a run waver, and are not to be quoted.
fn warn_of_company() {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = text
        .split(' ')
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or(0.0);
    if load > QUIET {
        println!(
            "the load average is {load}: something else is running (or our own build was), so quote nothing"
        );
    }
}

fn build(profile: &str) -> Result<PathBuf> {
    let status = cargo()
        .args(["build", "--package", "evenkeel", "--profile", profile])
        .status()?;
    if !status.success() {
        bail!("evenkeel does not build");
    }
    Ok(tree::target().join(profile).join("evenkeel"))
}

fn print(proxies: &[Proxy], rounds: &mut [Vec<Measured>]) -> Result<()> {
    println!(
        "{:<24} {:>10} {:>8} {:>6} {:>12} {:>7}   each turn",
        "proxy (median of turns)", "requests/s", "errors", "busy", "µs/request", "ratio"
    );
    let mut errors = 0;
    let mut first = None;
    for (proxy, turns) in proxies.iter().zip(rounds) {
        let each: Vec<String> = turns
            .iter()
            .map(|turn| format!("{:.1}", turn.micros_per_request()))
            .collect();
        turns.sort_by(|a, b| a.micros_per_request().total_cmp(&b.micros_per_request()));
        let median = &turns[turns.len() / 2];
        let failed: u64 = turns.iter().map(|turn| turn.round.errors).sum();
        errors += failed;
        let cost = median.micros_per_request();
        let own = *first.get_or_insert(cost);
        println!(
            "{:<24} {:>10.0} {failed:>8} {:>5.0}% {cost:>12.1} {:>7.2}   {}",
            proxy.name(),
            median.round.requests / TURN.as_secs_f64(),
            median.cpu.as_secs_f64() / TURN.as_secs_f64() * 100.0,
            cost / own,
            each.join(" "),
        );
    }
    if errors > 0 {
        bail!("{errors} requests failed, so this is no result");
    }
    Ok(())
}
