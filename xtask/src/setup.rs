//! `cargo xtask setup`: installs the Debian packages that the tests need, where this process may, and what they use of PyPI.
//!
//! Where it may not, it says which are missing and how to get them, and goes on: most tests need none of them. Other
//! verbs have lists of their own and use [`ensure`].

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::python;

/// A Debian package that something here needs.
#[derive(Debug)]
pub(crate) struct Package {
    /// What Debian calls it.
    pub(crate) name: &'static str,
    /// A command that succeeds where the package, or the same thing from elsewhere, is installed.
    pub(crate) probe: &'static [&'static str],
    /// What it is for.
    pub(crate) reason: &'static str,
}

const PACKAGES: &[Package] = &[
    Package {
        name: "curl",
        probe: &["curl", "--version"],
        reason: "the demo is served to a client that everybody has",
    },
    Package {
        name: "jq",
        probe: &["jq", "--version"],
        reason: "a page of the docs sums the access log up with it, and what pages show is run",
    },
    Package {
        name: "chromium-headless-shell",
        probe: &["sh", "-c", "command -v chromium-headless-shell chromium"],
        reason: "the demo's page is shown by a browser",
    },
    Package {
        name: "python3-requests",
        probe: &["python3", "-c", "import requests"],
        reason: "the demo is served to a library that keeps connections alive in its own way",
    },
    Package {
        name: "python3-grpcio",
        // Another Python in front may lack it; the tests look at the system's as well.
        probe: &[
            "sh",
            "-c",
            "python3 -c 'import grpc' || /usr/bin/python3 -c 'import grpc'",
        ],
        reason: "gRPC is spoken with a client and a server that others wrote",
    },
    Package {
        name: "python3-prometheus-client",
        probe: &["/usr/bin/python3", "-c", "import prometheus_client"],
        reason: "the metrics are read by the parser of Prometheus' own client library",
    },
    Package {
        name: "python3-venv",
        probe: &["python3", "-c", "import ensurepip, venv"],
        reason: "what tests use of PyPI has an environment of its own",
    },
    Package {
        name: "tmux",
        probe: &["tmux", "-V"],
        reason: "`evenkeel top` is shown by a terminal",
    },
    Package {
        name: "wrk",
        // It has no option that succeeds without a run.
        probe: &["sh", "-c", "command -v wrk"],
        reason: "256 connections at once",
    },
    Package {
        name: "testssl.sh",
        probe: &["testssl", "--version"],
        reason: "TLS is judged by who knows what is wrong with it",
    },
    Package {
        name: "nghttp2-client",
        probe: &["h2load", "--version"],
        reason: "h2load: many streams of HTTP/2 from an implementation that is not ours",
    },
    Package {
        name: "nginx-light",
        probe: &["nginx", "-v"],
        reason: "an endpoint of HTTP/2 that is not ours",
    },
    Package {
        name: "systemd",
        probe: &["systemd-analyze", "--version"],
        reason: "the units in packaging/ are judged by it",
    },
    Package {
        name: "valgrind",
        probe: &["valgrind", "--version"],
        reason: "instructions are counted, so that a slower road is seen",
    },
];

/// Runs the verb.
#[expect(
    clippy::unnecessary_wraps,
    reason = "a verb: all have one signature, and this one goes on whatever happens"
)]
pub(crate) fn run() -> Result<()> {
    let obtained = [obtain(PACKAGES), python::obtain()];
    if obtained.iter().all(Result::is_ok) {
        println!("everything the tests need is installed");
    }
    for missing in obtained.into_iter().filter_map(Result::err) {
        println!("{missing}; tests without it will say so");
    }
    Ok(())
}

/// Installs what is missing of `packages`, and fails where it may not.
pub(crate) fn ensure(packages: &[Package]) -> Result<()> {
    obtain(packages).map_err(anyhow::Error::msg)
}

/// Installs what is missing; the error is a sentence about what still is.
fn obtain(packages: &[Package]) -> Result<(), String> {
    let missing: Vec<&Package> = packages
        .iter()
        .filter(|package| !succeeds(package.probe))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        println!("missing: {} ({})", package.name, package.reason);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let names = names.join(" ");
    if !succeeds(&["apt-get", "--version"]) {
        return Err(format!(
            "this is not Debian: install {names} your system's way"
        ));
    }
    if !succeeds(&["sh", "-c", "test \"$(id -u)\" = 0"]) {
        return Err(format!(
            "only root may install packages: sudo apt-get install {names}"
        ));
    }
    if !install(&names) {
        return Err(format!(
            "apt-get failed to install {names} (its own words are above)"
        ));
    }
    println!("installed {names}");
    Ok(())
}

fn install(names: &str) -> bool {
    let script = format!(
        "apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends {names}"
    );
    Command::new("sh")
        .args(["-c", &script])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .is_ok_and(|status| status.success())
}

fn succeeds(command: &[&str]) -> bool {
    Command::new(command[0])
        .args(&command[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
