//! The files for a service manager, by its own judgement.

use std::path::Path;
use std::process::Command;

use evenkeel_testkit::Folder;

/// How much the service may be exposed, by systemd's count: 0 is nothing, 100 is everything.
const MOST_EXPOSED: &str = "--threshold=20";

/// A copy of the units, with a program that is there; none where systemd's own judge is not installed.
fn units() -> Option<Folder> {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("SKIPPED: systemd-analyze is not installed; `cargo xtask setup` gets it");
        return None;
    }
    let folder = Folder::new();
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    for unit in ["evenkeel.service", "evenkeel.socket"] {
        let text = std::fs::read_to_string(packaging.join(unit)).unwrap();
        folder.write(unit, text.replace("/usr/bin/evenkeel", "/bin/true"));
    }
    Some(folder)
}

/// What it says of the service and the socket, when it does not like something.
fn judged(args: &[&str], of: &[&str]) -> Option<String> {
    let folder = units()?;
    let paths = of.iter().map(|unit| folder.join(unit));
    let output = Command::new("systemd-analyze")
        .args(args)
        .args(paths)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (!output.status.success() || said.contains("Unknown key")).then_some(said)
}

#[test]
fn the_units_are_right() {
    let both = ["evenkeel.service", "evenkeel.socket"];
    assert_eq!(judged(&["verify", "--man=no"], &both), None);
}

#[test]
fn the_service_is_exposed_to_little() {
    let args = ["security", "--offline=true", MOST_EXPOSED, "--no-pager"];
    assert_eq!(judged(&args, &["evenkeel.service"]), None);
}
