//! Linear: the answer with the lowest (1 - λ) · latency + λ · α · requests in flight, with α = 75 ms, which is the median latency at one
//! request in flight in the paper's testbed. At λ = 1 load alone decides, at 0 latency alone.
//!
//! Checked against descriptions of the paper: the form, α, that thirteen λ were tried and all got better towards 1. That the
//! comparison of rules has λ = 0.5 is from memory.

use evenkeel_policy::Member;

use crate::known::Known;
use crate::paper::pool::{Choice, Pool, Reading};
use crate::rule::Rule;

/// α, in microseconds.
const ALPHA_US: f64 = 75_000.0;

/// The rule with its λ.
#[derive(Debug)]
struct Linear(f64);

impl Choice for Linear {
    fn score(&self, reading: &Reading, _: &Known, _: &[Reading]) -> f64 {
        (1.0 - self.0) * reading.latency + self.0 * ALPHA_US * reading.in_flight
    }
}

fn with(lambda: f64, members: &[Member<'_>]) -> Box<dyn Rule> {
    Box::new(Pool::new(Linear(lambda), members.len()))
}

/// λ = 0.5.
pub(super) fn half(members: &[Member<'_>]) -> Box<dyn Rule> {
    with(0.5, members)
}

/// λ = 1.
pub(super) fn rif(members: &[Member<'_>]) -> Box<dyn Rule> {
    with(1.0, members)
}

/// λ = 0.
pub(super) fn latency(members: &[Member<'_>]) -> Box<dyn Rule> {
    with(0.0, members)
}
