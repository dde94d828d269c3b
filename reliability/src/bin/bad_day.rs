//! `bad-day [--page FILE --ground TEXT] [--short] [--workers 1,2] [--alone] [--soak MINUTES] [SCENARIO…]`: plays bad days one after
//! the other, or the soak.
//!
//! `EVENKEEL_BIN` names the evenkeel that is played with; `cargo xtask reliability` sets it.

#![expect(
    clippy::print_stdout,
    reason = "a command line tool: its output is its interface"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use evenkeel_reliability::proxy::{Programs, Who};
use evenkeel_reliability::report::{Entry, Verdict, page};
use evenkeel_reliability::scenarios::{self, Length};
use evenkeel_reliability::{play, soak};

const HELP: &str = "\
bad-day [OPTION…] [SCENARIO…]

  --list             name every scenario, and play none
  --short            as the tests play them
  --workers N,N,…    with these numbers of workers; 1,2,4 when not given
  --alone            without nginx and HAProxy
  --soak MINUTES     the soak alone, for so long, with the first of the numbers of workers; 2 when not given
  --page FILE        write the page of all that was played, or the section about the soak in it
  --ground TEXT      what stands in it about the machine
";

/// What the command line says.
#[derive(Debug)]
struct Options {
    names: Vec<String>,
    length: Length,
    workers: Vec<u16>,
    alone: bool,
    soak: Option<u64>,
    page: Option<String>,
    ground: String,
}

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help") {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    if words.iter().any(|word| word == "--list") {
        for (name, make) in scenarios::ALL {
            println!("{name:<16} {}", make(Length::Short).what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    play(&Options::read(words)?)
}

impl Options {
    fn read(words: Vec<String>) -> Result<Self> {
        let mut options = Self {
            names: Vec::new(),
            length: Length::Full,
            workers: vec![1, 2, 4],
            alone: false,
            soak: None,
            page: None,
            ground: String::new(),
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().context("the last option wants a value");
            match word.as_str() {
                "--short" => options.length = Length::Short,
                "--alone" => options.alone = true,
                "--soak" => {
                    options.soak = Some(value()?.parse()?);
                    options.workers = vec![2];
                }
                "--page" => options.page = Some(value()?),
                "--ground" => options.ground = value()?,
                "--workers" => {
                    let numbers = value()?;
                    let numbers = numbers.split(',').map(str::parse);
                    options.workers = numbers.collect::<Result<_, _>>()?;
                }
                name if scenarios::ALL.iter().any(|(known, _)| *known == name) => {
                    options.names.push(word);
                }
                _ => bail!("no such option or scenario: {word}\n\n{HELP}"),
            }
        }
        Ok(options)
    }
}

fn play(options: &Options) -> Result<ExitCode> {
    let began = Instant::now();
    let own = std::env::current_exe()?;
    let programs = Programs {
        origin: own.with_file_name("bad-day-origin"),
    };
    if let Some(minutes) = options.soak {
        return soak(minutes, options, &programs);
    }
    let mut entries = Vec::new();
    for (name, make) in scenarios::ALL {
        if !options.names.is_empty() && !options.names.iter().any(|one| one == name) {
            continue;
        }
        for who in [Who::Evenkeel, Who::Nginx, Who::Haproxy] {
            let scenario = scenarios::make(*make, options.length);
            if who == Who::Evenkeel || (scenario.is_for_rivals && !options.alone) {
                let skipped = play::missing(&scenario);
                let mut entry = Entry {
                    scenario,
                    who,
                    verdicts: Vec::new(),
                    skipped,
                };
                put_to_it(&mut entry, options, &programs);
                entries.push(entry);
            }
        }
    }
    if let Some(path) = &options.page {
        let old = std::fs::read_to_string(path).unwrap_or_default();
        let mut text = page(&entries, &options.ground);
        // The soak is played for itself.
        if let Some((_, soak)) = old.split_once(soak::SECTION) {
            let end = soak.find("\n## ").unwrap_or(soak.len());
            let section = format!("{}{}", soak::SECTION, &soak[..end]);
            text = soak::with_section(&text, &section);
        }
        std::fs::write(path, text).context("the page")?;
    }
    println!("took {:.0} s", began.elapsed().as_secs_f64());
    let mut ours = entries.iter().filter(|entry| entry.who == Who::Evenkeel);
    let all_good = ours.all(|entry| entry.verdicts.iter().all(Verdict::is_good));
    Ok(ExitCode::from(u8::from(!all_good)))
}

/// Plays the soak.
fn soak(minutes: u64, options: &Options, programs: &Programs) -> Result<ExitCode> {
    let scenario = soak::soak(Duration::from_secs(60 * minutes));
    let workers = options.workers.first().copied().unwrap_or(2);
    let run = play::play(&scenario, Who::Evenkeel, workers, programs);
    let verdict = Verdict::of(&scenario, workers, &run);
    println!("{verdict}");
    let run = run?;
    let section = soak::section(&run, &verdict, &options.ground);
    println!("{section}");
    if let Some(path) = &options.page {
        let old = std::fs::read_to_string(path).unwrap_or_default();
        std::fs::write(path, soak::with_section(&old, &section)).context("the page")?;
    }
    Ok(ExitCode::from(u8::from(!verdict.is_good())))
}

/// Plays one scenario with one proxy and each number of workers.
fn put_to_it(entry: &mut Entry, options: &Options, programs: &Programs) {
    let Entry { scenario, who, .. } = entry;
    if let Some(why) = entry.skipped {
        println!("SKIPPED: {} is not played here: {why}", scenario.name);
        return;
    }
    for &workers in &options.workers {
        let run = play::play(scenario, *who, workers, programs);
        let verdict = Verdict::of(scenario, workers, &run);
        println!("{who}: {verdict}");
        entry.verdicts.push(verdict);
    }
}
