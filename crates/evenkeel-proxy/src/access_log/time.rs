//! Time stamps for access records: RFC 3339 in UTC with milliseconds, the date part computed once a second.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment as text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    second: u64,
    text: [u8; 24],
}

impl Default for Stamp {
    fn default() -> Self {
        Self {
            second: u64::MAX,
            text: *b"1970-01-01T00:00:00.000Z",
        }
    }
}

impl Stamp {
    /// The stamp of `now`.
    pub(crate) fn at(mut self, now: SystemTime) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            self.write_second();
        }
        self.digits(20, 3, u64::from(since.subsec_millis()));
        self
    }

    /// `2026-11-22T18:20:17.123Z`.
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    fn write_second(&mut self) {
        let (days, second) = (self.second / 86_400, self.second % 86_400);
        let (year, month, day) = civil(days);
        for (at, width, number) in [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, second / 3600),
            (14, 2, second / 60 % 60),
            (17, 2, second % 60),
        ] {
            self.digits(at, width, number);
        }
    }

    fn digits(&mut self, at: usize, width: usize, mut number: u64) {
        for place in (at..at + width).rev() {
            self.text[place] = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

/// Days since 1970-01-01 as year, month, day of the Gregorian calendar. Years are counted from March, so that the leap
/// day is the last of its year, in cycles of 400 years.
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn known_moments() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_795_371_617_123, "2026-11-22T18:20:17.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        let mut stamp = Stamp::default();
        for (millis, expected) in cases {
            stamp = stamp.at(UNIX_EPOCH + Duration::from_millis(millis));
            assert_eq!(std::str::from_utf8(stamp.as_bytes()).unwrap(), expected);
        }
    }
}
