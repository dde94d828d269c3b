//! `cargo xtask icount [--bless] [--profile] [--binary PATH] [NAME…]`: instructions of user space against what is
//! checked in, so that nobody makes the road of a request longer without knowing.
//!
//! Times waver with the machine and counts do not: callgrind counts the pure crates' work (`bench/icount`) and requests
//! through the whole binary, both of the profile `dist`, which is what is shipped. Not counted is the kernel, the larger
//! half of a request; `cargo xtask bench` measures that.

mod annotate;
mod callgrind;
mod figures;
mod load;
mod measure;
mod options;
mod origin;
mod programs;
mod pure;
mod report;
mod streams;
mod whole;

use std::fs;

use anyhow::{Context, Result};

use crate::tree;
use figures::Figures;
use options::Options;
use programs::Programs;
use report::Report;

/// Where the figures are.
const FIGURES: &str = "bench/icount.toml";

/// Runs the verb.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    if !callgrind::installed() {
        println!(
            "── icount SKIPPED: valgrind is not installed, so nobody knows what a request costs now. \
             `cargo xtask setup` installs it."
        );
        return Ok(());
    }
    let programs = Programs::build(&options)?;
    let measures = options.select(&programs.measures()?)?;
    let file = tree::root().join(FIGURES);
    let mut figures = Figures::read(&fs::read_to_string(&file).unwrap_or_default())
        .with_context(|| file.display().to_string())?;
    let mut report = Report::default();
    for measure in &measures {
        let counted = programs.count(measure)?;
        println!("{}", report.add(measure, counted.figure(), &figures));
        if options.profile {
            println!("  {}", programs.page(measure, &counted)?.display());
        }
    }
    for line in report.judge_ratios() {
        println!("{line}");
    }
    let all = options.names.is_empty();
    if all {
        report.judge_strangers(&figures, &measures);
    }
    if options.bless {
        report.bless(&mut figures, &measures, all);
        fs::write(&file, figures.text())?;
    }
    report.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_in_can_be_read_and_has_every_scene() {
        let text = fs::read_to_string(tree::root().join(FIGURES)).unwrap();
        let figures = Figures::read(&text).unwrap();
        assert_eq!(figures.text(), text, "as --bless would write it");
        for measure in whole::measures() {
            assert!(figures.of(&measure.name).is_some(), "{}", measure.name);
        }
    }
}
