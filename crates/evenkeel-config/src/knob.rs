//! One home per knob: its name, kind, default with the reason, bounds, words and example stand in one place, and
//! reading, printing, the manual and the schema all come from there.
//!
//! The knobs themselves are in [`crate::section`], each beside the code that reads it.

use std::fmt::{self, Debug};

use serde_json::{Map, Value as Json, json};
use toml::de::DeValue;

use crate::elsewhere;
use crate::raw::{At, Cx, Entry, Node, Span};
use crate::spelling::nearest;
use crate::value::text::key;
use crate::value::{Bounds, Value};

/// A table of the file and what may stand in it.
pub struct Section {
    /// Its header in the file, without brackets: `listener.NAME`; empty for the top of the file.
    pub name: &'static str,
    /// What it is for, in a sentence or two.
    pub about: &'static str,
    /// What may stand in it, in the order of the manual.
    pub knobs: &'static [&'static dyn AnyKnob],
    /// A whole file in which `KNOB` stands where the example of one of its knobs can stand. A line `UNLESS a b: …` is
    /// left out for the knobs `a` and `b`, which exclude it, and one `ONLY a b: …` stands for those two alone.
    pub sample: &'static str,
}

impl Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Section").field(&self.name).finish()
    }
}

impl Section {
    /// The table at `node`, after reporting every key that is not known in it.
    pub fn open<'a>(&self, node: &Node<'a>, cx: &mut Cx<'_>) -> Option<Table<'a>> {
        let Some(entries) = node.entries() else {
            cx.error(
                node.span.clone(),
                format!("expected a table, found {}", node.found()),
            )
            .help(format!("{}it has the keys {}", self.how(), self.keys()));
            return None;
        };
        let known =
            |entry: &&Entry<'_>| self.knobs.iter().any(|knob| knob.key() == entry.key.value);
        let has_unknown = entries.iter().any(|entry| !known(&entry));
        // Below a header that could not be read, keys seem to belong to the top.
        let misplaced = self.name.is_empty() && cx.may_be_hidden();
        for entry in entries.iter().filter(|entry| !known(entry) && !misplaced) {
            self.report_unknown(&entry.key, cx);
        }
        Some(Table {
            entries,
            span: node.span.clone(),
            has_unknown,
        })
    }

    /// How it is called in messages.
    #[must_use]
    pub fn title(&self) -> String {
        match self.name {
            "" => "at the top of the file".into(),
            "route" => "in [[route]]".into(),
            name => format!("in [{name}]"),
        }
    }

    /// Its name as a key of the schema's definitions.
    pub(crate) fn definition(&self) -> String {
        self.name.replace(".NAME", "").replace('.', "_")
    }

    /// The schema that refers to its definition.
    pub(crate) fn reference(&self) -> Json {
        json!({ "$ref": format!("#/$defs/{}", self.definition()) })
    }

