//! `evenkeel explain`: what would become of a request, and why; by a file, or by what a running evenkeel has published.
//!
//! Exit codes: 0 when it would be served, 1 when evenkeel would refuse it, 2 when the question or the file is wrong, 3 when no
//! evenkeel answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use evenkeel_admin::client::{self, Failed};
use evenkeel_admin::explain::{Sight, explain, text};
use evenkeel_admin::view;
use evenkeel_admin::view::explain::{Ask, Explanation};
use evenkeel_base::Address;
use evenkeel_config::model::Config;
use evenkeel_policy::overload::Level;
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Candidate, Health};
use evenkeel_state::{Registry, Resolved, Service, Snapshot};

use crate::cli::{AskArgs, ExplainArgs};
use crate::command::{is_colorful, print};
use crate::load::{Loaded, load};
use crate::operate;
use crate::startup::say;

/// What a verdict says of a request that is not served.
const REFUSED: &str = "refused";

/// The question or the file is wrong.
const WRONG: u8 = 2;

/// Runs it.
pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let ask = Ask {
        method: args.method.clone(),
        url: args.url.clone(),
        headers: args.headers.clone(),
        from: args.from.clone().unwrap_or_default(),
        listener: args.listener.clone().unwrap_or_default(),
    };
    let told = match &args.config {
        Some(path) => on_paper(path, &ask, is_colorful() && !args.json),
        None => {
            let asked = AskArgs {
                control: args.control.clone(),
                json: args.json,
            };
            let answer = operate::asked(&asked, async |socket| {
                client::post::<Explanation>(socket, "/api/v1/explain", &ask).await
            })?;
            match answer.answer {
                Ok(told) => Ok(told),
                Err(Failed::Refused(why)) => Err(Mistake::Said(why)),
                Err(Failed::Nobody(..)) => {
                    return operate::told(&asked, answer, |told| text(&told));
                }
            }
        }
    };
    let told = match told {
        Ok(told) => told,
        Err(mistake) => return mistake.told(args.json),
    };
    let out = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&told)?)
    } else {
        text(&told)
    };
    print(&out)?;
    Ok(if told.verdict.kind == REFUSED {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What is wrong with the question or the file.
enum Mistake {
    /// In one sentence.
    Said(String),
    /// As `check` reports it.
    Reported(String),
}

impl Mistake {
    /// Says it on stderr, or as an object on stdout: who asked for JSON reads that alone.
    fn told(self, json: bool) -> anyhow::Result<ExitCode> {
        match self {
            Self::Said(error) | Self::Reported(error) if json => {
                let wrong = view::Wrong {
                    error,
                    refusal: None,
                };
                print(&format!("{}\n", serde_json::to_string_pretty(&wrong)?))?;
            }
            Self::Said(error) => say(&format!("evenkeel: {error}")),
            Self::Reported(report) => say(&report),
        }
        Ok(ExitCode::from(WRONG))
    }
}

/// By a file.
fn on_paper(path: &Path, ask: &Ask, color: bool) -> Result<Explanation, Mistake> {
    let loaded = load(path, color).0;
    let config = match loaded.map_err(|error| Mistake::Said(format!("{error:#}")))? {
        Loaded::Good { config, report, .. } => {
            if !report.is_empty() {
                say(&report);
            }
            *config
        }
        Loaded::Bad { report } => return Err(Mistake::Reported(report)),
    };
    let snapshot = snapshot(config);
    let sight = Sight {
        snapshot: &snapshot,
        now_us: 0,
        level: Level::Normal,
        live: false,
    };
    explain(sight, ask).map_err(Mistake::Said)
}

/// What would be published if nothing were known but the file: each name has one address, and every endpoint is well.
fn snapshot(config: Config) -> Snapshot {
    let nowhere = |port| vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)];
    let mut resolved = Resolved::new();
    let endpoints = config.clusters.iter().flat_map(|one| &one.endpoints);
    for endpoint in endpoints {
        match &endpoint.address {
            Address::Name { host, port } => resolved.insert((host.clone(), *port), nowhere(*port)),
            Address::Service(name) => {
                let place = Service {
                    tier: 0,
                    host: name.clone(),
                    port: 0,
                    weight: endpoint.weight.max(1),
                    addresses: nowhere(0),
                };
                resolved.insert_services(name.clone(), vec![place]);
            }
            Address::Ip(_) | Address::Unix(_) => {}
        }
    }
    let snapshot = Registry::new(1, &[0; 32]).compile(config, &resolved, 0);
    for cluster in snapshot.clusters() {
        for one in &cluster.endpoints.list {
            if one.share() == 0 {
                let standing = &one.state.standing;
                // No line in a log is worth it: nobody was told that it was not.
                let _ = standing.set_health(Health::Up, Entry::Full, 0);
            }
        }
        cluster.endpoints.tick(0);
    }
    snapshot
}
