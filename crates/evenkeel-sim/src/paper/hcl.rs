//! Prequal's own rule (hot-cold lexicographic, §4) on the pool of this folder: an answer is hot when more requests are in
//! flight there than at the 0.84 quantile of the last answers; of the cold the one with the lowest latency, and when all are
//! hot the one with the fewest requests in flight. Only a second opinion on the `prequal` of `evenkeel-policy`.

use std::collections::VecDeque;

use evenkeel_policy::Member;

use crate::known::Known;
use crate::paper::pool::{Choice, Pool, Reading};
use crate::rule::Rule;

/// 2^-0.25.
const QUANTILE: f64 = 0.84;

/// Answers that the quantile is taken of.
const REMEMBERED: usize = 64;

/// Any latency is lower than what is hot: a year in microseconds.
const HOT: f64 = 3e13;

/// What the last answers said.
#[derive(Debug)]
struct HotCold {
    last: VecDeque<f64>,
    limit: f64,
}

impl Choice for HotCold {
    fn score(&self, reading: &Reading, _: &Known, _: &[Reading]) -> f64 {
        if reading.in_flight > self.limit {
            HOT * (1.0 + reading.in_flight)
        } else {
            reading.latency
        }
    }

    fn probed(&mut self, reading: &Reading) {
        if self.last.len() >= REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(reading.in_flight);
        let mut sorted: Vec<f64> = self.last.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() - 1) as f64 * QUANTILE;
        self.limit = sorted[at(rank)];
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank among 64"
)]
const fn at(rank: f64) -> usize {
    rank as usize
}

/// The rule.
pub(super) fn make(members: &[Member<'_>]) -> Box<dyn Rule> {
    let choice = HotCold {
        last: VecDeque::new(),
        limit: f64::INFINITY,
    };
    Box::new(Pool::new(choice, members.len()))
}
