//! One file for each mistake in `tests/golden`, and beside it what is shown for it.
//!
//! `UPDATE_EXPECT=1 cargo nextest run -p evenkeel-config golden` writes what is shown now; read the difference.

#![expect(clippy::disallowed_methods, reason = "a test may read its files")]

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_config::{Diagnostic, check, render_all};

use crate::source::Lent;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_mistake_is_shown_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let files = files();
    assert!(files.len() > 50, "the folder of golden files is read");
    let mut wrong = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let checked = check(&text, &name, &Lent);
        let shown = render_all(&checked.diagnostics, &text, false);
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &shown).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{name}:\n{shown}"));
        }
        assert!(!checked.diagnostics.is_empty(), "{name} has no mistake");
        let own = |one: &&Diagnostic| one.text.is_none();
        for diagnostic in checked.diagnostics.iter().filter(own) {
            let (bytes, line) = (&diagnostic.place.bytes, diagnostic.place.line);
            assert_eq!(
                text[..bytes.start].matches('\n').count() + 1,
                line,
                "{name}"
            );
        }
        assert!(!shown.contains("s3cret"), "{name} shows a secret");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
