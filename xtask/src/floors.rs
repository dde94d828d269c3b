//! `cargo xtask floors`: a crate depends only on crates of a lower floor, and modules form no import circles.
//!
//! What is allowed is data in the root manifest: `[workspace.metadata.floors]` gives each crate its floor, and
//! `[workspace.metadata.only]` names the few crates that may have a dependency which brings a permission with it (a
//! runtime, sockets, serialisation). This file only compares.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::modules;
use crate::tree::{self, File, Finding};

/// The highest floor whose crates are pure, and so have a `clippy.toml` that bans the world.
const PURE: i64 = 1;

/// What a pure crate's `clippy.toml` bans at least; the file replaces the root's, so forgetting it would pass in silence.
const PURE_BANS: [&str; 5] = [
    "std::time::Instant::now",
    "std::thread::spawn",
    "std::net::TcpStream",
    "std::fs::File",
    "std::sync::Mutex",
];

/// Runs the verb.
pub(crate) fn run() -> Result<()> {
    let plan = Plan::read()?;
    let files = tree::files()?;
    let mut findings = plan.check();
    findings.extend(plan.check_pure(&files));
    let circles = modules::check(&files);
    findings.extend(circles.findings);
    println!("cyclic {}/{}", circles.cyclic, circles.modules);
    let summary = format!("{} crates stand on their floors", plan.floors.len());
    tree::report(&findings, &summary)
}

/// The crates, their floors and their dependencies.
#[derive(Debug, Default)]
struct Plan {
    floors: BTreeMap<String, i64>,
    only: BTreeMap<String, Vec<String>>,
    crates: Vec<Crate>,
}

#[derive(Debug, Default)]
struct Crate {
    name: String,
    folder: String,
    manifest: String,
    needs: Vec<Need>,
}

#[derive(Debug)]
struct Need {
    name: String,
    ours: bool,
    dev: bool,
}

impl Plan {
    fn read() -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
            .current_dir(tree::root())
            .output()
            .context("cargo metadata")?;
        if !output.status.success() {
            bail!(
                "cargo metadata: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        let table = |name: &str| metadata["metadata"][name].as_object();
        let floors = table("floors").context("no [workspace.metadata.floors]")?;
        let floors = floors.iter().map(|(name, floor)| {
            let floor = floor.as_i64().with_context(|| format!("floor of {name}"))?;
            Ok((name.clone(), floor))
        });
        let only = table("only").into_iter().flatten();
        let packages = metadata["packages"].as_array().context("no packages")?;
        Ok(Self {
            floors: floors.collect::<Result<_>>()?,
            only: only
                .map(|(name, crates)| Ok((name.clone(), texts(name, crates)?)))
                .collect::<Result<_>>()?,
            crates: packages.iter().map(Crate::read).collect(),
        })
    }

    fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for name in self.floors.keys() {
            if !self.crates.iter().any(|c| c.name == *name) {
                let message = format!("{name} has a floor but is no crate: remove the line");
                findings.push(finding("Cargo.toml", name, message));
            }
        }
        for krate in &self.crates {
            let in_crates = krate.manifest.starts_with("crates/");
            let floor = self.floors.get(&krate.name);
            if floor.is_none() && in_crates && krate.name != "evenkeel-testkit" {
                let message =
                    "has no floor: add it to [workspace.metadata.floors] of the root manifest";
                findings.push(finding(&krate.manifest, &krate.name, message));
            }
            if in_crates && krate.folder != krate.name {
                let message = format!("the folder {} is not the crate's name", krate.folder);
                findings.push(finding(&krate.manifest, &krate.folder, message));
            }
            for need in &krate.needs {
                let complaint = if need.ours {
                    self.judge_ours(floor.copied(), need)
                } else {
                    self.judge_foreign(krate, floor.is_some(), need)
                };
                if let Some(message) = complaint {
                    findings.push(finding(&krate.manifest, &need.name, message));
                }
            }
        }
        findings
    }

    /// What is wrong with one of our crates as a dependency of a crate on `floor` (`None`: beside the floors).
    fn judge_ours(&self, floor: Option<i64>, need: &Need) -> Option<String> {
        let name = &need.name;
        match (floor, self.floors.get(name)) {
            (None, _) if name == "e2e" || name == "xtask" => {
                Some(format!("{name} is nobody's dependency"))
            }
            (Some(_), None) if name != "evenkeel-testkit" => Some(format!(
                "{name} stands beside the floors: no crate needs it"
            )),
            (Some(_), None) if !need.dev => Some(format!(
                "{name} is for tests: make it a dev-dependency or do without"
            )),
            (Some(own), Some(&other)) if other >= own => {
                let way = if other == own { "sideways" } else { "up" };
                Some(format!(
                    "floor {own} reaches {way} to {name} on floor {other}: move what both need to a lower floor"
                ))
            }
            _ => None,
        }
    }

