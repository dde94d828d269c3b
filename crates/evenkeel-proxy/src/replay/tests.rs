//! Bodies that are sent again: the same bytes, whatever the pieces; and what is let go.

use std::collections::VecDeque;
use std::task::Waker;

use evenkeel_base::Known;

use super::*;

/// A client's body in pieces, each there when it is asked for.
struct Live {
    pieces: VecDeque<&'static str>,
    data: &'static str,
    trailer: bool,
}

impl Live {
    fn of(pieces: &[&'static str]) -> Self {
        Self {
            pieces: pieces.iter().copied().collect(),
            data: "",
            trailer: false,
        }
    }
}

impl Source for Live {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        match self.pieces.pop_front() {
            Some(piece) => {
                self.data = piece;
                Poll::Ready(Ok(Fill::Data))
            }
            None => Poll::Ready(Ok(Fill::End)),
        }
    }

    fn data(&self) -> &[u8] {
        self.data.as_bytes()
    }

    fn is_last(&self) -> bool {
        self.pieces.is_empty()
    }

    fn consume(&mut self, n: usize) {
        self.data = &self.data[n..];
    }

    fn poll_pipe(&mut self, _: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        Poll::Ready(Ok(true))
    }

    fn trailers(&self, each: &mut dyn FnMut(Field<'_>)) {
        if self.trailer {
            each(Field {
                name: b"x-sum",
                value: b"1",
                known: Known::Other,
            });
        }
    }
}

/// A purse with room.
fn purse() -> Kept {
    Kept::new(MOST_OF_A_WORKER)
}

const fn wish(most: usize, kept: Kept) -> Wish {
    Wish { most, kept }
}

/// A body kept for another attempt.
fn again(most: usize, kept: &Kept) -> Replay {
    Replay::new(Some(wish(most, kept.clone())), None)
}

/// A body kept for a mirror, and for another attempt where `again` says so.
fn copied(again: Option<usize>, most: usize, purses: &[Kept; 2]) -> Replay {
    let again = again.map(|most| wish(most, purses[0].clone()));
    Replay::new(again, Some(wish(most, purses[1].clone())))
}

/// What both purposes hold.
fn held(purses: &[Kept; 2]) -> [usize; 2] {
    purses.each_ref().map(Kept::held)
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Takes at most `most` bytes in steps of at most `step`, as an attempt does; what it got.
fn take(kept: &mut Replay, live: &mut Live, step: usize, most: usize) -> String {
    let mut got = Vec::new();
    while got.len() < most {
        let mut body = kept.over(live);
        if body.data().is_empty() {
            match body.poll_fill(&mut cx()) {
                Poll::Ready(Ok(Fill::Data)) => continue,
                _ => break,
            }
        }
        let n = body.data().len().min(step).min(most - got.len());
        got.extend_from_slice(&body.data()[..n]);
        body.consume(n);
    }
    String::from_utf8(got).unwrap()
}

#[test]
fn another_attempt_sends_what_the_first_did_and_goes_on_from_there() {
    for cut in 0..=10 {
        for step in 1..=5 {
            let mut live = Live::of(&["hel", "lo ", "you!"]);
            let mut kept = again(64, &purse());
            assert_eq!(take(&mut kept, &mut live, step, cut), "hello you!"[..cut]);
            for _ in 0..2 {
                assert!(kept.rewind(false));
                assert_eq!(
                    take(&mut kept, &mut live, step, cut / 2),
                    "hello you!"[..cut / 2]
                );
            }
            assert!(kept.rewind(false));
            assert_eq!(take(&mut kept, &mut live, step, 99), "hello you!");
        }
    }
}

#[test]
fn a_body_longer_than_may_be_kept_is_let_go_and_still_sent_whole() {
    let of_worker = purse();
    let mut live = Live::of(&["hello ", "you ", "there"]);
    let mut kept = again(10, &of_worker);
    assert_eq!(take(&mut kept, &mut live, 99, 8), "hello yo");
    assert_eq!(of_worker.held(), 8);
    assert!(kept.rewind(false));
    assert_eq!(take(&mut kept, &mut live, 99, 99), "hello you there");
    assert!(!kept.is_whole(false) && !kept.rewind(false));
    assert_eq!(of_worker.held(), 0);
}

#[test]
fn a_settled_body_is_served_to_its_end_and_then_holds_nothing() {
    let of_worker = purse();
    let mut live = Live::of(&["hello ", "you"]);
    let mut kept = again(64, &of_worker);
    assert_eq!(take(&mut kept, &mut live, 99, 6), "hello ");
    assert!(kept.rewind(false));
    assert!(!kept.settle(), "six bytes are to be served");
    assert_eq!(take(&mut kept, &mut live, 4, 4), "hell");
    assert_eq!(of_worker.held(), 6);
    assert_eq!(take(&mut kept, &mut live, 4, 99), "o you");
    assert_eq!(of_worker.held(), 0);
    assert!(kept.settle());
}

#[test]
fn the_exchanges_of_a_worker_keep_no_more_than_they_may_together() {
    let of_worker = purse();
    let _others = of_worker.charge(MOST_OF_A_WORKER - 4).unwrap();
    let mut live = Live::of(&["hello"]);
    let mut kept = again(64, &of_worker);
    assert_eq!(take(&mut kept, &mut live, 99, 99), "hello");
    assert!(!kept.is_whole(false));
    assert_eq!(of_worker.held(), MOST_OF_A_WORKER - 4);
}

#[test]
fn what_is_kept_is_given_back_with_the_exchange() {
    let of_worker = purse();
    let mut kept = again(64, &of_worker);
    take(&mut kept, &mut Live::of(&["hello"]), 99, 99);
    assert_eq!(of_worker.held(), 5);
    drop(kept);
    assert_eq!(of_worker.held(), 0);
}

#[test]
fn nothing_passes_unread_while_it_is_kept() {
    let mut live = Live::of(&["hello"]);
    let mut kept = again(64, &purse());
    let piped = |kept: &mut Replay, live: &mut Live| kept.over(live).poll_pipe(&mut cx());
    assert!(matches!(
        piped(&mut kept, &mut live),
        Poll::Ready(Ok(false))
    ));
    kept.settle();
    assert!(matches!(piped(&mut kept, &mut live), Poll::Ready(Ok(true))));
}

#[test]
fn a_mirror_gets_the_body_that_the_attempts_had() {
    for retries in [None, Some(64)] {
        let purses = [purse(), purse()];
        let mut live = Live::of(&["hel", "lo ", "you!"]);
        let mut kept = copied(retries, 10, &purses);
        if retries.is_some() {
            assert_eq!(take(&mut kept, &mut live, 2, 5), "hello");
            assert_eq!(held(&purses), [5, 0], "one copy, and attempts pay for it");
            assert!(kept.rewind(false));
        }
        assert_eq!(take(&mut kept, &mut live, 3, 99), "hello you!");
        let copy = kept.into_copy().unwrap();
        assert_eq!(
            (copy.bytes.as_slice(), held(&purses)),
            (&b"hello you!"[..], [0, 10])
        );
        drop(copy);
        assert_eq!(held(&purses), [0, 0]);
    }
}

#[test]
fn each_wants_a_body_up_to_its_own_length() {
    for (again, most, whole, copy) in [
        (Some(5), 64, false, Ok(())),
        (Some(64), 5, true, Err(NoCopy::Unwanted)),
        (Some(5), 5, false, Err(NoCopy::Unwanted)),
        (None, 9, false, Err(NoCopy::Unwanted)),
        (None, 10, false, Ok(())),
    ] {
        let purses = [purse(), purse()];
        let mut live = Live::of(&["hel", "lo ", "you!"]);
        let mut kept = copied(again, most, &purses);
        assert_eq!(take(&mut kept, &mut live, 99, 99), "hello you!");
        assert_eq!(kept.is_whole(false), whole, "{again:?} {most}");
        assert_eq!(kept.into_copy().map(drop), copy, "{again:?} {most}");
        assert_eq!(held(&purses), [0, 0]);
    }
}

#[test]
fn a_mirror_keeps_on_after_the_response_has_begun() {
    let purses = [purse(), purse()];
    let mut live = Live::of(&["hel", "lo ", "you!"]);
    let mut kept = copied(Some(64), 64, &purses);
    assert_eq!(take(&mut kept, &mut live, 99, 4), "hell");
    assert!(!kept.settle());
    assert_eq!(held(&purses), [0, 4], "no attempt follows");
    assert_eq!(take(&mut kept, &mut live, 99, 99), "o you!");
    assert_eq!(kept.into_copy().unwrap().bytes, b"hello you!");
}

#[test]
fn without_room_there_is_no_copy_and_attempts_lose_nothing() {
    let purses = [purse(), Kept::new(4)];
    let mut live = Live::of(&["hello"]);
    let mut kept = copied(Some(64), 64, &purses);
    assert_eq!(take(&mut kept, &mut live, 99, 99), "hello");
    assert!(kept.rewind(false));
    assert_eq!(take(&mut kept, &mut live, 99, 99), "hello");
    assert_eq!(kept.into_copy().map(drop), Err(NoCopy::NoRoom));
    assert_eq!(held(&purses), [0, 0]);
}

#[test]
fn a_mirror_gives_a_request_no_attempts_that_it_had_not() {
    let purses = [purse(), purse()];
    let mut kept = copied(None, 64, &purses);
    assert!(kept.rewind(true), "nothing was taken from the client yet");
    take(&mut kept, &mut Live::of(&["hello"]), 99, 99);
    assert!(!kept.rewind(false));
}

#[test]
fn a_body_with_trailers_is_not_copied() {
    let purses = [purse(), purse()];
    let mut live = Live {
        trailer: true,
        ..Live::of(&["hello"])
    };
    let mut kept = copied(None, 64, &purses);
    take(&mut kept, &mut live, 99, 99);
    kept.over(&mut live).trailers(&mut |_| {});
    assert_eq!(kept.into_copy().map(drop), Err(NoCopy::Unwanted));
}

#[test]
fn an_empty_body_is_a_body() {
    let purses = [purse(), purse()];
    let mut kept = copied(None, 64, &purses);
    assert_eq!(take(&mut kept, &mut Live::of(&[]), 99, 99), "");
    assert_eq!(kept.into_copy().unwrap().bytes, b"");
}
