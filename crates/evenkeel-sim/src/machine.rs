//! A machine at work: processor sharing and queueing in virtual time.
//!
//! All requests that run get the same part of the cores, so one number says how much work each has had since the machine was
//! idle: virtual time. A request that comes ends when virtual time has grown by its work, whatever comes and goes
//! meanwhile, and a change of the rate (a request more, a core less, a slower speed) changes nothing in the order of ends.
//! So a heap by virtual end serves every event in the logarithm of how many run (the idea is that of fair queueing:
//! Demers, Keshav and Shenker, 1989).

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use crate::time::{NEVER, Nanos, from_seconds, seconds};

/// Work less than this, in seconds, is done: half a nanosecond, which is what times are rounded to.
const DONE: f64 = 0.5e-9;

/// The work of one endpoint.
#[derive(Debug)]
pub(crate) struct Machine {
    /// How many requests run at once; the others wait.
    slots: usize,
    /// How many cores it has at this moment.
    cores: f64,
    /// How much work a core does in a second.
    speed: f64,
    running: BinaryHeap<Running>,
    waiting: VecDeque<(u32, f64)>,
    /// Work that each running request has had since the machine was idle, in seconds.
    virtual_now: f64,
    /// When that was computed.
    at: Nanos,
    /// Core-seconds that were used.
    used: f64,
    order: u64,
    /// When the next completion is expected: an event of another moment no longer holds.
    expected: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    /// Virtual time at its end.
    ends: f64,
    order: u64,
    job: u32,
}

impl Machine {
    /// An idle machine on which at most `slots` requests run at once.
    pub(crate) const fn new(slots: usize, cores: f64, speed: f64) -> Self {
        Self {
            slots,
            cores,
            speed,
            running: BinaryHeap::new(),
            waiting: VecDeque::new(),
            virtual_now: 0.0,
            at: 0,
            used: 0.0,
            order: 0,
            expected: NEVER,
        }
    }

    /// Requests that it has, running or waiting.
    pub(crate) fn jobs(&self) -> usize {
        self.running.len() + self.waiting.len()
    }

    /// Core-seconds that were used until `now`.
    pub(crate) fn used(&mut self, now: Nanos) -> f64 {
        self.advance(now);
        self.used
    }

    /// A request with so many seconds of work comes. Gives when to look for completions, if that is sooner than was
    /// expected.
    pub(crate) fn add(&mut self, job: u32, work: f64, now: Nanos) -> Option<Nanos> {
        self.advance(now);
        if self.running.len() < self.slots {
            self.run(job, work);
        } else {
            self.waiting.push_back((job, work));
        }
        self.expect(now)
    }

    /// Other cores or another speed from now on; at speed 0 it stands still.
    pub(crate) fn change(&mut self, cores: f64, speed: f64, now: Nanos) -> Option<Nanos> {
        self.advance(now);
        (self.cores, self.speed) = (cores, speed);
        self.expect(now)
    }

    /// The completions of this moment, one a call, if the event holds; [`Machine::next`] is then due.
    pub(crate) fn complete(&mut self, now: Nanos) -> Option<u32> {
        self.advance(now);
        let rate = self.rate();
        let first = self.running.peek()?;
        if first.ends - self.virtual_now > DONE * rate {
            return None;
        }
        let job = self.running.pop()?.job;
        self.fill();
        Some(job)
    }

    /// Whether an event of this moment holds.
    pub(crate) const fn expects(&self, now: Nanos) -> bool {
        self.expected == now
    }

    /// When to look for completions again.
    pub(crate) fn next(&mut self, now: Nanos) -> Option<Nanos> {
        self.expected = NEVER;
        self.expect(now)
    }

    /// Takes a request out that nobody waits for any more. It looks at all of them: few endpoints do that.
    pub(crate) fn remove(&mut self, job: u32, now: Nanos) -> Option<Nanos> {
        self.advance(now);
        self.waiting.retain(|(one, _)| *one != job);
        self.running.retain(|one| one.job != job);
        self.fill();
        self.expect(now)
    }

    /// Everything that it has is lost; those that ran come first.
    pub(crate) fn lose_all(&mut self, now: Nanos) -> Vec<u32> {
        self.advance(now);
        let mut lost: Vec<Running> = self.running.drain().collect();
        lost.sort_by_key(|one| one.order);
        let waiting = self.waiting.drain(..).map(|(job, _)| job);
        self.expected = NEVER;
        lost.iter().map(|one| one.job).chain(waiting).collect()
    }

    fn run(&mut self, job: u32, work: f64) {
        self.running.push(Running {
            ends: self.virtual_now + work,
            order: self.order,
            job,
        });
        self.order += 1;
    }

    /// Those that wait take the places that are free.
    fn fill(&mut self) {
        while self.running.len() < self.slots
            && let Some((job, work)) = self.waiting.pop_front()
        {
            self.run(job, work);
        }
        if self.running.is_empty() {
            // From time to time it begins anew, so that virtual time stays exact.
            self.virtual_now = 0.0;
        }
    }

