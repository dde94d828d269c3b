//! Durations, sizes, numbers, booleans and choices.

use std::time::Duration;

use evenkeel_base::rules::{AdminState, Priority};
use evenkeel_base::unit::{format_duration, parse_duration};
use evenkeel_base::{BalancerKind, ByteSize};
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::elsewhere;
use crate::model::{LogFormat, LogLevel, SameSite};
use crate::raw::{Cx, Node};
use crate::spelling::nearest;
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, Value};

impl Value for Duration {
    type Bound = Self;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<Self>>, cx: &mut Cx<'_>) -> Option<Self> {
        if let Some(number) = bare_number(node) {
            cx.error(node.span.clone(), "this duration has no unit")
                .help(format!(
                    "write \"{number}s\" for seconds, or ms, m, h or d, in quotation marks"
                ));
            return None;
        }
        let text = read_text(node, "a duration like \"30s\"", cx)?;
        let value = parse_duration(&text)
            .map_err(|why| cx.error(node.span.clone(), why))
            .ok()?;
        within(value, bounds, node, cx)
    }

    fn toml(&self) -> String {
        quote(&format_duration(*self))
    }

    fn kind() -> String {
        "duration".into()
    }

    fn schema(_: Option<&Bounds<Self>>) -> Json {
        json!({ "$ref": "#/$defs/duration" })
    }

    fn bounds_text(bounds: &Bounds<Self>) -> String {
        format!(
            "{} to {}",
            format_duration(bounds.least),
            format_duration(bounds.greatest)
        )
    }
}

impl Value for ByteSize {
    type Bound = Self;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<Self>>, cx: &mut Cx<'_>) -> Option<Self> {
        if let Some(number) = bare_number(node) {
            cx.error(node.span.clone(), "this size has no unit")
                .help(format!(
                    "write \"{number}B\" for bytes, or KiB, MiB, GiB, kB, MB or GB, in quotation marks"
                ));
            return None;
        }
        let text = read_text(node, "a size like \"32KiB\"", cx)?;
        let value = Self::parse(&text)
            .map_err(|why| cx.error(node.span.clone(), why))
            .ok()?;
        within(value, bounds, node, cx)
    }

    fn toml(&self) -> String {
        quote(&self.to_string())
    }

    fn kind() -> String {
        "size".into()
    }

    fn schema(_: Option<&Bounds<Self>>) -> Json {
        json!({ "$ref": "#/$defs/size" })
    }

    fn bounds_text(bounds: &Bounds<Self>) -> String {
        format!("{} to {}", bounds.least, bounds.greatest)
    }
}

impl Value for u64 {
    type Bound = Self;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<Self>>, cx: &mut Cx<'_>) -> Option<Self> {
        let DeValue::Integer(number) = node.value else {
            let said = cx.error(
                node.span.clone(),
                format!("expected an integer, found {}", node.found()),
            );
            if let DeValue::String(text) = node.value
                && text.parse::<Self>().is_ok()
            {
                said.help(format!("write {text} without quotation marks"));
            }
            return None;
        };
        let Ok(value) = Self::from_str_radix(number.as_str(), number.radix()) else {
            let range = bounds.map(Self::bounds_text).unwrap_or_default();
            let said = cx.error(node.span.clone(), format!("{number} is out of range"));
            if !range.is_empty() {
                said.help(format!("{range} is accepted"));
            }
            return None;
        };
        within(value, bounds, node, cx)
    }

    fn toml(&self) -> String {
        self.to_string()
    }

    fn kind() -> String {
        "integer".into()
    }

    fn schema(bounds: Option<&Bounds<Self>>) -> Json {
        let mut schema = json!({ "type": "integer", "minimum": 0 });
        if let Some(bounds) = bounds {
            schema["minimum"] = bounds.least.into();
            schema["maximum"] = bounds.greatest.into();
        }
        schema
    }

    fn bounds_text(bounds: &Bounds<Self>) -> String {
        format!("{} to {}", bounds.least, bounds.greatest)
    }
}

/// Smaller integers, read as `u64`.
macro_rules! smaller {
    ($($kind:ty),+) => { $(
        impl Value for $kind {
            type Bound = Self;

            fn read(
                node: &Node<'_>,
                bounds: Option<&Bounds<Self>>,
                cx: &mut Cx<'_>,
            ) -> Option<Self> {
                let bounds = bounds.copied().unwrap_or(Bounds {
                    least: Self::MIN,
                    greatest: Self::MAX,
                });
                let value = u64::read(node, Some(&bounds.widened()), cx)?;
                Self::try_from(value).ok()
            }

            fn toml(&self) -> String {
                self.to_string()
            }

            fn kind() -> String {
                u64::kind()
            }

            fn schema(bounds: Option<&Bounds<Self>>) -> Json {
                u64::schema(bounds.map(|bounds| bounds.widened()).as_ref())
            }

            fn bounds_text(bounds: &Bounds<Self>) -> String {
                u64::bounds_text(&bounds.widened())
            }
        }
    )+ };
}

