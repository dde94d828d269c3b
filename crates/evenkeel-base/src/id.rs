//! Newtypes for positions in a snapshot: an id is an index, valid for the snapshot it came from and no other.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u32);

        impl $name {
            /// The id of the thing at `index` of its snapshot's list. More than 2^32 of anything is refused by `check`.
            #[must_use]
            pub const fn new(index: u32) -> Self {
                Self(index)
            }

            /// The position in the snapshot's list.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A listener of a snapshot.
    ListenerId
);
id!(
    /// A route of a snapshot.
    RouteId
);
id!(
    /// A cluster of a snapshot.
    ClusterId
);
