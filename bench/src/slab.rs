//! Connections by number, and the token by which an event of epoll finds its connection.
//!
//! A token carries the slot's generation: an event that epoll reported before its connection was closed finds nobody,
//! even when the slot has a new tenant.

/// Values in numbered slots; a free slot is used again.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    /// Stores what `make` makes of the token it will have.
    ///
    /// # Errors
    ///
    /// Passes on the error of `make`; then nothing is stored.
    pub fn insert<E>(&mut self, make: impl FnOnce(u64) -> Result<T, E>) -> Result<u64, E> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                value: None,
            });
            // One slot per descriptor, and descriptors are below 2^31.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = &mut self.slots[index as usize];
        let token = token(slot.generation, index);
        match make(token) {
            Ok(value) => {
                slot.value = Some(value);
                Ok(token)
            }
            Err(error) => {
                self.free.push(index);
                Err(error)
            }
        }
    }

    /// The value of a token, unless it was removed.
    #[inline]
    pub fn get_mut(&mut self, token: u64) -> Option<&mut T> {
        let slot = self.slots.get_mut(index(token))?;
        if slot.generation != generation(token) {
            return None;
        }
        slot.value.as_mut()
    }

    /// Two different values at once; none when either was removed or both are one.
    #[inline]
    pub fn pair_mut(&mut self, one: u64, other: u64) -> Option<(&mut T, &mut T)> {
        let [a, b] = self
            .slots
            .get_disjoint_mut([index(one), index(other)])
            .ok()?;
        if a.generation != generation(one) || b.generation != generation(other) {
            return None;
        }
        a.value.as_mut().zip(b.value.as_mut())
    }

    /// All values, with their tokens.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let slots = (0..).zip(&self.slots);
        slots.filter_map(|(index, slot)| {
            let value = slot.value.as_ref()?;
            Some((token(slot.generation, index), value))
        })
    }

    /// Takes a value out; its token is void from here on.
    pub fn remove(&mut self, token: u64) -> Option<T> {
        let slot = self.slots.get_mut(index(token))?;
        if slot.generation != generation(token) {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(low_half(token));
        Some(value)
    }
}

fn token(generation: u32, index: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(index)
}

fn index(token: u64) -> usize {
    low_half(token) as usize
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of a token")]
const fn low_half(token: u64) -> u32 {
    token as u32
}

const fn generation(token: u64) -> u32 {
    low_half(token >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(slab: &mut Slab<char>, value: char) -> u64 {
        slab.insert(|_| Ok::<_, ()>(value)).unwrap()
    }

    #[test]
    fn a_token_outlives_neither_its_value_nor_the_next_tenant() {
        let mut slab = Slab::default();
        let a = put(&mut slab, 'a');
        assert_eq!(slab.remove(a), Some('a'));
        let b = put(&mut slab, 'b');
        assert_eq!(index(a), index(b));
        assert_eq!(slab.get_mut(a), None);
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.get_mut(b), Some(&mut 'b'));
    }

    #[test]
    fn a_failed_insert_leaves_no_trace() {
        let mut slab = Slab::<char>::default();
        assert_eq!(slab.insert(|_| Err("no")), Err("no"));
        let a = put(&mut slab, 'a');
        assert_eq!((a, slab.slots.len()), (0, 1));
    }

    #[test]
    fn a_pair_is_two_living_values() {
        let mut slab = Slab::default();
        let (a, b) = (put(&mut slab, 'a'), put(&mut slab, 'b'));
        assert_eq!(slab.pair_mut(b, a), Some((&mut 'b', &mut 'a')));
        assert_eq!(slab.pair_mut(a, a), None);
        slab.remove(b);
        assert_eq!(slab.pair_mut(a, b), None);
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(a, &'a')]);
    }
}
