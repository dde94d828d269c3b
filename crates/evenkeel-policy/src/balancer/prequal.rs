//! Prequal: a pool of recent readings of requests in flight and latency; a request goes to the fastest endpoint in it that is
//! not among the loaded ones.
//!
//! Source: Wydrowski, Kleinberg, Rumble and Archer, "Load is not what you should balance: Introducing Prequal", NSDI 2024,
//! arXiv 2312.10172.
//!
//! ```text
//! request ─▶ readings of r_probe random endpoints ─▶ pool of 16 ─▶ hot or cold? ─▶ the fastest cold one,
//!            (taken at once, or asked for)           │                             else the least loaded
//!                                                    └─▶ out: too old, used up, r_remove for each request, in turn
//!                                                        the oldest and the worst
//! ```
//!
//! **Readings** come from one of three sources.
//! - *Own*: what evenkeel counts and measures (`curve.rs`), taken at the moment of the pick. What is in the pool is read anew each
//!   time it is compared, so all that gets old is the choice of the endpoints.
//! - *Header*: each response brings one. No request learns of an endpoint that gets none, so one request in 16 may go to a random
//!   endpoint that is not in the pool.
//! - *Probe*: the control plane asks the endpoints that [`Prequal::target`] draws, as often as [`Prequal::probes_due`] says.
//!
//! A latency that the endpoint does not tell is the one that evenkeel measured. One that nobody knows is that of all endpoints
//! together for an idle one and the longest for one that is at work. One request in 16 goes to an idle endpoint that nothing was
//! measured of for 10 s, so that one that was bad and is well gets its share again.
//!
//! **Weights**: endpoints are read in proportion to their weights, and requests in flight count per weight. Latencies are compared
//! as they are, so under little load a fast endpoint gets more than its weight says. An endpoint with a part of its share is
//! left out of as many picks as the other part.
//!
//! **Checked**, not in the paper itself, of which only the beginning could be had, but in two descriptions of it, the first with
//! its words (the repositories sathwick-p/prequal, on how it diverges from the paper, and swampholyten/prequal-rs, its report):
//! the pool of 16, the age of 1 s, `r_probe` = 3 and `r_remove` = 1 as the evaluation's baseline, δ = 1,
//! equation 1 for the uses, targets without replacement, removal of the oldest and the worst in turn, the oldest leaving a full
//! pool, one request in flight more with each use, latencies at or near the present load, and a random endpoint when fewer than two
//! readings are there.
//!
//! **Not the paper's**: `Q_RIF` is 0.25 and not 2^-0.25 = 0.84. There a hundred clients send to a hundred endpoints and have 16 of
//! them in the pool: each reading is of a few requests in flight, and who is fast changes. Here one pool may hold all endpoints and see
//! thousands of requests a second. Then 84 % of the endpoints are cold at any time, the fastest of these gets everything until it is
//! the most loaded one, and that raises the quantile: a herd, by latencies that are told apart by chance. In the simulator
//! 0.25 is as good as 0.84 in the paper's own setting (`antagonists`) and far better in all others with readings from endpoints
//! (`steady-90`, p50 10 ms against 248 ms); it costs own signals p99.9 with one slow endpoint of ten (164 ms against 110 ms).
//!
//! **Ours**, because the paper leaves it open or has another setting (a hundred clients with a pool each; here all workers of a
//! process share one): how the quantile is kept (`hot.rs`), which endpoints are failing ones (`faults.rs`), that a new reading
//! takes the place of one of the same endpoint, that uses follow how many readings really come (`reuse.rs`), and that removal leaves half of
//! what the pool can hold, and everything where all endpoints fit in: the rates by themselves would empty it.

mod choice;
mod curve;
mod faults;
mod hot;
mod pool;
mod rate;
mod reading;
mod reuse;

use evenkeel_base::Rng;
use evenkeel_base::rules::{PrequalRules, Signals};

use self::choice::{Rank, Seen, View};
use self::curve::Curves;
use self::faults::Faults;
use self::hot::Hot;
use self::rate::Rate;
use self::reuse::Reuse;
use super::weighted::Weighted;
use super::{Needs, Wanted};
use crate::Candidate;
use crate::load::Observed;
use crate::sync::{AtomicU32, AtomicU64, Ordering, Padded};

pub use pool::{Pool, Pooled};
pub use reading::{Ages, Latency, Reading};

