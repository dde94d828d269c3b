//! A pick allocates nothing, whoever picks: the road of every request goes through it. An allocator that counts says so, for
//! every balancer, with one group and with several, in the good case and in the long ways that a pick takes when its first choice
//! will not do. It does not say that no lock is taken: `clippy.toml` bans those.

#![cfg(not(loom))]
#![cfg(test)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use evenkeel_base::rules::{BalancerRules, Choices, PrequalRules, Signals, TierRules};
use evenkeel_base::{BalancerKind, Rng};
use evenkeel_policy::{Candidate, Load, Member, Observed, Report, Tiers, Tried, Wanted};

/// The system's allocator, and how often a thread asked it for memory.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

#[expect(
    unsafe_code,
    reason = "the only way to see allocations is to be the allocator"
)]
// SAFETY: everything is passed on to the system's allocator as it came; counting touches a cell that is made without allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.with(|asked| asked.set(asked.get() + 1));
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `act` asks for memory.
fn allocations(act: impl FnOnce()) -> u64 {
    let before = ASKED.get();
    act();
    ASKED.get() - before
}

/// An endpoint, of which every number matters to somebody.
struct Endpoint {
    in_flight: u32,
    share: u16,
    room: bool,
    load: Load,
}

impl Candidate for Endpoint {
    fn weight(&self) -> u16 {
        1
    }

    fn in_flight(&self) -> u32 {
        self.in_flight
    }

    fn share(&self) -> u16 {
        self.share
    }

    fn has_room(&self) -> bool {
        self.room
    }

    fn load(&self) -> Option<&Load> {
        Some(&self.load)
    }
}

/// Every balancer with its rules as they are by default, and those whose numbers lead elsewhere.
fn all() -> Vec<BalancerRules> {
    let mut all: Vec<_> = BalancerKind::ALL.map(BalancerRules::of).into();
    for rules in all.clone() {
        if let BalancerRules::Hash(mut hash) = rules {
            hash.bound_percent = 125;
            all.push(BalancerRules::Hash(hash));
        }
    }
    for choices in [Choices::Some(5), Choices::All] {
        all.push(BalancerRules::LeastRequest { choices });
    }
    for signals in [
        Signals::Header("load".into()),
        Signals::Probe("/load".into()),
    ] {
        all.push(BalancerRules::Prequal(PrequalRules {
            signals,
            ..PrequalRules::DEFAULT
        }));
    }
    all
}

/// What an attempt showed.
const SHOWN: Observed = Observed {
    latency: Some(Duration::from_millis(10)),
    failed: false,
    erred: false,
    in_flight: 1,
    report: Report {
        in_flight: Some(2),
        latency: Some(Duration::from_millis(9)),
        utilization: Some(0.5),
        requests_per_second: Some(100.0),
        errors_per_second: Some(1.0),
    },
};

/// The share of an endpoint, and whether it has room.
type Spoil = fn(u16) -> (u16, bool);

/// Allocations of picks and observations, of endpoints with these shares and this room in so many groups.
fn of_picks(rules: &BalancerRules, count: u16, groups: u16, spoil: Spoil) -> u64 {
    let endpoint = |at| {
        let (share, room) = spoil(at);
        Endpoint {
            in_flight: u32::from(at % 7),
            share,
            room,
            load: Load::new(),
        }
    };
    let from: Vec<_> = (0..count).map(endpoint).collect();
    let ids: Vec<String> = (0..count).map(|at| format!("e{at}")).collect();
    let member = |(at, id): (u16, &'static str)| Member {
        id,
        weight: 1,
        rank: at * groups / count,
    };
    let ids = ids.into_iter().map(|id| &*id.leak());
    let members: Vec<_> = (0..).zip(ids).map(member).collect();
    let tiers = Tiers::new(rules, &TierRules::DEFAULT, &members, None);
    tiers.tick(&from, 1_000);
    let (mut rng, tried) = (Rng::new(1), Tried::new());
    allocations(|| {
        for turn in 0..500 {
            let wanted = Wanted {
                key: (turn % 3 > 0).then(|| rng.next_u64()),
                now_us: turn * 10_000,
                in_flight: 3 * u32::from(count),
                regardless: turn % 5 == 0,
                ..Wanted::new(&tried)
            };
            if let Some(at) = tiers.pick(&from, wanted, &mut rng) {
                tiers.observe(&from, at, &SHOWN, turn * 10_000 + 5_000);
            }
        }
    })
}

#[test]
fn no_balancer_allocates_for_a_pick_or_an_observation() {
    for rules in all() {
        for (count, groups) in [(1, 1), (2, 1), (100, 1), (100, 3)] {
            let ways: [(&str, Spoil); 4] = [
                ("all are well", |_| (1_000, true)),
                ("one in ten is", |at| {
                    (if at % 10 == 0 { 1_000 } else { 0 }, true)
                }),
                ("all are in slow start", |at| (100 + at, true)),
                ("nobody has room", |_| (1_000, false)),
            ];
            for (way, spoil) in ways {
                let asked = of_picks(&rules, count, groups, spoil);
                assert_eq!(asked, 0, "{rules:?}, {count} endpoints in {groups}: {way}");
            }
        }
    }
}

#[test]
fn what_allocates_is_counted() {
    // Optimization takes a box away that nobody looks at; this package is built with it.
    let boxed = || drop(black_box(Box::new(1)));
    assert_eq!(allocations(boxed), 1);
}
