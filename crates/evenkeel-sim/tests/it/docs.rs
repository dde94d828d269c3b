//! What the docs show of scenarios is right: the generated page is current, and every block marked `toml scenario` passes.

#![expect(clippy::disallowed_methods, reason = "a test may read the docs")]

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_config::render_all;
use evenkeel_sim::read::check;
use evenkeel_sim::reference_markdown;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

#[test]
fn the_generated_page_is_current() {
    let page = fs::read_to_string(docs().join("reference/scenarios.md")).unwrap();
    assert!(page == reference_markdown(), "run `cargo xtask docs`");
}

#[test]
fn every_scenario_in_the_docs_passes() {
    let pages = [docs(), docs().join("reference")];
    let files = pages
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut blocks = 0;
    for path in files.map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let page = fs::read_to_string(&path).unwrap();
        for block in page.split("```toml scenario\n").skip(1) {
            let (text, _) = block.split_once("```").unwrap();
            let name = path.display().to_string();
            let found = check(text, &name, "docs").diagnostics;
            assert!(found.is_empty(), "{}", render_all(&found, text, false));
            blocks += 1;
        }
    }
    assert!(blocks > 0);
}
