//! The tree of files that the checks read: everything in the repository that is text and ours.
//!
//! It walks folders rather than asking git, so that a file is checked before it is added, and a tarball can be checked.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What holds nothing of ours: build output, git's own files (`.git` is a file in a second worktree), what fuzzers wrote.
const SKIPPED: [&str; 4] = ["target", ".git", "artifacts", "corpus"];

/// How the files begin that valgrind leaves where it runs; git ignores them too.
const PROFILE: &str = "callgrind.out.";

/// A text file of the repository.
pub(crate) struct File {
    /// Where it is, from the root, with `/`.
    pub(crate) path: String,
    /// What stands in it.
    pub(crate) text: String,
}

/// Something that a check found wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The check's name, as in `xtask/tidy-allow.txt`.
    pub(crate) check: &'static str,
    /// The file, from the root.
    pub(crate) path: String,
    /// The line, from 1; 0 when the whole file is meant.
    pub(crate) line: usize,
    /// What exactly: the word, the call, the name. The allow-list names it.
    pub(crate) token: String,
    /// What is wrong and what to do, in a sentence.
    pub(crate) message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            check,
            path,
            line,
            token,
            message,
        } = self;
        match line {
            0 => write!(f, "{path}: {message}"),
            _ => write!(f, "{path}:{line}: {message}"),
        }?;
        write!(f, " [{check} {token}]")
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(given.unwrap_or_else(|| "target".into()))
}

/// Every text file below the root, in order of path.
pub(crate) fn files() -> Result<Vec<File>> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, &root, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Prints the findings and fails when there are any; `summary` is the line of success.
pub(crate) fn report(findings: &[Finding], summary: &str) -> Result<()> {
    for finding in findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} to mend (above)", findings.len());
    }
    println!("{summary}");
    Ok(())
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<File>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if SKIPPED.contains(&name.as_ref()) || name.starts_with(PROFILE) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(root, &path, found)?;
        } else if kind.is_file() {
            // What is not UTF-8 is not text; a file that went away meanwhile is an editor's.
            if let Ok(text) = std::fs::read_to_string(&path) {
                let path = path
                    .strip_prefix(root)?
                    .to_string_lossy()
                    .replace('\\', "/");
                found.push(File { path, text });
            }
        }
    }
    Ok(())
}
