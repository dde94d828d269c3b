//! What all pages have in common: the office, and what is shared between requests.

use tokio::runtime::Handle;

use crate::Office;
use crate::live::Live;
use crate::refusals::Refusals;

/// What all pages have in common.
#[derive(Debug)]
pub(crate) struct Hall {
    /// What is read, and where orders go.
    pub(crate) office: Office,
    /// What was refused at the address.
    pub(crate) refusals: Refusals,
    /// The live feed.
    pub(crate) live: Live,
    /// Writes the document about all pages, which none of them can name.
    pub(crate) document: fn() -> String,
}

impl Hall {
    /// That of this office, whose tasks run there.
    pub(crate) fn new(office: Office, runtime: &Handle, document: fn() -> String) -> Self {
        Self {
            live: Live::start(office.clone(), runtime),
            office,
            document,
            refusals: Refusals::default(),
        }
    }
}
