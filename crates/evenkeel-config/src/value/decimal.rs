//! Numbers with a few places after the point, held as whole numbers: what is written is exactly what holds.

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::raw::{Cx, Node};
use crate::value::{Bounds, Value};

/// A number with at most so many places after the point, as a whole number of the last of them: `1.25` is 125 with two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal<const PLACES: u32>(pub(crate) u32);

impl<const PLACES: u32> Decimal<PLACES> {
    const ONE: u32 = 10_u32.pow(PLACES);

    fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(Self::ONE)
    }

    /// The whole number for a number as it is written; `None` when it is negative, too large, or has more places.
    fn of(number: f64) -> Option<Self> {
        let whole = number * f64::from(Self::ONE);
        let round = whole.round();
        // The error of one multiplication is far below this, and a further place far above it.
        let exact = (whole - round).abs() < 1e-4;
        // By way of its text, which has no sign and no way to wrap around; adding zero makes -0 a 0.
        let whole = format!("{:.0}", round + 0.0).parse().ok();
        whole.filter(|_| exact).map(Self)
    }
}

impl<const PLACES: u32> Value for Decimal<PLACES> {
    type Bound = u32;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<u32>>, cx: &mut Cx<'_>) -> Option<Self> {
        let parsed = match node.value {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        };
        let Some(number) = parsed.filter(|number| number.is_finite()) else {
            cx.error(
                node.span.clone(),
                format!("expected a number, found {}", node.found()),
            );
            return None;
        };
        let least = bounds.map_or(0, |bounds| bounds.least);
        let greatest = bounds.map_or(u32::MAX, |bounds| bounds.greatest);
        let (least, greatest) = (Self(least), Self(greatest));
        if number < least.as_f64() {
            cx.error(node.span.clone(), format!("{number} is too little"))
                .help(format!("the least is {}", least.toml()));
            return None;
        }
        if number > greatest.as_f64() {
            cx.error(node.span.clone(), format!("{number} is too much"))
                .help(format!("the most is {}", greatest.toml()));
            return None;
        }
        let read = Self::of(number);
        if read.is_none() {
            cx.error(node.span.clone(), format!("{number} is too exact"))
                .help(format!("it may have {PLACES} digits after the point"));
        }
        read
    }

    fn toml(&self) -> String {
        let (whole, part) = (self.0 / Self::ONE, self.0 % Self::ONE);
        if part == 0 {
            return whole.to_string();
        }
        let width = PLACES as usize;
        let text = format!("{whole}.{part:0width$}");
        text.trim_end_matches('0').to_owned()
    }

    fn kind() -> String {
        "number".into()
    }

    fn schema(bounds: Option<&Bounds<u32>>) -> Json {
        let mut schema = json!({ "type": "number" });
        if let Some(bounds) = bounds {
            schema["minimum"] = Self(bounds.least).as_f64().into();
            schema["maximum"] = Self(bounds.greatest).as_f64().into();
        }
        schema
    }

    fn bounds_text(bounds: &Bounds<u32>) -> String {
        let (least, greatest) = (Self(bounds.least), Self(bounds.greatest));
        format!("{} to {}", least.toml(), greatest.toml())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decimal_is_written_and_read_as_itself() {
        for whole in (0..100_000).chain([u32::MAX]) {
            let decimal = Decimal::<3>(whole);
            let number: f64 = decimal.toml().parse().unwrap();
            assert_eq!(Decimal::<3>::of(number), Some(decimal));
        }
    }

    #[test]
    fn further_places_and_what_is_no_such_number_are_refused() {
        assert_eq!(Decimal::<2>(125).toml(), "1.25");
        assert_eq!(Decimal::<2>(1_000).toml(), "10");
        for number in [1.255, 0.0001, -1.0, 1e12, f64::NAN] {
            assert_eq!(Decimal::<2>::of(number), None, "{number}");
        }
    }
}
