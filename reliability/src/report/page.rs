//! The page `docs/reliability.md`: tables and how to read them.

use std::fmt::Write as _;

use super::{Checked, Figures, Verdict};
use crate::claim::Claim;
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
    text.push_str("| scenario | proxy | what happens | requests | GETs failed | POSTs failed | doubled | mixed up | extra attempts | p99 before | p99 from then on | verdict |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for entry in entries.iter().filter(|entry| is_meant(entry)) {
        let Entry { scenario, who, .. } = entry;
        let (name, what) = (scenario.name, scenario.what);
        if let Some(why) = entry.skipped {
            let _ = writeln!(
                text,
                "| {name} | {who} | {what} | not played: {why} | | | | | | | | |"
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
            column(|figures| figures.before.clone()),
            column(|figures| figures.during.clone()),
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
    for verdict in &entry.verdicts {
        if let Err(error) = &verdict.figures {
            let _ = writeln!(
                text,
                "**Broken** with {} workers: {error}\n",
                verdict.workers
            );
        }
    }
    text.push_str("| bound | because | found | |\n|---|---|---|---|\n");
    for (at, claim) in entry.scenario.claims.iter().enumerate() {
        // What holds always comes first in a verdict, and stands in the table above.
        let at = at + Claim::always().len();
        let runs = entry.verdicts.iter();
        let checked: Vec<&Checked> = runs.filter_map(|run| run.claims.get(at)).collect();
        let found: Vec<&str> = checked.iter().map(|one| one.found.as_str()).collect();
        let holds = checked.len() == entry.verdicts.len() && checked.iter().all(|one| one.holds);
        let holds = if holds { "holds" } else { "**broken**" };
        let (bound, why, found) = (&claim.bound, claim.why, found.join(" / "));
        let _ = writeln!(text, "| {bound} | {why} | {found} | {holds} |");
    }
}

/// The text with a capital at its start, unless it begins with a name or a number.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}
