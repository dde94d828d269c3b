//! The page `docs/reliability.md`: tables and how to read them.

use std::fmt::Write as _;

use super::{Figures, Verdict};
use crate::proxy::Who;
use crate::scenario::Scenario;

/// A scenario, who was put to it, and what came of it with each number of workers.
#[derive(Debug)]
pub struct Entry {
    /// The scenario.
    pub scenario: Scenario,
    /// Who was put to it.
    pub who: Who,
    /// One for each number of workers; none when it could not be played.
    pub verdicts: Vec<Verdict>,
    /// Why it could not be played.
    pub skipped: Option<&'static str>,
}

/// Everything before the figures.
const HEAD: &str = include_str!("head.md");

/// The page; `ground` says on what it was made.
#[must_use]
pub fn page(entries: &[Entry], ground: &str) -> String {
    let mut text = HEAD.replace("{ground}", ground);
    text.push_str("\n## evenkeel\n\n");
    table(&mut text, entries, |entry| entry.who == Who::Evenkeel);
    text.push_str("\n## Beside others\n\n");
    table(&mut text, entries, |entry| entry.scenario.is_for_rivals);
    text.push_str("\n## Every bound, and what was found\n");
    for entry in entries.iter().filter(|entry| entry.who == Who::Evenkeel) {
        bounds(&mut text, entry);
    }
    text
}

fn table(text: &mut String, entries: &[Entry], is_meant: impl Fn(&Entry) -> bool) {
    text.push_str("| scenario | proxy | what happens | requests | GETs failed | POSTs failed | doubled | mixed up | extra attempts | p99 before → from then on | verdict |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|---|---|\n");
    for entry in entries.iter().filter(|entry| is_meant(entry)) {
        let Entry { scenario, who, .. } = entry;
        let (name, what) = (scenario.name, scenario.what);
        if let Some(why) = entry.skipped {
            let _ = writeln!(
                text,
                "| {name} | {who} | {what} | not played: {why} | | | | | | | |"
            );
            continue;
        }
        let column = |figure: fn(&Figures) -> String| {
            let figures = entry.verdicts.iter().map(|verdict| {
                let figures = verdict.figures.as_ref();
                figures.map_or_else(|_| "–".to_owned(), figure)
            });
            figures.collect::<Vec<_>>().join(" / ")
        };
        let columns = [
            column(|figures| figures.requests.to_string()),
            column(|figures| figures.gets_failed.to_string()),
            column(|figures| figures.posts_failed.to_string()),
            column(|figures| figures.doubled.to_string()),
            column(|figures| figures.mixed_up.to_string()),
            column(|figures| figures.extra.to_string()),
            column(|figures| format!("{} → {}", figures.before, figures.during)),
        ];
        let verdict = verdict(&entry.verdicts);
        let _ = writeln!(
            text,
            "| {name} | {who} | {what} | {} | {verdict} |",
            columns.join(" | ")
        );
    }
}

fn verdict(verdicts: &[Verdict]) -> String {
    let broken = verdicts.iter().filter(|verdict| !verdict.is_good()).count();
    match broken {
        0 => "holds".to_owned(),
        _ => format!("**broken** in {broken} of {}", verdicts.len()),
    }
}

fn bounds(text: &mut String, entry: &Entry) {
    let _ = writeln!(
        text,
        "\n### {}\n\n{}.\n",
        entry.scenario.name,
        capital(entry.scenario.what)
    );
    if let Some(why) = entry.skipped {
        let _ = writeln!(text, "Not played: {why}.");
        return;
    }
    let mut lines = Vec::new();
    for verdict in &entry.verdicts {
        let workers = verdict.workers;
        match &verdict.figures {
            Err(error) => lines.push(format!(
                "| the run comes to its end | | {workers} | {error} | **broken** |"
            )),
            Ok(_) => lines.extend(verdict.claims.iter().map(|claim| {
                let holds = if claim.holds { "holds" } else { "**broken**" };
                format!(
                    "| {} | {} | {workers} | {} | {holds} |",
                    claim.bound, claim.why, claim.found
                )
            })),
        }
    }
    // All runs of a bound beside each other.
    lines.sort_by_key(|line| bound_of(line, entry));
    text.push_str("| bound | because | workers | found | |\n|---|---|---|---|---|\n");
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
}

/// The place of a line's bound among those of the scenario.
fn bound_of(line: &str, entry: &Entry) -> usize {
    let claims = entry.verdicts.iter().flat_map(|verdict| &verdict.claims);
    let mut bounds = claims.map(|claim| format!("| {} |", claim.bound));
    bounds
        .position(|bound| line.starts_with(&bound))
        .unwrap_or(0)
}

/// The text with a capital at its start, unless it begins with a name or a number.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}
