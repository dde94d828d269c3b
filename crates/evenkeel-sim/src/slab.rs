//! Places for what comes and goes: after the first rush nothing is allocated, for a place that became free is taken again.

/// Values by a number that is theirs until they are taken out.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(at) = self.free.pop() {
            self.places[at as usize] = Some(value);
            return at;
        }
        // 4 billion requests at once do not fit into any memory.
        let at = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Some(value));
        at
    }

    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        self.places.get(at as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.places.get_mut(at as usize)?.as_mut()
    }

    pub(crate) fn remove(&mut self, at: u32) -> Option<T> {
        let value = self.places.get_mut(at as usize)?.take()?;
        self.free.push(at);
        Some(value)
    }

    /// The numbers of all.
    pub(crate) fn all(&self) -> Vec<u32> {
        let places = (0..).zip(&self.places);
        places
            .filter_map(|(at, place)| place.as_ref().map(|_| at))
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}
