//! `cargo xtask reliability`: plays every bad day at length and writes `docs/reliability.md`.
//!
//! It builds what is played and finds what it is beside; playing is the matter of `reliability/`. With words behind the
//! verb, which are handed on (`--help` lists them), only what they name is played, and no page is written; but
//! `--soak MINUTES` alone writes its section of the page.

use anyhow::{Result, bail};

use crate::bench::machine::{self, Machine};
use crate::bench::process::{find, version};
use crate::setup::{self, Package};
use crate::step::cargo;
use crate::tree;

/// Who else is put to it.
const PACKAGES: &[Package] = &[
    Package {
        name: "nginx-light",
        probe: &["sh", "-c", "PATH=$PATH:/usr/sbin command -v nginx"],
        reason: "a rival",
    },
    Package {
        name: "haproxy",
        probe: &["sh", "-c", "PATH=$PATH:/usr/sbin command -v haproxy"],
        reason: "a rival",
    },
    Package {
        name: "iproute2",
        probe: &["ip", "-V"],
        reason: "a network is cut between two namespaces",
    },
];

/// Where the page is.
const PAGE: &str = "docs/reliability.md";

/// Runs the verb.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    setup::ensure(PACKAGES)?;
    let build = "build --profile dist --package evenkeel --package evenkeel-reliability";
    let built = cargo().args(build.split(' ')).status()?;
    if !built.success() {
        bail!("what is to be played does not build");
    }
    let programs = tree::target().join("dist");
    let evenkeel = programs.join("evenkeel");
    let mut command = std::process::Command::new(programs.join("bad-day"));
    command.env("EVENKEEL_BIN", &evenkeel).args(arguments);
    if arguments.is_empty() || matches!(arguments, ["--soak", _]) {
        let versions = [
            version(&evenkeel, "--version")?,
            version(&find("nginx")?, "-v")?,
            version(&find("haproxy")?, "-v")?,
        ];
        let (machine, (date, time)) = (Machine::look()?, machine::now());
        let ground = format!(
            "{date} {time} UTC. {}, {} cores, {:.0} GiB, Linux {}. {}.",
            machine.processor,
            machine.cores,
            machine.memory,
            machine.kernel,
            versions.join(", "),
        );
        command.arg("--ground").arg(ground);
        command.arg("--page").arg(tree::root().join(PAGE));
    }
    let status = command.status()?;
    if !status.success() {
        bail!("a bound is broken, or a scenario did not come to its end (above)");
    }
    Ok(())
}