    /// Its JSON Schema.
    pub(crate) fn schema(&self) -> Json {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for knob in self.knobs {
            let mut schema = knob.schema();
            if schema.get("description").is_none() {
                schema["description"] = knob.about().into();
            }
            properties.insert(knob.key().to_owned(), schema);
            if knob.required() {
                required.push(knob.key());
            }
        }
        let mut schema = json!({
            "type": "object",
            "description": self.about,
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        schema
    }

    /// A table to write instead of something that is none: the required keys, or else the first.
    fn how(&self) -> String {
        let line = |knob: &&dyn AnyKnob| format!("{} = {}", knob.key(), knob.example());
        let required = self.knobs.iter().filter(|knob| knob.required());
        let mut lines: Vec<String> = required.map(&line).collect();
        if lines.is_empty() {
            lines.extend(self.knobs.first().map(line));
        }
        format!("write {{ {} }}; ", lines.join(", "))
    }

    fn keys(&self) -> String {
        let keys: Vec<&str> = self.knobs.iter().map(|knob| knob.key()).collect();
        keys.join(", ")
    }

    fn report_unknown(&self, at: &At<&str>, cx: &mut Cx<'_>) {
        let word = at.value;
        let near = || nearest(word, self.knobs.iter().map(|knob| knob.key()));
        let help = if let Some(ours) = elsewhere::ours(word) {
            ours.to_owned()
        } else if let Some(near) = near() {
            format!("did you mean `{near}`?")
        } else {
            (cx.home_of)(word).unwrap_or_else(|| format!("known here: {}", self.keys()))
        };
        cx.error(
            at.span.clone(),
            format!("`{word}` is not known {}", self.title()),
        )
        .help(help);
    }
}

/// An opened table of the file.
#[derive(Debug)]
pub struct Table<'a> {
    entries: Vec<Entry<'a>>,
    /// Where it stands.
    pub span: Span,
    /// Whether a key was not known: what is missing is then probably that one, misspelt.
    pub(crate) has_unknown: bool,
}

impl<'a> Table<'a> {
    /// Whether a key was not known: what is missing is then probably that one, misspelt.
    #[must_use]
    pub const fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// The entry of that key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry<'a>> {
        self.entries.iter().find(|entry| entry.key.value == key)
    }

    /// Where the last of these keys stands, each in the table that is the value of the one before.
    pub(crate) fn find(&self, keys: &[&str]) -> Option<Span> {
        let (first, inner) = keys.split_first()?;
        let mut entry = self.get(first)?.clone();
        for key in inner {
            let mut entries = entry.node.entries()?.into_iter();
            entry = entries.find(|entry| entry.key.value == *key)?;
        }
        Some(entry.key.span)
    }

    /// Where `inner` stands in the table that is the value of `key`, or else where `key` does.
    pub(crate) fn span_within(&self, key: &str, inner: &str) -> Span {
        self.find(&[key, inner])
            .unwrap_or_else(|| self.span_of(key))
    }

    /// Where `key` stands, or else the table.
    #[must_use]
    pub fn span_of(&self, key: &str) -> Span {
        self.get(key)
            .map_or_else(|| self.span.clone(), |entry| entry.key.span.clone())
    }
}

/// One knob.
#[derive(Debug)]
pub struct Knob<T: Value> {
    /// Its name.
    pub key: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What holds when it is not given.
    pub default: T,
    /// Why that is the default; for a knob without one, what happens then.
    pub why: &'static str,
    /// What is accepted.
    pub bounds: Option<Bounds<T::Bound>>,
    /// Whether it must be given.
    pub required: bool,
    /// A value as it may stand in the file.
    pub example: &'static str,
}

impl<T: Value + Clone + PartialEq> Knob<T> {
    /// Its value in `table`: what is given, else the default. What is wrong is reported, and then the default stands
    /// in for it so that checking can go on.
    pub fn read(&self, table: &Table<'_>, cx: &mut Cx<'_>) -> T {
        match table.get(self.key) {
            Some(entry) => T::read(&entry.node, self.bounds.as_ref(), cx)
                .unwrap_or_else(|| self.default.clone()),
            None => {
                if self.required && !cx.may_be_hidden() && !table.has_unknown {
                    cx.error(table.span.clone(), format!("`{}` is missing", self.key))
                        .help(format!("add {} = {}", self.key, self.example));
                }
                self.default.clone()
            }
        }
    }

    /// Its value in `table`, if that gives it and it is right. What is wrong is reported.
    pub fn read_given(&self, table: &Table<'_>, cx: &mut Cx<'_>) -> Option<T> {
        let entry = table.get(self.key)?;
        T::read(&entry.node, self.bounds.as_ref(), cx)
    }

    /// Whether `table` gives it.
    #[must_use]
    pub fn given(&self, table: &Table<'_>) -> bool {
        table.get(self.key).is_some()
    }

    /// Where `table` gives it, or else the table.
    #[must_use]
    pub fn span(&self, table: &Table<'_>) -> Span {
        table.span_of(self.key)
    }

