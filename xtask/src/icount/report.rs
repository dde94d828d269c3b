//! What a run of `cargo xtask icount` found: a line per measure, and at the end what is not as it should be.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::figures::{Figures, Verdict, grouped, percent_more};
use super::measure::Measure;

/// What many may cost more than few, in percent. These are targets of the project and no habits: nothing blesses them.
const RATIOS: [(&str, &str, f64); 2] = [
    ("whole-routes-10000", "whole-routes-1", 5.0),
    ("whole-endpoints-5000", "whole", 5.0),
];

/// How far a count may be from its figure and `--bless` leaves it alone, in percent: two runs of the whole binary on
/// a busy machine differ by so much, and the commit is to show what changed.
const NOISE: f64 = 0.5;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    counts: BTreeMap<String, u64>,
    /// What `--bless` can mend.
    unwritten: Vec<String>,
    /// What it cannot.
    broken: Vec<String>,
}

impl Report {
    /// Takes up a count, and gives the line to print.
    pub(super) fn add(&mut self, measure: &Measure, figure: u64, figures: &Figures) -> String {
        let (name, unit) = (&measure.name, &measure.unit);
        self.counts.insert(name.clone(), figure);
        let line = format!("{name:<24}{:>8}", grouped(figure));
        let written = grouped(figures.of(name).unwrap_or_default());
        let (remark, complaint) = match figures.judge(name, figure) {
            Verdict::Holds(percent) => (format!("{percent:+.1} %"), None),
            Verdict::New => (
                "new".to_owned(),
                Some(format!(
                    "{name} has no figure: {} instructions per {unit}",
                    grouped(figure)
                )),
            ),
            Verdict::Worse(percent) => (
                format!("+{percent:.1} %, WORSE"),
                Some(format!(
                    "{name} costs {} instructions per {unit}: {percent:.1} % more than the {written} written down. \
                     See where they went with `cargo xtask icount --profile {name}`",
                    grouped(figure)
                )),
            ),
            Verdict::Better(percent) => (
                format!("-{percent:.1} %, better"),
                Some(format!(
                    "{name} costs {} instructions per {unit}: {percent:.1} % less than the {written} written down. \
                     Write it down, or the next one may lose it without a word",
                    grouped(figure)
                )),
            ),
        };
        self.unwritten.extend(complaint);
        format!("{line}  {remark}")
    }

    /// Compares many with few, where both were counted; gives the lines to print.
    pub(super) fn judge_ratios(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for (many, few, most) in RATIOS {
            let (Some(many_figure), Some(few_figure)) =
                (self.counts.get(many), self.counts.get(few))
            else {
                continue;
            };
            let percent = percent_more(*many_figure, *few_figure);
            lines.push(format!("{many} next to {few}: {percent:+.1} %"));
            if percent > most {
                self.broken.push(format!(
                    "{many} costs {percent:.1} % more than {few}, and {most} % is the most"
                ));
            }
        }
        lines
    }

    /// Complains of figures of measures that are no more.
    pub(super) fn judge_strangers(&mut self, figures: &Figures, measures: &[Measure]) {
        for name in figures.strangers(measures) {
            self.unwritten
                .push(format!("{name} has a figure, and is no measure any more"));
        }
    }

    /// Writes the counts into `figures`; `all` says that every measure was counted, so that what is left is none.
    pub(super) fn bless(&mut self, figures: &mut Figures, measures: &[Measure], all: bool) {
        for measure in measures {
            let Some(figure) = self.counts.get(&measure.name) else {
                continue;
            };
            let written = figures.of(&measure.name).unwrap_or_default();
            if percent_more(*figure, written).abs() > NOISE {
                figures.write(measure, *figure);
            }
        }
        if all {
            figures.remove_strangers(measures);
        }
        self.unwritten.clear();
    }

    /// The end: an error with every complaint and its remedy.
    pub(super) fn finish(self) -> Result<()> {
        if self.unwritten.is_empty() && self.broken.is_empty() {
            return Ok(());
        }
        let mut text = String::from("not as it should be:");
        for complaint in self.unwritten.iter().chain(&self.broken) {
            text.push_str("\n  ");
            text.push_str(complaint);
        }
        if !self.unwritten.is_empty() {
            text.push_str(
                "\nIf that is meant: `cargo xtask icount --bless [NAME]`, and the reason in the message of the commit",
            );
        }
        bail!(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(counts: &[(&str, u64)], figures: &Figures) -> Report {
        let mut report = Report::default();
        for (name, figure) in counts {
            report.add(&Measure::new(name, "request"), *figure, figures);
        }
        report.judge_ratios();
        report
    }

    fn figures() -> Figures {
        Figures::read("whole = 12_000 # per request\nparse = 1_000 # per head\n").unwrap()
    }

    #[test]
    fn what_is_not_as_written_is_named_with_its_remedy() {
        for (counts, expected) in [
            (&[("whole", 12_100), ("parse", 990)][..], &[][..]),
            (
                &[("whole", 12_600)],
                &[
                    "whole costs 12,600",
                    "5.0 % more than the 12,000",
                    "--bless",
                ],
            ),
            (
                &[("parse", 900)],
                &["parse costs 900", "10.0 % less", "--bless"],
            ),
            (
                &[("new", 900)],
                &["new has no figure: 900 instructions per request", "--bless"],
            ),
        ] {
            let outcome = report(counts, &figures()).finish();
            let text = outcome.map_or_else(|error| error.to_string(), |()| String::new());
            assert_eq!(text.is_empty(), expected.is_empty(), "{counts:?}: {text}");
            assert!(
                expected.iter().all(|part| text.contains(part)),
                "{counts:?}: {text}"
            );
        }
    }

    #[test]
    fn blessing_writes_what_changed_and_mends_no_ratio() {
        let mut figures = figures();
        let counts = [
            ("whole", 12_030),
            ("parse", 1_100),
            ("whole-endpoints-5000", 13_000),
        ];
        let measures = counts.map(|(name, _)| Measure::new(name, "request"));
        let mut report = report(&counts, &figures);
        report.bless(&mut figures, &measures[..], true);
        let written = ["whole", "parse", "whole-endpoints-5000"].map(|name| figures.of(name));
        assert_eq!(written, [Some(12_000), Some(1_100), Some(13_000)]);
        let text = report.finish().unwrap_err().to_string();
        assert!(
            text.contains("8.1 % more than whole, and 5 % is the most"),
            "{text}"
        );
        assert!(!text.contains("--bless"), "{text}");
    }

    #[test]
    fn a_figure_without_a_measure_is_found_and_removed() {
        let mut figures = figures();
        let measures = [Measure::new("whole", "request")];
        let mut report = report(&[("whole", 12_000)], &figures);
        report.judge_strangers(&figures, &measures);
        report.bless(&mut figures, &measures, true);
        assert_eq!(figures.of("parse"), None);
    }
}
