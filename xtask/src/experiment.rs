//! `cargo xtask experiment`: plays the balancing experiment at length and writes `docs/balancing/experiment.md`.
//!
//! It builds what is played; playing is the matter of `reliability/`. With words behind the verb, which are handed on
//! (`--help` lists them), no page is written unless they say so.

use anyhow::{Result, bail};

use crate::bench::machine::{self, Machine};
use crate::bench::process::version;
use crate::step::cargo;
use crate::tree;

/// Where the page is.
const PAGE: &str = "docs/balancing/experiment.md";

/// Runs the verb.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    // As released, but without what takes minutes to link: the processor is not what is measured.
    let build = "build --release --package evenkeel --package evenkeel-reliability";
    if !cargo().args(build.split(' ')).status()?.success() {
        bail!("what is to be played does not build");
    }
    let programs = tree::target().join("release");
    let evenkeel = programs.join("evenkeel");
    let mut command = std::process::Command::new(programs.join("balancing-experiment"));
    command.env("EVENKEEL_BIN", &evenkeel).args(arguments);
    if arguments.is_empty() {
        let (machine, (date, time)) = (Machine::look()?, machine::now());
        let ground = format!(
            "{date} {time} UTC. {}, {} cores, {:.0} GiB, Linux {}. {}.",
            machine.processor,
            machine.cores,
            machine.memory,
            machine.kernel,
            version(&evenkeel, "--version")?,
        );
        command.arg("--ground").arg(ground);
        command.arg("--page").arg(tree::root().join(PAGE));
    }
    if !command.status()?.success() {
        bail!(
            "the order is another than the simulator's, or a run did not come to its end (above)"
        );
    }
    Ok(())
}
