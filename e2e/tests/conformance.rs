//! RFC 9113 and RFC 7541, requirement by requirement, in raw frames: a table for what clients send (`downstream.rs`), one for what
//! endpoints send (`upstream.rs`).
//!
//! Each case has the section in its name and every outcome that the RFC allows. Where the h2 crate does something else, its
//! outcome and the reason stand in the case as *known*; a case that is known and does what the RFC says fails the test, so
//! that no such line outlives its cause.

mod downstream;
mod flow;
mod upstream;

use std::fmt::Debug;

/// What a row of a table allows, and what is known to be otherwise.
#[derive(Clone, Debug)]
struct Expected<T> {
    allowed: Vec<T>,
    known: Option<(T, &'static str)>,
}

impl<T: PartialEq + Debug> Expected<T> {
    fn one_of(allowed: impl IntoIterator<Item = T>) -> Self {
        Self {
            allowed: allowed.into_iter().collect(),
            known: None,
        }
    }

    /// It is like this instead, for this reason.
    fn known(mut self, instead: T, why: &'static str) -> Self {
        self.known = Some((instead, why));
        self
    }

    /// What is wrong with what was seen.
    fn judge(&self, name: &str, seen: &T) -> Option<String> {
        match &self.known {
            None if self.allowed.contains(seen) => None,
            None => Some(format!("{name}: {seen:?}, not {:?}", self.allowed)),
            Some((instead, _)) if instead == seen => None,
            Some((_, why)) if self.allowed.contains(seen) => Some(format!(
                "{name}: it is as it should be now, no more known: {why}"
            )),
            Some((instead, _)) => Some(format!(
                "{name}: {seen:?}, known as {instead:?}, not {:?}",
                self.allowed
            )),
        }
    }
}

/// Fails with all that is wrong.
#[track_caller]
fn report(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
