//! The API, told to programs: an OpenAPI document, from the table of pages, what is said of each here, and the views.
//!
//! What a page takes and gives is its view's to say; here stands what no type says: what it is for, which parameters it has, and
//! which statuses it answers by. The document is generated into `docs/reference/openapi.json` and served as it is.

mod operations;

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value as Json, json};

use crate::needs::Needs;
use crate::openapi::operations::OPERATIONS;
use crate::query::{MOST, USUAL};
use crate::table;
use crate::view;

/// A page, as programs see it.
struct Operation {
    /// Its method and path, as the table has them.
    line: (&'static str, &'static str),
    /// What it is called by code that is generated from the document.
    id: &'static str,
    /// What it is for.
    about: &'static str,
    /// What may stand in the query.
    query: &'static [Parameter],
    /// What its body says, and whether it has to be there; none: it has none.
    body: Option<(View, bool)>,
    /// What it says when all is well.
    answer: Said,
    /// How it says no, beside what every page of its kind may say.
    refusals: &'static [u16],
}

/// A view: its schema, and those that it refers to put among the components.
type View = fn(&mut SchemaGenerator) -> Schema;

/// What an answer is.
enum Said {
    /// One view.
    Json(View),
    /// A view, also as something else.
    JsonOr(View, &'static str),
    /// Texts of these kinds.
    Text(&'static [&'static str]),
}

/// What may stand in a query.
#[derive(Clone, Copy)]
enum Parameter {
    /// `after`, of lists that are shown part by part, and `limit`.
    Part,
    /// `after`, the number of an event.
    AfterEvent,
    /// `format`.
    Format,
}

/// The document.
#[must_use]
pub fn text() -> String {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
        text.push('\n');
        text
    });
    text.clone()
}

fn document() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Json> = Map::new();
    for operation in OPERATIONS {
        let path = path_of(operation.line.1);
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        let method = operation.line.0.to_ascii_lowercase();
        methods[method] = operation.json(&mut generator);
    }
    let wrong = generator.subschema_for::<view::Wrong>();
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "evenkeel",
            "summary": "See and steer a running evenkeel.",
            "description": "On the control socket, which only its owner may open, nothing else is asked. On the admin address a token \
                is asked for where the configuration has one, and an order says `Content-Type: application/json` or `X-Evenkeel: 1`. \
                Fields are added to answers without another version: who reads them passes over what it does not know.",
            "version": "1",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:9900", "description": "the admin address, where `[admin]` has it" }],
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": {
                "Wrong": {
                    "description": "Nothing has come of it; the text says why, and what to do.",
                    "content": { "application/json": { "schema": wrong } },
                },
            },
            "schemas": schemas,
        },
    })
}

impl Operation {
    fn json(&self, generator: &mut SchemaGenerator) -> Json {
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.about,
            "parameters": self.parameters(),
            "responses": self.responses(generator),
        });
        if let Some((body, required)) = self.body {
            operation["requestBody"] = json!({
                "required": required,
                "content": { "application/json": { "schema": body(generator) } },
            });
        }
        if self.needs() == Some(Needs::Nothing) {
            operation["security"] = json!([]);
        }
        operation
    }

    fn needs(&self) -> Option<Needs> {
        let (method, path) = self.line;
        table::needs(method, path)
    }

    fn parameters(&self) -> Vec<Json> {
        let of_path = names_of(self.line.1).map(|name| {
            json!({
                "name": name,
                "in": "path",
                "required": true,
                "description": format!("The {name}; what a path may not hold is percent-encoded."),
                "schema": { "type": "string", "minLength": 1 },
            })
        });
        let of_query = self.query.iter().flat_map(|one| one.json());
        of_path.chain(of_query).collect()
    }

    fn responses(&self, generator: &mut SchemaGenerator) -> Json {
        let mut responses: Map<String, Json> = Map::new();
        let fine = self.answer.json(generator);
        responses.insert("200".to_owned(), fine.clone());
        let mut refusals = self.refusals.to_vec();
        // A body is read of every request, and too much of it is refused.
        refusals.extend([400, 413]);
        match self.needs() {
            Some(Needs::Nothing) | None => {}
            Some(Needs::Name) => refusals.push(421),
            Some(Needs::Read | Needs::Write) => refusals.extend([401, 403, 421]),
        }
        if self.line.1.contains('*') {
            refusals.push(404);
        }
        if self.needs() == Some(Needs::Write) {
            refusals.push(409);
        }
        refusals.sort_unstable();
        refusals.dedup();
        for status in refusals {
            // What is not ready says so by the view that says that it is.
            let answer = if status == 503 && self.needs() == Some(Needs::Nothing) {
                fine.clone()
            } else {
                json!({ "$ref": "#/components/responses/Wrong" })
            };
            responses.insert(status.to_string(), answer);
        }
        Json::Object(responses)
    }
}

