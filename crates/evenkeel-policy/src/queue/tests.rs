//! What waits, in which order it comes out and when it is dropped: tables with instants in milliseconds, and properties.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use evenkeel_base::rules::{Priority, QueueRules};
use proptest::prelude::*;

use super::{Id, Place, Popped, Pushed, Queue, Why};

/// 10 may wait, each for a second; a wait of 50 ms for 200 ms is a standing queue.
const RULES: QueueRules = QueueRules {
    size: 10,
    timeout: Duration::from_secs(1),
    target: Duration::from_millis(50),
    interval: Duration::from_millis(200),
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A queue that is driven by lines such as `10 push a high by 50`, `20 pop`, `20 again a`.
struct Rig {
    queue: Queue<String>,
    start: Instant,
    ids: HashMap<String, Id>,
    places: HashMap<String, Place>,
}

impl Rig {
    #[expect(
        clippy::disallowed_methods,
        reason = "any instant will do to begin with"
    )]
    fn new(rules: QueueRules) -> Self {
        Self {
            queue: Queue::new(rules),
            start: Instant::now(),
            ids: HashMap::new(),
            places: HashMap::new(),
        }
    }

    /// Every line is `DO = WHAT COMES OF IT`.
    fn play(&mut self, script: &str) {
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (order, expected) = line.split_once(" = ").unwrap();
            assert_eq!(self.step(order.trim()), expected, "{line}");
        }
    }

    fn at(&self, millis: &str) -> Instant {
        self.start + ms(millis.parse().unwrap())
    }

    fn step(&mut self, order: &str) -> String {
        let words: Vec<&str> = order.split_whitespace().collect();
        let now = self.at(words[0]);
        match words[1..] {
            ["push", item, ref rest @ ..] => self.push(item, rest, now),
            ["pop"] => self.pop(now, Queue::pop),
            ["look"] => self.pop(now, Queue::pop_to_look),
            ["settle", item] => {
                let place = self.places.remove(item).unwrap();
                self.queue.settle(place);
                self.queue.len().to_string()
            }
            ["again", item] => {
                let place = self.places.remove(item).unwrap();
                let id = self.queue.again(place, item.to_owned());
                assert_eq!(id, self.ids[item], "its name stays");
                self.queue.len().to_string()
            }
            ["remove", item] => told(self.queue.remove(self.ids[item])),
            ["expire"] => {
                let gone = self.queue.expire(now);
                told(gone.map(|(item, why)| format!("{item} {why:?}")))
            }
            ["next"] => {
                let next = self.queue.next_deadline();
                told(next.map(|at| (at - self.start).as_millis().to_string()))
            }
            _ => panic!("{order}"),
        }
    }

    fn push(&mut self, item: &str, rest: &[&str], now: Instant) -> String {
        let named = |name: &&str| Priority::ALL.into_iter().find(|p| p.name() == *name);
        let priority = rest.first().and_then(named).unwrap_or_default();
        let by = rest.iter().position(|word| *word == "by");
        let deadline = by.map(|by| self.at(rest[by + 1]));
        match self.queue.push(item.to_owned(), priority, deadline, now) {
            Pushed::Waits(id) => {
                self.ids.insert(item.to_owned(), id);
                "waits".into()
            }
            Pushed::Instead(id, gone, why) => {
                self.ids.insert(item.to_owned(), id);
                format!("instead of {gone} {why:?}")
            }
            Pushed::Refused(_, why) => format!("refused {why:?}"),
        }
    }

    /// Everything that comes out until one is served.
    fn pop(
        &mut self,
        now: Instant,
        one: impl Fn(&mut Queue<String>, Instant) -> Popped<String>,
    ) -> String {
        let mut dropped = String::new();
        loop {
            match one(&mut self.queue, now) {
                Popped::Served(item, place) => {
                    let told = format!("{dropped}{item}");
                    self.places.insert(item, place);
                    return told;
                }
                Popped::Dropped(item, why) => dropped.push_str(&format!("{item} {why:?}, ")),
                Popped::Empty => return format!("{dropped}empty"),
            }
        }
    }
}

