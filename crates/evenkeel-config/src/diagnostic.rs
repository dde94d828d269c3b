//! A mistake in the configuration, with its place and its remedy, and how it is shown.
//!
//! It does not find mistakes; [`crate::check()`] does.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but probably does not do what was meant.
    Warning,
}

/// A place in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The bytes it covers.
    pub bytes: Range<usize>,
}

/// Another place that has to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub place: Place,
    /// What is there.
    pub message: String,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// The file's name, as it was given.
    pub file: String,
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// Other places that have to do with it.
    pub notes: Vec<Note>,
    /// What to do.
    pub help: Option<String>,
    /// The text of the file, when that is another one than the configuration.
    pub text: Option<Arc<str>>,
}

impl Diagnostic {
    /// The diagnostic as it is shown to people: message, place, excerpt with carets, notes, help. `text` is the file
    /// it is about. Control characters of the file never reach the terminal.
    #[must_use]
    pub fn render(&self, text: &str, color: bool) -> String {
        let paint = Paint(color);
        let text = self.text.as_deref().unwrap_or(text);
        let (word, tone) = match self.severity {
            Severity::Error => ("error", RED),
            Severity::Warning => ("warning", YELLOW),
        };
        let last = self
            .notes
            .iter()
            .map(|note| note.place.line)
            .chain([self.place.line])
            .max();
        let width = last.unwrap_or(1).to_string().len();
        let mut out = String::new();
        let head = paint.tint(tone, word);
        let _ = writeln!(
            out,
            "{head}{}",
            paint.tint(BOLD, &format!(": {}", clean(&self.message)))
        );
        self.place_line(&mut out, "-->", &self.place, width, paint);
        excerpt(&mut out, text, &self.place, width, tone, paint);
        for note in &self.notes {
            self.place_line(&mut out, ":::", &note.place, width, paint);
            excerpt(&mut out, text, &note.place, width, BLUE, paint);
            said(&mut out, "note", &note.message, width, paint);
        }
        if let Some(help) = &self.help {
            said(&mut out, "help", help, width, paint);
        }
        out
    }

    fn place_line(&self, out: &mut String, arrow: &str, place: &Place, width: usize, paint: Paint) {
        let arrow = paint.tint(BLUE, arrow);
        let _ = writeln!(
            out,
            "{:width$}{arrow} {}:{}:{}",
            "", self.file, place.line, place.column
        );
    }
}

/// All of them, one after the other, and a last line that counts them. At most 50 are shown: the rest is counted.
#[must_use]
pub fn render_all(diagnostics: &[Diagnostic], text: &str, color: bool) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics.iter().take(MOST_SHOWN) {
        out.push_str(&diagnostic.render(text, color));
        out.push('\n');
    }
    let hidden = diagnostics.len().saturating_sub(MOST_SHOWN);
    let count = |severity| {
        diagnostics
            .iter()
            .filter(|d| d.severity == severity)
            .count()
    };
    let numbers: Vec<String> = [
        (count(Severity::Error), "error"),
        (count(Severity::Warning), "warning"),
    ]
    .into_iter()
    .filter(|&(n, _)| n > 0)
    .map(|(n, word)| format!("{n} {word}{}", if n == 1 { "" } else { "s" }))
    .collect();
    if let Some(first) = diagnostics.first() {
        let _ = write!(out, "{}: {}", first.file, numbers.join(", "));
        if hidden > 0 {
            let _ = write!(out, " ({hidden} of them not shown)");
        }
        out.push('\n');
    }
    out
}

/// How many diagnostics are shown: more than a person reads in one go.
const MOST_SHOWN: usize = 50;

/// The longest excerpt, in characters; a longer line is cut around the place.
const WIDEST: usize = 120;

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const BLUE: &str = "1;34";
const BOLD: &str = "1";

#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn tint(self, tone: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{tone}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

fn said(out: &mut String, what: &str, message: &str, width: usize, paint: Paint) {
    let bar = paint.tint(BLUE, "=");
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    let _ = writeln!(
        out,
        "{:width$} {bar} {}: {}",
        "",
        paint.tint(BOLD, what),
        clean(first)
    );
    for line in lines {
        let _ = writeln!(out, "{:1$}{2}", "", width + 5 + what.len(), clean(line));
    }
}

