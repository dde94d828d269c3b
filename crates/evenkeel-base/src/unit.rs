//! Units with their text forms: byte sizes and durations as people write them in the configuration.
//!
//! One grammar each, both ways: what `Display` writes, `parse` reads.

use std::fmt;
use std::time::Duration;

/// A number of bytes; `32KiB`, `10MB`, `512` in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// `n` kibibytes.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Reads `512`, `512B`, `8KiB`, `8kB`, `10MiB`, `10MB`, `1GiB`, `1GB`; binary and decimal multiples differ.
    ///
    /// # Errors
    /// A sentence that names what is accepted, when the text is none of these or overflows 64 bits.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split_number(text).ok_or_else(|| size_help(text))?;
        let factor: u64 = match unit {
            "" | "B" => 1,
            "kB" | "KB" => 1_000,
            "KiB" | "K" | "k" => 1 << 10,
            "MB" => 1_000_000,
            "MiB" | "M" => 1 << 20,
            "GB" => 1_000_000_000,
            "GiB" | "G" => 1 << 30,
            _ => return Err(size_help(text)),
        };
        let number: u64 = number.parse().map_err(|_| size_help(text))?;
        number
            .checked_mul(factor)
            .map(Self)
            .ok_or_else(|| size_help(text))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
            if n != 0 && n.is_multiple_of(unit) {
                return write!(f, "{}{name}", n / unit);
            }
        }
        write!(f, "{n}B")
    }
}

/// Reads `250ms`, `2s`, `1.5s`, `5m`, `1h`, `1d`; `0` alone needs no unit.
///
/// # Errors
/// A sentence that names what is accepted.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (number, unit) = split_number(text).ok_or_else(|| duration_help(text))?;
    let micros: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" | "min" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return Err(duration_help(text)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 6 {
        return Err(duration_help(text));
    }
    let whole: u64 = whole.parse().map_err(|_| duration_help(text))?;
    let mut total = whole
        .checked_mul(micros)
        .ok_or_else(|| duration_help(text))?;
    if !fraction.is_empty() {
        let digits: u64 = fraction.parse().map_err(|_| duration_help(text))?;
        let scale = 10_u64.pow(u32::try_from(fraction.len()).unwrap_or(6));
        total = total.saturating_add(digits * micros / scale);
    }
    Ok(Duration::from_micros(total))
}

/// Writes a duration in the largest unit that loses nothing: `90s`, `1500ms`, `5m`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    let units = [
        (3_600_000_000, "h"),
        (60_000_000, "m"),
        (1_000_000, "s"),
        (1_000, "ms"),
    ];
    if micros == 0 {
        return "0s".into();
    }
    for (unit, name) in units {
        if micros.is_multiple_of(unit) {
            return format!("{}{name}", micros / unit);
        }
    }
    format!("{micros}us")
}

fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number.starts_with(|c: char| c.is_ascii_digit())).then_some((number, unit.trim_start()))
}

fn size_help(text: &str) -> String {
    format!(
        "\"{text}\" is not a size: write a whole number with B, KiB, MiB, GiB, kB, MB or GB, like \"32KiB\""
    )
}

fn duration_help(text: &str) -> String {
    format!(
        "\"{text}\" is not a duration: write a number with us, ms, s, m, h or d, like \"30s\" or \"250ms\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_write_back() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("8KiB", 8192),
            ("10MB", 10_000_000),
            ("1 GiB", 1 << 30),
        ] {
            let size = ByteSize::parse(text).unwrap();
            assert_eq!(size.bytes(), bytes, "{text}");
            assert_eq!(ByteSize::parse(&size.to_string()).unwrap(), size);
        }
        for text in [
            "",
            "KiB",
            "-1",
            "1.5KiB",
            "1 parsec",
            "99999999999GiB",
            "0x10",
        ] {
            assert!(ByteSize::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_read_and_write_back() {
        for (text, millis) in [
            ("0", 0),
            ("250ms", 250),
            ("1.5s", 1500),
            ("5m", 300_000),
            ("1h", 3_600_000),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(
                parse_duration(&format_duration(duration)).unwrap(),
                duration
            );
        }
        for text in [
            "",
            "5",
            "s",
            "-1s",
            "1..5s",
            "1 fortnight",
            "9999999999999999d",
            "1.5.5s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