fn told(what: Option<String>) -> String {
    what.unwrap_or_else(|| "none".to_owned())
}

#[test]
fn the_important_go_first_and_among_equals_who_came_first() {
    Rig::new(RULES).play(
        "0 pop = empty
         0 push a = waits
         1 push b low = waits
         2 push c high = waits
         3 push d = waits
         4 push e high = waits
         9 pop = c
         9 pop = e
         9 pop = a
         9 pop = d
         9 pop = b
         9 pop = empty",
    );
}

#[test]
fn nobody_is_served_too_late() {
    Rig::new(RULES).play(
        "0 push a = waits
         0 push b by 30 = waits
         1 push c = waits
         1 push d by 5000 = waits
         1 push e by 1 = refused Late
         1 push f by 0 = refused Late
         1 next = 30
         29 expire = none
         30 expire = b Late
         30 expire = none
         30 next = 1000
         1000 push g = waits
         1000 pop = a TimedOut, c
         1001 expire = d TimedOut
         1001 pop = g",
    );
    let timeout = Duration::ZERO;
    Rig::new(QueueRules { timeout, ..RULES }).play("0 push a = refused TimedOut");
    let timeout = Duration::MAX;
    Rig::new(QueueRules { timeout, ..RULES }).play(
        "0 push a = waits
         0 next = none
         0 push b by 7 = waits
         0 next = 7
         7 expire = b Late
         90000 pop = a",
    );
}

#[test]
fn a_full_queue_gives_the_place_of_the_least_to_the_more_important() {
    let full = QueueRules { size: 3, ..RULES };
    Rig::new(full).play(
        "0 push a low = waits
         1 push b low = waits
         2 push c = waits
         3 push d low = refused Full
         3 push e = instead of b Full
         4 push f high = instead of a Full
         5 push g high = instead of e Full
         6 push h = refused Full
         6 push i low = refused Full
         7 push j high = instead of c Full
         8 push k high = refused Full
         9 pop = f
         9 pop = g
         9 pop = j",
    );
    Rig::new(full).play(
        "0 push a high = waits
         0 push b high by 5 = waits
         0 push c high = waits
         4 push d low = refused Full
         5 push d low = instead of b Late
         1000 push e = instead of a TimedOut",
    );
    Rig::new(QueueRules { size: 0, ..RULES }).play("0 push a high = refused Full");
}

#[test]
fn who_was_served_keeps_its_place_until_it_is_settled() {
    Rig::new(QueueRules { size: 2, ..RULES }).play(
        "0 push a = waits
         1 push b = waits
         2 pop = a
         2 push c = refused Full
         3 again a = 2
         3 remove a = a
         3 push c = waits
         4 pop = b
         4 pop = c
         5 again c = 2
         5 again b = 2
         6 pop = b
         6 settle b = 1
         6 push d = waits
         7 pop = c
         7 settle c = 1
         8 remove c = none
         8 pop = d",
    );
    // What it was promised still holds.
    Rig::new(RULES).play(
        "0 push a by 9 = waits
         1 pop = a
         8 again a = 1
         8 next = 9
         9 pop = a Late, empty",
    );
}

#[test]
fn what_was_removed_is_gone_and_leaves_no_deadline() {
    Rig::new(RULES).play(
        "0 push a by 9 = waits
         0 push b = waits
         1 remove a = a
         1 remove a = none
         1 next = 1000
         20 pop = b
         20 remove b = none",
    );
}

#[test]
fn a_burst_that_drains_loses_nobody() {
    Rig::new(RULES).play(
        "0 push a = waits
         0 push b = waits
         0 push c = waits
         0 push d = waits
         0 push e = waits
         60 pop = a
         120 pop = b
         180 pop = c
         240 pop = d
         300 pop = e",
    );
}

