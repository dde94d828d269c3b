//! The figures that are checked in, and what a count is next to one.
//!
//! `bench/icount.toml` has a line for each measure, `NAME = FIGURE # per UNIT`. It is written by `--bless` and read by
//! people, in the difference of a commit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use super::measure::Measure;

/// How far a count may be from its figure, in percent.
///
/// One run of the pure crates is like the other to the instruction, and two runs of the whole binary differ by 0.1 %. The
/// rest is for what nobody means: where a compiler cuts and inlines moves with code that has nothing to do with a measure.
/// The allowance is against the figure, not against the last run, so small steps do not add up unseen.
const TOLERANCE: f64 = 2.0;

/// How far a count may be from its figure in any case, in instructions: 2 % of a pick is one, and a compiler that moves
/// a register more is no news.
const SLACK: u64 = 3;

/// What the file says to who opens it.
const HEADER: &str = "\
# Instructions of user space, counted by callgrind in the binaries of the profile `dist`. `cargo xtask icount` compares,
# and `cargo xtask icount --bless NAME` writes; the reason belongs in the message of the commit. See bench/README.md.
";

/// The figures by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Figures(BTreeMap<String, (u64, String)>);

/// A count next to its figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// There is no figure yet.
    New,
    /// Within the tolerance; by how many percent it is more.
    Holds(f64),
    /// More than the tolerance allows, by so many percent.
    Worse(f64),
    /// Less than the tolerance allows, by so many percent. This too is to be written down: otherwise the next one may
    /// lose all of it without a word.
    Better(f64),
}

impl Figures {
    /// Reads the file's text.
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut figures = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, figure, unit) = read_line(line)
                .with_context(|| format!("line {number}: write NAME = FIGURE # per UNIT"))?;
            let double = figures.insert(name.to_owned(), (figure, unit.to_owned()));
            if figure == 0 || double.is_some() {
                bail!("line {number}: {name} stands there twice, or is 0");
            }
        }
        Ok(Self(figures))
    }

    /// The text of the file.
    pub(super) fn text(&self) -> String {
        let mut text = HEADER.to_owned();
        for (name, (figure, unit)) in &self.0 {
            let figure = grouped(*figure).replace(',', "_");
            let _ = writeln!(text, "{name} = {figure} # per {unit}");
        }
        text
    }

    /// Puts down a count.
    pub(super) fn write(&mut self, measure: &Measure, figure: u64) {
        self.0
            .insert(measure.name.clone(), (figure, measure.unit.clone()));
    }

    /// What `figure` is next to what is written.
    pub(super) fn judge(&self, name: &str, figure: u64) -> Verdict {
        let Some((written, _)) = self.0.get(name) else {
            return Verdict::New;
        };
        let percent = percent_more(figure, *written);
        if figure.abs_diff(*written) <= SLACK {
            Verdict::Holds(percent)
        } else if percent > TOLERANCE {
            Verdict::Worse(percent)
        } else if percent < -TOLERANCE {
            Verdict::Better(-percent)
        } else {
            Verdict::Holds(percent)
        }
    }

    /// What is written of `name`.
    pub(super) fn of(&self, name: &str) -> Option<u64> {
        self.0.get(name).map(|(figure, _)| *figure)
    }

    /// The figures that belong to none of `measures`.
    pub(super) fn strangers(&self, measures: &[Measure]) -> Vec<String> {
        let known = |name: &str| measures.iter().any(|measure| measure.name == name);
        self.0.keys().filter(|name| !known(name)).cloned().collect()
    }

    /// Removes them.
    pub(super) fn remove_strangers(&mut self, measures: &[Measure]) {
        for name in self.strangers(measures) {
            self.0.remove(&name);
        }
    }
}

/// Name, figure and unit of a line.
fn read_line(line: &str) -> Option<(&str, u64, &str)> {
    let (name, rest) = line.split_once(" = ")?;
    let (figure, unit) = rest.split_once(" # per ")?;
    Some((name, figure.replace('_', "").parse().ok()?, unit))
}

/// By how many percent `figure` is more than `base`; negative when it is less.
pub(super) fn percent_more(figure: u64, base: u64) -> f64 {
    let (figure, base) = (float(figure), float(base.max(1)));
    (figure / base - 1.0) * 100.0
}

/// Exact below 2^32, which no figure reaches.
fn float(figure: u64) -> f64 {
    u32::try_from(figure).map_or(f64::INFINITY, f64::from)
}

/// `12,345`.
pub(super) fn grouped(figure: u64) -> String {
    let digits = figure.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures::read("# why\n\nwhole = 12_000 # per request\n").unwrap()
    }

    #[test]
    fn more_and_less_than_the_tolerance_are_told() {
        for (figure, expected) in [
            (12_000, Verdict::Holds(0.0)),
            (12_300, Verdict::Worse(2.5)),
            (11_700, Verdict::Better(2.5)),
        ] {
            let verdict = figures().judge("whole", figure);
            assert_eq!(format!("{verdict:.3?}"), format!("{expected:.3?}"));
        }
        assert!(matches!(
            figures().judge("whole", 12_230),
            Verdict::Holds(_)
        ));
        assert!(matches!(
            figures().judge("whole", 11_770),
            Verdict::Holds(_)
        ));
        let mut figures = figures();
        figures.write(&Measure::new("pick", "pick"), 52);
        for (figure, holds) in [(48, false), (49, true), (55, true), (56, false)] {
            let verdict = figures.judge("pick", figure);
            assert_eq!(
                matches!(verdict, Verdict::Holds(_)),
                holds,
                "{figure}: {verdict:?}"
            );
        }
        assert_eq!(figures.judge("part", 1), Verdict::New);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut figures = figures();
        figures.write(&Measure::new("parse", "head"), 1_234_567);
        let text = figures.text();
        assert!(text.contains("parse = 1_234_567 # per head\n"), "{text}");
        assert_eq!(Figures::read(&text).unwrap(), figures);
        let measures = [Measure::new("parse", "")];
        assert_eq!(figures.strangers(&measures), ["whole"]);
        figures.remove_strangers(&measures);
        assert_eq!(
            (figures.of("parse"), figures.of("whole")),
            (Some(1_234_567), None)
        );
    }

    #[test]
    fn a_broken_line_is_named() {
        for line in [
            "whole",
            "whole = 12",
            "whole = x # per request",
            "whole = 0 # per request",
            "a = 1 # per b\na = 2 # per b",
        ] {
            let error = Figures::read(line).unwrap_err().to_string();
            assert!(error.starts_with("line "), "{line}: {error}");
        }
    }
}
