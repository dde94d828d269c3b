//! Weighted round robin as the paper's authors had it before Prequal: the weight of an endpoint is its goodput through its CPU utilization, both
//! smoothed, computed anew every so often. An endpoint that answers more requests with the same CPU gets more of them, so that in
//! the end all are equally utilized: what the paper calls balancing load.
//!
//! Checked against descriptions of the paper: that weights follow from smoothed goodput, CPU utilization and error rate, periodically.
//! The period and the smoothing are ours: weights every second, the last five seconds or so. Goodput is what the endpoint
//! answered well; errors it gave are no goodput, which is all that the error rate does here.
//!
//! Requests are spread by weight with the credits of smooth weighted round robin, as nginx has it.

use evenkeel_base::Rng;
use evenkeel_policy::{Candidate, Member, Wanted};

use crate::chance;
use crate::known::Known;
use crate::paper::fits;
use crate::rule::{Rule, Truth};

/// Microseconds from one computation of weights to the next.
const PERIOD_US: u64 = 1_000_000;

/// What a new second counts for.
const NEW: f64 = 0.2;

/// Below this utilization an endpoint has no weight of its own, and gets the mean: nothing was measured.
const LEAST_UTILIZATION: f64 = 0.01;

/// Weights, and who has how much credit.
#[derive(Debug)]
struct Wrr {
    goodput: Vec<f64>,
    utilization: Vec<f64>,
    weight: Vec<f64>,
    credit: Vec<f64>,
    due: Option<u64>,
}

impl Wrr {
    fn weigh(&mut self) {
        let both = self.goodput.iter().zip(&self.utilization);
        let own: Vec<f64> = both
            .map(|(goodput, used)| {
                if *used > LEAST_UTILIZATION {
                    goodput / used
                } else {
                    0.0
                }
            })
            .collect();
        let known: Vec<f64> = own.iter().copied().filter(|one| *one > 0.0).collect();
        if known.is_empty() {
            return;
        }
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        // Their mean is 1, so that old credits stay worth what they were.
        let weight = |one: &f64| if *one > 0.0 { *one / mean } else { 1.0 };
        self.weight = own.iter().map(weight).collect();
    }
}

impl Rule for Wrr {
    fn pick(
        &mut self,
        from: &[Known],
        wanted: &Wanted<'_>,
        _: &mut Truth<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        if self.credit.is_empty() {
            // Else all nodes would begin with the same endpoint.
            self.credit = from.iter().map(|_| chance::unit(rng)).collect();
        }
        let (mut sum, mut best) = (0.0, None::<(usize, f64)>);
        for at in (0..from.len()).filter(|at| fits(from, wanted, *at)) {
            let weight = self.weight[at] * f64::from(from[at].weight());
            self.credit[at] += weight;
            sum += weight;
            if best.is_none_or(|(_, most)| self.credit[at] > most) {
                best = Some((at, self.credit[at]));
            }
        }
        let (at, _) = best?;
        self.credit[at] -= sum;
        Some(at)
    }

    fn tick(&mut self, from: &[Known], truth: &mut Truth<'_>, now_us: u64) {
        if self.due.is_some_and(|due| now_us < due) {
            return;
        }
        self.due = Some(now_us + PERIOD_US);
        for (at, known) in from.iter().enumerate() {
            let report = truth.ask(known);
            let (Some(served), Some(used)) = (report.requests_per_second, report.utilization)
            else {
                continue;
            };
            let good = served - report.errors_per_second.unwrap_or(0.0);
            let smooth = |old: &mut f64, new: f32| *old += NEW * (f64::from(new) - *old);
            smooth(&mut self.goodput[at], good.max(0.0));
            smooth(&mut self.utilization[at], used);
        }
        self.weigh();
    }
}

/// The rule.
pub(super) fn make(members: &[Member<'_>]) -> Box<dyn Rule> {
    let zeros = || vec![0.0; members.len()];
    Box::new(Wrr {
        goodput: zeros(),
        utilization: zeros(),
        weight: vec![1.0; members.len()],
        credit: Vec::new(),
        due: None,
    })
}
