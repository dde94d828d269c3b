//! Results as Markdown tables that are also readable on a terminal. It formats; it judges nothing.

use super::contestant::{Entrant, Who};
use super::measure::{Measure, Turn};
use super::outcome::Outcome;
use super::spread::{Spread, ratio, values};
use super::target::{Field, Target};

/// The share of the proxy's core, in percent, that interrupts and the system take by themselves.
const COMPANY: f64 = 10.0;

/// The heading, the table and the targets of a scenario.
pub(super) fn scenario(outcome: &Outcome) -> String {
    let scenario = outcome.scenario;
    let mut text = format!("## {}: {}\n\n", scenario.name, scenario.title);
    if let Some(rate) = outcome.rate {
        text.push_str(&format!(
            "{rate:.0} requests a second, the same for all.\n\n"
        ));
    }
    text.push_str(&grid(&rows(outcome)));
    text.push('\n');
    if let Some(why) = &outcome.broken {
        text.push_str(&format!("**No result: {why}**\n\n"));
    } else if !outcome.is_result() {
        text.push_str("**No result: requests failed.**\n\n");
    }
    let company = outcome.company() * 100.0;
    if company > COMPANY {
        text.push_str(&format!(
            "**Something else took up to {company:.0} % of the proxy's core.**\n\n"
        ));
    }
    for line in targets(outcome) {
        text.push_str(&format!("- {line}\n"));
    }
    if !scenario.targets.is_empty() {
        text.push('\n');
    }
    text
}

fn targets(outcome: &Outcome) -> Vec<String> {
    let each = outcome.scenario.targets.iter().map(|target| {
        let (measured, word) = verdict(outcome, target);
        format!("{}: {measured} {word}", target.text())
    });
    each.collect()
}

/// What a target says, as `0.71 (0.70 to 0.73)` and `met`.
pub(super) fn verdict(outcome: &Outcome, target: &Target) -> (String, String) {
    if !outcome.is_result() {
        return ("no result".to_owned(), String::new());
    }
    let Some(verdict) = target.judge(&Field(&outcome.turns)) else {
        return ("not measured".to_owned(), String::new());
    };
    let word = match (verdict.met, verdict.unanimous) {
        (true, true) => "met",
        (true, false) => "met, though not in every round",
        (false, false) => "**missed**, though not in every round",
        (false, true) => "**missed**",
    };
    let digits = if verdict.spread.greatest >= 100.0 {
        0
    } else {
        2
    };
    (spread(verdict.spread, digits), word.to_owned())
}

fn rows(outcome: &Outcome) -> Vec<Vec<String>> {
    let idle = outcome.scenario.drive.is_idle();
    let counted = outcome
        .turns
        .iter()
        .flat_map(|(_, turns)| turns)
        .any(|turn| turn.instructions.is_some());
    let based = outcome.turns.iter().any(|(entrant, _)| entrant.baseline);
    let columns: &[Column] = if idle { IDLE } else { BUSY };
    let shown: Vec<&Column> = columns
        .iter()
        .filter(|column| match column.when {
            When::Always => true,
            When::Counted => counted,
            When::Based => based,
            When::Throughput => outcome.scenario.measure == Measure::Throughput,
            When::Requests => outcome.scenario.measure != Measure::Throughput,
        })
        .collect();
    let mut rows = vec![
        std::iter::once(String::new())
            .chain(shown.iter().map(|c| c.head.to_owned()))
            .collect(),
    ];
    for (entrant, turns) in &outcome.turns {
        let cells = shown
            .iter()
            .map(|column| (column.cell)(outcome, *entrant, turns));
        rows.push(std::iter::once(entrant.label()).chain(cells).collect());
    }
    rows
}

/// A column of a table.
struct Column {
    head: &'static str,
    when: When,
    cell: fn(&Outcome, Entrant, &[Turn]) -> String,
}

/// When a column says something.
enum When {
    Always,
    /// Instructions were counted.
    Counted,
    /// Somebody is compared with itself.
    Based,
    /// Bytes count.
    Throughput,
    /// Requests count.
    Requests,
}