smaller!(u8, u16, u32);

impl<B: Copy + Into<u64>> Bounds<B> {
    fn widened(&self) -> Bounds<u64> {
        Bounds {
            least: self.least.into(),
            greatest: self.greatest.into(),
        }
    }
}

/// Numbers with a fraction.
macro_rules! number {
    ($($kind:ty),+) => { $(
        impl Value for $kind {
            type Bound = Self;

            fn read(node: &Node<'_>, bounds: Option<&Bounds<Self>>, cx: &mut Cx<'_>) -> Option<Self> {
                let parsed = match node.value {
                    DeValue::Float(number) => number.as_str().parse().ok(),
                    DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
                    _ => None,
                };
                let Some(value) = parsed.filter(|value: &Self| value.is_finite()) else {
                    cx.error(
                        node.span.clone(),
                        format!("expected a number, found {}", node.found()),
                    );
                    return None;
                };
                within(value, bounds, node, cx)
            }

            fn toml(&self) -> String {
                format!("{self:?}")
            }

            fn kind() -> String {
                "number".into()
            }

            fn schema(bounds: Option<&Bounds<Self>>) -> Json {
                let mut schema = json!({ "type": "number" });
                if let Some(bounds) = bounds {
                    schema["minimum"] = f64::from(bounds.least).into();
                    schema["maximum"] = f64::from(bounds.greatest).into();
                }
                schema
            }

            fn bounds_text(bounds: &Bounds<Self>) -> String {
                format!("{} to {}", bounds.least, bounds.greatest)
            }
        }
    )+ };
}

number!(f32, f64);

impl Value for bool {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        if let DeValue::Boolean(value) = node.value {
            return Some(*value);
        }
        let said = cx.error(
            node.span.clone(),
            format!("expected true or false, found {}", node.found()),
        );
        if let DeValue::String(text) = node.value {
            match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => said.help("write true, without quotation marks"),
                "false" | "no" | "off" => said.help("write false, without quotation marks"),
                _ => return None,
            };
        }
        None
    }

    fn toml(&self) -> String {
        self.to_string()
    }

    fn kind() -> String {
        "true or false".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "type": "boolean" })
    }
}

/// One of a few names.
pub trait Choice: Copy + PartialEq + 'static {
    /// Each with its name.
    fn all() -> Vec<(&'static str, Self)>;

    /// What to write instead of a name that another proxy has for one.
    fn ours(_name: &str) -> Option<&'static str> {
        None
    }
}

impl Choice for LogLevel {
    fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("error", Self::Error),
            ("warn", Self::Warn),
            ("info", Self::Info),
            ("debug", Self::Debug),
        ]
    }
}

impl Choice for LogFormat {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("text", Self::Text), ("json", Self::Json)]
    }
}

impl Choice for BalancerKind {
    fn all() -> Vec<(&'static str, Self)> {
        Self::ALL
            .into_iter()
            .map(|kind| (kind.name(), kind))
            .collect()
    }

    fn ours(name: &str) -> Option<&'static str> {
        elsewhere::our_balancer(name)
    }
}

impl Choice for SameSite {
    fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("strict", Self::Strict),
            ("lax", Self::Lax),
            ("none", Self::None),
        ]
    }
}

impl Choice for AdminState {
    fn all() -> Vec<(&'static str, Self)> {
        Self::ALL
            .into_iter()
            .map(|state| (state.name(), state))
            .collect()
    }
}

impl Choice for Priority {
    fn all() -> Vec<(&'static str, Self)> {
        Self::ALL
            .into_iter()
            .map(|priority| (priority.name(), priority))
            .collect()
    }
}

impl<T: Choice> Value for T {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, &format!("one of {}", Self::kind()), cx)?;
        let all = Self::all();
        if let Some(&(_, value)) = all.iter().find(|(name, _)| *name == text) {
            return Some(value);
        }
        let near = || nearest(&text, all.iter().map(|(name, _)| *name));
        let help = match Self::ours(&text).map(str::to_owned) {
            Some(ours) => ours,
            None => near().map_or_else(
                || format!("it is one of {}", Self::kind()),
                |near| format!("did you mean \"{near}\"?"),
            ),
        };
        cx.error(node.span.clone(), format!("\"{text}\" is not known here"))
            .help(help);
        None
    }

    fn toml(&self) -> String {
        let name = Self::all().into_iter().find(|(_, value)| value == self);
        quote(name.map_or("", |(name, _)| name))
    }

    fn kind() -> String {
        let names: Vec<String> = Self::all()
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        names.join(", ")
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        let names: Vec<&str> = Self::all().iter().map(|(name, _)| *name).collect();
        json!({ "anyOf": [{ "enum": names }, { "$ref": "#/$defs/elsewhere" }] })
    }
}

