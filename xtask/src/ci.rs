//! `cargo xtask ci` and `cargo xtask test`: the gate, and the part of it that runs tests.
//!
//! The order is the order that fails fastest. Nothing here checks anything itself.

use std::num::NonZero;
use std::process::Stdio;

use anyhow::Result;

use crate::leftovers::Leftovers;
use crate::step::{Steps, cargo};
use crate::{docs, floors, icount, setup, tidy, tree};

/// The whole gate.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    steps.cargo("fmt", "fmt --all --check")?;
    // fuzz/ is a workspace of its own, for it needs the nightly compiler to run.
    steps.cargo("fmt fuzz", "fmt --manifest-path fuzz/Cargo.toml --check")?;
    steps.cargo("lock", "fetch --locked")?;
    steps.own("floors", "floors", floors::run)?;
    steps.own("tidy", "tidy", tidy::run)?;
    steps.own("docs", "docs --check", docs::check)?;
    if installed("deny") {
        steps.cargo("deny", "deny check bans licenses sources")?;
    } else {
        println!("── deny: skipped, cargo-deny is not installed\n");
    }
    let clippy = "clippy --workspace --all-targets -- -D warnings";
    steps.cargo("clippy", clippy)?;
    let doc = "doc --workspace --no-deps --document-private-items";
    steps.cargo_with("doc", doc, &[("RUSTDOCFLAGS", "-D warnings")])?;
    tests(&mut steps)?;
    // Last, for it builds what is shipped: fat LTO takes more than a minute.
    steps.own("icount", "icount", || icount::run(&[]))?;
    steps.finish();
    Ok(())
}

/// Installs what the tests need, where that is allowed, and runs every test.
pub(crate) fn test() -> Result<()> {
    let mut steps = Steps::default();
    steps.own("setup", "setup", setup::run)?;
    tests(&mut steps)?;
    steps.finish();
    Ok(())
}

/// Every test of the workspace; `fuzz/` is replayed by plain tests among them.
fn tests(steps: &mut Steps) -> Result<()> {
    steps.cargo("build", "build --workspace --all-targets")?;
    // The end-to-end tests start the binary as it is built alone: with the features that it asks for and no others. It is not what
    // the line before has built, and the first tests would spend their minute on waiting for it.
    steps.cargo("binary", "build --package evenkeel")?;
    loom(steps)?;
    let leftovers = Leftovers::watch("ek")?;
    if installed("nextest") {
        // One more than there are cores: a test that waits needs none.
        let threads = std::thread::available_parallelism().map_or(2, NonZero::get) + 1;
        let all = format!("nextest run --workspace --profile ci --test-threads {threads}");
        steps.cargo_beside("tests", &all, leftovers.folder())?;
        steps.cargo("doctests", "test --workspace --doc")?;
    } else {
        println!(
            "── cargo-nextest is not installed; `cargo test` runs the same tests, one crate after the other\n"
        );
        let all = "test --workspace --no-fail-fast";
        steps.cargo_beside("tests", all, leftovers.folder())?;
    }
    steps.own("leftovers", "test", || leftovers.check())
}

/// The tests of what threads share, which loom runs in every order; they need a build of their own.
fn loom(steps: &mut Steps) -> Result<()> {
    let mut arguments = "test --test loom --target-dir target/loom".to_owned();
    let mut found = false;
    for file in tree::files()? {
        let krate = file.path.strip_suffix("/tests/loom.rs");
        if let Some(name) = krate.and_then(|folder| folder.rsplit('/').next()) {
            arguments.push_str(&format!(" --package {name}"));
            found = true;
        }
    }
    if !found {
        return Ok(());
    }
    steps.cargo_with("loom", &arguments, &[("RUSTFLAGS", "--cfg loom")])
}

/// Whether cargo knows the subcommand.
fn installed(subcommand: &str) -> bool {
    cargo()
        .args([subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
