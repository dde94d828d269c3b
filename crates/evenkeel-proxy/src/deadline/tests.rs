//! Slots that come, go and fire, against a plain list of times; and the sweep itself on a real event loop.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use proptest::prelude::*;

use super::*;
use crate::rig;

/// Counts how often it is woken.
#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Alarm {
    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Asks a slot on behalf of the alarm's task.
fn ask(slot: &Deadline, alarm: &Arc<Alarm>) -> Poll<()> {
    let waker = Waker::from(Arc::clone(alarm));
    slot.poll_expired(&Context::from_waker(&waker))
}

/// How many places are taken.
fn taken(deadlines: &Deadlines) -> usize {
    let groups = deadlines.groups.borrow();
    groups.iter().map(|group| group.taken()).sum()
}

#[test]
fn slots_keep_their_places_and_fire_once() {
    let deadlines = Rc::new(Deadlines::default());
    let start = Instant::now();
    let at = |ms| Some(start + Duration::from_millis(ms));
    let (a, b, c) = (deadlines.slot(), deadlines.slot(), deadlines.slot());
    a.set(at(10));
    b.set(at(20));
    c.set(at(30));
    drop(a);
    assert_eq!(deadlines.fire(start + Duration::from_millis(25)), at(30));
    let cx = Context::from_waker(Waker::noop());
    assert!(b.poll_expired(&cx).is_ready());
    assert!(c.poll_expired(&cx).is_pending());
    b.set(at(40));
    assert!(b.poll_expired(&cx).is_pending());
    drop(c);
    drop(b);
    assert_eq!(deadlines.fire(start), None);
    assert!(deadlines.groups.borrow().is_empty());
}

#[test]
fn who_waits_is_woken_once_and_who_was_set_anew_is_not() {
    let deadlines = Rc::new(Deadlines::default());
    let (now, alarm) = (Instant::now(), Arc::new(Alarm::default()));
    let slot = deadlines.slot();
    assert!(ask(&slot, &alarm).is_pending(), "no deadline never fires");
    assert_eq!(deadlines.fire(now + Duration::from_secs(9)), None);
    slot.set(Some(now));
    deadlines.fire(now);
    assert!(slot.has_fired() && ask(&slot, &alarm).is_ready());
    deadlines.fire(now + Duration::from_secs(9));
    assert_eq!(alarm.rings(), 1);

    let later = now + Duration::from_secs(1);
    slot.set(Some(later));
    assert!(!slot.has_fired() && ask(&slot, &alarm).is_pending());
    slot.set(None);
    assert_eq!(deadlines.fire(later), None);
    assert_eq!(alarm.rings(), 1);
}

#[test]
fn the_task_that_asked_last_is_the_one_that_is_woken() {
    let deadlines = Rc::new(Deadlines::default());
    let (first, last) = (Arc::new(Alarm::default()), Arc::new(Alarm::default()));
    let slot = deadlines.slot();
    slot.set(Some(Instant::now()));
    assert!(ask(&slot, &first).is_pending() && ask(&slot, &last).is_pending());
    deadlines.fire(Instant::now());
    assert_eq!((first.rings(), last.rings()), (0, 1));
}

#[test]
fn thousands_come_and_go_and_each_fires_at_its_own_time() {
    let deadlines = Deadlines::default();
    let start = Instant::now();
    let at = |ms: usize| start + Duration::from_millis(ms as u64);
    let slots = |range: std::ops::Range<usize>| -> Vec<(usize, Deadline)> {
        range
            .map(|ms| {
                let slot = deadlines.slot();
                slot.set(Some(at(ms)));
                (ms, slot)
            })
            .collect()
    };
    let mut all = slots(0..5_000);
    assert_eq!(deadlines.groups.borrow().len(), 5_000_usize.div_ceil(64));
    // Every second one goes, and as many come: they find the places that were left.
    all.retain(|(ms, _)| ms % 2 == 0);
    all.extend(slots(5_000..7_500));
    assert_eq!(deadlines.groups.borrow().len(), 5_000_usize.div_ceil(64));
    for now in [0, 1, 2, 999, 4_999, 5_000, 7_499] {
        let next = all.iter().map(|(ms, _)| *ms).filter(|ms| *ms > now).min();
        assert_eq!(deadlines.fire(at(now)), next.map(at));
        assert!(
            all.iter()
                .all(|(ms, slot)| slot.has_fired() == (*ms <= now))
        );
    }
    assert_eq!(taken(&deadlines), all.len());
    all.truncate(1);
    deadlines.fire(start);
    assert_eq!(deadlines.groups.borrow().len(), 1, "the others went");
    drop(all);
    deadlines.fire(start);
    assert!(deadlines.groups.borrow().is_empty());
}

