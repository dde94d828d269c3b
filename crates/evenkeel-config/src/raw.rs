//! The file as TOML with a span on every key and value, and the place where mistakes are collected.
//!
//! It reads what can be read around syntax errors and knows nothing of listeners, routes or clusters.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Note, Place, Severity};
use crate::model::{Elsewhere, Reference};
use crate::source::Source;

/// Bytes of the text.
pub type Span = Range<usize>;

/// A value with the place it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// The place.
    pub span: Span,
}

/// What reading a value needs: the text for places, the source for values from elsewhere, the mistakes so far.
pub struct Cx<'a> {
    pub(crate) source: &'a dyn Source,
    /// Says where a key belongs that stands in the wrong table.
    pub(crate) home_of: fn(&str) -> Option<String>,
    file: &'a str,
    lines: Lines<'a>,
    diagnostics: Vec<Diagnostic>,
    /// Those of other files.
    adopted: Vec<Diagnostic>,
    errors: usize,
    elsewhere: Elsewhere,
    /// Whether the text has syntax errors, so that what is missing may stand in the part that could not be read.
    broken: bool,
}

impl std::fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cx")
            .field("file", &self.file)
            .field("diagnostics", &self.diagnostics)
            .finish_non_exhaustive()
    }
}

impl<'a> Cx<'a> {
    /// For that text; `home_of` says where a key belongs that stands in the wrong table.
    pub fn new(
        text: &'a str,
        file: &'a str,
        source: &'a dyn Source,
        home_of: fn(&str) -> Option<String>,
    ) -> Self {
        Self {
            source,
            home_of,
            file,
            lines: Lines::new(text),
            diagnostics: Vec::new(),
            adopted: Vec::new(),
            errors: 0,
            elsewhere: Elsewhere::default(),
            broken: false,
        }
    }

    /// Reports what makes the configuration unusable.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> Said<'_, 'a> {
        self.report(Severity::Error, span, message.into())
    }

    /// Reports what is probably not meant.
    pub fn warning(&mut self, span: Span, message: impl Into<String>) -> Said<'_, 'a> {
        self.report(Severity::Warning, span, message.into())
    }

    /// Adds a remedy to the mistake reported last, which may have one already.
    pub(crate) fn help_also(&mut self, help: &str) {
        if let Some(last) = self.diagnostics.last_mut() {
            last.help = Some(match last.help.take() {
                Some(first) => format!("{first}; {help}"),
                None => help.to_owned(),
            });
        }
    }

    /// Whether what is missing may be missing because of a syntax error: it is then not reported, for one mistake
    /// should not be told twice.
    #[must_use]
    pub const fn may_be_hidden(&self) -> bool {
        self.broken
    }

    /// How many errors there are so far, to see whether a part added some. Warnings do not count: what has one is usable.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.errors
    }

    /// Remembers that a text came from elsewhere.
    pub(crate) fn came_from(&mut self, text: &str, reference: Reference) {
        self.elsewhere.0.insert(text.to_owned(), reference);
    }

    /// What came from elsewhere so far.
    pub(crate) fn take_elsewhere(&mut self) -> Elsewhere {
        std::mem::take(&mut self.elsewhere)
    }

    /// Takes over the mistakes of another file that belongs to this one.
    pub(crate) fn adopt(&mut self, diagnostics: Vec<Diagnostic>) {
        let errors = diagnostics.iter();
        let errors = errors.filter(|one| one.severity == Severity::Error).count();
        self.errors += errors;
        self.adopted.extend(diagnostics);
    }

    /// The mistakes in the order of the text, and behind them those of other files.
    #[must_use]
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics
            .sort_by_key(|d| (d.place.bytes.start, d.severity));
        self.diagnostics.append(&mut self.adopted);
        self.diagnostics
    }

    fn report(&mut self, severity: Severity, span: Span, message: String) -> Said<'_, 'a> {
        let place = self.lines.place(span);
        self.errors += usize::from(severity == Severity::Error);
        self.diagnostics.push(Diagnostic {
            severity,
            file: self.file.to_owned(),
            place,
            message,
            notes: Vec::new(),
            help: None,
            text: None,
        });
        Said(self)
    }
}

/// The mistake just reported, to add a remedy or another place.
#[derive(Debug)]
pub struct Said<'c, 'a>(&'c mut Cx<'a>);

impl Said<'_, '_> {
    /// Adds what to do.
    #[expect(clippy::return_self_not_must_use, reason = "the report stands already")]
    pub fn help(self, help: impl Into<String>) -> Self {
        if let Some(last) = self.0.diagnostics.last_mut() {
            last.help = Some(help.into());
        }
        self
    }

    /// Adds another place.
    #[expect(clippy::return_self_not_must_use, reason = "the report stands already")]
    pub fn note(self, span: Span, message: impl Into<String>) -> Self {
        let place = self.0.lines.place(span);
        if let Some(last) = self.0.diagnostics.last_mut() {
            last.notes.push(Note {
                place,
                message: message.into(),
            });
        }
        self
    }
}

