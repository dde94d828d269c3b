//! When a level begins and ends, and what it refuses.

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::{prop_assert, proptest};

use super::*;

const FREE: Usage = Usage::UNLIMITED;

const fn of(used: u64, most: u64) -> Usage {
    Usage { used, most }
}

/// The levels after each look at so much memory, in thousandths.
fn levels(memory: &[u64]) -> Vec<Level> {
    let mut overload = Overload::default();
    let look = |used: &u64| {
        overload.look([of(*used, 1000), FREE, FREE]);
        overload.level()
    };
    memory.iter().map(look).collect()
}

#[test]
fn a_level_begins_at_its_fraction_and_at_once() {
    for (used, level) in [
        (0, Level::Normal),
        (849, Level::Normal),
        (850, Level::High),
        (949, Level::High),
        (950, Level::Critical),
        (979, Level::Critical),
        (980, Level::Extreme),
        (5000, Level::Extreme),
        (u64::MAX, Level::Extreme),
    ] {
        assert_eq!(levels(&[used]), [level], "{used}");
    }
}

#[test]
fn it_ends_a_step_at_a_time_after_a_second_below_a_margin() {
    let calm = usize::from(CALM);
    let mut all = vec![980];
    all.extend(vec![0; 3 * calm]);
    let seen = levels(&all);
    let count = |level| seen.iter().filter(|seen| **seen == level).count();
    assert_eq!(count(Level::Extreme), calm);
    assert_eq!(count(Level::Critical), calm);
    assert_eq!(count(Level::High), calm);
    assert_eq!(seen.last(), Some(&Level::Normal));
}

#[test]
fn within_the_margin_it_stays() {
    let mut all = vec![850];
    all.extend([800; 100]);
    assert_eq!(levels(&all).last(), Some(&Level::High));
    all.extend([799; 9]);
    // A single look that is worse begins the second anew.
    all.push(800);
    all.extend([799; 9]);
    assert_eq!(levels(&all).last(), Some(&Level::High));
    all.push(799);
    assert_eq!(levels(&all).last(), Some(&Level::Normal));
}

#[test]
fn a_glance_raises_and_never_ends_a_level() {
    let mut overload = Overload::default();
    assert!(overload.glance([of(84, 100), FREE, FREE]).is_none());
    assert!(overload.glance([of(96, 100), FREE, FREE]).is_some());
    assert_eq!(overload.level(), Level::Critical);
    (0..100).for_each(|_| assert!(overload.glance([FREE, FREE, FREE]).is_none()));
    assert_eq!(overload.level(), Level::Critical);
}

#[test]
fn room_is_made_until_there_is_enough() {
    let mut overload = Overload::default();
    let mut wants = |used| {
        overload.look([of(used, 1000), FREE, FREE]);
        overload.wants_room()
    };
    let looks = [849, 850, 800, 799, 799, 800, 10, 1000];
    let seen = looks.map(&mut wants);
    assert_eq!(seen, [false, true, true, false, false, true, false, true]);
}

#[test]
fn a_change_names_what_caused_it() {
    let mut overload = Overload::default();
    let change = |from, to, by, usage| {
        Some(Change {
            from,
            to,
            by,
            usage,
        })
    };
    let full = of(59, 60);
    assert_eq!(
        overload.look([FREE, full, FREE]),
        change(Level::Normal, Level::Extreme, Resource::Descriptors, full)
    );
    // Another that is as bad changes nothing.
    assert_eq!(overload.look([of(99, 100), full, FREE]), None);
    let less = of(10, 60);
    let seen = (0..40).filter_map(|_| overload.look([FREE, less, FREE]));
    let seen: Vec<_> = seen.collect();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[2].to, Level::Normal);
}

#[test]
fn connections_make_idle_ones_go_and_no_more() {
    let mut overload = Overload::default();
    overload.look([FREE, FREE, of(7, 7)]);
    assert_eq!(overload.level(), Level::High);
}

#[test]
fn what_a_level_refuses() {
    use Priority::{High, Low, Normal};
    for (level, refused) in [
        (Level::Normal, &[][..]),
        (Level::High, &[]),
        (Level::Critical, &[Low]),
        (Level::Extreme, &[Low, Normal]),
    ] {
        for priority in [Low, Normal, High] {
            assert_eq!(level.refuses(priority), refused.contains(&priority));
        }
        assert_eq!(level.turns_away(), level >= Level::Critical);
        assert_eq!(level.is_short(), level >= Level::High);
        assert_eq!(Level::from_number(level as u8), level);
    }
}

#[test]
fn a_third_of_the_descriptors_is_kept() {
    for (descriptors, own, clients) in [
        (60, 18, 28),
        (1024, 24, 666),
        (1_048_576, 32, 699_028),
        (10, 20, 1),
        (u64::MAX, 0, u64::MAX / 3 * 2),
    ] {
        assert_eq!(connections_within(descriptors, own), clients);
    }
}

#[test]
fn what_may_still_be_taken_ends_where_new_connections_are_turned_away() {
    for (used, most, left) in [
        (0, 1_000_000, 950_000),
        (900_000, 1_000_000, 50_000),
        (2_000_000, 1_000_000, 0),
        (5, u64::MAX, u64::MAX),
    ] {
        assert_eq!(room_within(of(used, most)), left);
    }
}

proptest! {
    /// Whatever is seen: a level is never below what its fraction says, and falls by one step at most.
    #[test]
    fn it_is_never_too_low_and_falls_in_steps(looks in vec((0_u64..1200, any::<bool>()), 0..200)) {
        let mut overload = Overload::default();
        let mut before = Level::Normal;
        for (used, memory) in looks {
            let usage = of(used, 1000);
            let usages = if memory { [usage, FREE, FREE] } else { [FREE, usage, FREE] };
            let change = overload.look(usages);
            let now = overload.level();
            prop_assert!(Level::ALL.iter().all(|level| *level <= now || used < level.begins()));
            prop_assert!(now >= before || now as u8 + 1 == before as u8);
            prop_assert!(change.map_or(now == before, |c| (c.from, c.to) == (before, now) && now != before));
            before = now;
        }
    }
}
