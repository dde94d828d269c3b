//! Parts of a request that tell clients apart: what is hashed, and what a request is counted or kept together by.

use evenkeel_base::Known;
use evenkeel_base::field::is_token;
use evenkeel_base::rules::KeyPart;
use serde_json::{Value as Json, json};

use crate::raw::{At, Cx, Node};
use crate::spelling::nearest;
use crate::value::field::{check_name, why_own};
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, Value};

/// What stands before the name of a field.
pub(crate) const HEADER: &str = "header:";

/// What stands before the name of a cookie.
pub(crate) const COOKIE: &str = "cookie:";

/// What stands before the name of a parameter.
const PARAMETER: &str = "query:";

/// What others call the client's address.
const ADDRESSES: [&str; 9] = [
    "ip",
    "address",
    "src",
    "source",
    "source_ip",
    "remote_addr",
    "remote_address",
    "client_ip",
    "connection",
];

/// The parts without a name.
const PLAIN: [(&str, KeyPart); 3] = [
    ("client", KeyPart::Client),
    ("path", KeyPart::Path),
    ("query", KeyPart::Query),
];

/// The parts of a key, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyParts(pub(crate) Vec<KeyPart>);

impl KeyParts {
    /// The most parts of one key: each is looked for in every request.
    const MOST: usize = 8;
}

impl Value for KeyParts {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let parts: Vec<At<KeyPart>> = Vec::read(node, None, cx)?;
        if parts.is_empty() {
            cx.error(node.span.clone(), "this key has no parts")
                .help("write one like \"client\" or \"cookie:user\", or leave it out");
            return None;
        }
        let most = Self::MOST;
        if let Some(beyond) = parts.get(most) {
            cx.error(
                beyond.span.clone(),
                format!("a key has at most {most} parts"),
            )
            .help("keep those that tell your clients apart");
            return None;
        }
        for (i, part) in parts.iter().enumerate() {
            let mut earlier = parts.iter().take(i);
            if let Some(first) = earlier.find(|other| other.value == part.value) {
                cx.error(
                    part.span.clone(),
                    format!("{} is in this key twice", part.toml()),
                )
                .note(first.span.clone(), "it is here already")
                .help("keep one of the two");
                return None;
            }
        }
        Some(Self(parts.into_iter().map(|part| part.value).collect()))
    }

    fn toml(&self) -> String {
        match self.0.as_slice() {
            [only] => only.toml(),
            several => several.to_vec().toml(),
        }
    }

    fn kind() -> String {
        format!("{}, or a list of up to {}", KeyPart::kind(), Self::MOST)
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        Vec::<KeyPart>::schema(None)
    }
}

impl Value for KeyPart {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "a part of a key like \"client\"", cx)?;
        let span = node.span.clone();
        if let Some(name) = text.strip_prefix(HEADER) {
            return read_header(&At { value: name, span }, cx);
        }
        if let Some(name) = text.strip_prefix(COOKIE) {
            return read_cookie(&At { value: name, span }, cx).map(Self::Cookie);
        }
        if let Some(name) = text.strip_prefix(PARAMETER) {
            return read_parameter(&At { value: name, span }, cx);
        }
        if let Some((_, part)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Some(part.clone());
        }
        let near = nearest(&text, PLAIN.iter().map(|(name, _)| *name));
        let help = match near {
            _ if is_address(&text) => "did you mean \"client\"?".to_owned(),
            Some(near) => format!("did you mean \"{near}\"?"),
            None if is_token(text.as_bytes()) => format!(
                "for the field of that name write \"{HEADER}{text}\", for the cookie \"{COOKIE}{text}\"; else it is one of {}",
                Self::kind()
            ),
            None => format!("it is one of {}", Self::kind()),
        };
        cx.error(span, format!("\"{text}\" is not known here"))
            .help(help);
        None
    }

    fn toml(&self) -> String {
        match self {
            Self::Client => quote("client"),
            Self::Path => quote("path"),
            Self::Query => quote("query"),
            Self::Header(name) => quote(&format!("{HEADER}{name}")),
            Self::Cookie(name) => quote(&format!("{COOKIE}{name}")),
            Self::Parameter(name) => quote(&format!("{PARAMETER}{name}")),
        }
    }

    fn kind() -> String {
        "\"client\", \"path\", \"query\", \"header:NAME\", \"cookie:NAME\", \"query:NAME\"".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

/// Whether others call the client's address so.
pub(crate) fn is_address(word: &str) -> bool {
    ADDRESSES.contains(&word.trim_start_matches('$'))
}

/// The name of a cookie, or a report.
pub(crate) fn read_cookie(name: &At<&str>, cx: &mut Cx<'_>) -> Option<String> {
    if is_token(name.value.as_bytes()) {
        return Some(name.value.to_owned());
    }
    cx.error(
        name.span.clone(),
        format!("\"{}\" is not the name of a cookie", name.value),
    )
    .help("write one like \"cookie:sid\"");
    None
}

/// Why a field tells no clients apart, or is what a client may choose as it likes; `None` when it is fit for a key.
pub(crate) fn why_unfit(known: Known) -> Option<&'static str> {
    match known {
        Known::Host | Known::Other => None,
        Known::XRequestId => Some("it is another one in every request"),
        known if known.is_forwarding() => {
            Some("use \"client\": the address that `trusted_proxies` of the listener lead to")
        }
        known => why_own(known),
    }
}

fn read_header(name: &At<&str>, cx: &mut Cx<'_>) -> Option<KeyPart> {
    if !check_name(name, cx) {
        return None;
    }
    if let Some(why) = why_unfit(Known::of(name.value.as_bytes())) {
        cx.error(
            name.span.clone(),
            format!("`{}` is nothing to tell clients apart by", name.value),
        )
        .help(why);
        return None;
    }
    Some(KeyPart::Header(name.value.to_ascii_lowercase()))
}

fn read_parameter(name: &At<&str>, cx: &mut Cx<'_>) -> Option<KeyPart> {
    let unfit = |b: u8| !(0x21..0x7f).contains(&b) || b"&=#".contains(&b);
    if name.value.is_empty() || name.value.bytes().any(unfit) {
        cx.error(
            name.span.clone(),
            format!(
                "\"{}\" is no parameter's name as it is sent, so no request has it",
                name.value
            ),
        )
        .help("write what is not visible ASCII, `&`, `=` and `#` as %XX");
        return None;
    }
    Some(KeyPart::Parameter(name.value.to_owned()))
}
