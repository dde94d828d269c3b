//! What the process that plays may have itself.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows itself so many descriptors and some more, when that is possible; whether it was.
#[must_use]
pub fn raise_descriptors(number: u64) -> bool {
    let now = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= number);
    if is_enough(now.current) {
        return true;
    }
    let maximum = if is_enough(now.maximum) {
        now.maximum
    } else {
        Some(number)
    };
    let wanted = Rlimit {
        current: Some(number),
        maximum,
    };
    setrlimit(Resource::Nofile, wanted).is_ok()
}