/// No more readings are taken or removed for one request.
const MOST_EACH: u8 = 16;

/// How often a draw is made that meets an endpoint which cannot be picked or was drawn for this request.
const DRAWS: usize = 4;

/// How many choices are made when other workers use readings up at the same moment. After them chance decides.
const CHOICES: usize = 3;

/// One request in so many goes to an endpoint of which nothing is known, if there is one.
const EXPLORES: u64 = 16;

/// The balancer `prequal`.
#[derive(Debug)]
pub struct Prequal {
    source: Source,
    weighted: Weighted,
    pool: Pool,
    hot: Hot,
    faults: Faults,
    curves: Curves,
    reuse: Reuse,
    probes: Rate,
    removals: Rate,
    /// Removal leaves so many readings.
    keep: usize,
    /// What an endpoint counts between equals at least: the weight above which one is always in the pool.
    even: u32,
    /// Requests so far: every rate is counted by them.
    turns: Padded<AtomicU64>,
    /// Probes that were asked for so far.
    asked: AtomicU64,
    removed: AtomicU32,
}

/// Where readings come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Own,
    Header,
    Probe,
}

impl Prequal {
    /// [`Prequal::probes_due`] never says more.
    pub const MOST_DUE: u32 = 64;

    /// For endpoints with these weights.
    #[must_use]
    pub fn new(rules: &PrequalRules, weights: &[u16]) -> Self {
        let source = match rules.signals {
            Signals::Own => Source::Own,
            Signals::Header(_) => Source::Header,
            Signals::Probe(_) => Source::Probe,
        };
        let endpoints = weights.iter().filter(|&&weight| weight > 0).count();
        let supply = match source {
            Source::Own | Source::Probe => rules.probe_rate,
            Source::Header => 1.0,
        };
        let pool = Pool::new(rules.pool, rules.max_age);
        Self {
            source,
            weighted: Weighted::new(weights),
            hot: Hot::new(rules.hot_quantile),
            faults: Faults::new(weights.len()),
            curves: Curves::new(weights.len()),
            reuse: Reuse::new(rules, endpoints, supply),
            probes: Rate::new(rules.probe_rate, MOST_EACH),
            removals: Rate::new(rules.remove_rate, MOST_EACH),
            keep: keep(pool.size(), endpoints),
            even: even(pool.size(), weights),
            pool,
            turns: Padded(AtomicU64::new(0)),
            asked: AtomicU64::new(0),
            removed: AtomicU32::new(0),
        }
    }

    /// What it has to be told and wants to hear.
    #[inline]
    #[must_use]
    pub const fn needs(&self) -> Needs {
        Needs {
            clock: true,
            in_flight: false,
            observations: true,
            reports: matches!(self.source, Source::Header),
        }
    }