#[test]
fn after_a_stop_everything_has_fired_also_what_comes_later() {
    let deadlines = Deadlines::default();
    let alarm = Arc::new(Alarm::default());
    let slots: Vec<Deadline> = (0..100).map(|_| deadlines.slot()).collect();
    let (asked, _) = slots.split_at(70);
    assert!(asked.iter().all(|slot| ask(slot, &alarm).is_pending()));
    deadlines.stop();
    assert_eq!(alarm.rings(), 70);
    let late: Vec<Deadline> = (0..100).map(|_| deadlines.slot()).collect();
    for slot in slots.iter().chain(&late) {
        slot.set(Some(Instant::now() + Duration::from_secs(9)));
        assert!(slot.has_fired() && ask(slot, &alarm).is_ready());
    }
}

#[test]
fn the_sweep_begins_with_the_first_slot_and_fires_what_is_due() {
    rig::run(async {
        let deadlines = Rc::new(Deadlines::default());
        let sweep = Rc::clone(&deadlines).sweep();
        let wait = async {
            // The sweep is asleep without a slot, and again after the last one went.
            for _ in 0..2 {
                tokio::task::yield_now().await;
                let (slot, other) = (deadlines.slot(), deadlines.slot());
                let due = Instant::now() + Duration::from_millis(20);
                slot.set(Some(due));
                poll_fn(|cx| slot.poll_expired(cx)).await;
                assert!(Instant::now() >= due, "never early");
                assert!(!other.has_fired());
            }
        };
        tokio::select! {
            () = sweep => panic!("a sweep has no end"),
            () = wait => {}
        }
    });
}

/// What happens to the slots; positions count modulo the number there is.
#[derive(Clone, Debug)]
enum Act {
    Add,
    Drop(usize),
    Set(usize, Option<u64>),
    Fire(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Add),
        any::<usize>().prop_map(Act::Drop),
        (any::<usize>(), prop::option::of(0..50_u64)).prop_map(|(at, ms)| Act::Set(at, ms)),
        (0..50_u64).prop_map(Act::Fire),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, the slots fire as a plain list of (deadline, fired) would.
    #[test]
    fn slots_are_a_list_of_times(acts in prop::collection::vec(act(), 0..60)) {
        let deadlines = Rc::new(Deadlines::default());
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut model: Vec<(Deadline, Option<u64>, bool)> = Vec::new();
        for act in acts {
            match act {
                Act::Add => model.push((deadlines.slot(), None, false)),
                Act::Drop(place) if !model.is_empty() => {
                    model.remove(place % model.len());
                }
                Act::Set(place, ms) if !model.is_empty() => {
                    let place = place % model.len();
                    let (slot, due, fired) = &mut model[place];
                    slot.set(ms.map(at));
                    (*due, *fired) = (ms, false);
                }
                Act::Drop(_) | Act::Set(..) => {}
                Act::Fire(now) => {
                    for (_, due, fired) in &mut model {
                        if due.is_some_and(|due| due <= now) {
                            (*due, *fired) = (None, true);
                        }
                    }
                    let next = model.iter().filter_map(|(_, due, _)| *due).min();
                    prop_assert_eq!(deadlines.fire(at(now)), next.map(at));
                }
            }
            prop_assert_eq!(taken(&deadlines), model.len());
            for (slot, _, fired) in &model {
                prop_assert_eq!(slot.has_fired(), *fired);
            }
        }
    }
}
