//! Shares of a whole as people write them, `"1%"`, held as whole thousandths of a percent: what is written is exactly what holds.

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::raw::{Cx, Node};
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, Value};

/// A share in thousandths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Percent(pub(crate) u32);

impl Percent {
    /// One percent.
    pub(crate) const ONE: Self = Self(1_000);
    /// All of it.
    pub(crate) const ALL: Self = Self(100 * Self::ONE.0);

    /// So many digits may stand behind the point.
    const PLACES: usize = 3;

    fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?.trim_end();
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > Self::PLACES {
            return None;
        }
        let whole: u32 = whole.parse().ok()?;
        let part: u32 = format!("{part:0<width$}", width = Self::PLACES)
            .parse()
            .ok()?;
        let share = whole.checked_mul(Self::ONE.0)?.checked_add(part)?;
        (share <= Self::ALL.0).then_some(Self(share))
    }
}

impl Value for Percent {
    type Bound = Self;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<Self>>, cx: &mut Cx<'_>) -> Option<Self> {
        if let DeValue::Integer(_) | DeValue::Float(_) = node.value {
            cx.error(node.span.clone(), "a share needs its sign")
                .help("write it as \"1%\"");
            return None;
        }
        let text = read_text(node, "a share like \"1%\"", cx)?;
        let Some(share) = Self::parse(&text) else {
            cx.error(node.span.clone(), format!("\"{text}\" is no share"))
                .help("write \"0%\" to \"100%\", with at most three digits behind the point");
            return None;
        };
        let Some(Bounds { least, greatest }) = bounds else {
            return Some(share);
        };
        if (*least..=*greatest).contains(&share) {
            return Some(share);
        }
        cx.error(node.span.clone(), format!("\"{text}\" is out of range"))
            .help(format!(
                "{} is accepted",
                Self::bounds_text(&Bounds {
                    least: *least,
                    greatest: *greatest
                })
            ));
        None
    }

    fn toml(&self) -> String {
        let (whole, part) = (self.0 / Self::ONE.0, self.0 % Self::ONE.0);
        let text = format!("{whole}.{part:03}");
        quote(&format!(
            "{}%",
            text.trim_end_matches('0').trim_end_matches('.')
        ))
    }

    fn kind() -> String {
        "share".into()
    }

    fn schema(_: Option<&Bounds<Self>>) -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,3})? *%$" })
    }

    fn bounds_text(bounds: &Bounds<Self>) -> String {
        format!("{} to {}", bounds.least.toml(), bounds.greatest.toml())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_they_are_written() {
        for (text, share) in [
            ("1%", 1_000),
            ("0%", 0),
            ("100%", 100_000),
            ("100.000 %", 100_000),
            ("0.1%", 100),
            ("12.345%", 12_345),
        ] {
            assert_eq!(Percent::parse(text), Some(Percent(share)), "{text}");
        }
        for text in [
            "",
            "%",
            "1",
            "-1%",
            "+1%",
            "1.%",
            ".5%",
            "1.2345%",
            "101%",
            "100.001%",
            "1e1%",
            "99999999999%",
        ] {
            assert_eq!(Percent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_share_is_written_and_read_as_itself() {
        for share in (0..=Percent::ALL.0).step_by(7).map(Percent) {
            let text = share.toml();
            assert_eq!(
                Percent::parse(text.trim_matches('"')),
                Some(share),
                "{text}"
            );
        }
    }
}
