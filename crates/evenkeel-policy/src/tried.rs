//! The endpoints one exchange has already tried, so that it is never given the same one while another is left.

/// A small set of positions in one endpoint set. It belongs to one exchange, which holds that set until it ends: the
/// positions mean nothing in another.
///
/// It remembers the last [`Tried::LIMIT`] and forgets the oldest, so an exchange with more attempts than that may meet an
/// endpoint again while others are left. The default is 3 attempts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    positions: [u32; Self::LIMIT],
    /// How many were inserted; the next goes to this place modulo the limit.
    inserted: u32,
}

impl Tried {
    /// How many it remembers: 32 bytes within the exchange, and no allocation.
    pub const LIMIT: usize = 8;

    /// Nothing tried yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            positions: [0; Self::LIMIT],
            inserted: 0,
        }
    }

    /// Remembers the endpoint at `position`. One that is there already takes no second place.
    pub fn insert(&mut self, position: usize) {
        if self.contains(position) {
            return;
        }
        // A position beyond 32 bits cannot be in a set of endpoints, and what cannot be there need not be remembered.
        if let Ok(position) = u32::try_from(position) {
            self.positions[self.inserted as usize % Self::LIMIT] = position;
            self.inserted = self.inserted.wrapping_add(1);
        }
    }

    /// Whether the endpoint at `position` was tried.
    #[inline]
    #[must_use]
    pub fn contains(&self, position: usize) -> bool {
        let filled = Self::LIMIT.min(self.inserted as usize);
        self.positions[..filled]
            .iter()
            .any(|&tried| tried as usize == position)
    }

    /// Whether this is the first attempt.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.inserted == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_each_endpoint_once() {
        let mut tried = Tried::new();
        assert!(tried.is_empty() && !tried.contains(0));
        for position in [0, 7, 7, 70_000] {
            tried.insert(position);
        }
        assert!(!tried.is_empty());
        let seen: Vec<usize> = (0..100_000).filter(|&p| tried.contains(p)).collect();
        assert_eq!(seen, [0, 7, 70_000]);
    }

    #[test]
    fn beyond_its_limit_it_forgets_the_oldest() {
        let mut tried = Tried::new();
        for position in 0..Tried::LIMIT + 2 {
            tried.insert(position);
        }
        let seen: Vec<usize> = (0..20).filter(|&p| tried.contains(p)).collect();
        assert_eq!(seen, [2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
