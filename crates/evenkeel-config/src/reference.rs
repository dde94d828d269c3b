//! The reference manual of the configuration, made from the knobs: `docs/reference/configuration.md`.

mod access_log;
mod faults;

use std::fmt::Write as _;

use evenkeel_base::BalancerKind;

pub use access_log::access_log_markdown;
pub use faults::{fault_markdown, fault_text, faults_markdown};

use crate::knob::{AnyKnob, Section};
use crate::section::ALL;

/// The reference manual as Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    for section in ALL {
        write_section(&mut out, section);
    }
    out.push_str("\n## Balancers\n\n| name | what it does |\n|---|---|\n");
    for kind in BalancerKind::ALL {
        let _ = writeln!(out, "| `{kind}` | {} |", kind.about());
    }
    out
}

/// A whole file for the example of each knob, under the knob's name: what the manual shows must be right.
#[must_use]
pub fn examples() -> Vec<(String, String)> {
    examples_of(&ALL)
}

/// The same for other tables.
#[must_use]
pub fn examples_of(sections: &[&Section]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for section in sections {
        for knob in section.knobs.iter().filter(|knob| !knob.kind().is_empty()) {
            let given = format!("{} = ", knob.key());
            let text: String = section
                .sample
                .lines()
                .filter(|line| !line.starts_with(&given))
                .filter_map(|line| unless(line, knob.key()))
                .map(|line| format!("{line}\n"))
                .collect();
            let text = text.replace("KNOB", &format!("{given}{}", knob.example()));
            all.push((format!("{}.{}", section.name, knob.key()), text));
        }
    }
    all
}

/// A line of a sample for this knob: one that begins `UNLESS a b: ` stands only for knobs other than `a` and `b`, and one
/// that begins `ONLY a b: ` only for those two.
fn unless<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    for (mark, listed) in [("UNLESS ", false), ("ONLY ", true)] {
        let marked = line.strip_prefix(mark);
        if let Some((keys, line)) = marked.and_then(|rest| rest.split_once(": ")) {
            return (keys.split(' ').any(|other| other == key) == listed).then_some(line);
        }
    }
    Some(line)
}

const INTRODUCTION: &str = "\
# Configuration reference

<!-- Written by `cargo xtask docs` from the knobs in crates/evenkeel-config. Change them there. -->

One TOML file (version 1.1 of TOML, so inline tables may span lines). `evenkeel check` reads all of it and reports every
mistake at once. Everything has a default but `version`, a listener's `bind`, a cluster's `endpoints` and a route's action:

```toml
version = 1

[listener.web]
bind = \"127.0.0.1:5000\"

[[route]]
path = \"/\"
cluster = \"app\"

[cluster.app]
endpoints = [\"127.0.0.1:9001\", \"127.0.0.1:9002\"]
```

- **Durations** are strings with a unit: `\"250ms\"`, `\"1.5s\"`, `\"5m\"`, `\"1h\"`, `\"1d\"`.
- **Sizes** are strings with a unit: `\"32KiB\"`, `\"10MB\"`, `\"1GiB\"`, `\"512B\"`.
- **Lists** of one may be written without brackets.
- **Values from elsewhere**: instead of any string there may stand `{ env = \"NAME\" }`, the value of an environment
  variable, or `{ file = \"path\" }`, the content of a file without its final line end. (The content of a body is taken as it
  is.) Durations, sizes, addresses and names are strings too. A file is read at start, and a variable or file that is
  missing is a mistake.
- **Relative paths** count from the folder of the configuration file.
- **Names** of listeners and clusters have 1 to 64 letters, digits, `-`, `_` and `.`.
";

/// A table and its knobs as a section of a manual.
#[must_use]
pub fn section_markdown(section: &Section) -> String {
    let mut out = String::new();
    write_section(&mut out, section);
    out
}

fn write_section(out: &mut String, section: &Section) {
    let title = match section.name {
        "" => "Top of the file".to_owned(),
        "route" => "`[[route]]`".to_owned(),
        name => format!("`[{name}]`"),
    };
    let _ = write!(out, "\n## {title}\n\n{}\n", section.about);
    out.push_str("\n| key | default |\n|---|---|\n");
    for knob in section.knobs.iter().filter(|knob| !knob.kind().is_empty()) {
        let _ = writeln!(out, "| `{}` | {} |", knob.key(), default_of(*knob));
    }
    for knob in section.knobs {
        write_knob(out, *knob);
    }
}

fn write_knob(out: &mut String, knob: &dyn AnyKnob) {
    let (key, about, kind) = (knob.key(), knob.about(), knob.kind());
    if kind.is_empty() {
        let _ = write!(
            out,
            "\n### `{key}`\n\n{about} It has a section of its own below.\n"
        );
        return;
    }
    let _ = write!(out, "\n### `{key}`\n\n{about}\n\n- Type: {kind}\n");
    let (default, why) = (default_of(knob), knob.default().1);
    let _ = match default.as_str() {
        "required" => writeln!(out, "- Required"),
        default if default == why => writeln!(out, "- Default: {why}"),
        default => writeln!(out, "- Default: {default}: {why}"),
    };
    let _ = writeln!(out, "- Example: `{key} = {}`", knob.example());
}

/// The default as it would be written, or in words where nothing would be.
fn default_of(knob: &dyn AnyKnob) -> String {
    let (default, why) = knob.default();
    let unwritten = matches!(default.as_str(), "" | "[]" | "{}" | "\"\"");
    match (knob.required(), unwritten) {
        (true, _) => "required".to_owned(),
        (false, true) => why.to_owned(),
        (false, false) => format!("`{default}`"),
    }
}
