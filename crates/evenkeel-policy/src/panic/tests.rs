//! When health is ignored.

use super::*;

/// An endpoint of a weight and a share.
#[derive(Clone, Copy)]
struct Endpoint(u16, u16);

impl Candidate for Endpoint {
    fn weight(&self) -> u16 {
        self.0
    }

    fn in_flight(&self) -> u32 {
        0
    }

    fn share(&self) -> u16 {
        self.1
    }

    fn has_room(&self) -> bool {
        true
    }
}

#[test]
fn panic_is_when_none_admits_or_less_than_a_percentage_of_the_weight() {
    let (well, trial, gone) = (Endpoint(1, 1_000), Endpoint(1, 50), Endpoint(1, 0));
    let (drained, heavy) = (Endpoint(0, 1_000), Endpoint(8, 0));
    for (list, percent, below, expected) in [
        (&[][..], 100, 0, false),
        (&[], 100, 50, false),
        (&[well], 100, 0, false),
        (&[well], 100, 100, false),
        (&[gone], 0, 0, true),
        (&[gone, gone, gone], 0, 0, true),
        (&[gone, gone, trial], 33, 0, false),
        (&[gone, gone, trial], 33, 33, false),
        (&[gone, gone, trial], 33, 34, true),
        (&[well, gone], 50, 50, false),
        (&[well, gone], 50, 51, true),
        (&[well, well, heavy], 20, 50, true),
        // Those without weight take nothing in a panic either.
        (&[drained], 100, 0, false),
        (&[drained, gone], 0, 0, true),
        (&[drained, well], 100, 100, false),
        (&[well, gone], 50, 255, true),
        (&[well, well], 100, 255, false),
    ] {
        assert_eq!(admitting_percent(list), percent);
        assert_eq!(panics(list, below), expected, "{percent} %, below {below}");
    }
}

#[test]
fn one_of_a_thousand_that_admits_is_no_panic_unless_a_percentage_says_so() {
    let mut list = vec![Endpoint(1_000, 0); 1_000];
    list[7] = Endpoint(1, 1);
    assert_eq!(admitting_percent(&list), 0);
    assert!(!panics(&list, 0));
    assert!(panics(&list, 1));
}
