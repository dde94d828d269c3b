//! How many bytes the exchanges of a worker hold back for later, all together: a purse, and what is taken out of it.
//!
//! It counts and holds nothing itself. Two purposes have a purse of their own, so that neither takes from the other: bodies kept
//! for another attempt, and copies for mirrors.

use std::cell::Cell;
use std::rc::Rc;

/// What may be held for one purpose, and what is.
#[derive(Clone, Debug)]
pub(crate) struct Kept(Rc<Purse>);

#[derive(Debug)]
struct Purse {
    held: Cell<usize>,
    most: usize,
}

impl Kept {
    /// Nothing yet, and at most so many bytes.
    pub(crate) fn new(most: usize) -> Self {
        let held = Cell::new(0);
        Self(Rc::new(Purse { held, most }))
    }

    /// Counts so many bytes as held; none when that would be too many.
    pub(crate) fn charge(&self, bytes: usize) -> Option<Charge> {
        let mut charge = Charge {
            of: self.clone(),
            bytes: 0,
        };
        charge.grow_to(bytes).then_some(charge)
    }

    /// How many bytes are held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.0.held.get()
    }
}

/// Bytes that are counted as held until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    of: Kept,
    bytes: usize,
}

impl Charge {
    /// Whether it is counted there.
    pub(crate) fn is_of(&self, kept: &Kept) -> bool {
        Rc::ptr_eq(&self.of.0, &kept.0)
    }

    /// Counts so many bytes, which are not fewer than before; false, and nothing is changed, when that would be too many.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let purse = &self.of.0;
        let held = purse
            .held
            .get()
            .saturating_add(bytes.saturating_sub(self.bytes));
        let fits = held <= purse.most;
        if fits {
            purse.held.set(held);
            self.bytes = self.bytes.max(bytes);
        }
        fits
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let held = &self.of.0.held;
        held.set(held.get().saturating_sub(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_until_it_is_let_go() {
        let kept = Kept::new(10);
        let mut first = kept.charge(4).unwrap();
        assert!(first.grow_to(7) && !first.grow_to(11));
        assert_eq!(kept.held(), 7);
        assert!(kept.charge(4).is_none(), "eleven of ten");
        let second = kept.charge(3).unwrap();
        assert_eq!(kept.held(), 10);
        drop(first);
        assert_eq!(kept.held(), 3);
        drop(second);
        assert_eq!(kept.held(), 0);
    }

    #[test]
    fn a_charge_knows_whose_it_is() {
        let (one, other) = (Kept::new(1), Kept::new(1));
        let charge = one.charge(1).unwrap();
        assert!(charge.is_of(&one) && !charge.is_of(&other));
    }
}