const BUSY: &[Column] = &[
    Column {
        head: "requests/s",
        when: When::Requests,
        cell: |_, _, turns| median(turns, |turn| turn.report.requests / turn.report.seconds, 0),
    },
    Column {
        head: "CPU µs/request",
        when: When::Requests,
        cell: |_, _, turns| cost(turns, Measure::Cpu),
    },
    Column {
        head: "MB/s",
        when: When::Throughput,
        cell: |_, _, turns| {
            median(
                turns,
                |turn| turn.report.bytes / 1e6 / turn.report.seconds,
                0,
            )
        },
    },
    Column {
        head: "MB per CPU-second",
        when: When::Throughput,
        cell: |_, _, turns| cost(turns, Measure::Throughput),
    },
    Column {
        head: "evenkeel ÷ it, less is better",
        when: When::Requests,
        cell: against,
    },
    Column {
        head: "evenkeel ÷ it, more is better",
        when: When::Throughput,
        cell: against,
    },
    Column {
        head: "it ÷ its plain",
        when: When::Based,
        cell: own,
    },
    Column {
        head: "instructions (user)",
        when: When::Counted,
        cell: |_, _, turns| {
            let figure = |measure| {
                let spread = values(measure, turns).and_then(|values| Spread::of(&values));
                spread.map_or_else(|| "–".to_owned(), |spread| format!("{:.0}", spread.median))
            };
            format!(
                "{} ({})",
                figure(Measure::Instructions),
                figure(Measure::UserInstructions)
            )
        },
    },
    Column {
        head: "busy",
        when: When::Always,
        cell: |_, _, turns| median(turns, |turn| turn.own_busy() * 100.0, 0) + "%",
    },
    Column {
        head: "core",
        when: When::Always,
        cell: |_, _, turns| median(turns, |turn| turn.core_busy * 100.0, 0) + "%",
    },
    Column {
        head: "p50 µs",
        when: When::Always,
        cell: |_, _, turns| median(turns, |turn| turn.report.p50.unwrap_or(f64::NAN), 0),
    },
    Column {
        head: "p99 µs",
        when: When::Always,
        cell: |_, _, turns| median(turns, |turn| turn.report.p99.unwrap_or(f64::NAN), 0),
    },
    Column {
        head: "p99.9 µs",
        when: When::Always,
        cell: |_, _, turns| median(turns, |turn| turn.report.p999.unwrap_or(f64::NAN), 0),
    },
    PEAK,
    ERRORS,
];

const IDLE: &[Column] = &[
    Column {
        head: "bytes each",
        when: When::Always,
        cell: |_, _, turns| cost(turns, Measure::IdleBytes),
    },
    Column {
        head: "evenkeel ÷ it, less is better",
        when: When::Always,
        cell: against,
    },
    PEAK,
    ERRORS,
];

const PEAK: Column = Column {
    head: "peak MiB",
    when: When::Always,
    cell: |_, _, turns| {
        let peak = turns.iter().map(|turn| turn.peak).fold(0.0, f64::max);
        format!("{:.1}", peak / 1_048_576.0)
    },
};

const ERRORS: Column = Column {
    head: "errors",
    when: When::Always,
    cell: |_, _, turns| {
        let mut kinds = std::collections::BTreeMap::new();
        for (kind, count) in turns.iter().flat_map(|turn| &turn.report.errors) {
            *kinds.entry(kind.as_str()).or_insert(0) += count;
        }
        let texts: Vec<String> = kinds
            .iter()
            .map(|(kind, count)| format!("**{count} {kind}**"))
            .collect();
        if texts.is_empty() {
            "0".to_owned()
        } else {
            texts.join(", ")
        }
    },
};

/// The ratio of evenkeel to this contestant.
fn against(outcome: &Outcome, entrant: Entrant, turns: &[Turn]) -> String {
    let field = Field(&outcome.turns);
    if entrant.baseline {
        return String::new();
    }
    if entrant.who == Who::Evenkeel {
        return "1".to_owned();
    }
    quotient(outcome.scenario.measure, field.subject(), Some(turns))
}

/// The ratio of this contestant to itself in its plain setting.
fn own(outcome: &Outcome, entrant: Entrant, turns: &[Turn]) -> String {
    if entrant.baseline {
        return "1".to_owned();
    }
    let plain = Field(&outcome.turns).turns(|other| other.who == entrant.who && other.baseline);
    quotient(outcome.scenario.measure, Some(turns), plain)
}

fn quotient(measure: Measure, above: Option<&[Turn]>, below: Option<&[Turn]>) -> String {
    let of = |turns: Option<&[Turn]>| turns.and_then(|turns| values(measure, turns));
    let ratio = of(above)
        .zip(of(below))
        .and_then(|(above, below)| ratio(&above, &below));
    ratio.map_or_else(|| "–".to_owned(), |ratio| spread(ratio, 2))
}

fn cost(turns: &[Turn], measure: Measure) -> String {
    let found = values(measure, turns).and_then(|values| Spread::of(&values));
    found.map_or_else(
        || "–".to_owned(),
        |found| spread(found, if found.median >= 100.0 { 0 } else { 2 }),
    )
}

fn median(turns: &[Turn], value: impl Fn(&Turn) -> f64, digits: usize) -> String {
    let values: Vec<f64> = turns.iter().map(value).collect();
    match Spread::of(&values) {
        Some(spread) if spread.median.is_finite() => format!("{:.digits$}", spread.median),
        _ => "–".to_owned(),
    }
}

/// `0.71 (0.70 to 0.73)`, and only the first where there is one value.
pub(super) fn spread(spread: Spread, digits: usize) -> String {
    let median = format!("{:.digits$}", spread.median);
    if spread.least.total_cmp(&spread.greatest).is_eq() {
        return median;
    }
    format!(
        "{median} ({:.digits$} to {:.digits$})",
        spread.least, spread.greatest
    )
}

/// Rows as a Markdown table, the first one its head, padded so that it is a table on a terminal too.
pub(super) fn grid(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(&format!("| {cell:<width$} "));
        }
        text.push_str("|\n");
        if number == 0 {
            for width in &widths {
                text.push_str(&format!("|{}", "-".repeat(width + 2)));
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests;
