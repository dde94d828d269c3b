//! Fields and cookies of a request that a route asks: what a rate limit counts by, and how long the client will wait.

use evenkeel_base::Known;
use evenkeel_base::rules::RateKey;
use serde_json::{Value as Json, json};

use crate::knob::Knob;
use crate::raw::{At, Cx, Node};
use crate::spelling::nearest;
use crate::value::field::check_name;
use crate::value::key_part::{COOKIE, HEADER, is_address, read_cookie, why_unfit};
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, Value};

/// `deadline_header` of a route.
pub(crate) static DEADLINE_HEADER: Knob<Option<DeadlineField>> = Knob {
    key: "deadline_header",
    about: "The field in which a client may say how long it will wait. It shortens `total_timeout` for that request and never lengthens it. The `grpc-timeout` of a call of gRPC is believed without it. Its value is a number of milliseconds or a duration with its unit, such as `1.5s`; in `grpc-timeout` it is what gRPC says. What is none of these is not believed.",
    default: None,
    why: "none is believed",
    bounds: None,
    required: false,
    example: "\"X-Request-Timeout\"",
};

/// The name of a field that carries a deadline, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeadlineField(pub(crate) String);

impl Value for DeadlineField {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let name = read_text(node, "a field name like \"X-Request-Timeout\"", cx)?;
        let span = node.span.clone();
        if !check_name(&At { value: &name, span }, cx) {
            return None;
        }
        if Known::of(name.as_bytes()) != Known::Other {
            cx.error(
                node.span.clone(),
                format!("`{name}` has a meaning of its own and is no deadline"),
            )
            .help("name the field your clients use, such as \"X-Request-Timeout\"");
            return None;
        }
        Some(Self(name.to_ascii_lowercase()))
    }

    fn toml(&self) -> String {
        quote(&self.0)
    }

    fn kind() -> String {
        "field name".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

impl Value for RateKey {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "a key like \"client\"", cx)?;
        let span = node.span.clone();
        if let Some(name) = text.strip_prefix(HEADER) {
            let good = check_key(&At { value: name, span }, cx);
            return good.then(|| Self::Header(name.to_ascii_lowercase()));
        }
        if let Some(name) = text.strip_prefix(COOKIE) {
            return read_cookie(&At { value: name, span }, cx).map(Self::Cookie);
        }
        let known = [
            ("client", Self::Client),
            ("route", Self::Route),
            ("path", Self::Path),
        ];
        if let Some((_, key)) = known.iter().find(|(name, _)| *name == text) {
            return Some(key.clone());
        }
        let near = nearest(&text, known.iter().map(|(name, _)| *name));
        let help = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if is_address(&text) => "did you mean \"client\"?".to_owned(),
            None => format!("it is one of {}", Self::kind()),
        };
        cx.error(span, format!("\"{text}\" is not known here"))
            .help(help);
        None
    }

    fn toml(&self) -> String {
        match self {
            Self::Route => quote("route"),
            Self::Client => quote("client"),
            Self::Path => quote("path"),
            Self::Header(name) => quote(&format!("{HEADER}{name}")),
            Self::Cookie(name) => quote(&format!("{COOKIE}{name}")),
        }
    }

    fn kind() -> String {
        "\"client\", \"route\", \"path\", \"header:NAME\", \"cookie:NAME\"".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

/// Reports a field that tells no clients apart, or whose value a client may choose as it likes.
fn check_key(name: &At<&str>, cx: &mut Cx<'_>) -> bool {
    if !check_name(name, cx) {
        return false;
    }
    let why = match Known::of(name.value.as_bytes()) {
        Known::Host => {
            Some("give the route a `host`, and each host a route with a limit of its own")
        }
        known => why_unfit(known),
    };
    let Some(why) = why else {
        return true;
    };
    cx.error(
        name.span.clone(),
        format!("`{}` is nothing to count by", name.value),
    )
    .help(why);
    false
}
