//! `cargo xtask tidy`: the habits of the house that a machine can keep and clippy does not know.
//!
//! Each check reads the tree and gives findings; `xtask/tidy-allow.txt` lists the exceptions with their reasons, and an
//! exception that nothing needs is itself a finding. What the compiler or clippy checks is not repeated here.

mod allow;
mod pages;
mod rust;
mod words;

use anyhow::Result;

use crate::source::Source;
use crate::tree::{self, File, Finding};

/// Runs the verb.
pub(crate) fn run() -> Result<()> {
    let files = tree::files()?;
    let findings = allow::filter(&files, check(&files));
    tree::report(&findings, &format!("{} files are tidy", files.len()))
}

fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        pages::check_text(file, &mut findings);
        if file.path.ends_with(".rs") {
            let source = Source::new(&file.text);
            rust::check(&file.path, &source, &mut findings);
            words::check(&file.path, &source, &mut findings);
        }
    }
    pages::check_tree(files, &mut findings);
    findings
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        super::run().unwrap();
    }
}
