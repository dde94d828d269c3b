//! Workers that write to each other, and clients that connect to several workers at once.

use std::net::IpAddr;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker};

use evenkeel_policy::ClientKey;
use evenkeel_state::{ClientConnections, Reclaim};
use loom::sync::Arc;
use loom::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: StdArc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_letter_wakes_its_reader() {
    loom::model(|| {
        let reclaim = Arc::new(Reclaim::new(2));
        let other = {
            let reclaim = Arc::clone(&reclaim);
            thread::spawn(move || assert!(reclaim.ask(0, StdArc::new([7]))))
        };
        let waker = Waker::from(StdArc::new(Unpark(thread::current())));
        let letter = loop {
            match reclaim.poll(1, &Context::from_waker(&waker)) {
                Poll::Ready(letter) => break letter,
                Poll::Pending => thread::park(),
            }
        };
        assert_eq!(*letter.serials, [7]);
        other.join().unwrap();
    });
}

#[test]
fn the_last_connection_of_a_client_is_opened_once() {
    loom::model(|| {
        let all = ClientConnections::new();
        let client = ClientKey::from(IpAddr::from([10, 0, 0, 1]));
        let other = {
            let all = StdArc::clone(&all);
            thread::spawn(move || all.open(client, 1))
        };
        let here = all.open(client, 1);
        let there = other.join().unwrap();
        assert!(here.is_some() ^ there.is_some());
        drop((here, there));
        assert_eq!(all.clients(), 0);
    });
}
