//! One kind of value each: how it is read from the file, written to it, described in the manual and in the schema.
//!
//! The kinds that only routes or clusters have stand beside their knobs, in [`crate::section`].

pub(crate) mod decimal;
pub(crate) mod field;
pub(crate) mod key_part;
pub(crate) mod label;
pub(crate) mod net;
pub(crate) mod pattern;
pub(crate) mod percent;
pub(crate) mod scalar;
pub(crate) mod text;

use serde_json::{Value as Json, json};

use crate::raw::{At, Cx, Node};

pub(crate) use scalar::{OrAuto, OrOff};
pub(crate) use text::{Body, FilePath};

/// A kind of value.
pub trait Value: Sized {
    /// What its least and greatest value are given in; `()` when it has none.
    type Bound: 'static + Sync;

    /// Reads it, or reports what is wrong and returns `None`.
    fn read(node: &Node<'_>, bounds: Option<&Bounds<Self::Bound>>, cx: &mut Cx<'_>)
    -> Option<Self>;

    /// How it is written in the file; empty when it stands for "not given".
    fn toml(&self) -> String;

    /// What it is, in a few words.
    fn kind() -> String;

    /// Its JSON Schema.
    fn schema(bounds: Option<&Bounds<Self::Bound>>) -> Json;

    /// The bounds in words; empty when there are none.
    fn bounds_text(_bounds: &Bounds<Self::Bound>) -> String {
        String::new()
    }
}

/// The least and the greatest value that is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<B> {
    /// The least.
    pub least: B,
    /// The greatest.
    pub greatest: B,
}

/// "Not given" is a value too, for knobs without a default.
impl<T: Value> Value for Option<T> {
    type Bound = T::Bound;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<T::Bound>>, cx: &mut Cx<'_>) -> Option<Self> {
        T::read(node, bounds, cx).map(Some)
    }

    fn toml(&self) -> String {
        self.as_ref().map(T::toml).unwrap_or_default()
    }

    fn kind() -> String {
        T::kind()
    }

    fn schema(bounds: Option<&Bounds<T::Bound>>) -> Json {
        T::schema(bounds)
    }

    fn bounds_text(bounds: &Bounds<T::Bound>) -> String {
        T::bounds_text(bounds)
    }
}

/// The same value, with its place kept for checks that come later.
impl<T: Value> Value for At<T> {
    type Bound = T::Bound;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<T::Bound>>, cx: &mut Cx<'_>) -> Option<Self> {
        let value = T::read(node, bounds, cx)?;
        let span = node.span.clone();
        Some(Self { value, span })
    }

    fn toml(&self) -> String {
        self.value.toml()
    }

    fn kind() -> String {
        T::kind()
    }

    fn schema(bounds: Option<&Bounds<T::Bound>>) -> Json {
        T::schema(bounds)
    }

    fn bounds_text(bounds: &Bounds<T::Bound>) -> String {
        T::bounds_text(bounds)
    }
}

/// A list; one value that is no list counts as a list of one.
impl<T: Value> Value for Vec<T> {
    type Bound = T::Bound;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<T::Bound>>, cx: &mut Cx<'_>) -> Option<Self> {
        let Some(items) = node.items() else {
            return T::read(node, bounds, cx).map(|only| vec![only]);
        };
        let count = items.len();
        let good: Self = items
            .iter()
            .filter_map(|item| T::read(item, bounds, cx))
            .collect();
        (good.len() == count).then_some(good)
    }

    fn toml(&self) -> String {
        let items: Vec<String> = self.iter().map(T::toml).collect();
        let one_line = format!("[{}]", items.join(", "));
        if one_line.len() <= 80 {
            return one_line;
        }
        format!("[\n  {},\n]", items.join(",\n  "))
    }

    fn kind() -> String {
        format!("{}, or a list of them", T::kind())
    }

    fn schema(bounds: Option<&Bounds<T::Bound>>) -> Json {
        let item = T::schema(bounds);
        json!({ "anyOf": [item, { "type": "array", "items": item }] })
    }

    fn bounds_text(bounds: &Bounds<T::Bound>) -> String {
        T::bounds_text(bounds)
    }
}
