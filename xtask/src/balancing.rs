//! `cargo xtask balancing [--check]`: runs the scenarios of docs/balancing.md and writes their results into the page, and its plots.
//!
//! The page's text is written by people. What stands between `<!-- run NAME -->` and `<!-- end -->` is written here: the command,
//! a table, and where there is one a plot (docs/balancing/NAME.svg). The same code gives the same bytes, so `--check` tells whether
//! the page is of today; the whole takes about 75 seconds of CPU, in release, which is what this command goes into by itself.

mod runs;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use evenkeel_sim::{Builtin, Outcome, Play, contender, figures, play};

use crate::tree;
use runs::{OVERVIEW, Plot, RUNS, Run};

/// The page, and where its plots are.
const PAGE: &str = "docs/balancing.md";
const PLOTS: &str = "docs/balancing";

/// All runs have the seed that the command has when none is given.
const SEED: u64 = 1;

/// The balancers and scenarios that were played.
type Played = BTreeMap<(String, String), Outcome>;

/// Writes what is not current.
pub(crate) fn write() -> Result<()> {
    if cfg!(debug_assertions) {
        return in_release("balancing");
    }
    for (path, text) in made()? {
        let file = tree::root().join(&path);
        if fs::read_to_string(&file).is_ok_and(|old| old == text) {
            continue;
        }
        fs::create_dir_all(tree::root().join(PLOTS))?;
        fs::write(&file, text).with_context(|| path.clone())?;
        println!("{path} is new");
    }
    println!("docs/balancing.md is current");
    Ok(())
}

/// Fails when something is not current.
pub(crate) fn check() -> Result<()> {
    if cfg!(debug_assertions) {
        return in_release("balancing --check");
    }
    for (path, text) in made()? {
        let old = fs::read_to_string(tree::root().join(&path)).unwrap_or_default();
        ensure!(
            old == text,
            "{path} is not what the simulator says today: run `cargo xtask balancing` and read the difference"
        );
    }
    println!("docs/balancing.md is current");
    Ok(())
}

/// The same command, built to be fast: without optimization it would take an hour.
fn in_release(arguments: &str) -> Result<()> {
    let status = crate::step::cargo()
        .args(["run", "--quiet", "--release", "--package", "xtask", "--"])
        .args(arguments.split(' '))
        .status()
        .context("cargo run --release")?;
    ensure!(status.success(), "cargo xtask {arguments} failed");
    Ok(())
}

/// Every file, as it should be.
fn made() -> Result<Vec<(String, String)>> {
    let page = fs::read_to_string(tree::root().join(PAGE)).context(PAGE)?;
    let mut played = Played::new();
    let mut files = Vec::new();
    let mut blocks = BTreeMap::new();
    for run in RUNS {
        let outcomes = run_all(run.scenario, &names(run), &mut played)?;
        if let Some(plot) = run.plot {
            let svg = draw(plot, &outcomes).svg(run.name, true);
            files.push((format!("{PLOTS}/{}.svg", run.name), svg));
        }
        blocks.insert(run.name, block(run, &outcomes));
    }
    blocks.insert("overview", overview(&mut played)?);
    files.push((PAGE.to_owned(), fill(&page, &blocks)?));
    Ok(files)
}

fn names(run: &Run) -> Vec<&'static str> {
    if run.compare == evenkeel_sim::paper::ALL_NINE {
        evenkeel_sim::paper::NINE.to_vec()
    } else {
        run.compare.split(',').collect()
    }
}

fn run_all(scenario: &str, names: &[&str], played: &mut Played) -> Result<Vec<Outcome>> {
    let builtin = Builtin::find(scenario).with_context(|| format!("no scenario {scenario}"))?;
    let checked = builtin.read();
    let read = checked
        .scenario
        .with_context(|| format!("{scenario} is not sound"))?;
    let mut outcomes = Vec::new();
    for name in names {
        let key = (scenario.to_owned(), (*name).to_owned());
        if !played.contains_key(&key) {
            let began = Instant::now();
            let contender = contender(name, &read.cluster).map_err(|why| anyhow!(why))?;
            let how = Play {
                seed: SEED,
                requests: None,
                origin: began,
            };
            let outcome = play(&read, &contender, how, &mut |_| {});
            println!("{scenario}, {name}: {:.1} s", began.elapsed().as_secs_f64());
            played.insert(key.clone(), outcome);
        }
        outcomes.extend(played.get(&key).cloned());
    }
    Ok(outcomes)
}

