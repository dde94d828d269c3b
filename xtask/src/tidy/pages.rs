//! Habits of pages and of every text file: nothing of the machine it was written on, and a map that is true.

use crate::source::is_word;
use crate::tree::{File, Finding};

/// Pages without which nobody finds their way in.
const PAGES: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];

/// The longest map that is still read before the first change.
const MAP_LINES: usize = 250;

/// Folders of somebody's machine, in two halves, for this file is checked as well.
const MACHINE: [&str; 3] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

/// Where packages come from; anything else in a tracked file is somebody's own mirror.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Words of a page that promise rather than tell, in two halves as above.
const LEFT_BEHIND: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Checks one text file of any kind.
pub(crate) fn check_text(file: &File, findings: &mut Vec<Finding>) {
    for (number, line) in (1..).zip(file.text.lines()) {
        for folder in MACHINE {
            // `https://host/folder/` and `target/folder/` are not of a machine: the folder must begin the path.
            let begins = |at: usize| {
                let before = line[..at].bytes().next_back();
                before.is_none_or(|b| !is_word(b) && !b".-}*~$)/".contains(&b))
            };
            if line.match_indices(folder).any(|(at, _)| begins(at)) {
                let message = format!("{folder} is a folder of one machine");
                findings.push(finding("machine", file, number, folder, message));
            }
        }
        let foreign = ["registry+", "sparse+"]
            .iter()
            .find(|start| line.contains(**start));
        let foreign = foreign.filter(|_| !file.path.ends_with(".rs"));
        if let Some(start) = foreign.filter(|_| !line.contains(REGISTRY)) {
            let message = "packages come from crates.io; a mirror is a machine's own business";
            findings.push(finding("machine", file, number, start, message));
        }
        if file.path.ends_with(".md") {
            for word in LEFT_BEHIND.iter().filter(|word| line.contains(**word)) {
                let message = format!("`{word}` in a page: write what is true today");
                findings.push(finding("unfinished", file, number, word, message));
            }
        }
    }
}

/// Checks what only the whole tree shows: the pages that must be there, and the map against the crates.
pub(crate) fn check_tree(files: &[File], findings: &mut Vec<Finding>) {
    for page in PAGES {
        if !files.iter().any(|file| file.path == page) {
            let missing = File {
                path: page.to_owned(),
                text: String::new(),
            };
            findings.push(finding("pages", &missing, 0, page, "is missing"));
        }
    }
    let Some(map) = files.iter().find(|file| file.path == "ARCHITECTURE.md") else {
        return;
    };
    let lines = map.text.lines().count();
    if lines > MAP_LINES {
        let message = format!("{lines} lines, and {MAP_LINES} is the cap: a map is read at once");
        findings.push(finding("map", map, 0, "lines", message));
    }
    let crates: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_suffix("/Cargo.toml"))
        .map(|folder| folder.rsplit('/').next().unwrap_or(folder))
        .collect();
    for krate in &crates {
        if !words(&map.text).any(|word| word == *krate) {
            let message = format!("the map does not name the crate {krate}");
            findings.push(finding("map", map, 0, krate, message));
        }
    }
    for (number, line) in (1..).zip(map.text.lines()) {
        for word in words(line).filter(|word| word.starts_with("evenkeel-")) {
            if !crates.contains(&word) {
                let message = format!("the map names {word}, which is no crate");
                findings.push(finding("map", map, number, word, message));
            }
        }
    }
}

/// The words of a text, where a hyphen belongs to the word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
}

fn finding(
    check: &'static str,
    file: &File,
    line: usize,
    token: &str,
    message: impl Into<String>,
) -> Finding {
    Finding {
        check,
        path: file.path.clone(),
        line,
        token: token.to_owned(),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn traces_of_a_machine_are_found() {
        let folder = MACHINE[0];
        for (path, text, expected) in [
            ("a.md", format!("see {folder}x"), "machine"),
            ("a.md", format!("`{folder}x`"), "machine"),
            (
                "a.md",
                format!("https://host{folder}x and target{folder}x"),
                "",
            ),
            ("Cargo.lock", format!("source = \"{REGISTRY}\""), ""),
            (
                "Cargo.lock",
                "source = \"registry+https://mirror\"".to_owned(),
                "machine",
            ),
            (
                "a.toml",
                "index = \"sparse+https://mirror\"".to_owned(),
                "machine",
            ),
            ("a.md", format!("{}: later", LEFT_BEHIND[0]), "unfinished"),
            ("a.md", "later".to_owned(), ""),
        ] {
            let mut findings = Vec::new();
            check_text(&file(path, &text), &mut findings);
            let found: Vec<_> = findings.iter().map(|f| f.check).collect();
            assert_eq!(found.join(" "), expected, "{path}: {text}");
        }
    }

    #[test]
    fn the_map_names_every_crate_and_no_other() {
        let tree = |map: &str| {
            let mut files: Vec<_> = PAGES.iter().map(|page| file(page, "")).collect();
            files[1].text = map.to_owned();
            files.push(file("crates/evenkeel-base/Cargo.toml", ""));
            files.push(file("xtask/Cargo.toml", ""));
            let mut findings = Vec::new();
            check_tree(&files, &mut findings);
            findings
                .iter()
                .map(|f| f.token.clone())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(tree("`evenkeel-base`, xtask"), "");
        assert_eq!(
            tree("evenkeel-bases, xtask"),
            "evenkeel-base evenkeel-bases"
        );
        assert_eq!(
            tree(&format!("evenkeel-base xtask{}", "\n".repeat(251))),
            "lines"
        );
        let mut findings = Vec::new();
        check_tree(&[], &mut findings);
        assert_eq!(findings.len(), PAGES.len());
    }
}