    /// Work that one running request gets in a second.
    fn rate(&self) -> f64 {
        let running = self.running.len() as f64;
        self.speed * (self.cores / running.max(1.0)).min(1.0)
    }

    fn advance(&mut self, now: Nanos) {
        if now <= self.at {
            return;
        }
        let passed = seconds(now - self.at);
        self.at = now;
        if !self.running.is_empty() {
            self.virtual_now += passed * self.rate();
            if self.speed > 0.0 {
                self.used += passed * (self.running.len() as f64).min(self.cores);
            }
        }
    }

    fn expect(&mut self, now: Nanos) -> Option<Nanos> {
        let first = self.running.peek()?;
        let rate = self.rate();
        if rate <= 0.0 {
            return None;
        }
        let left = ((first.ends - self.virtual_now) / rate).max(0.0);
        let at = now.saturating_add(from_seconds(left));
        // A later end is found when the event that is there already comes up.
        (at < self.expected).then(|| {
            self.expected = at;
            at
        })
    }
}

impl PartialEq for Running {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Running {}

impl Ord for Running {
    /// The first to end is the greatest: the heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_end = other.ends.total_cmp(&self.ends);
        by_end.then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Running {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    /// What happens, in tenths of a second: requests that come with their work, and changes.
    enum Does {
        Comes(u64, f64),
        Changes(u64, f64, f64),
    }
    use Does::{Changes, Comes};

    /// When each request ended, in hundredths of a second, by its number.
    fn ends(slots: usize, cores: f64, script: &[Does]) -> Vec<(u32, u64)> {
        let mut machine = Machine::new(slots, cores, 1.0);
        let (mut looks, mut ended) = (Vec::<Nanos>::new(), Vec::new());
        let mut number = 0;
        let mut all = script.iter().peekable();
        loop {
            looks.sort_unstable();
            let comes = all.peek().map(|does| match does {
                Comes(at, _) | Changes(at, ..) => at * SECOND / 10,
            });
            let look = looks.first().copied();
            let Some(now) = [comes, look].into_iter().flatten().min() else {
                return ended;
            };
            if comes == Some(now) && look.is_none_or(|at| at > now) {
                looks.extend(match all.next() {
                    Some(Comes(_, work)) => {
                        number += 1;
                        machine.add(number - 1, *work, now)
                    }
                    Some(Changes(_, cores, speed)) => machine.change(*cores, *speed, now),
                    None => None,
                });
            } else {
                looks.remove(0);
                if machine.expects(now) {
                    while let Some(job) = machine.complete(now) {
                        ended.push((job, now * 100 / SECOND));
                    }
                    looks.extend(machine.next(now));
                }
            }
        }
    }

    const ALL: usize = usize::MAX;

    #[test]
    fn one_core_is_shared() {
        // Alone for a second, then a half for each until the short one ends.
        let script = [Comes(0, 2.0), Comes(10, 0.5)];
        assert_eq!(ends(ALL, 1.0, &script), [(1, 200), (0, 250)]);
    }

    #[test]
    fn nobody_gets_more_than_a_core() {
        let script = [Comes(0, 1.0), Comes(0, 1.0), Comes(0, 1.0)];
        assert_eq!(ends(ALL, 4.0, &script), [(0, 100), (1, 100), (2, 100)]);
        assert_eq!(ends(ALL, 1.5, &script), [(0, 200), (1, 200), (2, 200)]);
    }

    #[test]
    fn a_queue_serves_one_after_the_other() {
        let script = [Comes(0, 1.0), Comes(0, 0.5), Comes(0, 0.5)];
        assert_eq!(ends(1, 1.0, &script), [(0, 100), (1, 150), (2, 200)]);
        assert_eq!(ends(2, 2.0, &script), [(1, 50), (0, 100), (2, 100)]);
    }

    #[test]
    fn changes_count_from_when_they_happen() {
        // Half a second of work, then nothing for a second, then at double speed.
        let script = [Comes(0, 1.5), Changes(5, 1.0, 0.0), Changes(15, 1.0, 2.0)];
        assert_eq!(ends(ALL, 1.0, &script), [(0, 200)]);
        // An antagonist leaves half a core.
        let script = [Comes(0, 1.0), Changes(5, 0.5, 1.0)];
        assert_eq!(ends(ALL, 1.0, &script), [(0, 150)]);
    }

    #[test]
    fn what_is_lost_or_removed_ends_never() {
        let mut machine = Machine::new(1, 1.0, 1.0);
        for job in 0..3 {
            machine.add(job, 1.0, 0);
        }
        assert_eq!((machine.jobs(), machine.remove(0, SECOND / 2)), (3, None));
        assert_eq!(machine.lose_all(SECOND), [1, 2]);
        assert_eq!((machine.jobs(), machine.used(2 * SECOND)), (0, 1.0));
    }
}
