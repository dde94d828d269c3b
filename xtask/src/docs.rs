//! `cargo xtask docs [--check]`: writes the pages that are generated, or compares them with what would be written.
//!
//! The pages are checked in, so that they can be read without a build; what is in them is decided in evenkeel-config,
//! evenkeel-admin and evenkeel-sim.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use evenkeel_base::Fault;

use crate::tree;

/// A page: its path and its text.
type Page = (String, String);

/// Every generated page.
fn pages() -> Vec<Page> {
    let reference = [
        ("access-log.md", evenkeel_config::access_log_markdown()),
        ("configuration.md", evenkeel_config::reference_markdown()),
        ("evenkeel.schema.json", evenkeel_config::schema_text()),
        ("faults.md", evenkeel_config::faults_markdown()),
        ("openapi.json", evenkeel_admin::openapi()),
        ("scenarios.md", evenkeel_sim::reference_markdown()),
    ];
    let reference = reference.map(|(name, text)| (format!("docs/reference/{name}"), text));
    let faults = Fault::ALL.iter().map(|fault| {
        let text = evenkeel_config::fault_markdown(*fault);
        (format!("docs/faults/{fault}.md"), text)
    });
    reference.into_iter().chain(faults).collect()
}

/// Pages that nothing writes any more: a fault that got another name leaves one behind.
fn left_behind(pages: &[Page]) -> Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    for entry in fs::read_dir(tree::root().join("docs/faults"))? {
        let path = entry?.path();
        if !pages.iter().any(|(page, _)| path.ends_with(page)) {
            left.push(path);
        }
    }
    Ok(left)
}

/// Writes the pages that are not current.
pub(crate) fn write() -> Result<()> {
    let pages = pages();
    let mut new = 0;
    for (path, text) in &pages {
        let file = tree::root().join(path);
        if fs::read_to_string(&file).is_ok_and(|old| old == *text) {
            continue;
        }
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, text).with_context(|| path.clone())?;
        new += 1;
        println!("{path} is new");
    }
    for path in left_behind(&pages)? {
        fs::remove_file(&path)?;
        println!("{} is gone", path.display());
    }
    println!(
        "{} of {} generated pages were current",
        pages.len() - new,
        pages.len()
    );
    Ok(())
}

/// Fails when a page is not current.
pub(crate) fn check() -> Result<()> {
    let pages = pages();
    for (path, new) in &pages {
        let old = fs::read_to_string(tree::root().join(path)).unwrap_or_default();
        if old != *new {
            let mut lines = (1..).zip(old.lines().zip(new.lines()));
            let first = lines.find(|(_, (old, new))| old != new);
            let line = first.map_or_else(
                || old.lines().count().min(new.lines().count()) + 1,
                |(line, _)| line,
            );
            bail!(
                "{path}:{line} is not what the code would write: run `cargo xtask docs` and read the difference"
            );
        }
    }
    if let Some(path) = left_behind(&pages)?.first() {
        bail!(
            "{} is written by nothing: run `cargo xtask docs`",
            path.display()
        );
    }
    println!("{} generated pages are current", pages.len());
    Ok(())
}
