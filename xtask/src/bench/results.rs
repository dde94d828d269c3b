//! A whole run on paper: `bench/results/DATE.json` with every turn, and `latest.md` to read.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use super::machine::Machine;
use super::measure::{Measure, Turn};
use super::outcome::Outcome;
use super::target::Field;
use super::{summary, table};
use crate::tree;

/// Everything that a run leaves.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) machine: Machine,
    /// What ran, in the words of the programs.
    pub(super) versions: Vec<String>,
    /// Date and time of day, in UTC.
    pub(super) date: (String, String),
    pub(super) rounds: usize,
    pub(super) seconds: f64,
    /// Whether instructions could be counted.
    pub(super) perf: bool,
    pub(super) outcomes: Vec<Outcome>,
}

impl Book {
    /// Writes both files and says where they are.
    pub(super) fn write(&self) -> Result<String> {
        let folder = tree::root().join("bench/results");
        fs::create_dir_all(&folder)?;
        let name = format!("{}.json", self.date.0);
        let json = serde_json::to_string_pretty(&self.json())?;
        fs::write(folder.join(&name), json + "\n")?;
        fs::write(folder.join("latest.md"), self.page(&name))?;
        Ok(format!("bench/results/{name} and bench/results/latest.md"))
    }

    /// What stands above the tables, on paper and on the terminal.
    pub(super) fn head(&self) -> String {
        let machine = &self.machine;
        let (date, time) = &self.date;
        let mut text = format!(
            "{date} {time} UTC. {}, {} cores, {:.0} GiB, Linux {}, congestion control {}. {}. {} rounds of {} s.\n",
            machine.processor,
            machine.cores,
            machine.memory,
            machine.kernel,
            machine.congestion,
            self.versions.join(", "),
            self.rounds,
            self.seconds,
        );
        if !self.perf {
            text.push_str(
                "`perf stat` counts no instructions on this machine (`cargo xtask icount` counts user instructions).\n",
            );
        }
        let (company, stolen) = (machine.company * 100.0, machine.stolen * 100.0);
        text.push_str(&format!(
            "Before the run {company:.0} % of all cores were busy, {stolen:.0} % taken by the host; load average {}.\n",
            machine.load_average
        ));
        if !machine.is_quiet() {
            text.push_str("**The machine was not quiet: quote nothing from this run.**\n");
        }
        text
    }

    fn page(&self, json: &str) -> String {
        let mut text = format!(
            "# Results of `cargo xtask bench`\n\nWritten by it; every turn is in [{json}]({json}), and how to read this \
             is in [../README.md](../README.md).\n\n{}\n",
            self.head()
        );
        text.push_str(
            "Figures are medians over the rounds, with the least and the greatest behind them. A ratio is taken round \
             by round: evenkeel's figure through that of the line, of CPU per request (less is better), bytes per \
             CPU-second (more is better) or bytes per idle connection.\n\n## Targets\n\n",
        );
        text.push_str(&summary::targets(&self.outcomes));
        text.push_str("\n## Where evenkeel loses\n\n");
        let losses = summary::losses(&self.outcomes);
        for loss in &losses {
            text.push_str(&format!("- {loss}\n"));
        }
        if losses.is_empty() {
            text.push_str("To neither rival, in none of these scenarios.\n");
        }
        for outcome in &self.outcomes {
            text.push('\n');
            text.push_str(table::scenario(outcome).trim_end());
            text.push('\n');
        }
        text
    }

    fn json(&self) -> Value {
        let machine = &self.machine;
        json!({
            "date": self.date.0,
            "time": self.date.1,
            "machine": {
                "processor": machine.processor,
                "cores": machine.cores,
                "memory_gib": rounded(machine.memory),
                "kernel": machine.kernel,
                "congestion_control": machine.congestion,
                "load_average": machine.load_average,
                "busy_before": rounded(machine.company),
                "stolen_before": rounded(machine.stolen),
                "quiet": machine.is_quiet(),
            },
            "versions": self.versions,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "instructions_counted": self.perf,
            "scenarios": self.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        })
    }
}

fn outcome(outcome: &Outcome) -> Value {
    let contestants = outcome.turns.iter().map(|(entrant, turns)| {
        json!({
            "name": entrant.who.name(),
            "setting": entrant.setting.name(),
            "baseline": entrant.baseline,
            "turns": turns.iter().map(turn).collect::<Vec<_>>(),
        })
    });
    let targets = outcome.scenario.targets.iter().map(|target| {
        let verdict = target
            .judge(&Field(&outcome.turns))
            .filter(|_| outcome.is_result());
        json!({
            "target": target.text(),
            "median": verdict.map(|verdict| rounded(verdict.spread.median)),
            "least": verdict.map(|verdict| rounded(verdict.spread.least)),
            "greatest": verdict.map(|verdict| rounded(verdict.spread.greatest)),
            "met": verdict.map(|verdict| verdict.met),
        })
    });
    json!({
        "name": outcome.scenario.name,
        "title": outcome.scenario.title,
        "is_result": outcome.is_result(),
        "broken": outcome.broken,
        "rate": outcome.rate,
        "contestants": contestants.collect::<Vec<_>>(),
        "targets": targets.collect::<Vec<_>>(),
    })
}

fn turn(turn: &Turn) -> Value {
    let of = |measure: Measure| measure.of(turn).map(rounded);
    json!({
        "requests": turn.report.requests,
        "seconds": rounded(turn.report.seconds),
        "bytes": turn.report.bytes,
        "errors": turn.report.errors,
        "p50_us": turn.report.p50,
        "p99_us": turn.report.p99,
        "p999_us": turn.report.p999,
        "cpu_us": rounded(turn.cpu_micros),
        "cpu_us_per_request": of(Measure::Cpu),
        "mb_per_cpu_second": of(Measure::Throughput),
        "instructions_user": turn.instructions.map(|count| count.user),
        "instructions_kernel": turn.instructions.map(|count| count.kernel),
        "peak_bytes": turn.peak,
        "own_busy": rounded(turn.own_busy()),
        "core_busy": rounded(turn.core_busy),
        "stolen": rounded(turn.stolen),
        "idle_bytes": of(Measure::IdleBytes),
    })
}

/// With three digits behind the point, which is more than any of this is worth.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
