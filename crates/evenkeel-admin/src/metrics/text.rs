//! The text formats that Prometheus reads: its own (0.0.4) and OpenMetrics 1.0. They differ in the names of counters' families,
//! in the last line, and in nothing else that is used here. It knows no metric.

use std::fmt::{Display, Write as _};

use evenkeel_state::histogram::Counts;

/// Which of the two is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus, 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The one that a client prefers by its `Accept`; who says nothing gets the older one. A client that knows OpenMetrics names
    /// it, whatever weight it gives to what else it takes.
    pub(crate) fn preferred(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// Its media type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a family's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// They go up, until the process ends.
    Counter,
    /// They go up and down.
    Gauge,
    /// Durations by size.
    Histogram,
}

/// The bounds of a histogram's buckets are powers of two in microseconds, where the ones that are counted begin: from 256 µs
/// to 67 s.
const BITS: std::ops::RangeInclusive<u32> = 8..=26;

/// A histogram as it is written: how many records were shorter than each bound, how many there were, and their sum.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    shorter: [u64; 19],
    count: u64,
    seconds: f64,
}

impl From<&Counts> for Buckets {
    fn from(counts: &Counts) -> Self {
        let mut bits = BITS;
        let shorter =
            std::array::from_fn(|_| counts.shorter_than(bits.next().unwrap_or(*BITS.end())));
        Self {
            shorter,
            count: counts.count(),
            seconds: counts.sum().as_secs_f64(),
        }
    }
}

/// A page of metrics as it grows.
#[derive(Debug)]
pub(crate) struct Text {
    out: String,
    format: Format,
    family: &'static str,
    kind: Kind,
}

/// Labels: names that are written here, and values from the configuration.
pub(crate) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Text {
    /// An empty page.
    pub(crate) const fn new(format: Format) -> Self {
        Self {
            out: String::new(),
            format,
            family: "",
            kind: Kind::Gauge,
        }
    }

    /// Begins a family; its samples follow. The names of counters end with `_total`, as they do in what is read.
    pub(crate) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        (self.family, self.kind) = (name, kind);
        let (is_open, kind) = match kind {
            Kind::Counter => (self.format == Format::OpenMetrics, "counter"),
            Kind::Gauge => (false, "gauge"),
            Kind::Histogram => (false, "histogram"),
        };
        let name = name
            .strip_suffix("_total")
            .filter(|_| is_open)
            .unwrap_or(name);
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample of the family.
    pub(crate) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.out.push_str(self.family);
        self.labels(labels, None);
        let _ = writeln!(self.out, " {value}");
    }

    /// A histogram of the family.
    pub(crate) fn histogram(&mut self, labels: Labels<'_>, buckets: &Buckets) {
        for (bits, shorter) in BITS.zip(buckets.shorter) {
            let bound = f64::from(1_u32 << bits) / 1e6;
            self.bucket(labels, &bound.to_string(), shorter);
        }
        self.bucket(labels, "+Inf", buckets.count);
        for (suffix, value) in [
            ("_sum", buckets.seconds.to_string()),
            ("_count", buckets.count.to_string()),
        ] {
            self.out.push_str(self.family);
            self.out.push_str(suffix);
            self.labels(labels, None);
            let _ = writeln!(self.out, " {value}");
        }
    }

    fn bucket(&mut self, labels: Labels<'_>, bound: &str, count: u64) {
        self.out.push_str(self.family);
        self.out.push_str("_bucket");
        self.labels(labels, Some(bound));
        let _ = writeln!(self.out, " {count}");
    }

    fn labels(&mut self, labels: Labels<'_>, bound: Option<&str>) {
        let bound = bound.map(|bound| ("le", bound));
        let mut before = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            self.out.push(before);
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(&mut self.out, value);
            self.out.push('"');
            before = ',';
        }
        if before == ',' {
            self.out.push('}');
        }
    }

    /// The page.
    pub(crate) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

/// A label's value as both formats quote it.
fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_state::histogram::Histogram;

    use super::*;

    fn page(format: Format) -> String {
        let mut text = Text::new(format);
        text.family("evenkeel_things_total", Kind::Counter, "Things.");
        text.sample(&[("route", "a\"b\\\n"), ("class", "2xx")], 3);
        text.family("evenkeel_level", Kind::Gauge, "The level.");
        text.sample(&[], 0.5);
        text.finish()
    }

    #[test]
    fn samples_stand_below_their_family() {
        assert_eq!(
            page(Format::Prometheus),
            "# HELP evenkeel_things_total Things.\n# TYPE evenkeel_things_total counter\n\
             evenkeel_things_total{route=\"a\\\"b\\\\\\n\",class=\"2xx\"} 3\n\
             # HELP evenkeel_level The level.\n# TYPE evenkeel_level gauge\nevenkeel_level 0.5\n"
        );
    }

    #[test]
    fn openmetrics_names_a_counter_s_family_without_its_ending_and_says_that_it_is_over() {
        let page = page(Format::OpenMetrics);
        assert!(
            page.contains("# TYPE evenkeel_things counter\nevenkeel_things_total{"),
            "{page}"
        );
        assert!(page.ends_with("evenkeel_level 0.5\n# EOF\n"), "{page}");
    }

    #[test]
    fn a_histogram_counts_up_to_all_of_it() {
        let histogram = Histogram::default();
        for us in [100, 300, 300, 100_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let mut counts = Counts::default();
        histogram.add_to(&mut counts);
        let mut text = Text::new(Format::Prometheus);
        text.family("t_seconds", Kind::Histogram, "Time.");
        text.histogram(&[("cluster", "a")], &Buckets::from(&counts));
        let page = text.finish();
        for line in [
            "t_seconds_bucket{cluster=\"a\",le=\"0.000256\"} 1\n",
            "t_seconds_bucket{cluster=\"a\",le=\"0.000512\"} 3\n",
            "t_seconds_bucket{cluster=\"a\",le=\"67.108864\"} 3\n",
            "t_seconds_bucket{cluster=\"a\",le=\"+Inf\"} 4\n",
            "t_seconds_sum{cluster=\"a\"} 100.0007\n",
            "t_seconds_count{cluster=\"a\"} 4\n",
        ] {
            assert!(page.contains(line), "{line}{page}");
        }
        assert_eq!(page.matches("_bucket").count(), 20);
    }

    #[test]
    fn who_knows_openmetrics_gets_it() {
        for (accept, expected) in [
            ("", Format::Prometheus),
            ("text/plain", Format::Prometheus),
            ("*/*", Format::Prometheus),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4",
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(Format::preferred(accept), expected, "{accept}");
        }
    }
}
