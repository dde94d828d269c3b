//! Numbers and names as they stand in a cell: short, and nothing that a terminal would obey.

/// A rate per second: three digits where they say something. Empty: none.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        none if none <= 0.0 => String::new(),
        few if few < 10.0 => format!("{few:.1}"),
        some if some < 10_000.0 => format!("{some:.0}"),
        many if many < 10_000_000.0 => format!("{:.0}k", many / 1e3),
        more => format!("{:.0}M", more / 1e6),
    }
}

/// Bytes per second.
pub(super) fn bytes(per_second: f64) -> String {
    let (value, unit) = match per_second {
        few if few < 1e3 => (few, "B"),
        some if some < 1e6 => (some / 1e3, "kB"),
        many if many < 1e9 => (many / 1e6, "MB"),
        more => (more / 1e9, "GB"),
    };
    let digits = usize::from(value < 10.0 && unit != "B");
    format!("{value:.digits$} {unit}/s")
}

/// A latency. Empty: it is not known.
pub(super) fn latency(us: Option<u64>) -> String {
    let Some(us) = us else {
        return String::new();
    };
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let us = us as f64;
    match us {
        us if us < 1e3 => format!("{us:.0}us"),
        us if us < 1e4 => format!("{:.1}ms", us / 1e3),
        us if us < 1e6 => format!("{:.0}ms", us / 1e3),
        us => format!("{:.1}s", us / 1e6),
    }
}

/// A span of time.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A name or a text as it may stand on a terminal: what could move its cursor or name its window becomes a mark.
pub(super) fn clean(text: &str) -> String {
    let mark = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let rates = [0.0, 0.24, 9.94, 10.0, 9_999.0, 10_000.0, 2.5e7].map(rate);
        assert_eq!(rates, ["", "0.2", "9.9", "10", "9999", "10k", "25M"]);
        let latencies = [None, Some(7), Some(1_000), Some(12_345), Some(2_000_000)].map(latency);
        assert_eq!(latencies, ["", "7us", "1.0ms", "12ms", "2.0s"]);
        let sizes = [0.0, 999.0, 1_500.0, 2.34e7, 3e9].map(bytes);
        assert_eq!(
            sizes,
            ["0 B/s", "999 B/s", "1.5 kB/s", "23 MB/s", "3.0 GB/s"]
        );
        let spans = [900, 61_000, 180_000, 7_300_000, 200_000_000].map(span);
        assert_eq!(spans, ["0 s", "61 s", "3 min", "2 h", "2 days"]);
    }

    #[test]
    fn a_name_gives_the_terminal_no_orders() {
        assert_eq!(
            clean("a\x1b[2Jb\n\u{9b}c"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}c"
        );
    }
}
