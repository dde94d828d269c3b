//! The page about the fields of the access log, made from their table: `docs/reference/access-log.md`.

use std::fmt::Write as _;

use crate::model::{LogField, Stands};

/// The page as Markdown.
#[must_use]
pub fn access_log_markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    for field in LogField::ALL {
        let place = match field.stands() {
            Stands::Everywhere => "JSON, templates",
            Stands::Template => "templates",
        };
        let _ = writeln!(out, "| `{}` | {place} | {} |", field.name(), field.about());
    }
    out.push_str(END);
    out
}

const INTRODUCTION: &str = "\
# Fields of the access log

<!-- Written by `cargo xtask docs` from crates/evenkeel-config/src/model/access_log.rs. Change it there. -->

The names are the keys of a JSON record (`format = \"json\"`) and what stands in braces in a template
(`format = { template = \"{client} {status} {tries.endpoint}\" }`). [The access log](../logs.md) says what to do with them.

| field | stands in | what it says |
|---|---|---|
";

const END: &str = "
Names with `tries.` are, in JSON, the keys of the objects in the list `tries`, one object for each attempt in the order in which
they ended, the last one last. An exchange of one attempt that went well has no `tries`: its own fields say the same. In a template each
is a list with commas, one value for each attempt, `-` where there is none:
`{tries.endpoint} {tries.why}` may read `10.0.0.1:80,10.0.0.2:80 connect-refused,-`.

Header fields stand in JSON in the objects `request_headers` and `response_headers`, by their names in small letters, as far as
`[access_log]` names them; in a template they are `{request.NAME}` and `{response.NAME}`.

Times end in `_ms` and are milliseconds with three decimals. What is not there is left out of JSON, and is `-` in a template.
";
