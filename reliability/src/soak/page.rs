//! The section of `docs/reliability.md` about the soak, which stays there when the rest of the page is written anew.

use std::fmt::Write as _;
use std::time::Duration;

use crate::report::Verdict;
use crate::run::Run;

/// The section's heading.
pub const SECTION: &str = "\n## The soak\n";

/// The section, of a run of so many minutes with so many workers; `ground` says on what it was made.
#[must_use]
pub fn section(run: &Run, verdict: &Verdict, ground: &str) -> String {
    let minutes = run.took.as_secs() / 60;
    let mut text = format!(
        "{SECTION}\n`cargo xtask reliability --soak {minutes}`: {minutes} minutes of everything, in rounds. {ground}\n\n"
    );
    text.push_str("In each round 100 clients begin a head and never finish it, 40 stop reading a body of 16 MiB, 20 WebSockets are open; the configuration is\nreloaded, an endpoint killed (SIGKILL) and started again, and the name server of the service (SRV) says two other things. In the first quarter an upgrade ends the\nround; from then on the same process stays, and upgrades to a program that crashes are tried. All the time 120 requests a second are accounted for, a third of\nthem on connections of their own. Memory and descriptors are those of the process that serves, when the slow ones have been gone for three seconds.\n\n");
    let count = |name| run.note(name);
    let _ = writeln!(
        text,
        "{} rounds: {} requests, {} reloads, {} upgrades, {} upgrades that crashed, {} deaths, {} DNS changes, {} slow heads, {} slow readers, {} WebSockets. {}\n",
        count("rounds"),
        run.exchanges.len(),
        count("reloads"),
        count("upgrades"),
        count("crashed upgrades"),
        count("deaths"),
        count("DNS changes"),
        count("heads"),
        count("readers"),
        count("all tunnels"),
        figures(verdict),
    );
    text.push_str("| bound | because | found | |\n|---|---|---|---|\n");
    for claim in &verdict.claims {
        let holds = if claim.holds { "holds" } else { "**broken**" };
        let (bound, why, found) = (&claim.bound, claim.why, &claim.found);
        let _ = writeln!(text, "| {bound} | {why} | {found} | {holds} |");
    }
    text.push_str(
        "\n| minute | requests so far | memory, MiB | descriptors |\n|---|---|---|---|\n",
    );
    let mut due = Duration::ZERO;
    for sample in &run.samples {
        if sample.at < due {
            continue;
        }
        due = sample.at + Duration::from_secs(55);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            sample.at.as_secs() / 60,
            sample.requests,
            sample.memory >> 20,
            sample.descriptors,
        );
    }
    text
}

fn figures(verdict: &Verdict) -> String {
    verdict.figures.as_ref().map_or_else(
        |error| format!("It did not come to its end: {error}"),
        |figures| {
            format!(
                "Failed: {} GETs, {} POSTs; doubled: {}; mixed up: {}.",
                figures.gets_failed, figures.posts_failed, figures.doubled, figures.mixed_up
            )
        },
    )
}

/// The page with this section in the place of the one that it has, if any.
#[must_use]
pub fn with_section(page: &str, section: &str) -> String {
    let (before, rest) = page.split_once(SECTION).unwrap_or((page, ""));
    let after = rest.find("\n## ").map_or("", |at| &rest[at..]);
    format!("{before}{section}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_replaced_and_the_rest_stays() {
        let page = "# A\n\n## B\nb\n";
        let with = with_section(page, "\n## The soak\n\none\n");
        assert_eq!(with, "# A\n\n## B\nb\n\n## The soak\n\none\n");
        let again = format!("{with}\n## C\nc\n");
        let again = with_section(&again, "\n## The soak\n\ntwo\n");
        assert_eq!(again, "# A\n\n## B\nb\n\n## The soak\n\ntwo\n\n## C\nc\n");
    }
}
