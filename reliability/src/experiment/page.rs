//! The page of the experiment: every balancer's figures on both sides, and every pair that the simulator puts apart.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Entrant, Figures, Spread, pairs};
use crate::run::millis;

/// Everything before the figures.
const HEAD: &str = include_str!("head.md");

/// A run in which the machine held the client up for longer was disturbed: half of the smallest p99 that can be expected.
pub const DISTURBED: Duration = Duration::from_millis(60);

/// So often is a run that is disturbed played in all.
pub const TRIES: u32 = 3;

/// Two balancers are apart when the simulator's p99s differ by this factor and more, in all of its runs.
const APART: f64 = 1.2;

/// What there is of one balancer.
#[derive(Debug)]
pub struct Row {
    /// The balancer.
    pub entrant: Entrant,
    /// Which of the endpoints is slow.
    pub slow: usize,
    /// What the simulator said, with each seed.
    pub simulated: Vec<Figures>,
    /// What really happened, in each round.
    pub real: Vec<Figures>,
    /// How many real runs were disturbed and played again.
    pub again: u32,
}

impl Row {
    /// One of the figures on both sides.
    fn both(&self, figure: fn(&Figures) -> Duration) -> (Spread, Spread) {
        let of = |runs: &[Figures]| Spread::of(runs.iter().map(figure));
        (of(&self.simulated), of(&self.real))
    }

    /// The part of the requests that the slow endpoint had, in the mean of these runs.
    fn share(&self, runs: &[Figures]) -> f64 {
        let shares = runs.iter().filter_map(|run| run.shares.get(self.slow));
        shares.sum::<f64>() / runs.len().max(1) as f64
    }

    /// Whether the real p99 could be that of one more seed.
    fn is_near(&self) -> bool {
        let (sim, real) = self.both(|run| run.p99);
        (sim.least..=sim.most).contains(&real.middle)
    }

    /// Its line in the table.
    #[must_use]
    pub fn line(&self) -> String {
        let figure = |(sim, real): (Spread, Spread)| format!("{} | {}", text(&sim), text(&real));
        let failed: u64 = self.real.iter().map(|run| run.failed).sum();
        let held_up = self.real.iter().map(|run| run.held_up).max();
        let held_up = held_up.unwrap_or_default();
        let mark = if held_up > DISTURBED {
            " (disturbed)"
        } else {
            ""
        };
        format!(
            "| {} | {} | {} | {} | {:.1} % | {:.1} % | {failed} | {}{mark} |",
            self.entrant.name,
            figure(self.both(|run| run.p50)),
            figure(self.both(|run| run.p90)),
            figure(self.both(|run| run.p99)),
            self.share(&self.simulated) * 100.0,
            self.share(&self.real) * 100.0,
            millis(held_up),
        )
    }
}

/// The page; `ground` says on what it was made, and `workers` how many evenkeel had. Also whether the order holds.
#[must_use]
pub fn page(rows: &[Row], ground: &str, workers: u16) -> (String, bool) {
    let first = rows.first();
    let runs = |side: fn(&Row) -> &Vec<Figures>| first.map_or(0, |row| side(row).len()).to_string();
    let mut text = HEAD
        .replace("{ground}", ground)
        .replace("{workers}", &workers.to_string())
        .replace("{seeds}", &runs(|row| &row.simulated))
        .replace("{rounds}", &runs(|row| &row.real))
        .replace("{tries}", &TRIES.to_string())
        .replace(
            "{again}",
            &rows.iter().map(|row| row.again).sum::<u32>().to_string(),
        )
        .replace("{disturbed}", &millis(DISTURBED));
    text.push_str("\n## The figures\n\n");
    text.push_str("| balancer | p50 simulated | p50 real | p90 simulated | p90 real | p99 simulated | p99 real | slow endpoint's part, simulated | real | failed | held up |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|---|---|\n");
    for row in rows {
        let _ = writeln!(text, "{}", row.line());
    }
    let near = rows.iter().filter(|row| row.is_near()).count();
    let _ = writeln!(
        text,
        "\nThe real p99 of {near} of {} balancers lies within the range of the simulator's runs.",
        rows.len(),
    );
    let holds = order(&mut text, rows);
    (text, holds)
}

/// The pairs; whether all hold.
fn order(text: &mut String, rows: &[Row]) -> bool {
    let p99: Vec<_> = rows.iter().map(|row| row.both(|run| run.p99)).collect();
    let pairs = pairs(&p99, APART);
    let held = pairs.iter().filter(|pair| pair.holds()).count();
    let _ = writeln!(
        text,
        "\n## The order of p99\n\nThe simulator puts {} pairs of balancers apart: in all of its runs the p99 of one is more than {APART} times\nthat of the other. In {held} of them the real p99s are in the same order. Pairs that are not here are tied.\n",
        pairs.len(),
    );
    text.push_str("| better | worse | simulated | real | |\n|---|---|---|---|---|\n");
    for pair in &pairs {
        let name = |at: usize| rows.get(at).map_or("", |row| row.entrant.name);
        let mark = if pair.holds() {
            "holds"
        } else {
            "**does not hold**"
        };
        let _ = writeln!(
            text,
            "| {} | {} | {:.1}× | {:.1}× | {mark} |",
            name(pair.better),
            name(pair.worse),
            pair.simulated,
            pair.real,
        );
    }
    held == pairs.len()
}

/// The middle, and the range where there are several runs.
fn text(spread: &Spread) -> String {
    if spread.least == spread.most {
        return took(spread.middle);
    }
    let (least, most) = (took(spread.least), took(spread.most));
    format!("{} ({least} – {most})", took(spread.middle))
}

fn took(time: Duration) -> String {
    if time == Duration::MAX {
        "endless".to_owned()
    } else {
        millis(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::ALL;

    fn row(at: usize, simulated: [u64; 2], real: [u64; 2], held_up: u64) -> Row {
        let figures = |p99| Figures {
            requests: 100,
            failed: 1,
            p50: Duration::from_millis(10),
            p90: Duration::MAX,
            p99: Duration::from_millis(p99),
            shares: vec![0.25, 0.75],
            held_up: Duration::from_millis(held_up),
        };
        Row {
            entrant: ALL[at],
            slow: 0,
            simulated: simulated.map(figures).into(),
            real: real.map(figures).into(),
            again: 2,
        }
    }

    #[test]
    fn a_page_has_both_sides_the_order_and_what_was_disturbed() {
        let rows = [
            row(0, [300, 310], [400, 410], 9),
            row(1, [100, 120], [500, 510], 70),
        ];
        let (text, holds) = page(&rows, "Here.", 2);
        for part in [
            "Here.",
            "2 workers",
            "again: 4.",
            "with 2 seeds",
            "| random | 10 ms | 10 ms | endless | endless | 310 ms (300 ms – 310 ms) | 410 ms (400 ms – 410 ms) | 25.0 % | 25.0 % | 2 | 9.0 ms |",
            "| 2 | 70 ms (disturbed) |",
            "| round-robin | random | 2.6× | 0.8× | **does not hold** |",
            "In 0 of them",
            "of 0 of 2 balancers",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!holds && !text.contains('{'));
    }
}