fn excerpt(out: &mut String, text: &str, place: &Place, width: usize, tone: &str, paint: Paint) {
    let line = text.lines().nth(place.line.saturating_sub(1)).unwrap_or("");
    let bar = paint.tint(BLUE, "|");
    let number = paint.tint(BLUE, &format!("{:>width$}", place.line));
    let before = place.column.saturating_sub(1);
    let covered = text
        .get(place.bytes.clone())
        .map_or(0, |t| t.lines().next().unwrap_or("").chars().count());
    let skip = if before + covered.min(WIDEST / 2) > WIDEST {
        before.saturating_sub(WIDEST / 4)
    } else {
        0
    };
    let shown: String = line.chars().skip(skip).take(WIDEST).collect();
    let rest = shown.chars().count().saturating_sub(before - skip);
    let carets = "^".repeat(covered.min(rest).max(1));
    let (open, close) = (
        if skip > 0 { "…" } else { "" },
        if line.chars().count() > skip + WIDEST {
            "…"
        } else {
            ""
        },
    );
    let indent = before - skip + usize::from(skip > 0);
    let _ = writeln!(out, "{:width$} {bar}", "");
    let _ = writeln!(out, "{number} {bar} {open}{}{close}", clean(&shown));
    let _ = writeln!(
        out,
        "{:width$} {bar} {:indent$}{}",
        "",
        "",
        paint.tint(tone, &carets)
    );
}

/// One character for each, so that carets stay in place: a tab is a space, another control character a visible dot.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() || is_invisible(c) => '·',
            c => c,
        })
        .collect()
}

/// Marks that turn the direction of text or take no room: a file must not use them to show something it is not.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(bytes: Range<usize>, line: usize, column: usize) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            file: "a.toml".into(),
            place: Place {
                line,
                column,
                bytes,
            },
            message: "wrong".into(),
            notes: Vec::new(),
            help: Some("do\nthis".into()),
            text: None,
        }
    }

    #[test]
    fn carets_stand_under_what_is_meant() {
        let text = "a = 1\nbé\t= [2,\n3]\n";
        let start = text.find('[').unwrap();
        let shown = sample(start..text.len() - 1, 2, 6).render(text, false);
        let expected = [
            "error: wrong",
            " --> a.toml:2:6",
            "  |",
            "2 | bé = [2,",
            "  |      ^^^",
            "  = help: do",
            "          this",
            "",
        ];
        assert_eq!(shown, expected.join("\n"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("k = \"{}\" # {}", "x".repeat(300), "y".repeat(300));
        let at = text.find('#').unwrap();
        let shown = sample(at..at + 1, 1, at + 1).render(&text, false);
        let lines: Vec<&str> = shown.lines().collect();
        let column = |line: &str, what: char| line.chars().position(|c| c == what);
        assert!(lines[3].starts_with("1 | …x") && lines[3].ends_with("y…"));
        assert_eq!(column(lines[3], '#'), column(lines[4], '^'));
    }

    #[test]
    fn no_control_character_of_the_file_reaches_the_terminal() {
        let text = "a = \u{1b}[2J\u{202e}";
        let mut diagnostic = sample(4..text.len(), 1, 5);
        diagnostic.message = "\u{1b}]0;x\u{7}".into();
        let shown = diagnostic.render(text, false);
        assert!(
            shown
                .chars()
                .all(|c| c == '\n' || !(c.is_control() || is_invisible(c)))
        );
        assert!(diagnostic.render(text, true).contains("\u{1b}[1;31merror"));
    }

    #[test]
    fn a_diagnostic_of_another_file_shows_that_file() {
        let mut diagnostic = sample(4..5, 1, 5);
        diagnostic.text = Some("b = 2".into());
        let shown = diagnostic.render("a = 1", false);
        assert!(
            shown.contains("b = 2") && !shown.contains("a = 1"),
            "{shown}"
        );
    }

    #[test]
    fn a_place_beyond_the_text_is_shown_empty() {
        let shown = sample(50..60, 9, 4).render("a", false);
        assert!(shown.contains("a.toml:9:4"), "{shown}");
    }
}
