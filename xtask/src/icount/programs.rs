//! The programs that are counted, built, and the folder in which they run.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::annotate::Costs;
use super::measure::{Counted, Measure};
use super::options::Options;
use super::origin::Origin;
use super::pure::Program;
use super::whole::{self, Stage};
use crate::step::cargo;
use crate::tree;

/// How the names of the whole binary's measures begin.
const WHOLE: &str = "whole";

/// Everything that can be counted, ready.
#[derive(Debug)]
pub(super) struct Programs {
    /// Missing when only the whole binary is asked for.
    pure: Option<Program>,
    /// Missing when only the pure crates are asked for.
    stage: Option<Stage>,
    /// Where pages are put.
    pages: PathBuf,
    scratch: Scratch,
}

/// A folder of this process, so that two runs at once do not meet; it goes with this value.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Programs {
    /// Builds what `options` asks for.
    pub(super) fn build(options: &Options) -> Result<Self> {
        let target = tree::target();
        let pure = options.names.is_empty() || options.names.iter().any(|name| !is_whole(name));
        let pure = if pure {
            build("evenkeel-icount", &["--profile", "dist"])?;
            Some(Program::new(target.join("dist/evenkeel-icount")))
        } else {
            None
        };
        let stage = options.names.is_empty() || options.names.iter().any(|name| may_be_whole(name));
        let stage = if stage {
            let binary = match &options.binary {
                Some(binary) => binary.clone(),
                None => {
                    build("evenkeel", &["--profile", "dist"])?;
                    target.join("dist/evenkeel")
                }
            };
            build("evenkeel-bench", &["--bin", "bench-origin"])?;
            let origin = Origin::start(&target.join("debug/bench-origin"))?;
            Some(Stage::new(binary, origin))
        } else {
            None
        };
        let pages = target.join("icount");
        let scratch = Scratch(pages.join(std::process::id().to_string()));
        fs::create_dir_all(&scratch.0)?;
        Ok(Self {
            pure,
            stage,
            pages,
            scratch,
        })
    }

    /// What can be counted.
    pub(super) fn measures(&self) -> Result<Vec<Measure>> {
        let mut measures = match &self.pure {
            Some(pure) => pure.measures()?,
            None => Vec::new(),
        };
        measures.extend(whole::measures());
        Ok(measures)
    }

    /// Counts one measure.
    pub(super) fn count(&self, measure: &Measure) -> Result<Counted> {
        let (folder, name) = (&self.scratch.0, measure.name.as_str());
        let counted = if is_whole(name) {
            let stage = self.stage.as_ref().context("evenkeel was not built")?;
            stage.count(folder, name)
        } else {
            let pure = self
                .pure
                .as_ref()
                .context("evenkeel-icount was not built")?;
            pure.count(folder, name)
        };
        counted.with_context(|| format!("counting {name}"))
    }

    /// Writes down where the instructions of a count went; gives the page.
    pub(super) fn page(&self, measure: &Measure, counted: &Counted) -> Result<PathBuf> {
        let path = self.pages.join(format!("{}.txt", measure.name));
        fs::write(
            &path,
            Costs::read(&counted.profile.text()?).page(counted.pieces),
        )?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether a measure is of the whole binary.
fn is_whole(name: &str) -> bool {
    name.starts_with(WHOLE)
}

/// Whether a name on the command line, which may be the beginning of one, can mean the whole binary.
fn may_be_whole(name: &str) -> bool {
    is_whole(name) || WHOLE.starts_with(name)
}

fn build(package: &str, arguments: &[&str]) -> Result<()> {
    let mut command = cargo();
    command.args(["build", "--package", package]);
    if !command.args(arguments).status()?.success() {
        bail!("{package} does not build");
    }
    Ok(())
}
