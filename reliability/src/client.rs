//! The client: many connections that ask, each request with an id, and a record of what became of every one.
//!
//! It runs on a thread of its own until it is told to stop, and then waits for what is under way. It knows nothing of
//! endpoints or of what happens to them.

mod asking;
mod pace;
mod response;
mod streams;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use tokio::task::JoinSet;

use crate::exchange::{Exchange, Kind, Outcome};
use asking::Line;
use pace::Tickets;

/// The most requests of a run: what goes on for ever is a mistake.
const MOST: u64 = 2_000_000;

/// The pause of a connection whose request got no answer, so that an outage is not asked about a million times.
const AFTER_FAILURE: Duration = Duration::from_millis(1);

/// How often the client looks whether the machine holds it up.
const PULSE: Duration = Duration::from_millis(5);

/// What one group of connections does.
#[derive(Clone, Debug)]
pub struct Load {
    /// How many connections it has.
    pub connections: usize,
    /// When the next request is sent.
    pub pace: Pace,
    /// What it asks for.
    pub path: &'static str,
    /// Lines that each of its requests has besides.
    pub lines: &'static str,
    /// Every so many requests are POSTs, half of them in chunks; 0: none.
    pub posts: u64,
    /// Whether each request has a connection of its own.
    pub is_fresh: bool,
    /// Whether it asks over HTTP/2.
    pub is_h2: bool,
    /// Whether a connection that is refused is the end of whoever asked for it: the proxy has ended, which is no failure of the
    /// request.
    pub leaves: bool,
}

/// When the next request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As soon as a connection is free.
    Closed,
    /// So many a second, evenly spaced; latency counts from the instant at which a request was to be sent.
    Rate(u32),
    /// So many a second in the mean, each whenever it is, as from many people who know nothing of each other; latency counts as
    /// with `Rate`.
    Poisson {
        /// The mean time from one to the next.
        every: Duration,
        /// Where chance begins.
        seed: u64,
    },
    /// As soon as a connection is free, with a pause after every so many.
    Waves(u64, Duration),
}

impl Load {
    /// So many connections that ask as fast as they are answered, one of four requests a POST.
    #[must_use]
    pub const fn closed(connections: usize) -> Self {
        Self {
            connections,
            pace: Pace::Closed,
            path: "/",
            lines: "",
            posts: 4,
            is_fresh: false,
            is_h2: false,
            leaves: false,
        }
    }

    /// The same, with a new connection for each request.
    #[must_use]
    pub const fn fresh(connections: usize) -> Self {
        Self {
            is_fresh: true,
            ..Self::closed(connections)
        }
    }

    /// So many requests a second over so many connections, one of four a POST.
    #[must_use]
    pub const fn rate(connections: usize, rate: u32) -> Self {
        Self {
            pace: Pace::Rate(rate),
            ..Self::closed(connections)
        }
    }

    /// The same over HTTP/2, with prior knowledge.
    #[must_use]
    pub const fn over_h2(self) -> Self {
        Self {
            is_h2: true,
            ..self
        }
    }

    /// What the request with this number in its load is.
    fn kind(&self, number: u64) -> Kind {
        match self.posts {
            0 => Kind::Get,
            every if number % every != every - 1 => Kind::Get,
            every if number % (2 * every) < every => Kind::Post,
            _ => Kind::Upload,
        }
    }
}

/// A client that is at work.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Vec<Exchange>>>,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    start: Instant,
    next: AtomicU64,
    done: AtomicU64,
    stop: AtomicBool,
    /// The longest that the machine held this thread up, in microseconds.
    held_up: AtomicU64,
}

impl Client {
    /// Begins to ask, of everybody in `loads` at once.
    #[must_use]
    pub fn start(to: SocketAddr, loads: &[Load], start: Instant) -> Self {
        let shared = Arc::new(Shared {
            to,
            start,
            next: AtomicU64::new(1),
            done: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            held_up: AtomicU64::new(0),
        });
        let thread = thread::spawn({
            let (shared, loads) = (Arc::clone(&shared), loads.to_vec());
            move || ask(&shared, &loads)
        });
        Self { shared, thread }
    }

