//! The manual of scenario files, made from the knobs: `docs/reference/scenarios.md`.

use std::fmt::Write as _;

use evenkeel_config::layer::section_markdown;

use crate::builtin;
use crate::contender::VARIANTS;
use crate::read::ALL;

/// The manual as Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    out.push_str("\n## Scenarios that come with evenkeel\n\n| name | what it is |\n|---|---|\n");
    for one in builtin::ALL {
        let _ = writeln!(out, "| `{}` | {} |", one.name, one.headline());
    }
    out.push_str(
        "\n## Balancers that only the simulator names\n\n| name | what it is |\n|---|---|\n",
    );
    for (name, about) in VARIANTS {
        let _ = writeln!(out, "| `{name}` | {about} |");
    }
    for section in ALL {
        out.push_str(&section_markdown(section));
    }
    out
}

const INTRODUCTION: &str = "\
# Scenario reference

<!-- Written by `cargo xtask docs` from the knobs in crates/evenkeel-sim. Change them there. -->

What `evenkeel simulate --scenario FILE` reads: endpoints, clients and what happens to them, in TOML, checked as the
configuration is. The least scenario is one group of endpoints and one of clients:

```toml scenario
[endpoint.app]
count = 10

[clients.web]
load = 0.7
```

`evenkeel simulate --show steady-70` prints one that comes with evenkeel, to begin your own with. With `--config FILE` a
cluster of your configuration takes the place of the scenario's: its rules, and its endpoints, each of which behaves as the
one of the scenario that stands at the same part of the way through the list.

Percentiles are those of all requests; one that failed counts as one that took for ever, so that failing fast is not being
fast. `failed` in their place says that so many failed.
";

#[cfg(test)]
mod tests {
    use evenkeel_config::layer::examples_of;

    use super::*;
    use crate::read::check;

    #[test]
    fn every_example_is_right() {
        let all = examples_of(&ALL);
        assert!(all.len() > 40, "{}", all.len());
        for (name, text) in all {
            let found = check(&text, "example.toml", "example").diagnostics;
            assert_eq!(found, [], "{name} in\n{text}");
        }
    }

    #[test]
    fn what_the_manual_shows_is_right() {
        let text = reference_markdown();
        let (_, after) = text.split_once("```toml scenario\n").unwrap();
        let (example, _) = after.split_once("```").unwrap();
        assert_eq!(check(example, "manual.toml", "manual").diagnostics, []);
        for knob in ALL.iter().flat_map(|section| section.knobs) {
            assert!(
                text.contains(&format!("### `{}`", knob.key())),
                "{}",
                knob.key()
            );
        }
    }
}
