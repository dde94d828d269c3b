//! A checked configuration for people to look at: what [`crate::print()`] writes, without what nobody should see.
//!
//! A value that came from the environment or a file is shown as the reference that it was. What is secret by what it is for is
//! left out wherever it came from: the keys of cookies, what a collector of traces is told, and the values of fields by whose name a
//! secret is passed.

use serde_json::{Map, Number, Value as Json, json};
use toml::de::{DeTable, DeValue};

use crate::model::{Config, Elsewhere};
use crate::print::print;
use crate::raw::Span;
use crate::value::text::quote;

/// What stands in the place of a secret.
const LEFT_OUT: &str = "(left out)";

/// Tables whose keys are names of fields or parameters, so that those tell what their values are.
const BY_NAME: [&str; 5] = ["add", "header", "headers", "query", "set"];

/// Parts of the names of fields and parameters that pass secrets, in lower case.
const TELLING: [&str; 12] = [
    "auth",
    "cookie",
    "credential",
    "dsn",
    "jwt",
    "key",
    "passw",
    "secret",
    "signature",
    "team",
    "token",
    "verify",
];

/// The configuration as a file.
#[must_use]
pub fn show(config: &Config) -> String {
    let text = print(config);
    let mut hidden: Vec<(Span, Shown)> = Vec::new();
    // What is printed can be read: there is a test for that. Should it not be, nothing is better than a secret.
    let Ok(root) = DeTable::parse(&text) else {
        return String::new();
    };
    let mut walk = Walk {
        elsewhere: &config.elsewhere,
        hide: |span, shown| hidden.push((span, shown)),
    };
    walk.table(root.get_ref(), false, &[]);
    hidden.sort_by_key(|(span, _)| span.start);
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for (span, shown) in hidden {
        out.push_str(text.get(from..span.start).unwrap_or_default());
        out.push_str(&shown.toml());
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// The same as JSON.
#[must_use]
pub fn show_json(config: &Config) -> Json {
    let text = show(config);
    let root = DeTable::parse(&text);
    root.map_or_else(|_| json!({}), |root| table_json(root.get_ref()))
}

/// What is shown of a text that stands in a configuration: the reference that it was, if it came from elsewhere.
#[must_use]
pub fn shown_text(config: &Config, text: &str) -> String {
    let from = config.elsewhere.0.get(text);
    from.map_or_else(
        || text.to_owned(),
        |from| Shown::From(from.place, from.name.clone()).toml(),
    )
}

/// What is shown of the value of a field or parameter that stands in a configuration: not more than [`show`] would.
#[must_use]
pub fn shown_value(config: &Config, name: &str, value: &str) -> String {
    let is_open = config.elsewhere.0.contains_key(value) || !is_telling(name);
    if is_open {
        shown_text(config, value)
    } else {
        LEFT_OUT.to_owned()
    }
}

/// What stands in the place of a text.
enum Shown {
    LeftOut,
    From(&'static str, String),
}

impl Shown {
    fn toml(&self) -> String {
        match self {
            Self::LeftOut => quote(LEFT_OUT),
            Self::From(place, name) => format!("{{ {place} = {} }}", quote(name)),
        }
    }
}

/// Finds what is to be hidden.
struct Walk<'a, F> {
    elsewhere: &'a Elsewhere,
    hide: F,
}

impl<F: FnMut(Span, Shown)> Walk<'_, F> {
    fn table(&mut self, table: &DeTable<'_>, secret: bool, path: &[&str]) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let by_name = path.last().is_some_and(|last| BY_NAME.contains(last));
            let is_secret = secret
                || (by_name && is_telling(name))
                || (name == "keys" && path.last() == Some(&"sticky"))
                || path == ["trace", "headers"];
            let below: Vec<&str> = path.iter().copied().chain([name]).collect();
            self.value(value.get_ref(), value.span(), is_secret, &below);
        }
    }

    fn value(&mut self, value: &DeValue<'_>, span: Span, secret: bool, path: &[&str]) {
        match value {
            DeValue::String(text) => {
                let text: &str = text;
                if let Some(from) = self.elsewhere.0.get(text) {
                    (self.hide)(span, Shown::From(from.place, from.name.clone()));
                } else if secret {
                    (self.hide)(span, Shown::LeftOut);
                }
            }
            DeValue::Array(all) => {
                for one in all.iter() {
                    self.value(one.get_ref(), one.span(), secret, path);
                }
            }
            DeValue::Table(table) => self.table(table, secret, path),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}

fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TELLING.iter().any(|part| name.contains(part))
}

fn table_json(table: &DeTable<'_>) -> Json {
    let entries = table.iter().map(|(key, value)| {
        let key: &str = key.get_ref();
        (key.to_owned(), value_json(value.get_ref()))
    });
    Json::Object(entries.collect::<Map<_, _>>())
}

fn value_json(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => Json::from(&**text),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or_else(|_| Json::from(number.as_str()), Json::from)
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().parse().ok().and_then(Number::from_f64);
            parsed.map_or_else(|| Json::from(number.as_str()), Json::Number)
        }
        DeValue::Boolean(is) => Json::from(*is),
        DeValue::Datetime(moment) => Json::from(moment.to_string()),
        DeValue::Array(all) => all.iter().map(|one| value_json(one.get_ref())).collect(),
        DeValue::Table(table) => table_json(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, check};

    /// An environment in which each variable has its name in lower case, with a tail.
    struct Tails;

    impl Source for Tails {
        fn env(&self, name: &str) -> Option<String> {
            Some(format!("{}-of-the-environment", name.to_lowercase()))
        }

        fn file(&self, path: &str) -> Result<Vec<u8>, String> {
            Ok(format!("the content of {path}\n").into_bytes())
        }
    }

    const TEXT: &str = r#"
version = 1
[listener.web]
bind = ":80"
[[route]]
name = "api"
cluster = "app"
header.x-api-key = "by hand"
header.x-colour = "blue"
[route.request_headers]
set = { Authorization = { env = "BEARER" }, X-Plain = "seen", X-Auth-Token = "also by hand" }
add = { X-Other = { file = "other" } }
[[route]]
path = "/hello"
respond = { status = 200, body = { env = "BODY" } }
[cluster.app]
endpoints = ["10.0.0.1:80", { address = "10.0.0.2:80", weight = 3 }]
sticky = { keys = [{ file = "sticky.key" }, "a key that stands in the file"] }
"#;

    #[test]
    fn what_is_shown_has_no_secret_in_it_and_says_where_values_came_from() {
        let checked = check(TEXT, "test", &Tails);
        let config = checked
            .config
            .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        let shown = show(&config);
        for secret in [
            "by hand",
            "also by hand",
            "bearer-of",
            "body-of",
            "the content of",
            "a key that stands",
        ] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        for open in [
            "{ env = \"BEARER\" }",
            "{ env = \"BODY\" }",
            "{ file = \"other\" }",
            "\"seen\"",
            "\"blue\"",
            LEFT_OUT,
        ] {
            assert!(shown.contains(open), "{open}: {shown}");
        }
        let json = show_json(&config);
        assert_eq!(json["version"], 1);
        let endpoints = &json["cluster"]["app"]["endpoints"];
        assert_eq!(endpoints[1]["weight"], 3);
        assert_eq!(
            json["route"][0]["request_headers"]["set"]["Authorization"],
            json!({ "env": "BEARER" })
        );
        assert!(!format!("{config:?}").contains("body-of-the-environment\": Ref"));
    }

    #[test]
    fn what_a_collector_is_told_is_left_out_whatever_it_is_called() {
        let text = r#"
version = 1
[trace]
to = "http://127.0.0.1:4318"
headers = { x-honeycomb = "a b c", uptrace-dsn = "d e f", x-scope = { env = "SCOPE" } }
[listener.web]
bind = ":80"
[[route]]
respond.body = "x"
[route.response_headers]
set = { X-Scout-Team = "g h i", X-Origin-Verify = "j k l", X-Colour = "blue" }
"#;
        let checked = check(text, "test", &Tails);
        let config = checked
            .config
            .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        let shown = show(&config);
        for secret in ["a b c", "d e f", "scope-of", "g h i", "j k l"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        for open in ["{ env = \"SCOPE\" }", "\"blue\"", "127.0.0.1:4318"] {
            assert!(shown.contains(open), "{open}: {shown}");
        }
    }

    #[test]
    fn one_value_is_shown_as_the_whole_would_be() {
        let config = check(TEXT, "test", &Tails).config.unwrap();
        for (name, value, expected) in [
            (
                "Authorization",
                "bearer-of-the-environment",
                "{ env = \"BEARER\" }",
            ),
            (
                "X-Plain",
                "bearer-of-the-environment",
                "{ env = \"BEARER\" }",
            ),
            ("X-Auth-Token", "also by hand", LEFT_OUT),
            ("X-Plain", "seen", "seen"),
        ] {
            assert_eq!(shown_value(&config, name, value), expected, "{name}");
        }
        assert_eq!(shown_text(&config, "/x"), "/x");
    }

    #[test]
    fn without_secrets_it_is_what_would_be_printed() {
        let text = "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"x\"\n";
        let config = check(text, "test", &Tails).config.unwrap();
        assert_eq!(show(&config), print(&config));
    }
}
