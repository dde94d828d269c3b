//! Where a worker collects records, and what goes to the writer and back: memory of a fixed size.

use crate::access_log::line::{Line, MAX_TEXT};

/// Hardly any record is longer: a dozen texts of which each byte takes six at most, and their names and numbers. One with header
/// fields or by a template may be, by what the configuration allows; an empty page has room for the longest of these.
const MAX_RECORD: usize = 12 * 6 * MAX_TEXT;

/// Records on their way to the log.
#[derive(Debug)]
pub(super) struct Page {
    /// All of it is there from the beginning, and the system gives memory only where something was written.
    bytes: Box<[u8]>,
    filled: usize,
    records: u64,
}

impl Page {
    /// How much a page holds; with less left than the longest record, a worker has to drop.
    const SIZE: usize = 256 * 1024;

    /// An empty page.
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; Self::SIZE].into_boxed_slice(),
            filled: 0,
            records: 0,
        }
    }

    /// Adds the record that `write` writes; false when there is no room for it.
    #[inline]
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Line<'_>)) -> bool {
        if self.is_full() {
            return false;
        }
        let mut line = Line::new(&mut self.bytes[self.filled..]);
        write(&mut line);
        let Some(len) = line.len() else {
            return false;
        };
        self.filled += len;
        self.records += 1;
        true
    }

    /// Whether a record may find no room.
    #[inline]
    pub(super) const fn is_full(&self) -> bool {
        self.bytes.len() - self.filled < MAX_RECORD
    }

    /// What was collected.
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// How many records that is.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// The page without its records.
    pub(super) const fn emptied(mut self) -> Self {
        self.filled = 0;
        self.records = 0;
        self
    }
}