/// What stands in the page for one run.
fn block(run: &Run, outcomes: &[Outcome]) -> String {
    let mut out = format!(
        "```sh\nevenkeel simulate --scenario {} --compare '{}'\n```\n\n",
        run.scenario, run.compare
    );
    out.push_str("| balancer | p50 | p90 | p99 | p99.9 | errors | busiest endpoint |\n|---|---|---|---|---|---|---|\n");
    for one in outcomes {
        let at = |share| cell(one, share);
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | {:.2} % | {:.2} × mean |",
            one.balancer,
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            100.0 * one.error_rate(),
            one.busiest()
        );
    }
    if let Some(plot) = run.plot {
        let title = draw(plot, outcomes).title;
        let _ = write!(
            out,
            "\n![{title}: {}](balancing/{}.svg)\n",
            run.scenario, run.name
        );
    }
    out
}

/// p99 of each balancer in each scenario, the best of a column and what is within a tenth of it in bold.
fn overview(played: &mut Played) -> Result<String> {
    let (scenarios, names) = OVERVIEW;
    let mut columns = Vec::new();
    for scenario in scenarios {
        columns.push(run_all(scenario, &names, played)?);
    }
    let mut out = format!(
        "```sh\nevenkeel simulate --scenario SCENARIO --compare '{}'\n```\n\n",
        names.join(",")
    );
    let _ = writeln!(out, "| p99 | {} |", scenarios.join(" | "));
    let _ = writeln!(out, "|---|{}", "---|".repeat(scenarios.len()));
    for (row, name) in names.iter().enumerate() {
        let _ = write!(out, "| `{name}` |");
        for column in &columns {
            let best = column.iter().filter_map(p99).min_by(f64::total_cmp);
            let mine = column.get(row);
            let is_good = mine
                .and_then(p99)
                .zip(best)
                .is_some_and(|(mine, best)| mine <= best * 1.1);
            let text = mine.map_or_else(String::new, |one| cell(one, 0.99));
            let _ = if is_good {
                write!(out, " **{text}** |")
            } else {
                write!(out, " {text} |")
            };
        }
        out.push('\n');
    }
    Ok(out)
}

fn p99(outcome: &Outcome) -> Option<f64> {
    outcome.latency.quantile(0.99).map(|one| one.as_secs_f64())
}

fn cell(outcome: &Outcome, share: f64) -> String {
    outcome.latency.quantile(share).map_or_else(
        || "failed".to_owned(),
        |latency| {
            let ms = latency.as_secs_f64() * 1e3;
            match ms {
                ..10.0 => format!("{ms:.1} ms"),
                10.0..1e4 => format!("{ms:.0} ms"),
                _ => format!("{:.1} s", ms / 1e3),
            }
        },
    )
}

fn draw(plot: Plot, outcomes: &[Outcome]) -> evenkeel_sim::plot::Plot {
    match plot {
        Plot::Quantiles => figures::quantiles(outcomes),
        Plot::P99 => figures::over_time("p99", outcomes, |sample| sample.p99),
        Plot::Spread => figures::spread(outcomes),
    }
}

/// The page with its blocks filled; each block has its place, and each place its block.
fn fill(page: &str, blocks: &BTreeMap<&str, String>) -> Result<String> {
    let mut out = String::new();
    let mut seen = Vec::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!-- run ") {
        let (name, body) = after
            .split_once(" -->")
            .context("a `<!-- run` has no end")?;
        let (_, behind) = body
            .split_once("<!-- end -->")
            .with_context(|| format!("`<!-- run {name} -->` has no `<!-- end -->`"))?;
        let block = blocks
            .get(name)
            .with_context(|| format!("no run is called {name}"))?;
        let _ = write!(out, "{before}<!-- run {name} -->\n\n{block}\n<!-- end -->");
        seen.push(name);
        rest = behind;
    }
    if let Some(name) = blocks.keys().find(|name| !seen.contains(name)) {
        bail!("{PAGE} has no place for the run {name}");
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_takes_the_place_of_the_old_one() {
        let blocks = BTreeMap::from([("a", "new\n".to_owned())]);
        let page = "x\n<!-- run a -->\nold\n<!-- end -->\ny\n";
        let filled = fill(page, &blocks).unwrap();
        assert_eq!(filled, "x\n<!-- run a -->\n\nnew\n\n<!-- end -->\ny\n");
        assert_eq!(fill(&filled, &blocks).unwrap(), filled);
        assert!(
            fill("x\n", &blocks).is_err() && fill("<!-- run b --><!-- end -->", &blocks).is_err()
        );
    }

    #[test]
    fn every_run_is_one_that_the_simulator_knows() {
        for run in RUNS {
            let builtin = Builtin::find(run.scenario).unwrap();
            let cluster = builtin.read().scenario.unwrap().cluster;
            for name in names(run) {
                assert!(contender(name, &cluster).is_ok(), "{}: {name}", run.name);
            }
        }
    }
}
