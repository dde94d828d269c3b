//! `evenkeel explain`: what would become of a request, and why; by a file, or by what a running evenkeel has published.
//!
//! Exit codes: 0 when it would be served, 1 when evenkeel would reply a fault, 2 when the question or the file is wrong, 3 when no
//! evenkeel answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use evenkeel_admin::client::{self, Failed};
use evenkeel_admin::explain::{Sight, explain, text};
use evenkeel_admin::view::explain::{Ask, Explanation};
use evenkeel_base::Address;
use evenkeel_config::model::Config;
use evenkeel_policy::overload::Level;
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Candidate, Health};
use evenkeel_state::{Registry, Resolved, Service, Snapshot};

use crate::cli::{AskArgs, ExplainArgs};
use crate::command::{is_colorful, print};
use crate::load::load;
use crate::operate;
use crate::startup::say;

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
        Some(path) => match on_paper(path, &ask)? {
            Some(told) => told,
            None => return Ok(ExitCode::from(WRONG)),
        },
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
                Err(Failed::Refused(why)) => Err(why),
                Err(Failed::Nobody(..)) => {
                    return operate::told(&asked, answer, |told| text(&told));
                }
            }
        }
    };
    let told = match told {
        Ok(told) => told,
        Err(why) => {
            say(&format!("evenkeel: {why}"));
            return Ok(ExitCode::from(WRONG));
        }
    };
    let out = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&told)?)
    } else {
        text(&told)
    };
    print(&out)?;
    Ok(if told.verdict.fault.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// By a file; none when it is wrong, which has been said.
fn on_paper(path: &Path, ask: &Ask) -> anyhow::Result<Option<Result<Explanation, String>>> {
    let loaded = match load(path, is_colorful()).0 {
        Ok(loaded) => loaded,
        Err(error) => {
            say(&format!("evenkeel: {error:#}"));
            return Ok(None);
        }
    };
    let Some((config, _)) = loaded.told() else {
        return Ok(None);
    };
    let snapshot = snapshot(config);
    let sight = Sight {
        snapshot: &snapshot,
        now_us: 0,
        level: Level::Normal,
        live: false,
    };
    Ok(Some(explain(sight, ask)))
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
