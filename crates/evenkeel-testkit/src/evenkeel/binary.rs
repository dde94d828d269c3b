//! Finding the binary, and building it when it is older than its sources.
//!
//! `EVENKEEL_BIN` names one that is used as it is. Otherwise it stands beside this test in the target folder; cargo
//! builds it there in the same profile, unless it is newer than every source file: each test is a process of its own
//! under nextest, and asking cargo every time would cost half a second and its lock.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Where the binary is.
pub(super) fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match env::var_os("EVENKEEL_BIN") {
        Some(path) => PathBuf::from(path),
        None => built(),
    })
}

fn built() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own path");
    // TARGET/PROFILE/deps/TEST
    let folder = test
        .ancestors()
        .nth(2)
        .expect("a test lies in a target folder");
    let binary = folder.join("evenkeel");
    let stamp = folder.join(".evenkeel-built");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let began = SystemTime::now();
    if binary.exists() && modified(&stamp) > newest_source(&workspace) {
        return binary;
    }
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let target = folder.parent().expect("a profile lies in a target folder");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(&workspace)
        .args([
            "build",
            "--quiet",
            "--package",
            "evenkeel",
            "--profile",
            profile,
        ])
        .arg("--target-dir")
        .arg(target)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "cargo cannot build the binary");
    fs::File::create(&stamp)
        .and_then(|file| file.set_modified(began))
        .expect("the target folder can be written to");
    binary
}

fn newest_source(workspace: &Path) -> SystemTime {
    let mut newest =
        modified(&workspace.join("Cargo.toml")).max(modified(&workspace.join("Cargo.lock")));
    let mut folders = vec![workspace.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_source = |end| path.extension().is_some_and(|extension| extension == end);
            if path.is_dir() {
                if !path.ends_with("evenkeel-testkit") && !path.ends_with("tests") {
                    folders.push(path);
                }
            } else if is_source("rs") || is_source("toml") {
                newest = newest.max(modified(&path));
            }
        }
    }
    newest
}

fn modified(path: &Path) -> SystemTime {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.unwrap_or(SystemTime::UNIX_EPOCH)
}
