//! `cargo xtask fuzz [SECONDS]`: runs every fuzz target for so long, one after the other.
//!
//! What is found goes to `fuzz/artifacts/`, new inputs to a scratch corpus below `target/`, so that the corpus in the
//! repository grows only by hand. That corpus is replayed by plain tests; nothing of the gate needs this verb.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::step::cargo;
use crate::tree;

/// How long each target runs when nothing is said: enough to see that all of them still build and find nothing at once.
const SECONDS: u32 = 60;

/// Runs the verb.
pub(crate) fn run(seconds: Option<&str>) -> Result<()> {
    let seconds = match seconds {
        None => SECONDS,
        Some(text) => text
            .parse()
            .with_context(|| format!("{text} is not a number of seconds"))?,
    };
    if !nightly(&["rustc", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        bail!("fuzzing needs the nightly compiler: rustup toolchain install nightly");
    }
    if !nightly(&["cargo", "fuzz", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        println!("installing cargo-fuzz");
        check(&mut nightly(&[
            "cargo",
            "install",
            "--locked",
            "cargo-fuzz",
        ]))?;
    }
    let targets = targets()?;
    for target in &targets {
        println!("── {target}, {seconds} s");
        let scratch = tree::target().join("fuzz-corpus").join(target);
        std::fs::create_dir_all(&scratch)?;
        let corpus = tree::root().join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&corpus)?;
        let mut command = nightly(&["cargo", "fuzz", "run", target]);
        command.arg(scratch).arg(corpus);
        command.args([
            "--",
            &format!("-max_total_time={seconds}"),
            "-print_final_stats=1",
        ]);
        check(&mut command)?;
    }
    println!(
        "{} targets ran {seconds} s each and found nothing",
        targets.len()
    );
    Ok(())
}

/// The binaries of the fuzz workspace.
fn targets() -> Result<Vec<String>> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version=1"])
        .args(["--manifest-path", "fuzz/Cargo.toml"])
        .output()?;
    if !output.status.success() {
        bail!(
            "fuzz/Cargo.toml: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    Ok(targets
        .filter(|target| target["kind"][0] == "bin")
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect())
}

/// A command of the nightly toolchain: the variables by which rustup keeps to the current one are taken away.
fn nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly"])
        .args(arguments)
        .current_dir(tree::root())
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO");
    command
}

fn check(command: &mut Command) -> Result<()> {
    let status = command.status().context("rustup could not be started")?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
