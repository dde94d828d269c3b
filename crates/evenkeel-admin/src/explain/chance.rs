//! How likely something is: found out by rehearsal, the same for the same question.

/// So many picks are rehearsed to find out how likely each endpoint is.
pub(super) const SAMPLES: u32 = 1_000;

/// Where their chance begins: the same question has the same answer.
pub(super) const SEED: u64 = 0x6576_656e_6b65_656c;

/// A part of all, 0 to 1.
pub(super) fn part(some: u32, all: u32) -> f64 {
    if all == 0 {
        return 0.0;
    }
    f64::from(some) / f64::from(all)
}
