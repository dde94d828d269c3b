//! Work that goes on for one connection, counted until it has truly ended.
//!
//! A stream that its client resets is closed for the codec, which then lets the client open another one; the exchange behind it
//! may still hold a connection, a place and an endpoint's attention. What is counted here is exchanges.

/// How many exchanges run for a connection, and how many may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    now: u32,
    most: u32,
}

impl Running {
    /// None yet, and never more than `most`, which is what SETTINGS_MAX_CONCURRENT_STREAMS promised.
    #[must_use]
    pub const fn new(most: u32) -> Self {
        Self { now: 0, most }
    }

    /// Begins an exchange. `false` when as many as may are still running: the stream is to be refused with REFUSED_STREAM, which
    /// says that nothing was done (RFC 9113 §8.7) and which the meter counts as a reset.
    #[must_use]
    pub const fn begin(&mut self) -> bool {
        if self.now >= self.most {
            return false;
        }
        self.now += 1;
        true
    }

    /// An exchange has ended with everything that it began.
    pub const fn end(&mut self) {
        debug_assert!(self.now > 0, "what ends has begun");
        self.now = self.now.saturating_sub(1);
    }

    /// How many are running.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_work_has_ended() {
        let mut running = Running::new(2);
        assert!(running.begin() && running.begin());
        assert!(!running.begin());
        assert_eq!(running.count(), 2);
        running.end();
        assert!(running.begin() && !running.begin());
    }
}
