//! One step of a gate: a name, what it does, how long it took, and how to repeat it alone.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tree;

/// Steps run one after the other; the first that fails ends the run.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// Runs `action` as the step `name`, which `cargo xtask VERB` repeats.
    pub(crate) fn own(
        &mut self,
        name: &'static str,
        verb: &str,
        action: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        self.step(name, &format!("cargo xtask {verb}"), action)
    }

    /// Runs cargo with `arguments`, separated by spaces, as the step `name`; its output goes straight to the terminal.
    pub(crate) fn cargo(&mut self, name: &'static str, arguments: &str) -> Result<()> {
        self.cargo_with(name, arguments, &[])
    }

    /// [`Self::cargo`] with variables of the environment.
    pub(crate) fn cargo_with(
        &mut self,
        name: &'static str,
        arguments: &str,
        environment: &[(&str, &str)],
    ) -> Result<()> {
        self.run_cargo(name, arguments, environment, None)
    }

    /// [`Self::cargo`], with this folder for temporary files.
    pub(crate) fn cargo_beside(
        &mut self,
        name: &'static str,
        arguments: &str,
        folder: &Path,
    ) -> Result<()> {
        self.run_cargo(name, arguments, &[], Some(folder))
    }

    fn run_cargo(
        &mut self,
        name: &'static str,
        arguments: &str,
        environment: &[(&str, &str)],
        folder: Option<&Path>,
    ) -> Result<()> {
        let mut repeat = String::new();
        for (key, value) in environment {
            repeat.push_str(&format!("{key}=\"{value}\" "));
        }
        repeat.push_str("cargo ");
        repeat.push_str(arguments);
        self.step(name, &repeat, || {
            let status = cargo()
                .args(arguments.split_whitespace())
                .envs(environment.iter().copied())
                .envs(folder.map(|folder| ("TMPDIR", folder)))
                .status()
                .context("cargo could not be started")?;
            if !status.success() {
                bail!("cargo ended with {status}");
            }
            Ok(())
        })
    }

    /// Prints what ran and how long each took.
    pub(crate) fn finish(self) {
        let total: Duration = self.done.iter().map(|(_, took)| *took).sum();
        println!(
            "\nall {} steps passed in {}:",
            self.done.len(),
            seconds(total)
        );
        for (name, took) in self.done {
            println!("  {name:<10} {:>9}", seconds(took));
        }
    }

    fn step(
        &mut self,
        name: &'static str,
        repeat: &str,
        action: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        println!("── {name}: {repeat}");
        let start = Instant::now();
        let result = action();
        let took = start.elapsed();
        self.done.push((name, took));
        match result {
            Ok(()) => {
                println!("── {name}: passed in {}\n", seconds(took));
                Ok(())
            }
            Err(error) => bail!(
                "{name} failed after {}: {error:#}\nto repeat it alone: {repeat}",
                seconds(took)
            ),
        }
    }
}

/// The cargo that runs us, in the root, without what `cargo run` told this process about xtask's own package.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(tree::root());
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&key);
        }
    }
    command
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
