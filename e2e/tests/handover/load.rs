//! Steady load of which every request is accounted for: one that is not answered with 200 ends the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use evenkeel_testkit::{Client, eventually};

/// Connections that ask again and again: every other one keeps its connection for as long as it may, the others make a new one
/// for each request.
#[derive(Debug)]
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(address: SocketAddr, connections: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (asked, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let thread = |number: usize| {
            let (stop, asked, answered) =
                (Arc::clone(&stop), Arc::clone(&asked), Arc::clone(&answered));
            thread::spawn(move || {
                let mut kept: Option<Client> = None;
                while !stop.load(Ordering::Relaxed) {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let mut client = kept.take().unwrap_or_else(|| Client::connect(address));
                    let response = client.get("/").status(200).body("ok");
                    answered.fetch_add(1, Ordering::Relaxed);
                    let may_stay = response.field("connection").is_none();
                    kept = (may_stay && number.is_multiple_of(2)).then_some(client);
                }
            })
        };
        let threads = (0..connections).map(thread).collect();
        Self {
            stop,
            asked,
            answered,
            threads,
        }
    }

    /// Waits until so many more requests were answered.
    #[track_caller]
    pub(super) fn let_pass(&self, requests: u64) {
        let until = self.answered.load(Ordering::Relaxed) + requests;
        eventually("requests to be answered", || {
            (self.answered.load(Ordering::Relaxed) >= until).then_some(())
        });
    }

    /// Ends it; all that was asked has been answered.
    #[track_caller]
    pub(super) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            assert!(thread.join().is_ok(), "a request failed");
        }
        let asked = self.asked.load(Ordering::Relaxed);
        assert_eq!(self.answered.load(Ordering::Relaxed), asked);
    }
}
