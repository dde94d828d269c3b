//! `evenkeel-icount MEASURE TIMES`: one piece of work of a pure crate, many times, for callgrind to count.
//!
//! Only what runs below [`counted`] counts (`--toggle-collect`), so that preparing costs nothing. The program neither
//! counts nor judges: `cargo xtask icount` does, and `bench/icount.txt` has the figures. Without arguments it lists its
//! measures, each with what one piece of its work is.

#![expect(clippy::print_stdout, reason = "a program for the command line")]

mod http1;
mod policy;
mod route;

use std::hint::black_box;
use std::process::ExitCode;

/// A piece of work, ready to be repeated. It gives a number that depends on what was done, and panics when that went
/// wrong: a refusal is cheaper than an answer.
type Work = Box<dyn FnMut() -> usize>;

/// A piece of work that can be prepared.
struct Measure {
    name: String,
    /// What it does once.
    unit: &'static str,
    prepare: Box<dyn Fn() -> Work>,
}

impl Measure {
    fn new(name: &str, unit: &'static str, prepare: impl Fn() -> Work + 'static) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            prepare: Box::new(prepare),
        }
    }
}

fn main() -> ExitCode {
    let mut measures = http1::measures();
    measures.extend(policy::measures());
    measures.extend(route::measures());
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        for measure in measures {
            println!("{}\t{}", measure.name, measure.unit);
        }
        return ExitCode::SUCCESS;
    }
    let measure = measures
        .iter()
        .find(|measure| Some(&measure.name) == arguments.first());
    let times = arguments.get(1).and_then(|times| times.parse().ok());
    let (Some(measure), Some(times)) = (measure, times) else {
        println!("usage: evenkeel-icount [MEASURE TIMES]; without arguments it lists the measures");
        return ExitCode::FAILURE;
    };
    let mut work = (measure.prepare)();
    // The first time grows tables and buffers that later ones find.
    black_box(work());
    println!("{}", counted(&mut work, times));
    ExitCode::SUCCESS
}

/// The part that is counted; `cargo xtask icount` knows it by name.
#[inline(never)]
fn counted(work: &mut Work, times: u32) -> usize {
    let mut sum = 0_usize;
    for _ in 0..times {
        sum = sum.wrapping_add(work());
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_can_be_repeated() {
        for measures in [http1::measures(), policy::measures(), route::measures()] {
            for measure in measures {
                let mut work = (measure.prepare)();
                assert!(counted(&mut work, 3) > 0, "{}", measure.name);
            }
        }
    }
}
