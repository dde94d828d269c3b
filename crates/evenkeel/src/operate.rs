//! The commands that ask a running evenkeel: what they send to its control socket, and what they make of the answer.
//!
//! Exit codes: 0 when it is done, 1 when it was refused or is wrong, 3 when no evenkeel answers.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use evenkeel_admin::client::{self, Failed};
use evenkeel_admin::view;
use serde::Serialize;
use tokio::runtime;

use crate::cli::{
    AskArgs, EndpointArgs, EndpointOrder, LogLevelArgs, OneEndpoint, ReloadArgs, UpgradeArgs,
};
use crate::command::print;
use crate::control_socket;
use crate::startup::say;
use crate::status;

/// No evenkeel answers.
const NOBODY: u8 = 3;

/// `evenkeel status`.
pub(crate) fn status(args: &AskArgs) -> anyhow::Result<ExitCode> {
    let answer = asked(args, async |socket| {
        client::get::<view::Status>(socket, "/api/v1/status").await
    })?;
    told(args, answer, |status| status::text(&status))
}

/// `evenkeel reload`.
pub(crate) fn reload(args: &ReloadArgs) -> anyhow::Result<ExitCode> {
    let body = view::Reload {
        trial: args.trial.clone().unwrap_or_default(),
    };
    give(&args.ask, "/api/v1/reload", &body)
}

/// `evenkeel upgrade`. The process may stand elsewhere than whoever asks, so the path is sent from the root.
pub(crate) fn upgrade(args: &UpgradeArgs) -> anyhow::Result<ExitCode> {
    let program = args.program.as_ref().map(std::path::absolute).transpose()?;
    let program = program.map(|path| path.into_os_string().into_string());
    let body = view::Upgrade {
        program: match program {
            Some(Ok(path)) => path,
            Some(Err(_)) => anyhow::bail!("the program's path is not UTF-8"),
            None => String::new(),
        },
    };
    give(&args.ask, "/api/v1/upgrade", &body)
}

/// `evenkeel rollback`, `drain` and `stop`.
pub(crate) fn order(args: &AskArgs, name: &str) -> anyhow::Result<ExitCode> {
    give(args, &format!("/api/v1/{name}"), &serde_json::json!({}))
}

/// `evenkeel endpoint`.
pub(crate) fn endpoint(args: &EndpointArgs) -> anyhow::Result<ExitCode> {
    let admin = |name: &str| view::EndpointOrder {
        admin: Some(name.to_owned()),
        weight: None,
    };
    let (OneEndpoint { endpoint }, body) = match &args.order {
        EndpointOrder::Drain(one) => (one, admin("drain")),
        EndpointOrder::Maint(one) => (one, admin("maint")),
        EndpointOrder::Ready(one) => (one, admin("ready")),
        EndpointOrder::Reset(one) => (one, admin("as-configured")),
        EndpointOrder::Weight { endpoint, weight } => {
            let body = view::EndpointOrder {
                admin: None,
                weight: Some(*weight),
            };
            (endpoint, body)
        }
        EndpointOrder::Add {
            cluster,
            address,
            id,
            weight,
            zone,
        } => {
            let body = view::NewEndpoint {
                address: address.clone(),
                id: id.clone(),
                weight: *weight,
                zone: zone.clone(),
            };
            return give(&args.ask, &client::endpoints_path(cluster), &body);
        }
        EndpointOrder::Remove(OneEndpoint { endpoint }) => {
            let path = client::endpoint_path(&endpoint.0, &endpoint.1);
            let answer = asked(&args.ask, async |socket| {
                client::delete::<view::Done>(socket, &path).await
            })?;
            return told(&args.ask, answer, |one| done(&one));
        }
    };
    let (cluster, endpoint) = endpoint;
    give(&args.ask, &client::endpoint_path(cluster, endpoint), &body)
}

/// `evenkeel log-level`.
pub(crate) fn log_level(args: &LogLevelArgs) -> anyhow::Result<ExitCode> {
    const PAGE: &str = "/api/v1/log";
    if let Some(level) = &args.level {
        let body = view::LogOrder {
            level: level.clone(),
            time: args.time.clone().unwrap_or_default(),
        };
        return give(&args.ask, PAGE, &body);
    }
    let answer = asked(&args.ask, async |socket| {
        client::get::<view::Log>(socket, PAGE).await
    })?;
    told(&args.ask, answer, |log| match (log.ordered, log.left) {
        (None, _) => format!("{}\n", log.level),
        (Some(_), None) => format!("{} by order; configured: {}\n", log.level, log.configured),
        (Some(_), Some(left)) => format!(
            "{} by order for another {left} s; configured: {}\n",
            log.level, log.configured
        ),
    })
}

fn done(done: &view::Done) -> String {
    format!("{} (generation {})\n", done.what, done.generation)
}

fn give(args: &AskArgs, path: &str, body: &impl Serialize) -> anyhow::Result<ExitCode> {
    let answer = asked(args, async |socket| {
        client::post::<view::Done>(socket, path, body).await
    })?;
    told(args, answer, |one| done(&one))
}

/// Asks the evenkeel that is meant: the first that answers in the places where one may be.
pub(crate) fn asked<T>(
    args: &AskArgs,
    mut ask: impl AsyncFnMut(&Path) -> Result<T, Failed>,
) -> anyhow::Result<Asked<T>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut deserted = Vec::new();
    for place in control_socket::to_ask(args.control.as_ref()) {
        match runtime.block_on(ask(&place)) {
            Err(Failed::Nobody(place, error)) if control_socket::is_deserted(&error) => {
                deserted.push((place, error));
            }
            answer => {
                return Ok(Asked {
                    answer,
                    elsewhere: deserted,
                });
            }
        }
    }
    let mut deserted = deserted.into_iter();
    let (place, error) = deserted.next().context("there is no place to ask at")?;
    Ok(Asked {
        answer: Err(Failed::Nobody(place, error)),
        elsewhere: deserted.collect(),
    })
}

/// What came of asking.
pub(crate) struct Asked<T> {
    pub(crate) answer: Result<T, Failed>,
    /// Where else it was tried, and why nobody answers there.
    elsewhere: Vec<(PathBuf, io::Error)>,
}

/// Says what came of it.
pub(crate) fn told<T: Serialize>(
    args: &AskArgs,
    Asked { answer, elsewhere }: Asked<T>,
    text: impl FnOnce(T) -> String,
) -> anyhow::Result<ExitCode> {
    let failed = match answer {
        Ok(answer) if args.json => {
            return print(&format!("{}\n", serde_json::to_string_pretty(&answer)?));
        }
        Ok(answer) => return print(&text(answer)),
        Err(failed) => failed,
    };
    let mut error = failed.to_string();
    if matches!(failed, Failed::Nobody(..)) && !elsewhere.is_empty() {
        let places = elsewhere.iter();
        let places = places.map(|(path, why)| format!("{} ({why})", path.display()));
        let places: Vec<String> = places.collect();
        error = format!("{error}; nor at {}", places.join(", "));
    }
    if args.json {
        let wrong = view::Wrong {
            error,
            refusal: None,
        };
        print(&format!("{}\n", serde_json::to_string_pretty(&wrong)?))?;
    } else {
        say(&format!("evenkeel: {error}"));
    }
    Ok(match failed {
        Failed::Nobody(..) => ExitCode::from(NOBODY),
        Failed::Refused(_) => ExitCode::FAILURE,
    })
}
