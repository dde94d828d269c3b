//! `cargo xtask docs [--check]`: writes the pages that are generated, or compares them with what would be written.
//!
//! The pages are checked in, so that they can be read without a build; what is in them is decided in evenkeel-config and evenkeel-sim.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::tree;

/// A page, and what makes it.
type Page = (&'static str, fn() -> String);

/// Every generated page.
const PAGES: [Page; 4] = [
    (
        "docs/reference/configuration.md",
        evenkeel_config::reference_markdown,
    ),
    (
        "docs/reference/evenkeel.schema.json",
        evenkeel_config::schema_text,
    ),
    ("docs/reference/faults.md", evenkeel_config::faults_markdown),
    (
        "docs/reference/scenarios.md",
        evenkeel_sim::reference_markdown,
    ),
];

/// Writes the pages that are not current.
pub(crate) fn write() -> Result<()> {
    for (path, page) in PAGES {
        let (file, text) = (tree::root().join(path), page());
        if fs::read_to_string(&file).is_ok_and(|old| old == text) {
            println!("{path} is current");
            continue;
        }
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, text).with_context(|| path)?;
        println!("{path} is new");
    }
    Ok(())
}

/// Fails when a page is not current.
pub(crate) fn check() -> Result<()> {
    for (path, page) in PAGES {
        let old = fs::read_to_string(tree::root().join(path)).unwrap_or_default();
        let new = page();
        if old != new {
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
    println!("{} generated pages are current", PAGES.len());
    Ok(())
}
