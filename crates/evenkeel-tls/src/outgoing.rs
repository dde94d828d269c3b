//! Memory for bytes that are about to be sent. It stays initialised from use to use, so that nothing is zeroed for each.

/// Encrypted bytes that are to be sent.
#[derive(Debug, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    end: usize,
}

impl Outgoing {
    /// What is to be sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.end).unwrap_or_default()
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// All was sent.
    pub const fn clear(&mut self) {
        self.end = 0;
    }

    /// Room for so many bytes behind those that are there.
    pub(crate) fn room(&mut self, needed: usize) -> &mut [u8] {
        let until = self.end + needed;
        if self.bytes.len() < until {
            self.bytes.resize(until, 0);
        }
        &mut self.bytes[self.end..until]
    }

    /// So many bytes were written into the room.
    pub(crate) fn wrote(&mut self, n: usize) {
        self.end = (self.end + n).min(self.bytes.len());
    }
}
