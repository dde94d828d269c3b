//! A page of the docs as the tests read it: its blocks, and the comments before them that say how one is played. It runs nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// What stands between two fences.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Where it begins, for messages.
    pub(super) place: String,
    /// The word behind its fence.
    pub(super) kind: String,
    /// Its lines.
    pub(super) text: String,
    /// The comments before it.
    pub(super) marks: Vec<String>,
}

/// A command of a block, and what is shown of what it writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    pub(super) line: String,
    pub(super) shown: String,
}

impl Block {
    /// Whether it is commands, and no configuration or output.
    pub(super) fn is_commands(&self) -> bool {
        ["console", "sh"].contains(&self.kind.as_str())
    }

    /// What stands behind the mark that begins so.
    pub(super) fn mark(&self, begin: &str) -> Option<&str> {
        let mut marks = self.marks.iter();
        marks.find_map(|mark| mark.strip_prefix(begin).map(str::trim))
    }

    /// Why nobody plays it here.
    pub(super) fn not_run(&self) -> Option<&str> {
        self.mark("not run:")
    }

    /// Its commands: lines after `$ `, or in `sh` all of them.
    #[track_caller]
    pub(super) fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        for line in self.text.lines() {
            let command = if self.kind == "sh" {
                Some(line)
            } else {
                line.strip_prefix("$ ")
            };
            if let Some(line) = command {
                let (line, shown) = (line.to_owned(), String::new());
                commands.push(Command { line, shown });
            } else {
                let last = commands.last_mut();
                let last = last.expect("output stands under a command");
                last.shown.push_str(line);
                last.shown.push('\n');
            }
        }
        commands
    }
}

/// The blocks of a page, by its path from the root of the repository.
pub(super) fn blocks(path: &str) -> Vec<Block> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let (mut blocks, mut marks): (Vec<Block>, Vec<String>) = (Vec::new(), Vec::new());
    let mut open: Option<Block> = None;
    let mut indent = String::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(block) = open.as_mut() {
            if line.trim() == "```" {
                blocks.extend(open.take());
            } else {
                // In a list a block stands as far in as its fence.
                block
                    .text
                    .push_str(line.strip_prefix(&*indent).unwrap_or(line));
                block.text.push('\n');
            }
        } else if let Some(kind) = line.trim().strip_prefix("```") {
            line[..line.len() - line.trim_start().len()].clone_into(&mut indent);
            open = Some(Block {
                place: format!("{path}:{}", number + 1),
                kind: kind.to_owned(),
                text: String::new(),
                marks: std::mem::take(&mut marks),
            });
        } else if let Some(mark) = comment(line) {
            marks.push(mark.to_owned());
        } else if !line.trim().is_empty() {
            marks.clear();
        }
    }
    assert!(open.is_none(), "{path}: a block without an end");
    blocks
}

fn comment(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?;
    Some(inner.trim())
}

/// The README and every page under `docs/`, by their paths from the root of the repository.
pub(super) fn pages() -> Vec<String> {
    let root = root();
    let (mut pages, mut folders) = (vec!["README.md".to_owned()], vec![root.join("docs")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                let inside = path.strip_prefix(&root).unwrap();
                pages.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    pages.sort();
    pages
}

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