    /// What is wrong with a dependency from elsewhere; tests may use what they like.
    fn judge_foreign(&self, krate: &Crate, on_a_floor: bool, need: &Need) -> Option<String> {
        let allowed = self.only.get(&need.name)?;
        let wrong = on_a_floor && !need.dev && !allowed.contains(&krate.name);
        wrong.then(|| {
            format!(
                "{} is only for {} ([workspace.metadata.only] of the root manifest)",
                need.name,
                allowed.join(", ")
            )
        })
    }

    fn check_pure(&self, files: &[File]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, _) in self.floors.iter().filter(|(_, floor)| **floor <= PURE) {
            let path = format!("crates/{name}/clippy.toml");
            let text = files.iter().find(|file| file.path == path);
            let text = text.map_or("", |file| file.text.as_str());
            for ban in PURE_BANS {
                if !text.contains(&format!("\"{ban}\"")) {
                    let message = format!("a pure crate's clippy.toml bans {ban}");
                    findings.push(finding(&path, ban, message));
                }
            }
        }
        findings
    }
}

impl Crate {
    fn read(package: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let manifest = text(&package["manifest_path"]);
        let relative = Path::new(&manifest).strip_prefix(tree::root());
        let manifest =
            relative.map_or_else(|_| manifest.clone(), |path| path.display().to_string());
        let folder = Path::new(&manifest).parent().and_then(Path::file_name);
        let needs = package["dependencies"].as_array().into_iter().flatten();
        Self {
            name: text(&package["name"]),
            folder: folder.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            manifest,
            needs: needs
                .map(|need| Need {
                    name: text(&need["name"]),
                    ours: need["path"].is_string(),
                    dev: need["kind"] == "dev",
                })
                .collect(),
        }
    }
}

fn texts(name: &str, value: &Value) -> Result<Vec<String>> {
    let items = value.as_array().into_iter().flatten();
    let texts: Vec<String> = items.filter_map(Value::as_str).map(str::to_owned).collect();
    if texts.is_empty() {
        bail!("[workspace.metadata.only] {name}: write the list of crates that may have it");
    }
    Ok(texts)
}

fn finding(path: &str, token: &str, message: impl Into<String>) -> Finding {
    Finding {
        check: "floors",
        path: path.to_owned(),
        line: 0,
        token: token.to_owned(),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_stand_on_their_floors() {
        run().unwrap();
    }

    /// `names` is `name floor`, `needs` is `[dev:][their:]name`.
    fn plan(name: &str, floor: Option<i64>, needs: &[&str]) -> Plan {
        let floors = [("low", 0), ("side", 1), ("high", 2)].map(|(n, f)| (n.to_owned(), f));
        let mut crates: Vec<_> = ["low", "side", "high"].map(empty).into();
        let mut krate = empty(name);
        krate.needs = needs
            .iter()
            .map(|need| {
                let (dev, need) = (need.starts_with("dev:"), need.trim_start_matches("dev:"));
                let (ours, name) = (
                    !need.starts_with("their:"),
                    need.trim_start_matches("their:"),
                );
                let name = name.to_owned();
                Need { name, ours, dev }
            })
            .collect();
        crates.push(krate);
        let mut floors = BTreeMap::from(floors);
        floors.extend(floor.map(|floor| (name.to_owned(), floor)));
        let only = BTreeMap::from([("tokio".to_owned(), vec!["high".to_owned()])]);
        Plan {
            floors,
            only,
            crates,
        }
    }

    fn empty(name: &str) -> Crate {
        Crate {
            name: name.to_owned(),
            folder: name.to_owned(),
            manifest: format!("crates/{name}/Cargo.toml"),
            needs: Vec::new(),
        }
    }

    #[test]
    fn only_lower_floors_may_be_needed() {
        let cases: [(Option<i64>, &[&str], &str); 11] = [
            (Some(1), &["low"], ""),
            (Some(1), &["side"], "sideways"),
            (Some(1), &["dev:side"], "sideways"),
            (Some(1), &["high"], "reaches up"),
            (Some(1), &["dev:evenkeel-testkit"], ""),
            (Some(1), &["evenkeel-testkit"], "dev-dependency"),
            (Some(1), &["dev:xtask"], "beside the floors"),
            (Some(1), &["their:tokio"], "only for high"),
            (Some(1), &["dev:their:tokio"], ""),
            (Some(1), &["their:memchr"], ""),
            (None, &[], "has no floor"),
        ];
        for (floor, needs, expected) in cases {
            let found = plan("mine", floor, needs).check();
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            match expected {
                "" => assert!(found.is_empty(), "{needs:?}: {found:?}"),
                _ => assert!(
                    found.len() == 1 && found[0].contains(expected),
                    "{needs:?}: {found:?}"
                ),
            }
        }
    }

    #[test]
    fn a_floor_without_its_crate_and_a_crate_without_bans_are_found() {
        let mut plan = plan("mine", Some(1), &[]);
        plan.crates.pop();
        assert!(plan.check()[0].message.contains("is no crate"));
        let missing = plan.check_pure(&[]);
        assert_eq!(missing.len(), 3 * PURE_BANS.len());
    }
}
