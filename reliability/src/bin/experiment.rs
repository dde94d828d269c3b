//! `balancing-experiment [--rounds N] [--seconds N] [--workers N] [--page FILE --ground TEXT] [BALANCER…]`: the simulator beside
//! real processes.
//!
//! `EVENKEEL_BIN` names the evenkeel that is played with; `cargo xtask experiment` sets it.

#![expect(
    clippy::print_stdout,
    reason = "a command line tool: its output is its interface"
)]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use evenkeel_reliability::experiment::{ALL, Entrant, Figures, Row, SCENARIO, Trial, page};
use evenkeel_reliability::proxy::Programs;

const HELP: &str = "\
balancing-experiment [OPTION…] [BALANCER…]

  --rounds N         so many real runs of each, one round after the other; 3 when not given
  --seconds N        clients ask for so long; as the scenario says when not given
  --workers N        workers of evenkeel; 2 when not given
  --page FILE        write the page
  --ground TEXT      what stands in it about the machine
";

/// Runs of the simulator: the range of its figures is known well enough by then.
const SEEDS: u64 = 9;

/// What the command line says.
#[derive(Debug)]
struct Options {
    entrants: Vec<Entrant>,
    rounds: u64,
    duration: Option<Duration>,
    workers: u16,
    page: Option<String>,
    ground: String,
}

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help") {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    experiment(&Options::read(words)?)
}

impl Options {
    fn read(words: Vec<String>) -> Result<Self> {
        let mut options = Self {
            entrants: Vec::new(),
            rounds: 3,
            duration: None,
            workers: 2,
            page: None,
            ground: String::new(),
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().context("the last option wants a value");
            match word.as_str() {
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.duration = Some(Duration::from_secs(value()?.parse()?)),
                "--workers" => options.workers = value()?.parse()?,
                "--page" => options.page = Some(value()?),
                "--ground" => options.ground = value()?,
                name => match Entrant::find(name) {
                    Some(entrant) => options.entrants.push(entrant),
                    None => bail!("no such option or balancer: {word}\n\n{HELP}"),
                },
            }
        }
        if options.entrants.is_empty() {
            options.entrants = ALL.to_vec();
        }
        Ok(options)
    }
}

fn experiment(options: &Options) -> Result<ExitCode> {
    let own = std::env::current_exe()?;
    let programs = Programs {
        origin: own.with_file_name("bad-day-origin"),
    };
    let (mut trials, mut rows) = (Vec::new(), Vec::new());
    for &entrant in &options.entrants {
        let trial = Trial::new(SCENARIO, entrant, options.duration)?;
        rows.push(Row {
            entrant,
            slow: trial.slowest(),
            simulated: (1..=SEEDS).map(|seed| trial.simulate(seed)).collect(),
            real: Vec::new(),
            again: 0,
        });
        trials.push(trial);
    }
    // In rounds, so that what else the machine does at some time disturbs all alike.
    for round in 1..=options.rounds {
        for (trial, row) in trials.iter().zip(&mut rows) {
            let name = trial.entrant().name;
            let tell = |figures: &Figures| println!("seed {round}: {name}: {figures:?}");
            let played = trial.undisturbed(round, options.workers, &programs, tell);
            let (figures, again) = played.with_context(|| format!("{name}, seed {round}"))?;
            row.real.push(figures);
            row.again += again;
        }
        // Whoever has seen enough may end it after any round.
        write(&rows, options)?;
    }
    let (text, holds) = write(&rows, options)?;
    println!("\n{text}");
    Ok(ExitCode::from(u8::from(!holds)))
}

/// Writes the page of what there is so far, if one is wanted.
fn write(rows: &[Row], options: &Options) -> Result<(String, bool)> {
    let (text, holds) = page(rows, &options.ground, options.workers);
    if let Some(path) = &options.page {
        std::fs::write(path, &text).context("the page")?;
    }
    Ok((text, holds))
}
