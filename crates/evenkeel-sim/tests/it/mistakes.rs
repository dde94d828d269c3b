//! One file for each kind of mistake in `tests/golden`, and beside it what is shown for it.
//!
//! `UPDATE_EXPECT=1 cargo nextest run -p evenkeel-sim mistakes` writes what is shown now; read the difference.

#![expect(clippy::disallowed_methods, reason = "a test may read its files")]

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_config::{Severity, render_all};
use evenkeel_sim::read::check;

#[test]
fn every_mistake_is_shown_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let all = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    assert!(files.len() >= 9, "the folder of golden files is read");
    let mut wrong = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let checked = check(&text, &name, "golden");
        let shown = render_all(&checked.diagnostics, &text, false);
        let is_error = |one: &evenkeel_config::Diagnostic| one.severity == Severity::Error;
        assert!(checked.diagnostics.iter().any(is_error), "{name}");
        assert_eq!(checked.scenario, None, "{name}");
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &shown).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{name}:\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_least_scenario_has_every_default() {
    let checked = check(
        "[endpoint.app]\n[clients.web]\nload = 0.5\n",
        "least.toml",
        "least",
    );
    assert_eq!(checked.diagnostics, []);
    let scenario = checked.scenario.unwrap();
    assert_eq!((scenario.nodes, scenario.endpoint_count()), (1, 1));
    assert!((scenario.capacity() - 100.0).abs() < 1e-9);
    assert!((scenario.expected_requests() - 3_000.0).abs() < 1e-6);
}
