//! What a client asked for and was shown, on its way from the choice of a certificate to the connection that it was made for.

use std::cell::RefCell;

/// What a client asked for and was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The name that it asked for (SNI), in lower case.
    pub(crate) name: Option<Box<str>>,
    /// The place of the identity in its listener's list.
    pub(crate) identity: usize,
}

thread_local! {
    /// What was chosen during the call of rustls that is under way: it asks for a certificate and does not say for which
    /// connection, nor does such a connection tell afterwards what name its client asked for.
    static JUST_SHOWN: RefCell<Option<Shown>> = const { RefCell::new(None) };
}

impl Shown {
    /// This was just chosen.
    pub(crate) fn leave(self) {
        JUST_SHOWN.set(Some(self));
    }

    /// Takes what was just chosen, if anything was.
    pub(crate) fn pick_up() -> Option<Self> {
        JUST_SHOWN.take()
    }
}
