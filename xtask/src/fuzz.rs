//! `cargo xtask fuzz [SECONDS [TARGET…]]`: runs fuzz targets for so long, one after the other.
//!
//! What is found goes to `fuzz/artifacts/`, new inputs to a scratch corpus below `target/`, so that the corpus in the
//! repository grows only by hand: `cargo xtask fuzz --keep TARGET…` takes over what reaches code that nothing in the corpus
//! reaches. That corpus is replayed by plain tests; nothing of the gate needs this verb.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::step::cargo;
use crate::tree;

/// How long each target runs when nothing is said: enough to see that all of them still build and find nothing at once.
const SECONDS: &str = "60";

/// No input is longer, but where [`LENGTHS`] says otherwise: what a target can be made to do fits, and short inputs are tried
/// faster. The longest input of a corpus is read whole all the same.
const USUAL_LENGTH: u64 = 2_048;

/// Targets whose inputs need more room, or do not need so much.
const LENGTHS: [(&str, u64); 7] = [
    ("config", 4_096),
    ("grpc", 512),
    // Floods: 200 frames of 13 bytes and more.
    ("meter", 8_192),
    ("records", 4_096),
    ("report", 512),
    ("scenario", 4_096),
    ("traceparent", 128),
];

/// What every run is held to: an input that takes seconds or a gigabyte is a finding as well.
const BOUNDS: [&str; 3] = ["-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1"];

/// Runs the verb.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (keep, arguments) = match arguments {
        ["--keep", targets @ ..] => (true, targets),
        all => (false, all),
    };
    let (seconds, named) = match arguments {
        targets if keep => (SECONDS, targets),
        [seconds, targets @ ..] => (*seconds, targets),
        [] => (SECONDS, arguments),
    };
    let seconds: u32 = seconds
        .parse()
        .with_context(|| format!("{seconds} is not a number of seconds"))?;
    let all = targets()?;
    if let Some(wrong) = named.iter().find(|name| all.iter().all(|one| one != *name)) {
        bail!("there is no target {wrong}: there are {}", all.join(", "));
    }
    install()?;
    let chosen = |target: &&String| named.is_empty() || named.contains(&target.as_str());
    let targets: Vec<&String> = all.iter().filter(chosen).collect();
    let mut found = Vec::new();
    for target in &targets {
        if keep {
            take_over(target)?;
            continue;
        }
        println!("── {target}, {seconds} s");
        // One that found something keeps no other from running.
        if let Err(error) = fuzz(target, seconds) {
            println!("{error:#}");
            found.push(target.as_str());
        }
    }
    if !found.is_empty() {
        bail!(
            "{} found something: see fuzz/artifacts/, mend it, and keep the input in fuzz/corpus/",
            found.join(", ")
        );
    }
    if !keep {
        println!(
            "{} targets ran {seconds} s each and found nothing",
            targets.len()
        );
    }
    Ok(())
}

/// Looks for the nightly compiler, and for `cargo-fuzz`, which is installed when it is not there.
fn install() -> Result<()> {
    let is_there = |mut command: Command| command.output().is_ok_and(|o| o.status.success());
    if !is_there(nightly(&["rustc", "--version"])) {
        bail!("fuzzing needs the nightly compiler: rustup toolchain install nightly");
    }
    if !is_there(nightly(&["cargo", "fuzz", "--version"])) {
        println!("installing cargo-fuzz");
        check(&mut nightly(&[
            "cargo",
            "install",
            "--locked",
            "cargo-fuzz",
        ]))?;
    }
    Ok(())
}

fn fuzz(target: &str, seconds: u32) -> Result<()> {
    let (scratch, corpus) = corpora(target)?;
    let mut command = target_command(target);
    command.arg(scratch).arg(corpus);
    command.arg("--").args(BOUNDS).args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={}", length(target)?),
    ]);
    let dictionary = tree::root().join(format!("fuzz/dictionaries/{target}.dict"));
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    check(&mut command)
}

/// Takes over from the scratch corpus what reaches more than the corpus in the repository does, with as few files as will do.
fn take_over(target: &str) -> Result<()> {
    let (scratch, corpus) = corpora(target)?;
    let mut command = target_command(target);
    command.arg(corpus).arg(scratch);
    command.arg("--").args(BOUNDS).args([
        "-set_cover_merge=1".to_owned(),
        // What is reached counts, not how often: else there would be some hundred files more for each target.
        "-use_counters=0".to_owned(),
        format!("-max_len={}", length(target)?),
    ]);
    check(&mut command)
}

/// Where new inputs of a target go, and where those of the repository are.
fn corpora(target: &str) -> Result<(PathBuf, PathBuf)> {
    let scratch = tree::target().join("fuzz-corpus").join(target);
    let corpus = tree::root().join("fuzz/corpus").join(target);
    for folder in [&scratch, &corpus] {
        std::fs::create_dir_all(folder)?;
    }
    Ok((scratch, corpus))
}

/// The longest input of a target: libFuzzer would cut what is longer in the corpus.
fn length(target: &str) -> Result<u64> {
    let usual = LENGTHS.iter().find(|(name, _)| *name == target);
    let mut length = usual.map_or(USUAL_LENGTH, |(_, length)| *length);
    for file in std::fs::read_dir(tree::root().join("fuzz/corpus").join(target))? {
        length = length.max(file?.metadata()?.len());
    }
    Ok(length)
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

/// `cargo fuzz run` of a target.
fn target_command(target: &str) -> Command {
    nightly(&["cargo", "fuzz", "run", target])
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