#[test]
fn a_standing_queue_loses_its_front_until_it_stands_no_longer() {
    // One comes every 10 ms, and one leaves every 20 ms.
    let mut rig = Rig::new(QueueRules { size: 100, ..RULES });
    let mut told = Vec::new();
    for tick in 0..30 {
        for half in 0..2 {
            let at = tick * 20 + half * 10;
            rig.step(&format!("{at} push {at}"));
        }
        told.push(rig.step(&format!("{} pop", tick * 20 + 15)));
    }
    // Who leaves at 95 has waited for 55 ms, the first above the target. It stands 200 ms later: the front is dropped, and
    // with it what has waited for longer than 100 ms.
    assert_eq!(told[..6], ["0", "10", "20", "30", "40", "50"]);
    assert_eq!(told[13], "130");
    let dropped = [140, 150, 160, 170, 180, 190].map(|at| format!("{at} Standing, "));
    assert_eq!(told[14], format!("{}200", dropped.concat()));
    for (tick, told) in told.iter().enumerate().skip(14) {
        let served: usize = told.rsplit(' ').next().unwrap().parse().unwrap();
        let waited = tick * 20 + 15 - served;
        assert!((50..=100).contains(&waited), "{waited} ms at tick {tick}");
    }
}

#[test]
fn one_that_waits_alone_is_never_dropped_for_it() {
    Rig::new(RULES).play(
        "0 push a = waits
         500 pop = a
         500 push b = waits
         900 pop = b",
    );
}

#[test]
fn who_only_looks_drops_nobody_that_is_in_time() {
    Rig::new(RULES).play(
        "0 push a by 400 = waits
         0 push b = waits
         0 push c = waits
         100 look = a
         100 again a = 3
         300 look = a
         300 again a = 3
         350 look = a
         350 again a = 3
         400 look = a Late, b
         400 again b = 2
         999 look = b
         999 again b = 2
         1000 look = b TimedOut, c TimedOut, empty",
    );
}

#[test]
fn the_important_do_not_hide_that_the_others_stand() {
    let mut rig = Rig::new(QueueRules { size: 100, ..RULES });
    let mut dropped = 0;
    for tick in 0..100 {
        let now = tick * 10;
        rig.step(&format!("{now} push h{tick} high"));
        rig.step(&format!("{now} push n{tick}"));
        let high = rig.step(&format!("{now} pop"));
        assert_eq!(high, format!("h{tick}"), "never waits");
        rig.step(&format!("{now} settle h{tick}"));
        if tick % 2 == 0 {
            dropped += rig.step(&format!("{now} pop")).matches("Standing").count();
        }
    }
    assert!(dropped > 20, "{dropped}");
}

/// What can happen to a queue.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push(Priority, Option<u64>),
    Pop,
    Settle,
    Again,
    Remove(usize),
    Expire,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let priority = prop::sample::select(&Priority::ALL[..]);
    prop_oneof![
        6 => (priority, prop::option::of(0..300_u64)).prop_map(|(p, by)| Step::Push(p, by)),
        4 => Just(Step::Pop),
        2 => Just(Step::Settle),
        1 => Just(Step::Again),
        1 => any::<usize>().prop_map(Step::Remove),
        1 => Just(Step::Expire),
        4 => (0..80_u64).prop_map(Step::Pass),
    ]
}

/// What is known of an item of the model: its priority, when it came, when it is overdue.
#[derive(Clone, Copy, Debug)]
struct Known {
    id: Id,
    priority: Priority,
    since: Instant,
    end: Instant,
}

/// A queue beside what is known of everything that went in.
struct Model {
    queue: Queue<u32>,
    now: Instant,
    next: u32,
    waiting: HashMap<u32, Known>,
    held: Vec<(u32, Place, Known)>,
    out: Vec<u32>,
}