    /// How many requests are over.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }

    /// The longest that the machine has held the client up so far: nobody else can have been faster meanwhile.
    #[must_use]
    pub fn held_up(&self) -> Duration {
        Duration::from_micros(self.shared.held_up.load(Ordering::Relaxed))
    }

    /// Whether it has ended by itself, which it does only when something is wrong.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks no more, and gives the records of all that was asked, in the order of their ids.
    ///
    /// # Errors
    /// When a request is not accounted for.
    pub fn finish(self) -> Result<Vec<Exchange>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let joined = self.thread.join();
        let mut exchanges = joined.map_err(|_| anyhow!("the client panicked"))??;
        exchanges.sort_by_key(|one| one.id);
        let asked = self.shared.next.load(Ordering::Relaxed) - 1;
        let each_once = exchanges.iter().zip(1..).all(|(one, id)| one.id == id);
        if !each_once || exchanges.len() as u64 != asked {
            let records = exchanges.len();
            return Err(anyhow!("{asked} requests, {records} records"));
        }
        Ok(exchanges)
    }
}

fn ask(shared: &Arc<Shared>, loads: &[Load]) -> Result<Vec<Exchange>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::spawn(feel_pulse(Arc::clone(shared)));
        let mut lines = JoinSet::new();
        for (number, load) in loads.iter().enumerate() {
            let tickets = Arc::new(Tickets::new(load.pace, shared.start));
            for _ in 0..load.connections {
                let (shared, tickets) = (Arc::clone(shared), Arc::clone(&tickets));
                lines.spawn(connection(shared, tickets, load.clone(), number));
            }
        }
        let mut exchanges = Vec::new();
        while let Some(done) = lines.join_next().await {
            exchanges.extend(done.context("a connection of the client")?);
        }
        Ok(exchanges)
    })
}

/// Notes the longest delay of a timer.
async fn feel_pulse(shared: Arc<Shared>) {
    loop {
        let due = Instant::now() + PULSE;
        tokio::time::sleep_until(due.into()).await;
        let late = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        shared.held_up.fetch_max(late, Ordering::Relaxed);
    }
}

/// Asks again and again, one request after the other.
async fn connection(
    shared: Arc<Shared>,
    tickets: Arc<Tickets>,
    load: Load,
    load_number: usize,
) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    let mut line = Line::new(shared.to, load.is_h2);
    loop {
        let ticket = tickets.take(&shared.stop).await;
        let Some((number, due)) = ticket.filter(|_| shared.next.load(Ordering::Relaxed) < MOST)
        else {
            return exchanges;
        };
        let id = shared.next.fetch_add(1, Ordering::Relaxed);
        let kind = load.kind(number);
        let (mut outcome, by) = line.ask(id, kind, load.path, load.lines).await;
        if load.is_fresh {
            line = Line::new(shared.to, load.is_h2);
        }
        if load.leaves && outcome == Outcome::NoConnection {
            outcome = Outcome::NobodyThere;
        }
        let is_over = outcome == Outcome::NobodyThere;
        let began = due.saturating_duration_since(shared.start);
        let is_lost = !matches!(outcome, Outcome::Answer(_));
        exchanges.push(Exchange {
            id,
            load: load_number,
            kind,
            began,
            took: due.elapsed(),
            by,
            outcome,
        });
        shared.done.fetch_add(1, Ordering::Relaxed);
        tickets.note_done();
        if is_over {
            return exchanges;
        }
        if is_lost {
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_so_many_is_a_post_and_half_of_those_come_in_chunks() {
        let kinds = |load: &Load| -> Vec<_> { (0..8).map(|n| load.kind(n)).collect() };
        let (get, post, upload) = (Kind::Get, Kind::Post, Kind::Upload);
        let load = Load::closed(1);
        assert_eq!(kinds(&load), [get, get, get, post, get, get, get, upload]);
        let gets = Load { posts: 0, ..load };
        assert_eq!(kinds(&gets), [get; 8]);
        let posts = Load { posts: 1, ..gets };
        assert_eq!(kinds(&posts), [post, upload].repeat(4));
    }
}
