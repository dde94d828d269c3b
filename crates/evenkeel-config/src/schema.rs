//! The JSON Schema of the configuration file, for editors. `check` knows more than a schema can say.

use serde_json::{Map, Value as Json, json};

use crate::section::{ALL, cluster, top};

/// The JSON Schema (draft 2020-12) of the configuration file.
#[must_use]
pub fn schema() -> Json {
    let mut definitions = Map::new();
    definitions.insert("elsewhere".to_owned(), elsewhere());
    definitions.insert(
        "string".to_owned(),
        json!({ "anyOf": [{ "type": "string" }, { "$ref": "#/$defs/elsewhere" }] }),
    );
    definitions.insert(
        "duration".to_owned(),
        pattern(
            r"^(0|[0-9]+(\.[0-9]{1,6})? *(us|ms|s|m|min|h|d))$",
            "A number with us, ms, s, m, h or d, such as \"30s\".",
        ),
    );
    definitions.insert(
        "size".to_owned(),
        pattern(
            r"^[0-9]+ *(B|kB|KB|KiB|K|k|MB|MiB|M|GB|GiB|G)?$",
            "A whole number with B, KiB, MiB, GiB, kB, MB or GB, such as \"32KiB\".",
        ),
    );
    for section in ALL.iter().filter(|section| !section.name.is_empty()) {
        definitions.insert(section.definition(), section.schema());
    }
    if let Some(cluster) = definitions.get_mut(&cluster::CLUSTER.definition()) {
        cluster["anyOf"] = cluster::LISTED
            .iter()
            .map(|key| json!({ "required": [key] }))
            .collect();
    }
    let mut root = top::TOP.schema();
    root["properties"]["version"] = json!({
        "const": top::VERSION,
        "description": top::TOP.knobs.first().map_or("", |knob| knob.about()),
    });
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "evenkeel configuration",
    });
    if let (Json::Object(to), Json::Object(from)) = (&mut schema, root) {
        to.extend(from);
        to.insert("$defs".to_owned(), Json::Object(definitions));
    }
    schema
}

/// The schema as it is checked in and as `evenkeel schema` writes it.
#[must_use]
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// A value from the environment or a file.
fn elsewhere() -> Json {
    let one = |key: &str, what: &str| {
        json!({
            "type": "object",
            "description": what,
            "properties": { key: { "type": "string" } },
            "required": [key],
            "additionalProperties": false,
        })
    };
    json!({ "oneOf": [
        one("env", "The value of an environment variable."),
        one("file", "The content of a file, without its final line end."),
    ] })
}

/// A string of this form, also from elsewhere.
fn pattern(pattern: &str, description: &str) -> Json {
    json!({
        "description": description,
        "anyOf": [{ "type": "string", "pattern": pattern }, { "$ref": "#/$defs/elsewhere" }],
    })
}
