//! Time stamps for access records: RFC 3339 with milliseconds and the form of the Common Log Format, both in UTC, the date part
//! computed once a second.
//!
//! Exchanges are timed by the monotonic clock, and a record does not read another one: the time of day is looked up once
//! a second and carried on from there. A step of it shows in the records a second late at most.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment as text.
#[derive(Clone, Debug)]
pub(crate) struct Stamps {
    /// `2026-11-22T18:20:17.123Z`.
    rfc3339: [u8; 24],
    /// `22/Nov/2026:18:20:17 +0000`.
    clf: [u8; 26],
}

impl Stamps {
    /// The beginning of 1970.
    pub(super) const EPOCH: Self = Self {
        rfc3339: *b"1970-01-01T00:00:00.000Z",
        clf: *b"01/Jan/1970:00:00:00 +0000",
    };

    /// As RFC 3339 has it, with milliseconds.
    pub(super) const fn rfc3339(&self) -> &[u8; 24] {
        &self.rfc3339
    }

    /// As the Common Log Format has it.
    pub(super) const fn clf(&self) -> &[u8; 26] {
        &self.clf
    }
}

/// The names of the months, whatever language the system speaks.
const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// How long the time of day is carried on.
const TRUST: Duration = Duration::from_secs(1);

/// What tells a worker the time of day.
#[derive(Debug)]
pub(super) struct Clock {
    /// When the time of day was looked up, and what it was, since the epoch.
    looked: Instant,
    was: Duration,
    /// The second that the stamp is of.
    second: u64,
    stamps: Stamps,
}

impl Clock {
    /// A clock that is looked at now.
    pub(super) fn new(now: Instant) -> Self {
        Self::set(now, SystemTime::now())
    }

    /// A clock that showed `time` at `now`.
    pub(super) fn set(now: Instant, time: SystemTime) -> Self {
        Self {
            looked: now,
            was: time.duration_since(UNIX_EPOCH).unwrap_or_default(),
            second: u64::MAX,
            stamps: Stamps::EPOCH,
        }
    }

    /// The stamps of `moment`, which is not long ago; one before the last look gets the time of the look.
    #[inline]
    pub(super) fn stamps(&mut self, moment: Instant) -> &Stamps {
        let mut since = moment.saturating_duration_since(self.looked);
        if since >= TRUST {
            *self = Self::new(Instant::now());
            since = moment.saturating_duration_since(self.looked);
        }
        self.carry(since)
    }

    /// The stamps of the moment `since` after the look.
    #[inline]
    fn carry(&mut self, since: Duration) -> &Stamps {
        let time = self.was.saturating_add(since);
        if time.as_secs() != self.second {
            self.second = time.as_secs();
            self.write_second();
        }
        digits(&mut self.stamps.rfc3339, 20, 3, time.subsec_millis().into());
        &self.stamps
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
            digits(&mut self.stamps.rfc3339, at, width, number);
        }
        let clf = &mut self.stamps.clf;
        for (at, width, number) in [
            (0, 2, day),
            (7, 4, year),
            (12, 2, second / 3600),
            (15, 2, second / 60 % 60),
            (18, 2, second % 60),
        ] {
            digits(clf, at, width, number);
        }
        let month = usize::try_from(month).unwrap_or(1).clamp(1, 12) - 1;
        clf[3..6].copy_from_slice(&MONTHS[3 * month..3 * month + 3]);
    }
}

#[inline]
fn digits(stamp: &mut [u8], at: usize, width: usize, mut number: u64) {
    for place in (at..at + width).rev() {
        stamp[place] = b'0' + (number % 10) as u8;
        number /= 10;
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
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn read(stamps: &Stamps) -> &str {
        std::str::from_utf8(stamps.rfc3339()).unwrap()
    }

    #[test]
    fn known_moments() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_795_371_617_123, "2026-11-22T18:20:17.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        let now = Instant::now();
        let mut carried = Clock::set(now, UNIX_EPOCH);
        for (millis, expected) in cases {
            let mut fresh = Clock::set(now, UNIX_EPOCH + at(millis));
            assert_eq!(read(fresh.stamps(now)), expected);
            assert_eq!(read(carried.carry(at(millis))), expected);
        }
    }

    #[test]
    fn apache_s_form_has_names_of_months() {
        let mut clock = Clock::set(Instant::now(), UNIX_EPOCH);
        for (millis, expected) in [
            (0, "01/Jan/1970:00:00:00 +0000"),
            (951_782_400_000, "29/Feb/2000:00:00:00 +0000"),
            (1_795_371_617_123, "22/Nov/2026:18:20:17 +0000"),
            (1_798_761_599_999, "31/Dec/2026:23:59:59 +0000"),
        ] {
            let stamps = clock.carry(at(millis));
            assert_eq!(std::str::from_utf8(stamps.clf()).unwrap(), expected);
        }
    }

    #[test]
    fn the_time_of_day_is_carried_on_for_a_second_and_then_looked_up() {
        let now = Instant::now();
        let mut clock = Clock::set(now, UNIX_EPOCH + at(1_795_371_617_123));
        for (after, expected) in [
            (0, "2026-11-22T18:20:17.123Z"),
            (876, "2026-11-22T18:20:17.999Z"),
            (877, "2026-11-22T18:20:18.000Z"),
            (999, "2026-11-22T18:20:18.122Z"),
        ] {
            assert_eq!(read(clock.stamps(now + at(after))), expected);
        }
        // Set long ago, as by a step of the clock: whatever the test's own time is, it is not that.
        let mut clock = Clock::set(now, UNIX_EPOCH);
        assert_eq!(
            read(clock.stamps(now + at(999))),
            "1970-01-01T00:00:00.999Z"
        );
        let stamp = clock.stamps(now + TRUST);
        assert!(read(stamp) > "2026", "{}", read(stamp));
    }

    #[test]
    fn a_moment_before_the_look_or_the_epoch_is_no_panic() {
        let now = Instant::now();
        let mut clock = Clock::set(now + TRUST, UNIX_EPOCH - at(1));
        assert_eq!(read(clock.stamps(now)), "1970-01-01T00:00:00.000Z");
    }
}
