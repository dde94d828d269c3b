//! `redirect_to_https` of a listener: true, false, or the port where TLS is spoken.

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::Knob;
use crate::raw::{Cx, Node};
use crate::value::{Bounds, Value};

/// The port of `https` URLs that do not say one.
const USUAL: u16 = 443;

/// `redirect_to_https` of a listener.
pub(crate) static REDIRECT_TO_HTTPS: Knob<ToHttps> = Knob {
    key: "redirect_to_https",
    about: "Whether every request is answered by a redirect (308) to the same host and path by `https`, before any route. A number is the port where TLS is spoken, when that is not 443.",
    default: ToHttps(None),
    why: "requests are served as they come",
    bounds: None,
    required: false,
    example: "true",
};

/// The port to redirect to; none: nothing is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ToHttps(pub(crate) Option<u16>);

impl Value for ToHttps {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        match node.value {
            DeValue::Integer(_) => {
                let bounds = Bounds {
                    least: 1,
                    greatest: u16::MAX,
                };
                u16::read(node, Some(&bounds), cx).map(|port| Self(Some(port)))
            }
            _ => bool::read(node, None, cx).map(|on| Self(on.then_some(USUAL))),
        }
    }

    fn toml(&self) -> String {
        match self.0 {
            None => "false".into(),
            Some(USUAL) => "true".into(),
            Some(port) => port.to_string(),
        }
    }

    fn kind() -> String {
        "true, false or a port".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [
            { "type": "boolean" },
            { "type": "integer", "minimum": 1, "maximum": u16::MAX },
        ] })
    }
}