/// Parses the text, hands its root to `read` with everything that could be recovered, and drops what `read` reports
/// about lines that have a syntax error.
pub(crate) fn with_root(cx: &mut Cx<'_>, read: impl FnOnce(Node<'_>, &mut Cx<'_>)) {
    let text = cx.lines.text;
    let (root, errors) = DeTable::parse_recoverable(text);
    cx.broken = !errors.is_empty();
    let mut repeated: Option<Span> = None;
    for error in errors.iter().take(MOST_SYNTAX_ERRORS) {
        let span = error.span().unwrap_or_default();
        let header = cx.lines.header_before(span.start);
        if repeated.is_some() && repeated == header {
            // The keys of a table that stands twice are not worth a word each.
            continue;
        }
        if error.message() == DUPLICATE && header.as_ref().is_some_and(|h| h.contains(&span.start))
        {
            repeated = header;
        }
        let (message, help) = syntax_message(error.message(), text.get(span.clone()));
        let said = cx.error(span, message);
        if let Some(help) = help {
            said.help(help);
        }
    }
    let syntax: Vec<Diagnostic> = cx.diagnostics.clone();
    let root = DeValue::Table(root.into_inner());
    let node = Node {
        value: &root,
        span: 0..0,
    };
    read(node, cx);
    let on_broken_line = |d: &Diagnostic| syntax.iter().any(|s| s.place.line == d.place.line);
    let later = cx.diagnostics.split_off(syntax.len());
    cx.diagnostics
        .extend(later.into_iter().filter(|d| !on_broken_line(d)));
}

/// The parser's word for a key or table that stands twice.
const DUPLICATE: &str = "duplicate key";

/// More syntax errors than this come from one mistake, or the file is no TOML at all.
const MOST_SYNTAX_ERRORS: usize = 20;

/// The parser's message for people who do not know its grammar.
fn syntax_message(message: &str, covered: Option<&str>) -> (String, Option<String>) {
    if message == DUPLICATE {
        let key = covered.unwrap_or_default();
        return (
            format!("`{key}` is already defined in this table"),
            Some("a key or table may stand once; keep one of the two".to_owned()),
        );
    }
    let unquoted = message.contains("string values must be quoted");
    let word = covered.unwrap_or_default();
    if unquoted && word.is_empty() {
        return ("syntax: there is no value".to_owned(), None);
    }
    let help = unquoted.then(|| format!("write \"{word}\" in quotation marks"));
    (format!("syntax: {message}"), help)
}

/// One value of the file.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    pub(crate) value: &'a DeValue<'a>,
    /// Where it stands.
    pub span: Span,
}

impl<'a> Node<'a> {
    /// What it is, for "expected a …, found …".
    #[must_use]
    pub fn found(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(float) if float.as_str().contains("nan") => "what is no number",
            DeValue::Float(float) if float.as_str().contains("inf") => "a number without end",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }

    /// The entries of a table in the order of the file.
    #[must_use]
    pub fn entries(&self) -> Option<Vec<Entry<'a>>> {
        let DeValue::Table(table) = self.value else {
            return None;
        };
        let mut entries: Vec<Entry<'a>> = table
            .iter()
            .map(|(key, value)| Entry {
                key: At {
                    value: key.get_ref().as_ref(),
                    span: key.span(),
                },
                node: Self {
                    value: value.get_ref(),
                    span: value.span(),
                },
            })
            .filter(|entry| !entry.node.is_recovered())
            .collect();
        entries.sort_by_key(|entry| entry.key.span.start);
        Some(entries)
    }

    /// The items of a list.
    #[must_use]
    pub fn items(&self) -> Option<Vec<Self>> {
        let DeValue::Array(array) = self.value else {
            return None;
        };
        let items = array.iter().map(|item| Self {
            value: item.get_ref(),
            span: item.span(),
        });
        Some(items.collect())
    }

    /// Whether the parser put it where the file has a syntax error and no value.
    fn is_recovered(&self) -> bool {
        self.span.is_empty() && matches!(self.value, DeValue::Integer(_))
    }
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The key.
    pub key: At<&'a str>,
    /// The value.
    pub node: Node<'a>,
}

/// Where lines begin, so that a place costs a search instead of a pass over the text.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self { text, starts }
    }

    /// The line with the last table header at or before a byte.
    fn header_before(&self, at: usize) -> Option<Span> {
        let lines = self.starts.partition_point(|&start| start <= at);
        self.starts.iter().take(lines).rev().find_map(|&start| {
            let line = self.text.get(start..)?.lines().next()?;
            line.trim_start()
                .starts_with('[')
                .then(|| start..start + line.len())
        })
    }

    fn place(&self, span: Span) -> Place {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let line = self.starts.partition_point(|&at| at <= start);
        let begin = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let column = self.text.get(begin..start).map_or(0, |t| t.chars().count()) + 1;
        Place {
            line,
            column,
            bytes: start..span.end.clamp(start, self.text.len()),
        }
    }
}
