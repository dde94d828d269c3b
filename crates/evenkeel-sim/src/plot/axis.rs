//! Axes: where a value stands between the two ends, and which values are labelled.

use crate::chance::ln;

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    low: f64,
    high: f64,
    turn: Turn,
    ticks: Vec<(f64, String)>,
}

/// What a value is turned into before it is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Linear,
    /// Each decade is as long as the next.
    Log,
    /// Of a share: 90 % stands as far from 99 % as that from 99.9 %.
    Nines,
}

/// About so many labels fit.
const LABELS: f64 = 6.0;

impl Axis {
    /// From one number to another, with round numbers labelled; `unit` follows each.
    #[must_use]
    pub fn linear(label: &str, low: f64, high: f64, unit: &str) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let step = round_step((high - low) / LABELS);
        let first = (low / step).ceil() * step;
        let values = (0..=50).map(|n| first + f64::from(n) * step);
        let ticks = values
            .take_while(|value| *value <= high * (1.0 + 1e-9))
            .map(|value| (value, format!("{}{unit}", short(value))))
            .collect();
        Self {
            label: label.to_owned(),
            low,
            high,
            turn: Turn::Linear,
            ticks,
        }
    }

    /// Milliseconds, from decade to decade.
    #[must_use]
    pub fn milliseconds(label: &str, low: f64, high: f64) -> Self {
        let low = low.max(0.01);
        let high = high.max(low * 2.0);
        let is_wide = high / low > 300.0;
        let mut ticks = Vec::new();
        let mut decade = 0.001;
        // From microseconds to the longest run.
        for _ in 0..12 {
            for of in [1.0, 2.0, 5.0] {
                let value = decade * of;
                let is_in = value >= low * 0.999 && value <= high * 1.001;
                if is_in && (of < 1.5 || !is_wide) {
                    ticks.push((value, time(value)));
                }
            }
            decade *= 10.0;
        }
        Self {
            label: label.to_owned(),
            low,
            high,
            turn: Turn::Log,
            ticks,
        }
    }

    /// Shares of requests from none to `most`, which is below 1.
    #[must_use]
    pub fn nines(label: &str, most: f64) -> Self {
        let all = [
            (0.0, "0"),
            (0.5, "50 %"),
            (0.9, "90 %"),
            (0.99, "99 %"),
            (0.999, "99.9 %"),
            (0.9999, "99.99 %"),
        ];
        let shown = all.iter().filter(|(share, _)| *share <= most + 1e-9);
        Self {
            label: label.to_owned(),
            low: 0.0,
            high: most,
            turn: Turn::Nines,
            ticks: shown
                .map(|(share, name)| (*share, (*name).to_owned()))
                .collect(),
        }
    }

    /// Where a value stands: 0 at the low end, 1 at the high end, and what is outside at the nearer end.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let turned = |value: f64| match self.turn {
            Turn::Linear => value,
            Turn::Log => ln(value.max(1e-9)),
            Turn::Nines => -ln((1.0 - value).max(1e-9)),
        };
        let (low, high) = (turned(self.low), turned(self.high));
        ((turned(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// The labelled values, by place.
    pub fn ticks(&self) -> impl Iterator<Item = (f64, &str)> {
        let places = self.ticks.iter();
        places.map(|(value, label)| (self.place(*value), label.as_str()))
    }

    /// Its high end.
    #[must_use]
    pub const fn high(&self) -> f64 {
        self.high
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_step(raw: f64) -> f64 {
    let mut decade = 1e-6;
    for _ in 0..18 {
        for of in [1.0, 2.0, 5.0] {
            if decade * of >= raw {
                return decade * of;
            }
        }
        decade *= 10.0;
    }
    raw
}

/// A number without digits that say nothing.
#[must_use]
pub fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// Milliseconds, as people write them.
fn time(ms: f64) -> String {
    if ms < 1.0 {
        format!("{} µs", short(ms * 1e3))
    } else if ms < 1e3 {
        format!("{} ms", short(ms))
    } else {
        format!("{} s", short(ms / 1e3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks().map(|(_, label)| label).collect()
    }

    #[test]
    fn labels_are_round_numbers() {
        let linear = Axis::linear("time", 0.0, 90.0, " s");
        assert_eq!(labels(&linear), ["0 s", "20 s", "40 s", "60 s", "80 s"]);
        let log = Axis::milliseconds("latency", 50.0, 5000.0);
        assert_eq!(
            labels(&log),
            ["50 ms", "100 ms", "200 ms", "500 ms", "1 s", "2 s", "5 s"]
        );
        let nines = Axis::nines("share", 0.999);
        assert_eq!(labels(&nines), ["0", "50 %", "90 %", "99 %", "99.9 %"]);
        assert_eq!(labels(&Axis::linear("", 0.0, 0.0, "")).len(), 6);
    }

    #[test]
    fn each_kind_has_its_own_measure() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(Axis::linear("", 0.0, 10.0, "").place(5.0), 0.5);
        near(Axis::milliseconds("", 1.0, 100.0).place(10.0), 0.5);
        near(Axis::nines("", 0.99).place(0.9), 0.5);
        near(Axis::linear("", 0.0, 10.0, "").place(11.0), 1.0);
    }
}
