//! The secrets that cookies are sealed with. No message shows them.

use serde_json::Value as Json;

use crate::model::StickyKey;
use crate::raw::{At, Cx, Node};
use crate::value::text::{Body, decode_base64, encode_base64, quote, read_text, single};
use crate::value::{Bounds, Value};

/// Secrets: the first seals, all open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Secrets(pub(crate) Vec<StickyKey>);

impl Secrets {
    /// The most of them: each cookie that is looked up is known by every one.
    const MOST: usize = 4;

    /// The least and the most bytes of one. 128 bits cannot be guessed; more than a page is no secret but a slip.
    const BYTES: (usize, usize) = (16, 1024);
}

impl Value for Secrets {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let keys: Vec<At<StickyKey>> = Vec::read(node, None, cx)?;
        if keys.is_empty() {
            cx.error(node.span.clone(), "there is no key in this list")
                .help("add one, such as { file = \"sticky.key\" }, or leave `keys` out");
            return None;
        }
        if let Some(beyond) = keys.get(Self::MOST) {
            cx.error(
                beyond.span.clone(),
                format!("there are at most {} keys", Self::MOST),
            )
            .help("take out those whose cookies have expired");
            return None;
        }
        for (i, key) in keys.iter().enumerate() {
            let mut earlier = keys.iter().take(i);
            if let Some(first) = earlier.find(|other| other.value == key.value) {
                cx.error(key.span.clone(), "this key is in the list twice")
                    .note(first.span.clone(), "it is here already")
                    .help("keep one of the two");
                return None;
            }
        }
        Some(Self(keys.into_iter().map(|key| key.value).collect()))
    }

    fn toml(&self) -> String {
        self.0.toml()
    }

    fn kind() -> String {
        format!("{}, or a list of up to {}", StickyKey::kind(), Self::MOST)
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        Vec::<StickyKey>::schema(None)
    }
}

impl Value for StickyKey {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let bytes = read_bytes(node, cx)?;
        let (least, most) = Secrets::BYTES;
        let (what, help) = if bytes.len() < least {
            (
                "short",
                format!(
                    "the least is {least}; `head -c 32 /dev/urandom | base64 > sticky.key` makes a good one"
                ),
            )
        } else if bytes.len() > most {
            ("long", format!("the most is {most}"))
        } else {
            return Some(Self(bytes.into()));
        };
        cx.error(
            node.span.clone(),
            format!("this key is too {what}: it has {} bytes", bytes.len()),
        )
        .help(help);
        None
    }

    fn toml(&self) -> String {
        match std::str::from_utf8(&self.0) {
            Ok(text) => quote(text),
            Err(_) => format!("{{ base64 = \"{}\" }}", encode_base64(&self.0)),
        }
    }

    fn kind() -> String {
        "text, `{ env = … }`, `{ file = … }` or `{ base64 = … }`".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        Body::schema(None)
    }
}

fn read_bytes(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<Vec<u8>> {
    let Some((place, inner)) = single(node, &["file", "base64"]) else {
        return read_text(node, "a key like { file = \"sticky.key\" }", cx).map(String::into_bytes);
    };
    let text = read_text(&inner, "a string", cx)?;
    let bytes = if place == "file" {
        cx.source
            .file(&text)
            .map(|bytes| without_line_end(&bytes).to_vec())
            .map_err(|why| format!("cannot read {text}: {why}"))
    } else {
        decode_base64(&text).ok_or_else(|| "this is not base64".to_owned())
    };
    bytes.map_err(|why| cx.error(inner.span, why)).ok()
}

/// The content without its final line end, whatever bytes it is: editors add one, and all nodes must agree.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    line.strip_suffix(b"\r").unwrap_or(line)
}
