//! `cargo xtask metrics`: how large files and functions are, and how much of what is public is documented.
//!
//! Figures for people, no gate: the caps are in `tidy` and in clippy. Inline tests are subtracted, test files left out.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::source::{Source, closing, is_word};
use crate::tree;

/// What is counted for one crate.
#[derive(Debug, Default)]
struct Sizes {
    files: Vec<usize>,
    functions: Vec<usize>,
    tests: usize,
    public: usize,
    documented: usize,
}

/// Runs the verb.
pub(crate) fn run() -> Result<()> {
    let mut crates: BTreeMap<String, Sizes> = BTreeMap::new();
    let mut all = Sizes::default();
    for file in tree::files()? {
        let path = file.path.as_str();
        let product = path.split_once("/src/");
        let product = product.filter(|_| !path.ends_with("/tests.rs"));
        let whole_file_is_test = product.is_none();
        let folder = path
            .split_once("/src/")
            .or_else(|| path.split_once("/tests/"));
        let Some((folder, _)) = folder.filter(|_| path.ends_with(".rs")) else {
            continue;
        };
        let source = Source::new(&file.text);
        let sizes = crates.entry(folder.trim_start_matches("crates/").to_owned());
        for sizes in [&mut all, sizes.or_default()] {
            if whole_file_is_test {
                sizes.tests += file.text.lines().count();
            } else {
                sizes.add(&source);
            }
        }
    }
    println!(
        "{:<20} {:>6} {:>6} {:>6}   {:^14}   {:^14} {:>6}",
        "", "files", "lines", "tests", "file 50/90/max", "fn 50/90/max", "docs"
    );
    for (name, sizes) in crates {
        sizes.print(&name);
    }
    all.print("all");
    Ok(())
}

impl Sizes {
    fn add(&mut self, source: &Source<'_>) {
        self.files.push(source.product_lines());
        self.tests += source.test_lines();
        self.functions.extend(functions(source));
        let (public, documented) = documented(source);
        self.public += public;
        self.documented += documented;
    }

    fn print(mut self, name: &str) {
        let lines: usize = self.files.iter().sum();
        println!(
            "{name:<20} {:>6} {lines:>6} {:>5}%   {:^14}   {:^14} {:>5}%",
            self.files.len(),
            percent(self.tests, lines + self.tests),
            spread(&mut self.files),
            spread(&mut self.functions),
            percent(self.documented, self.public),
        );
    }
}

fn percent(part: usize, whole: usize) -> usize {
    (part * 100).checked_div(whole).unwrap_or(100)
}

/// Median, ninth decile and maximum.
fn spread(numbers: &mut [usize]) -> String {
    numbers.sort_unstable();
    let at =
        |share: usize| numbers.get((numbers.len() * share / 100).min(numbers.len().max(1) - 1));
    let [median, high, max] = [50, 90, 100].map(|share| at(share).copied().unwrap_or(0));
    format!("{median}/{high}/{max}")
}

/// The lines of every function outside the tests, from `fn` to the closing brace.
fn functions(source: &Source<'_>) -> Vec<usize> {
    let code = source.code.as_bytes();
    let mut lengths = Vec::new();
    for at in source.find_all("fn ") {
        let body = source.code[at..].find(['{', ';']).map(|length| at + length);
        let body = body.filter(|&open| code[open] == b'{' && !source.in_tests(at));
        if let Some(open) = body.filter(|_| code.get(at + 3).is_some_and(|b| is_word(*b))) {
            let end = closing(code, open).min(code.len() - 1);
            lengths.push(code[at..end].iter().filter(|&&b| b == b'\n').count() + 1);
        }
    }
    lengths
}

/// How many `pub` items there are outside the tests, and how many of them have a doc comment.
fn documented(source: &Source<'_>) -> (usize, usize) {
    const ITEMS: [&str; 8] = [
        "fn", "struct", "enum", "trait", "const", "static", "type", "unsafe",
    ];
    let (mut public, mut documented) = (0, 0);
    let mut has_doc = false;
    let mut offset = 0;
    for line in source.text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let trimmed = line.trim_start();
        if trimmed.starts_with("///") || trimmed.starts_with("#[doc") {
            has_doc = true;
        } else if !trimmed.starts_with("#[") && !trimmed.is_empty() {
            let item = ["pub ", "pub(crate) ", "pub(super) "]
                .iter()
                .find_map(|visibility| trimmed.strip_prefix(visibility))
                .and_then(|rest| rest.split_whitespace().next());
            if item.is_some_and(|word| ITEMS.contains(&word)) && !source.in_tests(start) {
                public += 1;
                documented += usize::from(has_doc);
            }
            has_doc = false;
        }
    }
    (public, documented)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_docs_are_counted() {
        let text = "/// Doc.\n#[must_use]\npub fn a() {\n    b();\n}\n\npub struct B;\ntrait C {\n    fn d();\n}\n#[cfg(test)]\nmod tests {\n    pub fn e() {}\n}\n";
        let source = Source::new(text);
        assert_eq!(functions(&source), [3]);
        assert_eq!(documented(&source), (2, 1));
    }

    #[test]
    fn spreads_of_few_numbers() {
        assert_eq!(spread(&mut []), "0/0/0");
        assert_eq!(spread(&mut [7]), "7/7/7");
        assert_eq!(spread(&mut [3, 1, 2]), "2/3/3");
    }
}