    /// Its line in the file, unless the default says the same.
    pub(crate) fn line(&self, value: &T) -> Option<String> {
        self.line_unless(value, &self.default)
    }

    /// Its line in the file, unless `known` says the same: for a default that depends on other knobs.
    pub(crate) fn line_unless(&self, value: &T, known: &T) -> Option<String> {
        (value != known).then(|| format!("{} = {}", key(self.key), value.toml()))
    }
}

/// A knob in a table of its own whose default is what another table says.
pub(crate) struct Inherited {
    pub(crate) knob: &'static dyn AnyKnob,
    /// What holds when it is not given, in words.
    pub(crate) from: &'static str,
}

impl AnyKnob for Inherited {
    fn key(&self) -> &'static str {
        self.knob.key()
    }

    fn about(&self) -> &'static str {
        self.knob.about()
    }

    fn required(&self) -> bool {
        false
    }

    fn schema(&self) -> Json {
        let mut schema = self.knob.schema();
        if let Json::Object(schema) = &mut schema {
            schema.remove("default");
        }
        schema
    }

    fn kind(&self) -> String {
        self.knob.kind()
    }

    fn default(&self) -> (String, &'static str) {
        (String::new(), self.from)
    }

    fn example(&self) -> &'static str {
        self.knob.example()
    }
}

/// A knob whatever its kind is: what the manual and the schema need.
pub trait AnyKnob: Sync {
    /// Its name.
    fn key(&self) -> &'static str;
    /// What it does.
    fn about(&self) -> &'static str;
    /// Whether it must be given.
    fn required(&self) -> bool;
    /// Its JSON Schema.
    fn schema(&self) -> Json;
    /// What is accepted, with its bounds; empty for a table, which has its own section.
    fn kind(&self) -> String;
    /// The default as it would be written, and why.
    fn default(&self) -> (String, &'static str);
    /// A value as it may stand in the file; empty for a table.
    fn example(&self) -> &'static str;
}

impl<T: Value + Sync> AnyKnob for Knob<T> {
    fn key(&self) -> &'static str {
        self.key
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn required(&self) -> bool {
        self.required
    }

    fn schema(&self) -> Json {
        let mut schema = T::schema(self.bounds.as_ref());
        let (default, _) = AnyKnob::default(self);
        if let Some(value) = json_of(&default) {
            schema["default"] = value;
        }
        schema["examples"] = Json::Array(json_of(self.example).into_iter().collect());
        schema
    }

    fn kind(&self) -> String {
        match &self.bounds {
            Some(bounds) => format!("{}, {}", T::kind(), T::bounds_text(bounds)),
            None => T::kind(),
        }
    }

    fn default(&self) -> (String, &'static str) {
        (self.default.toml(), self.why)
    }

    fn example(&self) -> &'static str {
        self.example
    }
}

/// What a name of a listener or cluster looks like, for the schema.
pub(crate) const NAME_PATTERN: &str = "^[A-Za-z0-9_.-]{1,64}$";

/// A key that holds a table of its own.
#[derive(Debug)]
pub struct Branch {
    /// Its name.
    pub key: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// How often it may stand.
    pub shape: Shape,
    /// The table that it holds.
    pub section: fn() -> &'static Section,
}

/// How often the table of a branch may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Once: `[log]`.
    Once,
    /// Once for each name: `[cluster.NAME]`.
    Named,
    /// In a list: `[[route]]`.
    List,
}

impl Branch {
    /// The table, once; none when it is not given or is none.
    pub fn once<'a>(&self, table: &Table<'a>, cx: &mut Cx<'_>) -> Option<Table<'a>> {
        let entry = table.get(self.key)?;
        (self.section)().open(&entry.node, cx)
    }

