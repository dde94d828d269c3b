//! The pure crates: `evenkeel-icount` (`bench/icount`) does one piece of work many times, callgrind counts.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::callgrind;
use super::measure::{Counted, Measure};

/// How often a piece of work is done: a multiple of 61, of the requests that take turns at the route table.
const TIMES: u64 = 61 * 30;

/// The function of the program whose work counts.
const BELOW: &str = "*evenkeel_icount::counted*";

/// The program, once it is built.
#[derive(Debug)]
pub(super) struct Program(PathBuf);

impl Program {
    /// The program at `path`.
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// What it can do, by its own account.
    pub(super) fn measures(&self) -> Result<Vec<Measure>> {
        let output = Command::new(&self.0).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let measures: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(name, unit)| Measure::new(name, unit))
            .collect();
        if measures.is_empty() {
            bail!("{} lists no measure", self.0.display());
        }
        Ok(measures)
    }

    /// Counts one.
    pub(super) fn count(&self, folder: &Path, name: &str) -> Result<Counted> {
        let arguments = [name, &TIMES.to_string()];
        let profile = callgrind::count(folder, name, &self.0, &arguments, BELOW)?;
        if profile.instructions < TIMES {
            bail!("{name}: nothing ran below {BELOW}");
        }
        Ok(Counted {
            profile,
            pieces: TIMES,
        })
    }
}