/// A limit that may be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrOff<T> {
    Off,
    Is(T),
}

impl<T: PartialEq> OrOff<T> {
    /// What a model holds for it, where `none` stands for "off".
    pub(crate) fn unless(self, none: T) -> T {
        match self {
            Self::Off => none,
            Self::Is(value) => value,
        }
    }

    /// What `unless` makes that value of.
    pub(crate) fn of(value: T, none: &T) -> Self {
        if value == *none {
            Self::Off
        } else {
            Self::Is(value)
        }
    }
}

impl<T: Value> Value for OrOff<T> {
    type Bound = T::Bound;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<T::Bound>>, cx: &mut Cx<'_>) -> Option<Self> {
        if is_off(node) {
            return Some(Self::Off);
        }
        let before = cx.count();
        let read = T::read(node, bounds, cx).map(Self::Is);
        // Who comes from a proxy where 0 means "no limit" should not have to look it up.
        if read.is_none() && cx.count() == before + 1 {
            cx.help_also(TURNS_OFF);
        }
        read
    }

    fn toml(&self) -> String {
        match self {
            Self::Off => quote("off"),
            Self::Is(value) => value.toml(),
        }
    }

    fn kind() -> String {
        format!("{} or \"off\"", T::kind())
    }

    fn schema(bounds: Option<&Bounds<T::Bound>>) -> Json {
        json!({ "anyOf": [{ "const": "off" }, T::schema(bounds)] })
    }

    fn bounds_text(bounds: &Bounds<T::Bound>) -> String {
        T::bounds_text(bounds)
    }
}

/// A limit that evenkeel finds itself unless one is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrAuto<T> {
    Auto,
    Is(T),
}

impl<T: PartialEq> OrAuto<T> {
    /// What a model holds for it, where `auto` stands for "auto".
    pub(crate) fn unless(self, auto: T) -> T {
        match self {
            Self::Auto => auto,
            Self::Is(value) => value,
        }
    }

    /// What `unless` makes that value of.
    pub(crate) fn of(value: T, auto: &T) -> Self {
        if value == *auto {
            Self::Auto
        } else {
            Self::Is(value)
        }
    }
}

impl<T: Value> Value for OrAuto<T> {
    type Bound = T::Bound;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<T::Bound>>, cx: &mut Cx<'_>) -> Option<Self> {
        if matches!(node.value, DeValue::String(text) if text == "auto") {
            return Some(Self::Auto);
        }
        let before = cx.count();
        let read = T::read(node, bounds, cx).map(Self::Is);
        if read.is_none() && cx.count() == before + 1 {
            cx.help_also("with \"auto\" evenkeel finds it itself");
        }
        read
    }

    fn toml(&self) -> String {
        match self {
            Self::Auto => quote("auto"),
            Self::Is(value) => value.toml(),
        }
    }

    fn kind() -> String {
        format!("{} or \"auto\"", T::kind())
    }

    fn schema(bounds: Option<&Bounds<T::Bound>>) -> Json {
        json!({ "anyOf": [{ "const": "auto" }, T::schema(bounds)] })
    }

    fn bounds_text(bounds: &Bounds<T::Bound>) -> String {
        T::bounds_text(bounds)
    }
}

/// What else may be written where "off" may.
pub(crate) const TURNS_OFF: &str = "\"off\" turns it off";

/// Whether this says "off".
pub(crate) fn is_off(node: &Node<'_>) -> bool {
    matches!(node.value, DeValue::String(text) if text == "off")
}

/// A number where a string with a unit is wanted: the most frequent slip of all.
fn bare_number(node: &Node<'_>) -> Option<String> {
    match node.value {
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

fn within<T: Value<Bound = T> + PartialOrd>(
    value: T,
    bounds: Option<&Bounds<T>>,
    node: &Node<'_>,
    cx: &mut Cx<'_>,
) -> Option<T> {
    let words = if T::kind() == Duration::kind() {
        ("short", "long")
    } else {
        ("little", "much")
    };
    let Some(bounds) = bounds else {
        return Some(value);
    };
    let shown = value.toml();
    let shown = shown.trim_matches('"');
    if value < bounds.least {
        let least = bounds.least.toml();
        cx.error(node.span.clone(), format!("{shown} is too {}", words.0))
            .help(format!("the least is {}", least.trim_matches('"')));
        return None;
    }
    if value > bounds.greatest {
        let greatest = bounds.greatest.toml();
        cx.error(node.span.clone(), format!("{shown} is too {}", words.1))
            .help(format!("the most is {}", greatest.trim_matches('"')));
        return None;
    }
    Some(value)
}