    /// The tables by name, in the order of the file.
    pub fn named<'a>(&self, table: &Table<'a>, cx: &mut Cx<'_>) -> Vec<Entry<'a>> {
        let Some(entry) = table.get(self.key) else {
            return Vec::new();
        };
        let entries = entry.node.entries().unwrap_or_default();
        let nameless = |entry: &Entry<'_>| !matches!(entry.node.value, DeValue::Table(_));
        if entries.is_empty() || entries.iter().any(nameless) {
            cx.error(
                entry.key.span.clone(),
                format!("`{}` needs a name", self.key),
            )
            .help(format!("write [{}.NAME] with a name of yours", self.key));
            return Vec::new();
        }
        entries
    }

    /// The tables of a list, in the order of the file.
    pub fn list<'a>(&self, table: &Table<'a>, cx: &mut Cx<'_>) -> Vec<Node<'a>> {
        let Some(entry) = table.get(self.key) else {
            return Vec::new();
        };
        entry.node.items().unwrap_or_else(|| {
            cx.error(
                entry.key.span.clone(),
                format!("`{}` is a list of tables", self.key),
            )
            .help(format!("write [[{}]] with two brackets", self.key));
            Vec::new()
        })
    }
}

impl AnyKnob for Branch {
    fn key(&self) -> &'static str {
        self.key
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn required(&self) -> bool {
        false
    }

    fn schema(&self) -> Json {
        let table = (self.section)().reference();
        match self.shape {
            Shape::Once => table,
            Shape::Named => json!({
                "type": "object",
                "propertyNames": { "pattern": NAME_PATTERN },
                "additionalProperties": table,
            }),
            Shape::List => json!({ "type": "array", "items": table }),
        }
    }

    fn kind(&self) -> String {
        String::new()
    }

    fn default(&self) -> (String, &'static str) {
        (String::new(), "")
    }

    fn example(&self) -> &'static str {
        ""
    }
}

/// A TOML value as JSON; `None` for what is empty or has no counterpart.
pub(crate) fn json_of(toml: &str) -> Option<Json> {
    fn convert(value: &DeValue<'_>) -> Option<Json> {
        Some(match value {
            DeValue::String(text) => text.as_ref().into(),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()?
                .into(),
            DeValue::Float(number) => number.as_str().parse::<f64>().ok()?.into(),
            DeValue::Boolean(value) => (*value).into(),
            DeValue::Datetime(_) => return None,
            DeValue::Array(items) => items
                .iter()
                .map(|item| convert(item.get_ref()))
                .collect::<Option<Vec<_>>>()?
                .into(),
            DeValue::Table(table) => table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), convert(value.get_ref())?)))
                .collect::<Option<Map<_, _>>>()?
                .into(),
        })
    }
    convert(DeValue::parse(toml).ok()?.get_ref())
}

/// Writes a table: the lines of its knobs that differ from their defaults, and its header when there are any.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    lines: Vec<String>,
}

impl Lines {
    pub(crate) fn knob<T: Value + Clone + PartialEq>(&mut self, knob: &Knob<T>, value: &T) {
        self.lines.extend(knob.line(value));
    }

    /// The line of a knob whose default depends on other knobs.
    pub(crate) fn knob_unless<T: Value + Clone + PartialEq>(
        &mut self,
        knob: &Knob<T>,
        value: &T,
        known: &T,
    ) {
        self.lines.extend(knob.line_unless(value, known));
    }

    /// The line of a knob that is given.
    pub(crate) fn given<T: Value + Clone + PartialEq>(
        &mut self,
        knob: &Knob<T>,
        value: Option<&T>,
    ) {
        let line = |value: &T| format!("{} = {}", key(knob.key), value.toml());
        self.lines.extend(value.map(line));
    }

    /// As a table with this header; nothing when it is empty and need not stand there.
    pub(crate) fn table(self, header: &str, always: bool) -> String {
        if self.lines.is_empty() && !always {
            return String::new();
        }
        format!("\n{header}\n{}", self.top())
    }

    /// As lines at the top of the file.
    pub(crate) fn top(self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// As an inline table.
    pub(crate) fn inline(self) -> String {
        if self.lines.is_empty() {
            return "{}".into();
        }
        format!("{{ {} }}", self.lines.join(", "))
    }
}
