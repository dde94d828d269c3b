//! Bodies that are sent again: the same bytes, whatever the pieces; and what is let go.

use std::collections::VecDeque;
use std::task::Waker;

use super::*;

/// A client's body in pieces, each there when it is asked for.
struct Live {
    pieces: VecDeque<&'static str>,
    data: &'static str,
}

impl Live {
    fn of(pieces: &[&'static str]) -> Self {
        Self {
            pieces: pieces.iter().copied().collect(),
            data: "",
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

    fn piped(&mut self) -> Option<&mut Pipe> {
        None
    }

    fn consume_piped(&mut self, _: usize) {}

    fn trailers(&self, _: &mut dyn FnMut(Field<'_>)) {}
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
            let mut kept = Replay::new(64, &Kept::default());
            assert_eq!(take(&mut kept, &mut live, step, cut), "hello you!"[..cut]);
            for _ in 0..2 {
                assert!(kept.rewind());
                assert_eq!(
                    take(&mut kept, &mut live, step, cut / 2),
                    "hello you!"[..cut / 2]
                );
            }
            assert!(kept.rewind());
            assert_eq!(take(&mut kept, &mut live, step, 99), "hello you!");
        }
    }
}

#[test]
fn a_body_longer_than_may_be_kept_is_let_go_and_still_sent_whole() {
    let of_worker = Kept::default();
    let mut live = Live::of(&["hello ", "you ", "there"]);
    let mut kept = Replay::new(10, &of_worker);
    assert_eq!(take(&mut kept, &mut live, 99, 8), "hello yo");
    assert_eq!(of_worker.get(), 8);
    assert!(kept.rewind());
    assert_eq!(take(&mut kept, &mut live, 99, 99), "hello you there");
    assert!(!kept.is_whole() && !kept.rewind());
    assert_eq!(of_worker.get(), 0);
}

#[test]
fn a_settled_body_is_served_to_its_end_and_then_holds_nothing() {
    let of_worker = Kept::default();
    let mut live = Live::of(&["hello ", "you"]);
    let mut kept = Replay::new(64, &of_worker);
    assert_eq!(take(&mut kept, &mut live, 99, 6), "hello ");
    assert!(kept.rewind());
    assert!(!kept.settle(), "six bytes are to be served");
    assert_eq!(take(&mut kept, &mut live, 4, 4), "hell");
    assert_eq!(of_worker.get(), 6);
    assert_eq!(take(&mut kept, &mut live, 4, 99), "o you");
    assert_eq!(of_worker.get(), 0);
    assert!(kept.settle());
}

#[test]
fn the_exchanges_of_a_worker_keep_no_more_than_they_may_together() {
    let of_worker = Kept::default();
    of_worker.set(MOST_OF_A_WORKER - 4);
    let mut live = Live::of(&["hello"]);
    let mut kept = Replay::new(64, &of_worker);
    assert_eq!(take(&mut kept, &mut live, 99, 99), "hello");
    assert!(!kept.is_whole());
    assert_eq!(of_worker.get(), MOST_OF_A_WORKER - 4);
}

#[test]
fn what_is_kept_is_given_back_with_the_exchange() {
    let of_worker = Kept::default();
    let mut kept = Replay::new(64, &of_worker);
    take(&mut kept, &mut Live::of(&["hello"]), 99, 99);
    assert_eq!(of_worker.get(), 5);
    drop(kept);
    assert_eq!(of_worker.get(), 0);
}

#[test]
fn nothing_passes_unread_while_it_is_kept() {
    let mut live = Live::of(&["hello"]);
    let mut kept = Replay::new(64, &Kept::default());
    let piped = |kept: &mut Replay, live: &mut Live| kept.over(live).poll_pipe(&mut cx());
    assert!(matches!(
        piped(&mut kept, &mut live),
        Poll::Ready(Ok(false))
    ));
    kept.settle();
    assert!(matches!(piped(&mut kept, &mut live), Poll::Ready(Ok(true))));
}
