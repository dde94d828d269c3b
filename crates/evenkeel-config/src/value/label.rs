//! A word that tells places or machines apart, such as a zone: compared as it is, and shown in logs.

use serde_json::{Value as Json, json};

use crate::raw::{Cx, Node};
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, Value};

/// Such a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label(pub(crate) String);

impl Label {
    /// Longer than the name of any host (255 bytes) is a slip.
    const LONGEST: usize = 256;

    /// The one that a model holds; an empty text is none.
    pub(crate) fn of(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// What a model holds for it.
    pub(crate) fn text(label: Option<Self>) -> String {
        label.map(|label| label.0).unwrap_or_default()
    }
}

impl Value for Label {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "a name", cx)?;
        let unfit = text.is_empty()
            || text.len() > Self::LONGEST
            || text.trim() != text
            || text.chars().any(char::is_control);
        if unfit {
            // It may have come from the environment, so it is not shown.
            cx.error(node.span.clone(), "this cannot be a name")
                .help(format!(
                    "a name has 1 to {} bytes, no control characters, and no white space around it",
                    Self::LONGEST
                ));
            return None;
        }
        Some(Self(text))
    }

    fn toml(&self) -> String {
        quote(&self.0)
    }

    fn kind() -> String {
        "string".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}
