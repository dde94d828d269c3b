//! How near the process is to its limits, as workers see it: one word to read, and how many client connections there are.
//!
//! The control plane counts what is used and writes the level; what follows from it is the workers' to do.

use evenkeel_policy::overload::Level;

use crate::sync::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// The state of the process between its limits.
#[derive(Debug)]
pub struct Pressure {
    level: AtomicU8,
    wants_room: AtomicBool,
    /// How many client connections may be open.
    most: AtomicU32,
    /// How many are.
    open: AtomicU32,
    /// Bytes of memory that workers took from the allocator, since the start.
    taken: AtomicU64,
    /// How many there may be before it is looked how much memory is left.
    room: AtomicU64,
}

impl Pressure {
    /// Nothing is used, and nothing limited.
    #[must_use]
    pub fn new() -> Self {
        Self {
            level: AtomicU8::new(Level::Normal as u8),
            wants_room: AtomicBool::new(false),
            most: AtomicU32::new(u32::MAX),
            open: AtomicU32::new(0),
            taken: AtomicU64::new(0),
            room: AtomicU64::new(u64::MAX),
        }
    }

    /// The level now. It orders nothing: a worker that sees it a moment later acts a moment later.
    #[inline]
    #[must_use]
    pub fn level(&self) -> Level {
        Level::from_number(self.level.load(Ordering::Relaxed))
    }

    /// From now on that is the level.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Whether workers are to close a part of what is idle, now and again until it is over.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        self.wants_room.load(Ordering::Relaxed)
    }

    /// From now on they are, or not.
    pub fn set_wants_room(&self, wants: bool) {
        self.wants_room.store(wants, Ordering::Relaxed);
    }

    /// From now on so many client connections may be open; those that are there stay. Tells what it was.
    pub fn set_most(&self, most: u32) -> u32 {
        self.most.swap(most, Ordering::Relaxed)
    }

    /// How many client connections may be open; [`u32::MAX`] stands for any number.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.most.load(Ordering::Relaxed)
    }

    /// How many client connections are open.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts another client connection, when there may be one more. It is to be given back by [`Pressure::close`].
    #[must_use]
    pub fn open(&self) -> bool {
        let most = self.most();
        let one_more = |open| (open < most).then(|| open + 1);
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
    }

    /// A worker took so many bytes of new memory. Memory that goes round is not counted, so this is rare.
    pub fn take_room(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many bytes were taken, since the start.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Until memory is looked at again, [`Pressure::taken`] may come up to this; [`u64::MAX`] stands for any number.
    pub fn set_room(&self, until: u64) {
        self.room.store(until, Ordering::Relaxed);
    }

    /// Whether more was taken since the last look than was left then.
    #[inline]
    #[must_use]
    pub fn is_out_of_room(&self) -> bool {
        self.taken() > self.room.load(Ordering::Relaxed)
    }

    /// A client connection is closed.
    pub fn close(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Pressure {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_up_to_the_most() {
        let pressure = Pressure::new();
        assert!(pressure.open());
        assert_eq!(pressure.set_most(2), u32::MAX);
        assert!(pressure.open() && !pressure.open());
        assert_eq!((pressure.connections(), pressure.most()), (2, 2));
        pressure.close();
        assert!(pressure.open());
        // Fewer than there are: nobody is sent away, and nobody comes.
        pressure.set_most(1);
        pressure.close();
        assert!(!pressure.open());
        pressure.close();
        assert!(pressure.open());
    }

    #[test]
    fn more_than_there_was_room_for_is_known_at_once() {
        let pressure = Pressure::new();
        pressure.take_room(1 << 40);
        assert!(!pressure.is_out_of_room());
        pressure.set_room(pressure.taken() + 10);
        pressure.take_room(10);
        assert!(!pressure.is_out_of_room());
        pressure.take_room(1);
        assert!(pressure.is_out_of_room());
    }

    #[test]
    fn the_level_is_what_was_written_last() {
        let pressure = Pressure::new();
        assert_eq!(pressure.level(), Level::Normal);
        for level in Level::ALL {
            pressure.set_level(level);
            assert_eq!(pressure.level(), level);
        }
    }
}