impl Model {
    #[expect(
        clippy::disallowed_methods,
        reason = "any instant will do to begin with"
    )]
    fn new(rules: QueueRules) -> Self {
        Self {
            queue: Queue::new(rules),
            now: Instant::now(),
            next: 0,
            waiting: HashMap::new(),
            held: Vec::new(),
            out: Vec::new(),
        }
    }

    fn take(&mut self, step: Step, rules: &QueueRules) {
        match step {
            Step::Push(priority, by) => self.push(priority, by, rules),
            Step::Pop => self.pop(),
            Step::Settle => {
                if let Some((item, place, _)) = self.held.pop() {
                    self.queue.settle(place);
                    self.out.push(item);
                }
            }
            Step::Again => {
                if let Some((item, place, known)) = self.held.pop() {
                    self.queue.again(place, item);
                    self.waiting.insert(item, known);
                }
            }
            Step::Remove(at) => {
                let mut items: Vec<u32> = self.waiting.keys().copied().collect();
                items.sort_unstable();
                if !items.is_empty() {
                    let item = items[at % items.len()];
                    let known = self.waiting[&item];
                    assert_eq!(self.queue.remove(known.id), Some(item));
                    self.leaves(item);
                }
            }
            Step::Expire => {
                while let Some((item, _)) = self.queue.expire(self.now) {
                    assert!(self.leaves(item).end <= self.now);
                }
                assert!(self.waiting.values().all(|known| known.end > self.now));
            }
            Step::Pass(millis) => self.now += ms(millis),
        }
    }

    fn push(&mut self, priority: Priority, by: Option<u64>, rules: &QueueRules) {
        let (item, deadline) = (self.next, by.map(|by| self.now + ms(by)));
        self.next += 1;
        let limit = self.now + rules.timeout;
        let end = deadline.map_or(limit, |at| at.min(limit));
        let id = match self.queue.push(item, priority, deadline, self.now) {
            Pushed::Refused(back, why) => {
                assert_eq!(back, item);
                let full = self.waiting.len() + self.held.len() == rules.size as usize;
                assert!(end <= self.now || full && why == Why::Full, "{why:?}");
                self.out.push(item);
                return;
            }
            Pushed::Waits(id) => id,
            Pushed::Instead(id, gone, why) => {
                let gone = self.leaves(gone);
                assert!(if why == Why::Full {
                    gone.priority < priority
                } else {
                    gone.end <= self.now
                });
                id
            }
        };
        let since = self.now;
        let known = Known {
            id,
            priority,
            since,
            end,
        };
        self.waiting.insert(item, known);
    }

    fn pop(&mut self) {
        match self.queue.pop(self.now) {
            Popped::Served(item, place) => {
                let known = self.leaves(item);
                self.out.pop();
                assert!(known.end > self.now, "never served too late");
                for other in self.waiting.values() {
                    assert!(
                        (known.priority, other.since) >= (other.priority, known.since),
                        "{known:?} before {other:?}"
                    );
                }
                self.held.push((item, place, known));
            }
            Popped::Dropped(item, why) => {
                let known = self.leaves(item);
                assert_eq!(why != Why::Standing, known.end <= self.now);
            }
            Popped::Empty => assert!(self.waiting.is_empty()),
        }
    }

    fn leaves(&mut self, item: u32) -> Known {
        self.out.push(item);
        self.waiting.remove(&item).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: never more than fit, in the order that was promised, and every item comes out exactly once.
    #[test]
    fn nothing_is_lost_and_nothing_is_served_out_of_turn(
        steps in prop::collection::vec(step(), 1..120),
        size in 0..12_u32,
        timeout in 0..400_u64,
    ) {
        let rules = QueueRules { size, timeout: ms(timeout), target: ms(20), interval: ms(60) };
        let mut model = Model::new(rules);
        for step in steps {
            model.take(step, &rules);
            let (waiting, held) = (model.waiting.len(), model.held.len());
            prop_assert!(model.queue.len() <= size as usize);
            prop_assert_eq!((model.queue.waiting(), model.queue.len()), (waiting, waiting + held));
            let first = model.waiting.values().map(|known| known.end).min();
            prop_assert_eq!(model.queue.next_deadline(), first);
        }
        while !model.queue.is_empty() {
            model.pop();
            model.take(Step::Settle, &rules);
        }
        model.out.sort_unstable();
        prop_assert!(model.out.iter().copied().eq(0..model.next), "{:?}", model.out);
    }
}
