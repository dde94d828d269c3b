//! What an endpoint says of itself, in a field of its responses or the body of a load probe.
//!
//! The format is that of ORCA (Open Request Cost Aggregation; the message `xds.data.orca.v3.OrcaLoadReport`) as proxies
//! read it in the response field `endpoint-load-metrics`, in its two readable forms:
//!
//! ```text
//! TEXT cpu_utilization=0.3, rps_fractional=120.5, eps=0.1, named_metrics.in_flight=3
//! JSON {"application_utilization": 0.3, "rps_fractional": 120.5, "named_metrics": {"latency_ms": 12.5}}
//! ```
//!
//! The prefix may be left out: what begins with a brace is JSON. Pairs may stand on lines of their own, as suits a body.
//! **The binary form is not read**: neither a `BIN` prefix nor the field `endpoint-load-metrics-bin`. An endpoint that
//! sends nothing else reports nothing.
//!
//! | name | becomes |
//! |---|---|
//! | `application_utilization`, and where that is 0 or missing `cpu_utilization` | [`Report::utilization`] |
//! | `rps_fractional`, and where that is missing `rps` | [`Report::requests_per_second`] |
//! | `eps` | [`Report::errors_per_second`] |
//! | `in_flight` or `rif`, also below `named_metrics` | [`Report::in_flight`] |
//! | `latency_us` or `latency_ms`, also below `named_metrics` | [`Report::latency`] |
//!
//! All other names are passed over. JSON may write the names of the message as protobuf does (`cpuUtilization`). A report that is wrong in
//! one place is believed in none: one of these names with a negative number, with none, or with one that is too large makes
//! the whole report nothing, as do a pair without `=` and JSON that is not well-formed.

mod json;

use std::time::Duration;

/// The longest report that is read, 4 KiB; a longer one is none.
pub const MOST_BYTES: usize = 4_096;

/// What an endpoint says of itself; `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Requests in flight there.
    pub in_flight: Option<u32>,
    /// Its estimate of the latency at that load.
    pub latency: Option<Duration>,
    /// How much of it is used: 1 is all.
    pub utilization: Option<f32>,
    /// Requests that it serves in a second.
    pub requests_per_second: Option<f32>,
    /// Errors among these.
    pub errors_per_second: Option<f32>,
}

impl Report {
    /// Reads a report; none when it is no report or says nothing of what is known here. All numbers are finite and not
    /// negative.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > MOST_BYTES {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?.trim_ascii();
        let mut draft = Draft::default();
        if let Some(pairs) = after(text, "TEXT") {
            draft.read_text(pairs)?;
        } else if let Some(object) = after(text, "JSON") {
            json::read(object, &mut draft)?;
        } else if text.starts_with('{') {
            json::read(text, &mut draft)?;
        } else {
            draft.read_text(text)?;
        }
        draft.finish()
    }
}

/// What follows that prefix and a space.
fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (first, rest) = text.split_once(|c: char| c.is_ascii_whitespace())?;
    first.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Where a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// At the top.
    Message,
    /// Below `named_metrics`.
    Named,
    /// Below anything else.
    Other,
}

impl Within {
    /// Where the names below `name` stand.
    fn below(self, name: &str) -> Self {
        match (self, name) {
            (Self::Message, "named_metrics" | "namedMetrics") => Self::Named,
            _ => Self::Other,
        }
    }
}

/// A report while it is read.
#[derive(Debug, Default)]
struct Draft {
    report: Report,
    application: Option<f32>,
    cpu: Option<f32>,
    rps: Option<f32>,
}

impl Draft {
    fn read_text(&mut self, text: &str) -> Option<()> {
        for pair in text.split([',', '\n']) {
            let pair = pair.trim_ascii();
            if pair.is_empty() {
                continue;
            }
            let (name, number) = pair.split_once('=')?;
            let (name, number) = (name.trim_ascii_end(), number.trim_ascii_start());
            match name.split_once('.') {
                None => self.set(Within::Message, name, number)?,
                Some((outer, name)) => self.set(Within::Message.below(outer), name, number)?,
            }
        }
        Some(())
    }

    /// Takes one number down, when its name is known.
    fn set(&mut self, within: Within, name: &str, number: &str) -> Option<()> {
        if within == Within::Other {
            return Some(());
        }
        match name {
            "in_flight" | "rif" => self.report.in_flight = Some(count(number)?),
            "latency_us" => self.report.latency = Some(duration(number, 1e-6)?),
            "latency_ms" => self.report.latency = Some(duration(number, 1e-3)?),
            // What a metric of the application's own is called says nothing about these.
            _ if within == Within::Named => {}
            "application_utilization" | "applicationUtilization" => {
                self.application = Some(amount(number)?);
            }
            "cpu_utilization" | "cpuUtilization" => self.cpu = Some(amount(number)?),
            "rps_fractional" | "rpsFractional" => {
                self.report.requests_per_second = Some(amount(number)?);
            }
            "rps" => self.rps = Some(amount(number)?),
            "eps" => self.report.errors_per_second = Some(amount(number)?),
            _ => {}
        }
        Some(())
    }

    fn finish(self) -> Option<Report> {
        let application = self.application.filter(|&part| part > 0.0);
        let report = Report {
            utilization: application.or(self.cpu).or(self.application),
            requests_per_second: self.report.requests_per_second.or(self.rps),
            ..self.report
        };
        (report != Report::default()).then_some(report)
    }
}

/// A number that is finite and not negative.
fn number(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    // −0.0 is not below 0, and would make 1 / x negative.
    (number.is_finite() && number >= 0.0).then_some(number.abs())
}

fn amount(text: &str) -> Option<f32> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is too large is looked for"
    )]
    let amount = number(text)? as f32;
    amount.is_finite().then_some(amount)
}

fn count(text: &str) -> Option<u32> {
    let number = number(text)?.round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "compared the line before, and not negative"
    )]
    (number <= f64::from(u32::MAX)).then_some(number as u32)
}

/// A time in a unit of so many seconds; at most what seconds in 32 bits hold, 136 years.
fn duration(text: &str, unit: f64) -> Option<Duration> {
    let seconds = number(text)? * unit;
    (seconds <= f64::from(u32::MAX)).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests;
