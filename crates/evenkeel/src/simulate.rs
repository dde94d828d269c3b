//! `evenkeel simulate`: what the simulator is asked for, and how its outcome is shown.
//!
//! The simulator itself is `evenkeel-sim`, which has neither files nor a clock nor a terminal.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use evenkeel_config::model::Cluster;
use evenkeel_config::render_all;
use evenkeel_sim::builtin::ALL;
use evenkeel_sim::paper;
use evenkeel_sim::read::{Checked, check};
use evenkeel_sim::{Builtin, Contender, Outcome, Play, Scenario, contender, own, play};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::SimulateArgs;
use crate::command::{is_colorful, print};
use crate::files::read_config;
use crate::load::load;
use crate::startup::say;

/// Parts of the progress bar.
const STEPS: u64 = 1_000;

/// `evenkeel simulate`.
pub(crate) fn run(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    if args.what.list {
        return print(&list());
    }
    if let Some(name) = &args.what.show {
        return print(builtin(name)?.text);
    }
    let name = args.what.scenario.as_deref().unwrap_or_default();
    let Some(mut scenario) = read(name)? else {
        return Ok(ExitCode::FAILURE);
    };
    if let Some(path) = &args.config {
        let Some((config, _)) = load(path, is_colorful()).0?.told() else {
            return Ok(ExitCode::FAILURE);
        };
        let cluster = one_of(&config.clusters, args.cluster.as_deref(), path)?;
        scenario.take_cluster(cluster).map_err(anyhow::Error::msg)?;
    }
    let contenders = contenders(args, &scenario.cluster)?;
    let page = args.html.as_deref().map(Page::open).transpose()?;
    let outcomes = play_all(&scenario, &contenders, args);
    let written = page.map_or(Ok(()), |page| {
        page.write(&evenkeel_sim::html(&scenario, args.seed, &outcomes))
    });
    let told = if args.json {
        print(&evenkeel_sim::json(&scenario, args.seed, &outcomes))
    } else {
        print(&evenkeel_sim::table(&scenario, args.seed, &outcomes))
    };
    // What took minutes is told, whatever became of the page.
    written?;
    told
}

/// The page that is to be written: opened before the run, for a mistake in its name is better known then.
struct Page<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Page<'a> {
    /// Opens the file. What is in it stays until there is something to write.
    fn open(path: &'a Path) -> anyhow::Result<Self> {
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let file = options.open(path).with_context(|| unwritable(path))?;
        Ok(Self { path, file })
    }

    fn write(mut self, text: &str) -> anyhow::Result<()> {
        let mut write = || {
            // A pipe has no length.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            self.file.write_all(text.as_bytes())
        };
        write().with_context(|| unwritable(self.path))
    }
}

fn unwritable(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// The scenarios that come with evenkeel, a line each.
fn list() -> String {
    let width = ALL.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for one in ALL {
        let _ = writeln!(out, "{:width$}  {}", one.name, one.headline());
    }
    out
}

fn builtin(name: &str) -> anyhow::Result<Builtin> {
    let names: Vec<&str> = ALL.iter().map(|one| one.name).collect();
    Builtin::find(name).with_context(|| {
        format!(
            "there is no scenario \"{name}\"; there are {}; a file needs its path, like ./{name}.toml",
            names.join(", ")
        )
    })
}

/// The scenario of that name, or in that file; none when something is wrong with it, which is told.
fn read(name: &str) -> anyhow::Result<Option<Scenario>> {
    let path = Path::new(name);
    let is_path = path.extension().is_some() || path.components().count() > 1 || path.exists();
    let (text, checked): (String, Checked) = match Builtin::find(name) {
        Some(builtin) => (builtin.text.to_owned(), builtin.read()),
        None if is_path => {
            let text = read_config(path)?;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let checked = check(&text, name, &stem);
            (text, checked)
        }
        None => return builtin(name).map(|_| None),
    };
    if !checked.diagnostics.is_empty() {
        let report = render_all(&checked.diagnostics, &text, is_colorful());
        say(report.trim_end());
    }
    Ok(checked.scenario)
}

/// The cluster that is meant.
fn one_of<'a>(
    clusters: &'a [Cluster],
    name: Option<&str>,
    path: &Path,
) -> anyhow::Result<&'a Cluster> {
    let names: Vec<&str> = clusters.iter().map(|one| one.name.as_str()).collect();
    let cluster = match (name, clusters) {
        (Some(name), _) => clusters.iter().find(|one| one.name == name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let cluster = cluster.with_context(|| {
        let all = names.join(", ");
        match name {
            Some(name) => format!(
                "{} has no cluster \"{name}\"; it has: {all}",
                path.display()
            ),
            None => format!("name one of the clusters with --cluster: {all}"),
        }
    })?;
    anyhow::ensure!(
        !cluster.endpoints.is_empty(),
        "cluster \"{}\" has no endpoints",
        cluster.name
    );
    Ok(cluster)
}

fn contenders(args: &SimulateArgs, cluster: &Cluster) -> anyhow::Result<Vec<Contender>> {
    let given = args.balancer.iter().chain(&args.compare);
    let mut names: Vec<&str> = Vec::new();
    for name in given {
        if name == paper::ALL_NINE {
            names.extend(paper::NINE);
        } else {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Ok(vec![own(cluster)]);
    }
    let all = names.into_iter().map(|name| contender(name, cluster));
    all.map(|one| one.map_err(anyhow::Error::msg)).collect()
}

/// Runs one after the other, and shows how far they are where somebody looks.
fn play_all(scenario: &Scenario, contenders: &[Contender], args: &SimulateArgs) -> Vec<Outcome> {
    let bar = ProgressBar::new(STEPS * contenders.len() as u64);
    // A bar with a template that it does not know keeps its own.
    if let Ok(style) = ProgressStyle::with_template("{msg:20} {wide_bar} {percent:>3} % {eta:>4}") {
        bar.set_style(style);
    }
    let play_one = |(done, contender): (u64, &Contender)| {
        bar.set_message(contender.name.clone());
        let how = Play {
            seed: args.seed,
            requests: args.requests,
            origin: Instant::now(),
        };
        play(scenario, contender, how, &mut |part| {
            bar.set_position(done * STEPS + steps(part));
        })
    };
    let outcomes = (0..).zip(contenders).map(play_one).collect();
    bar.finish_and_clear();
    outcomes
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a part of a thousand"
)]
fn steps(part: f64) -> u64 {
    (part.clamp(0.0, 1.0) * STEPS as f64) as u64
}
