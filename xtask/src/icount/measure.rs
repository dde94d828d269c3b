//! What a measure is: a name, what it counts per what, and the count.

use super::callgrind::Profile;

/// Something that can be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measure {
    /// Its name, also in the file of figures.
    pub(super) name: String,
    /// What the figure is instructions per.
    pub(super) unit: String,
}

impl Measure {
    /// `name`, in instructions per `unit`.
    pub(super) fn new(name: &str, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
        }
    }
}

/// A count.
#[derive(Debug)]
pub(super) struct Counted {
    /// Where the instructions went.
    pub(super) profile: Profile,
    /// How many pieces of work it is about.
    pub(super) pieces: u64,
}

impl Counted {
    /// Instructions per piece.
    pub(super) const fn figure(&self) -> u64 {
        (self.profile.instructions + self.pieces / 2) / self.pieces
    }
}