    /// See [`Balancer::pick`](super::Balancer::pick). Not inlined: it would stand between the other balancers' instructions.
    #[inline(never)]
    pub fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        if from.len() < 2 {
            return self.weighted.pick(from, wanted, rng);
        }
        let turn = self.turns.0.fetch_add(1, Ordering::Relaxed);
        if self.source == Source::Own {
            self.read(turn, from, wanted, rng);
        }
        let mut seen = self.look(from, wanted, rng);
        if turn.is_multiple_of(EXPLORES)
            && let Some(at) = self.explore(&seen, from, wanted, rng)
        {
            return Some(at);
        }
        let chosen = self.choose(&mut seen, wanted.now_us, rng);
        self.thin(turn, &mut seen, wanted.now_us);
        chosen.or_else(|| self.weighted.pick(from, wanted, rng))
    }

    /// Takes note of what an attempt or a probe showed. See [`Balancer::observe`](super::Balancer::observe).
    pub fn observe<C: Candidate>(&self, from: &[C], at: usize, observed: &Observed, now_us: u64) {
        let Some(candidate) = from.get(at) else {
            return;
        };
        // A probe for load has neither, and says nothing of how requests end.
        if observed.failed || observed.latency.is_some() {
            let failed = observed.failed || observed.erred;
            self.faults.note(at, failed, now_us);
            self.curves.note(at, observed, now_us);
        }
        let report = &observed.report;
        if self.source == Source::Own || (report.in_flight.is_none() && report.latency.is_none()) {
            return;
        }
        let in_flight = report.in_flight.unwrap_or_else(|| candidate.in_flight());
        let latency = match report.latency {
            Some(latency) => Latency::of(latency),
            None => self.measured(at, candidate.in_flight(), now_us),
        };
        self.put(at, in_flight, latency, now_us);
        self.hot.note(&[load(in_flight, candidate.weight())]);
    }

    /// Takes what picks have raised of the credit for probes since the last call, at most [`Prequal::MOST_DUE`]; what is more is
    /// given up, for readings of so long ago would be old ones. 0 where readings do not come from probes.
    pub fn probes_due(&self) -> u32 {
        if self.source != Source::Probe {
            return 0;
        }
        let due = self.probes.before(self.turns.0.load(Ordering::Relaxed));
        let asked = self.asked.swap(due, Ordering::Relaxed);
        u32::try_from(due.saturating_sub(asked))
            .map_or(Self::MOST_DUE, |due| due.min(Self::MOST_DUE))
    }

    /// An endpoint to be probed for load, by weight, among those that may get requests. None where readings do not come from
    /// probes, or when no draw meets one that may.
    pub fn target<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        if self.source != Source::Probe {
            return None;
        }
        (0..DRAWS)
            .filter_map(|_| self.weighted.draw(rng))
            .find(|&at| wanted.fits(from, at))
    }

    /// What time alone changes: how often a reading serves, by how many there were. See
    /// [`Balancer::tick`](super::Balancer::tick).
    pub fn tick(&self) {
        if self.source != Source::Own {
            let turns = self.turns.0.load(Ordering::Relaxed);
            self.reuse.adapt(turns, self.hot.noted());
        }
    }

    /// Takes the readings that are due for this request, of different endpoints.
    fn read<C: Candidate>(&self, turn: u64, from: &[C], wanted: Wanted<'_>, rng: &mut Rng) {
        let mut drawn = [usize::MAX; MOST_EACH as usize];
        let mut loads = [0; MOST_EACH as usize];
        let mut count = 0;
        let due = self.probes.due(turn).min(from.len() as u64);
        for _ in 0..due {
            let fits =
                |at, rng: &mut Rng| wanted.draws(from, at, rng) && !drawn[..count].contains(&at);
            let draw = (0..DRAWS).find_map(|_| {
                let at = self.weighted.draw(rng)?;
                fits(at, rng).then_some(at)
            });
            let Some(at) = draw else {
                continue;
            };
            let candidate = &from[at];
            let in_flight = candidate.in_flight();
            self.put_own(at, in_flight, wanted.now_us);
            (drawn[count], loads[count]) = (at, load(in_flight, candidate.weight()));
            count += 1;
        }
        self.hot.note(&loads[..count]);
    }

    /// What evenkeel measured of an endpoint's latency at that load. Where it knows nothing, an idle endpoint is expected to be as
    /// the others and one that is at work is not worth a second try before the first has come back.
    #[inline]
    fn measured(&self, at: usize, in_flight: u32, now_us: u64) -> Latency {
        match self.curves.latency(at, in_flight, now_us) {
            Some(latency) => latency,
            None if in_flight == 0 => self.curves.expected(now_us).unwrap_or(Latency::NONE),
            None => Latency::LONGEST,
        }
    }

    /// What is in the pool is read anew when it is compared, so it need not be put in again for a while.
    fn put_own(&self, at: usize, in_flight: u32, now_us: u64) {
        if !u32::try_from(at).is_ok_and(|at| self.pool.has_young(at, now_us)) {
            let latency = self.measured(at, in_flight, now_us);
            self.put(at, in_flight, latency, now_us);
        }
    }

    fn put(&self, at: usize, in_flight: u32, latency: Latency, now_us: u64) {
        // One beyond 32 bits is beyond what a reading can name.
        let position = u32::try_from(at).unwrap_or(u32::MAX);
        let reading = Reading {
            position,
            in_flight,
            latency,
            taken: self.pool.ages().stamp(now_us),
            uses: self.reuse.next(),
        };
        self.pool.put(reading, now_us);
    }

    /// What is in the pool, with what this request makes of it.
    fn look<C: Candidate>(&self, from: &[C], wanted: Wanted<'_>, rng: &mut Rng) -> View {
        let mut seen = View::new();
        let now_us = wanted.now_us;
        let limit = self.hot.limit();
        let faults = self.faults.any(now_us);
        self.pool.each(now_us, |pooled| {
            let at = pooled.reading.position as usize;
            let Some(candidate) = from.get(at) else {
                return;
            };
            let (in_flight, latency) = match self.source {
                Source::Own => {
                    let in_flight = candidate.in_flight();
                    (in_flight, self.measured(at, in_flight, now_us))
                }
                Source::Header | Source::Probe => {
                    (pooled.reading.in_flight, pooled.reading.latency)
                }
            };
            let weight = candidate.weight();
            let fails = faults && self.faults.fails(at, now_us);
            let draws = wanted.draws(from, at, rng);
            seen.push(Seen {
                pooled,
                rank: Rank::new(load(in_flight, weight), latency, limit, fails),
                fits: draws || wanted.fits(from, at),
                idle: in_flight == 0 && !fails,
                pull: if draws {
                    self.even.max(weight.into())
                } else {
                    0
                },
            });
        });
        seen
    }

    /// An endpoint to be tried because nothing is known of it: idle as it looks and not measured for long. What it says of its
    /// own latency is of its last request, and may have been true then; if that counted for ever, one that was slow and is well
    /// would never get the request that could show it. Where responses are the only source, also one that is not in the pool.
    fn explore<C: Candidate>(
        &self,
        seen: &View,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        let unknown = |one: &&Seen| {
            let at = one.pooled.reading.position as usize;
            let is_idle = from.get(at).is_some_and(|c| c.in_flight() == 0);
            one.idle && one.pull > 0 && is_idle && !self.curves.knows(at, wanted.now_us)
        };
        let (mut found, mut pulls) = (None, 0_u32);
        // Where nothing is known of any, every choice is a try.
        let any_known = self.curves.expected(wanted.now_us).is_some();
        for one in seen.all().iter().filter(|one| any_known && unknown(one)) {
            // By weight, as in `View::best`.
            pulls += one.pull;
            if rng.below(pulls) < one.pull {
                found = Some(one.pooled.reading.position as usize);
            }
        }
        if found.is_some() {
            return found;
        }
        if self.source != Source::Header {
            return None;
        }
        let at = self.weighted.pick(from, wanted, rng)?;
        (!seen.all().iter().any(|one| one.is_of(at))).then_some(at)
    }

    /// The best of what was seen, with a use of it taken.
    fn choose(&self, seen: &mut View, now_us: u64, rng: &mut Rng) -> Option<usize> {
        for _ in 0..CHOICES {
            let at = seen.best(rng)?;
            let Pooled { slot, reading } = seen.all()[at].pooled;
            if self.pool.take(slot, reading.position, now_us) {
                return Some(reading.position as usize);
            }
            seen.rule_out(at);
        }
        None
    }

    /// Removes as many readings as are due for this request, in turn the oldest and the worst.
    fn thin(&self, turn: u64, seen: &mut View, now_us: u64) {
        for _ in 0..self.removals.due(turn) {
            if seen.all().len() <= self.keep {
                return;
            }
            let removed = self.removed.fetch_add(1, Ordering::Relaxed);
            let ages = self.pool.ages();
            let at = if removed.is_multiple_of(2) {
                seen.oldest(|reading| ages.age(reading.taken, now_us))
            } else {
                seen.worst()
            };
            let Some(out) = at.map(|at| seen.leave_out(at)) else {
                return;
            };
            let _ = self.pool.remove(out.slot, out.reading.position);
        }
    }
}

/// How many readings removal leaves in a pool of that size. It makes room for endpoints of which nothing is known, so where all
/// fit in it removes none; it never leaves less than half, for where probes take their time it would empty the pool.
fn keep(size: usize, endpoints: usize) -> usize {
    let unknown = endpoints.saturating_sub(size);
    size.saturating_sub(unknown).max(size / 2).max(2)
}

/// What an endpoint counts between equals at least. Endpoints are in the pool in proportion to their weights, so that there
/// those of small weight count the same; only one so heavy that it is always there counts its weight.
fn even(size: usize, weights: &[u16]) -> u32 {
    let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let most = u64::from(u32::MAX) / pool::MOST as u64;
    let even = (total / size as u64).clamp(1, most);
    u32::try_from(even).unwrap_or(1)
}

/// Requests in flight per weight, in thousandths.
#[inline]
fn load(in_flight: u32, weight: u16) -> u32 {
    let load = u64::from(in_flight) * 1_000 / u64::from(weight.max(1));
    u32::try_from(load).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
