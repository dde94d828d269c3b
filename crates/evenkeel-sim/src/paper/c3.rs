//! C3's score (Suresh, Canini, Schmid and Feldmann, "C3: Cutting Tail Latency in Cloud Data Stores via Adaptive Replica
//! Selection", NSDI 2015, §3.1): R - 1/μ + q³/μ, with q = 1 + os · n + Q. R is the response time as the client sees it and 1/μ
//! the service time and Q the queue as the endpoint says it, all three averages in which a new value counts for 0.9; os are
//! the client's own requests in flight there, and n the clients: what one client sends, the others may be sending too. The
//! cube makes long queues worse than they are long.
//!
//! Checked against the authors' code (`ScoreTracker` of lalithsuresh/cassandra-c3 and `client.py` of lalithsuresh/absim) and
//! against Elasticsearch's `ResponseCollectorService`, which uses the same formula: the score, the cube, 0.9, and that n is the
//! number of nodes of the other side when the number of clients is not known, as here. C3's second half, which limits
//! the rate to each endpoint, is left out, as it is in Elasticsearch.
//!
//! In the comparison the score chooses from the pool of probes (`paper-c3`): that the paper does so too is from memory. As its authors have
//! it, C3 compares all endpoints and learns from responses only (`paper-c3-own`). An endpoint that nothing is known of is tried first.

use evenkeel_base::Rng;
use evenkeel_policy::{Candidate, Member, Observed, Wanted};

use crate::known::Known;
use crate::paper::pool::{Choice, Pool, Reading};
use crate::paper::{fits, lowest};
use crate::rule::{Rule, Truth};

/// What a new value counts for.
const NEW: f64 = 0.9;

/// What is known of each endpoint. Times are in microseconds; 0: unknown.
#[derive(Debug)]
struct Scores(Vec<Averages>);

#[derive(Clone, Copy, Debug, Default)]
struct Averages {
    response: f64,
    service: f64,
    queue: f64,
}

impl Scores {
    fn new(members: &[Member<'_>]) -> Self {
        Self(vec![Averages::default(); members.len()])
    }

    fn of(&self, at: usize, own: u32) -> f64 {
        let Some(one) = self.0.get(at).filter(|one| one.service > 0.0) else {
            return 0.0;
        };
        let queue = 1.0 + f64::from(own) * self.0.len() as f64 + one.queue;
        // A client that has no response yet knows only what the endpoint says.
        let response = if one.response > 0.0 {
            one.response
        } else {
            one.service
        };
        response - one.service + queue * queue * queue * one.service
    }
}

impl Averages {
    fn says(&mut self, service: f64, queue: f64) {
        let is_first = self.service <= 0.0;
        self.service = average(self.service, service);
        self.queue = if is_first {
            queue
        } else {
            self.queue + NEW * (queue - self.queue)
        };
    }
}

fn average(old: f64, new: f64) -> f64 {
    if old > 0.0 {
        old + NEW * (new - old)
    } else {
        new
    }
}

impl Choice for Scores {
    fn score(&self, reading: &Reading, known: &Known, _: &[Reading]) -> f64 {
        self.of(reading.at, known.in_flight())
    }

    fn probed(&mut self, reading: &Reading) {
        if let Some(one) = self.0.get_mut(reading.at) {
            one.says(reading.latency, reading.in_flight);
        }
    }

    fn answered(&mut self, at: usize, observed: &Observed) {
        if let (Some(one), Some(latency)) = (self.0.get_mut(at), observed.latency) {
            one.response = average(one.response, latency.as_secs_f64() * 1e6);
        }
    }
}

/// C3 that learns from responses.
#[derive(Debug)]
struct Told {
    scores: Scores,
    /// Where the look begins, so that equals take turns.
    turn: usize,
}

impl Rule for Told {
    fn pick(
        &mut self,
        from: &[Known],
        wanted: &Wanted<'_>,
        _: &mut Truth<'_>,
        _: &mut Rng,
    ) -> Option<usize> {
        self.turn += 1;
        let length = from.len().max(1);
        let all = (0..from.len()).map(|step| (self.turn + step) % length);
        let able = all.filter(|at| fits(from, wanted, *at));
        lowest(able.map(|at| (at, self.scores.of(at, from[at].in_flight()))))
    }

    fn observe(&mut self, _: &[Known], at: usize, observed: &Observed, _: u64) {
        self.scores.answered(at, observed);
        let report = observed.report;
        if let (Some(one), Some(latency)) = (self.scores.0.get_mut(at), report.latency) {
            let in_flight = f64::from(report.in_flight.unwrap_or(0));
            one.says(latency.as_secs_f64() * 1e6, in_flight);
        }
    }
}

/// C3's score on the pool of probes.
pub(super) fn probed(members: &[Member<'_>]) -> Box<dyn Rule> {
    Box::new(Pool::new(Scores::new(members), members.len()))
}

/// C3 as its authors have it.
pub(super) fn told(members: &[Member<'_>]) -> Box<dyn Rule> {
    Box::new(Told {
        scores: Scores::new(members),
        turn: 0,
    })
}
