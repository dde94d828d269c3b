//! The JSON Schema: it accepts what `check` accepts and refuses the slips an editor should underline.
//!
//! The validator knows the keywords that our schema uses, and panics at any other.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use evenkeel_config::schema;
use regex::Regex;
use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

/// Whether the schema accepts this file.
pub(crate) fn accepts(text: &str) -> Result<(), String> {
    let root = DeTable::parse(text).unwrap();
    let value = to_json(&DeValue::Table(root.into_inner()));
    Validator { root: &SCHEMA }.check(&SCHEMA, &value, "$")
}

/// Made once: properties ask it thousands of times.
static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

thread_local! {
    static PATTERNS: RefCell<HashMap<String, Regex>> = RefCell::default();
}

fn matches(pattern: &str, text: &str) -> bool {
    PATTERNS.with_borrow_mut(|patterns| {
        let compiled = patterns
            .entry(pattern.to_owned())
            .or_insert_with(|| Regex::new(pattern).unwrap());
        compiled.is_match(text)
    })
}

fn to_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .unwrap()
            .into(),
        DeValue::Float(number) => number.as_str().parse::<f64>().unwrap().into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Datetime(date) => date.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| to_json(item.get_ref())).collect(),
        DeValue::Table(table) => table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), to_json(value.get_ref())))
            .collect::<Map<_, _>>()
            .into(),
    }
}

struct Validator<'a> {
    root: &'a Value,
}

impl Validator<'_> {
    fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        for (keyword, rule) in schema.as_object().unwrap() {
            let good = match keyword.as_str() {
                "$schema" | "title" | "description" | "default" | "examples" | "$defs"
                | "contentEncoding" => true,
                "$ref" => {
                    let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                    let target = &self.root["$defs"][name];
                    assert!(target.is_object(), "there is no definition {name}");
                    self.check(target, value, at)?;
                    true
                }
                "type" => has_type(value, rule.as_str().unwrap()),
                "const" => value == rule,
                "enum" => rule.as_array().unwrap().contains(value),
                "pattern" => value
                    .as_str()
                    .is_none_or(|text| matches(rule.as_str().unwrap(), text)),
                "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|n| n <= rule.as_f64().unwrap()),
                "anyOf" => self.count(rule, value, at) > 0,
                "oneOf" => self.count(rule, value, at) == 1,
                "items" => {
                    for item in value.as_array().into_iter().flatten() {
                        self.check(rule, item, at)?;
                    }
                    true
                }
                "required" => value.as_object().is_none_or(|table| {
                    let keys = rule.as_array().unwrap();
                    keys.iter()
                        .all(|key| table.contains_key(key.as_str().unwrap()))
                }),
                "properties" => {
                    for (key, rule) in rule.as_object().unwrap() {
                        if let Some(inner) = value.get(key) {
                            self.check(rule, inner, &format!("{at}.{key}"))?;
                        }
                    }
                    true
                }
                "propertyNames" => {
                    for key in value.as_object().into_iter().flat_map(Map::keys) {
                        self.check(rule, &json!(key), at)?;
                    }
                    true
                }
                "additionalProperties" => {
                    let known = schema.get("properties");
                    for (key, inner) in value.as_object().into_iter().flatten() {
                        if known.is_some_and(|known| known.get(key).is_some()) {
                            continue;
                        }
                        if *rule == json!(false) {
                            return Err(format!("{at}.{key} is not known"));
                        }
                        self.check(rule, inner, &format!("{at}.{key}"))?;
                    }
                    true
                }
                other => panic!("the validator does not know {other}"),
            };
            if !good {
                return Err(format!("{at}: {keyword} {rule} refuses {value}"));
            }
        }
        Ok(())
    }

    fn count(&self, rules: &Value, value: &Value, at: &str) -> usize {
        let rules = rules.as_array().unwrap().iter();
        rules
            .filter(|rule| self.check(rule, value, at).is_ok())
            .count()
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("the validator does not know the type {other}"),
    }
}

#[test]
fn slips_are_refused() {
    let file = |line: &str| {
        format!(
            "version = 1\n[listener.a]\nbind = \":1\"\n{line}\n[cluster.c]\nendpoints = [\":2\"]\n"
        )
    };
    accepts(&file("")).unwrap();
    for line in [
        "bnd = 1",
        "keepalive_timeout = 5",
        "keepalive_timeout = \"5 parsecs\"",
        "max_head = \"32 KIB\"",
        "max_fields = 0",
        "half_close = \"yes\"",
        "trusted_proxies = [1]",
        "[[route]]\ncluster = { env = \"A\", file = \"b\" }",
        "[cluster.d]",
        "[listener.\"a b\"]\nbind = \":2\"",
        "[[route]]\nerror_page.200 = { body = \"x\" }",
        "[access_log]\nto = \"syslog\"",
        "[log]\nlevel = \"trace\"",
    ] {
        accepts(&file(line)).unwrap_err();
    }
    accepts("version = 2").unwrap_err();
    accepts("workers = 1").unwrap_err();
}

#[test]
fn every_definition_is_used_and_every_default_is_what_it_describes() {
    let schema = schema();
    let text = schema.to_string();
    let validator = Validator { root: &schema };
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        assert!(
            text.contains(&format!("\"#/$defs/{name}\"")),
            "{name} is not used"
        );
        for (key, rule) in definition["properties"].as_object().into_iter().flatten() {
            for value in rule
                .get("default")
                .into_iter()
                .chain(rule["examples"].as_array().into_iter().flatten())
            {
                validator
                    .check(rule, value, &format!("{name}.{key}"))
                    .unwrap();
            }
        }
    }
}