impl Said {
    fn json(&self, generator: &mut SchemaGenerator) -> Json {
        let text = |kind: &&str| {
            (
                (*kind).to_owned(),
                json!({ "schema": { "type": "string" } }),
            )
        };
        let (view, texts): (Option<View>, &[&str]) = match self {
            Self::Json(view) => (Some(*view), &[]),
            Self::JsonOr(view, other) => (Some(*view), std::slice::from_ref(other)),
            Self::Text(kinds) => (None, kinds),
        };
        let mut content: Map<String, Json> = Map::new();
        if let Some(view) = view {
            let schema = view(generator);
            content.insert("application/json".to_owned(), json!({ "schema": schema }));
        }
        content.extend(texts.iter().map(text));
        json!({ "description": "So it is.", "content": content })
    }
}

impl Parameter {
    fn json(self) -> Vec<Json> {
        let query = |name: &str, about: &str, schema: Json| json!({ "name": name, "in": "query", "description": about, "schema": schema });
        match self {
            Self::Part => vec![
                query(
                    "after",
                    "How many of the list are passed over: the `next` of the part before.",
                    json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 0 }),
                ),
                query(
                    "limit",
                    "How many are shown at most.",
                    json!({ "type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL }),
                ),
            ],
            Self::AfterEvent => vec![query(
                "after",
                "The number of the last event that was seen.",
                json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX, "default": 0 }),
            )],
            Self::Format => vec![query(
                "format",
                "As JSON, or as the file that would say the same.",
                json!({ "type": "string", "enum": ["json", "toml"], "default": "json" }),
            )],
        }
    }
}

/// What the names in a path are called, by what stands before them.
const NAMES: [(&str, &str); 4] = [
    ("clusters", "cluster"),
    ("dashboard", "file"),
    ("endpoints", "endpoint"),
    ("faults", "fault"),
];

fn names_of(pattern: &str) -> impl Iterator<Item = &'static str> {
    let segments = pattern.split('/').zip(pattern.split('/').skip(1));
    let before = segments.filter(|(_, segment)| *segment == "*");
    before.map(|(before, _)| {
        let known = NAMES.iter().find(|(segment, _)| *segment == before);
        known.map_or("name", |(_, name)| *name)
    })
}

/// A path of the table as the document has it.
fn path_of(pattern: &str) -> String {
    names_of(pattern).fold(pattern.to_owned(), |path, name| {
        path.replacen('*', &format!("{{{name}}}"), 1)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_line_of_the_table_is_told_of_and_nothing_else() {
        let told: Vec<(&str, &str)> = OPERATIONS.iter().map(|one| one.line).collect();
        let told_once: BTreeSet<(&str, &str)> = told.iter().copied().collect();
        assert_eq!(told.len(), told_once.len());
        let lines: BTreeSet<(&str, &str)> = table::lines().collect();
        let untold: Vec<_> = lines.difference(&told_once).collect();
        assert!(untold.is_empty(), "openapi/operations.rs lacks {untold:?}");
        let gone: Vec<_> = told_once.difference(&lines).collect();
        assert!(gone.is_empty(), "the table lacks {gone:?}");
        let ids: BTreeSet<&str> = OPERATIONS.iter().map(|one| one.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len(), "two have one id");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let references = text.split("\"$ref\":\"#").skip(1);
        let mut number = 0;
        for reference in references {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            number += 1;
        }
        assert!(number > 50, "{number}");
        assert_eq!(document["paths"]["/live"]["get"]["security"], json!([]));
        let path = "/api/v1/clusters/{cluster}/endpoints/{endpoint}";
        let methods = document["paths"][path].as_object().unwrap();
        assert_eq!(methods.len(), 3);
    }
}
