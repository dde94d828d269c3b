//! What tests use of PyPI, in an environment of its own below `target/`: nothing of the system's Python is changed, and it goes
//! with `cargo clean`.
//!
//! Where it cannot be had, the tests that need it say so.

use std::fs;
use std::process::Command;

use crate::tree;

/// What is installed, by version.
const REQUIREMENTS: &str = "e2e/requirements.txt";

/// Where; `e2e/tests/openapi.rs` looks there.
const FOLDER: &str = "target/python";

/// Installs what is not there yet; the error is a sentence.
pub(crate) fn obtain() -> Result<(), String> {
    let (wanted, folder) = (tree::root().join(REQUIREMENTS), tree::root().join(FOLDER));
    let installed = folder.join("requirements.txt");
    let wanted_text = fs::read(&wanted).map_err(|error| format!("{REQUIREMENTS}: {error}"))?;
    if fs::read(&installed).is_ok_and(|text| text == wanted_text) {
        return Ok(());
    }
    println!("missing: what {REQUIREMENTS} lists (the API is asked what its document says)");
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&folder);
    run(make, "python3 makes no environment (python3-venv)")?;
    // Without a network this is over in seconds, not in minutes.
    let mut install = Command::new(folder.join("bin/python"));
    install
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args([
            "--disable-pip-version-check",
            "--timeout",
            "10",
            "--retries",
            "1",
        ])
        .arg("--requirement")
        .arg(&wanted);
    run(install, "pip installs nothing (its own words are above)")?;
    fs::write(&installed, wanted_text).map_err(|error| format!("{FOLDER}: {error}"))?;
    println!("installed what {REQUIREMENTS} lists in {FOLDER}");
    Ok(())
}

fn run(mut command: Command, otherwise: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) | Err(_) => Err(otherwise.to_owned()),
    }
}
