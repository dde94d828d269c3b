//! The form of an access record: a name, or a template that is taken apart here.

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::model::{AccessFormat, LogField, Piece};
use crate::raw::{At, Cx, Node};
use crate::section::access_log::MOST_HEADERS;
use crate::section::access_log::headers::loggable;
use crate::spelling::nearest;
use crate::value::text::{quote, read_text, single};
use crate::value::{Bounds, Value};

/// No template is longer; what a record has beside its fields is bounded by that.
const LONGEST: usize = 2048;
/// A record may have so many texts of the greatest length.
const MOST_TEXTS: usize = 16;

const NAMED: [(&str, AccessFormat); 4] = [
    ("text", AccessFormat::Text),
    ("json", AccessFormat::Json),
    ("common", AccessFormat::Clf),
    ("combined", AccessFormat::Combined),
];

impl Value for AccessFormat {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        if let Some((_, template)) = single(node, &["template"]) {
            let text = read_text(&template, "a template", cx)?;
            return read_template(&template, &text, cx).map(Self::Template);
        }
        if !matches!(node.value, DeValue::String(_)) {
            cx.error(
                node.span.clone(),
                format!("expected a format, found {}", node.found()),
            )
            .help("write \"text\", \"json\", \"common\", \"combined\" or { template = \"{client} {status}\" }");
            return None;
        }
        let text = read_text(node, "a format", cx)?;
        let known = NAMED.iter().find(|(name, _)| *name == text);
        if let Some((_, format)) = known {
            return Some(format.clone());
        }
        let help = match nearest(&text, NAMED.iter().map(|(name, _)| *name)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if text.contains('{') => {
                format!("for a template write {{ template = {} }}", quote(&text))
            }
            None => "it is \"text\", \"json\", \"common\", \"combined\" or { template = \"…\" }"
                .to_owned(),
        };
        cx.error(node.span.clone(), format!("\"{text}\" is not known here"))
            .help(help);
        None
    }

    fn toml(&self) -> String {
        match NAMED.iter().find(|(_, format)| format == self) {
            Some((name, _)) => quote(name),
            None => format!("{{ template = {} }}", quote(&self.template())),
        }
    }

    fn kind() -> String {
        "\"text\", \"json\", \"common\", \"combined\" or `{ template = … }`".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [
            { "enum": NAMED.map(|(name, _)| name) },
            {
                "type": "object",
                "properties": { "template": { "$ref": "#/$defs/string" } },
                "required": ["template"],
                "additionalProperties": false,
            },
        ] })
    }
}

impl AccessFormat {
    /// The template as it is written; empty for the other forms.
    fn template(&self) -> String {
        let Self::Template(pieces) = self else {
            return String::new();
        };
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(literal) => {
                    text.push_str(&literal.replace('{', "{{").replace('}', "}}"));
                }
                Piece::Field(field) => text.push_str(&format!("{{{}}}", field.name())),
                Piece::Request(name) => text.push_str(&format!("{{{REQUEST}{name}}}")),
                Piece::Response(name) => text.push_str(&format!("{{{RESPONSE}{name}}}")),
            }
        }
        text
    }
}

/// What a header field's name stands behind.
const REQUEST: &str = "request.";
const RESPONSE: &str = "response.";

fn read_template(node: &Node<'_>, text: &str, cx: &mut Cx<'_>) -> Option<Vec<Piece>> {
    if text.len() > LONGEST {
        let what = format!("a template of {} bytes is too long", text.len());
        cx.error(node.span.clone(), what)
            .help(format!("{LONGEST} are accepted"));
        return None;
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        cx.error(node.span.clone(), "a record is one line")
            .help("leave line ends and other control characters out; a tab (\\t) may stand between fields");
        return None;
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (literal, from) = rest.split_at(at);
        push_text(&mut pieces, literal);
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            push_text(&mut pieces, &from[..1]);
            rest = after;
            continue;
        }
        let Some((name, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}'))
        else {
            let what = format!("`{}` has no other end", &from[..1]);
            cx.error(node.span.clone(), what)
                .help("for a brace itself write it twice: {{ or }}");
            return None;
        };
        pieces.push(field(node, name, cx)?);
        rest = after;
    }
    push_text(&mut pieces, rest);
    check_size(node, &pieces, cx).then_some(pieces)
}

/// Text that follows text is one piece.
fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

fn field(node: &Node<'_>, name: &str, cx: &mut Cx<'_>) -> Option<Piece> {
    let header = |prefix: &str| name.strip_prefix(prefix);
    let span = node.span.clone();
    if let Some(header) = header(REQUEST) {
        let at = At {
            value: header,
            span,
        };
        return loggable(&at, cx).map(Piece::Request);
    }
    if let Some(header) = header(RESPONSE) {
        let at = At {
            value: header,
            span,
        };
        return loggable(&at, cx).map(Piece::Response);
    }
    if let Some(field) = LogField::of(name) {
        return Some(Piece::Field(field));
    }
    let names = || LogField::ALL.iter().map(|field| field.name());
    let help = match nearest(name, names()) {
        Some(near) => format!("did you mean {{{near}}}?"),
        None => format!(
            "there are: {}; and {{request.NAME}} and {{response.NAME}} for header fields",
            names().collect::<Vec<_>>().join(", ")
        ),
    };
    cx.error(span, format!("there is no field \"{name}\""))
        .help(help);
    None
}

/// Refuses what could make a record longer than there is room for.
fn check_size(node: &Node<'_>, pieces: &[Piece], cx: &mut Cx<'_>) -> bool {
    let texts: usize = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Field(field) => field.texts(),
            Piece::Text(_) | Piece::Request(_) | Piece::Response(_) => 0,
        })
        .sum();
    let is_header = |piece: &&Piece| matches!(piece, Piece::Request(_) | Piece::Response(_));
    let headers = pieces.iter().filter(is_header).count();
    if texts > MOST_TEXTS {
        cx.error(node.span.clone(), "its records could become too long")
            .help(format!("{MOST_TEXTS} long texts may stand in one: method, host, path, query and what else a client chooses count as one, `target` as two, `request_line` as three, `tried` and `tries` as one each"));
    } else if headers > MOST_HEADERS {
        cx.error(
            node.span.clone(),
            format!("{headers} header fields are too many"),
        )
        .help(format!("{MOST_HEADERS} may be logged"));
    } else if pieces.is_empty() {
        cx.error(node.span.clone(), "this template is empty")
            .help("write for example { template = \"{client} {method} {target} {status}\" }");
    } else {
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_itself() {
        for pieces in [
            vec![
                Piece::Text("{a}} ".to_owned()),
                Piece::Field(LogField::Client),
            ],
            vec![
                Piece::Field(LogField::TryEndpoint),
                Piece::Request("x-a".to_owned()),
                Piece::Response("x-b".to_owned()),
                Piece::Text("\t".to_owned()),
            ],
        ] {
            let format = AccessFormat::Template(pieces);
            let text = format!(
                "version = 1\n[access_log]\nformat = {}\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n",
                format.toml()
            );
            let checked = crate::check(&text, "test", &crate::Nowhere);
            assert_eq!(checked.config.unwrap().access_log.format, format, "{text}");
        }
    }

    #[test]
    fn names_of_fields_are_told_apart() {
        for (n, field) in LogField::ALL.iter().enumerate() {
            assert_eq!(LogField::of(field.name()), Some(*field));
            let others = &LogField::ALL[n + 1..];
            assert!(others.iter().all(|other| other.name() != field.name()));
        }
    }
}
