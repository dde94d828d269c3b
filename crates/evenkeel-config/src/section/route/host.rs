//! `host_header` of a route: what `Host` says to the endpoint.

use serde_json::{Value as Json, json};

use crate::model::HostRewrite;
use crate::raw::{Cx, Node};
use crate::value::net::is_authority;
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, Value};

impl Value for HostRewrite {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "\"keep\", \"endpoint\" or a host", cx)?;
        match text.as_str() {
            "keep" => Some(Self::Keep),
            "endpoint" => Some(Self::Endpoint),
            host if is_authority(host) => Some(Self::Set(text)),
            _ => {
                cx.error(node.span.clone(), format!("\"{text}\" is not a host"))
                    .help("write \"keep\", \"endpoint\", or a name or address, with `:port` when it needs one");
                None
            }
        }
    }

    fn toml(&self) -> String {
        match self {
            Self::Keep => quote("keep"),
            Self::Endpoint => quote("endpoint"),
            Self::Set(host) => quote(host),
        }
    }

    fn kind() -> String {
        "\"keep\", \"endpoint\" or a host".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}
