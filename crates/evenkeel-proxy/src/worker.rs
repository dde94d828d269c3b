//! A worker: one thread, one event loop, its own pools and counters.
//!
//! Everything in [`Worker`] belongs to the one thread; what workers share lives in the snapshot. Its thread is run in
//! [`crate::thread`].

use std::cell::{Cell, RefCell, RefMut};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use evenkeel_base::hex::hex;
use evenkeel_base::{ListenerId, RequestHead, ResponseView, Rng};
use evenkeel_policy::overload::Level;
use evenkeel_state::trace::Story;
use evenkeel_state::{Handle, Reader, WorkerCounters};
use tokio::sync::watch;

use crate::access_log::{Exchange, WorkerLog};
use crate::block::Blocks;
use crate::deadline::Deadlines;
use crate::h2::Usual;
use crate::idles::Idles;
use crate::kept::Kept;
use crate::kept_headers::KeptHeaders;
use crate::mirror::Mirrors;
use crate::pool::Pool;
use crate::record::Record;
use crate::replay;
use crate::roll::Roll;
use crate::runners::Runners;
use crate::shared::Shared;
use crate::spare::Spares;
use crate::trunks::Trunks;
use crate::turned_away::TurnedAway;

/// So many connections of a worker keep what their next request needs (about 2 KB each); the others make it anew.
const MAX_RESTING: usize = 512;

/// What a connection with a request takes beside its blocks, or more.
const OF_CONNECTION: u64 = 8 * 1024;

/// The part of what is idle that goes in one go: a sixteenth.
const IDLE_PART: usize = 16;

/// The state of one worker.
pub(crate) struct Worker {
    /// Its number, from 0.
    pub(crate) id: usize,
    pub(crate) blocks: Rc<Blocks>,
    pub(crate) request_heads: Spares<RequestHead>,
    /// Fields of responses of HTTP/2.
    pub(crate) usual: Rc<Usual>,
    pub(crate) pool: Pool,
    /// Connections to endpoints that carry many requests at once.
    pub(crate) trunks: Trunks,
    pub(crate) deadlines: Rc<Deadlines>,
    /// Connections that wait for another request.
    pub(crate) idles: Idles,
    /// Connections that carry several exchanges at once.
    pub(crate) roll: Roll,
    /// Tasks that run those.
    pub(crate) runners: Rc<Runners>,
    /// Connections that were too many.
    pub(crate) turned_away: Rc<TurnedAway>,
    /// What exchanges keep of their requests' bodies for other attempts.
    pub(crate) kept: Kept,
    /// Requests that are sent to a second cluster as well.
    pub(crate) mirrors: Rc<Mirrors>,
    me: Weak<Self>,
    shared: Arc<Shared>,
    reader: RefCell<Reader>,
    rng: RefCell<Rng>,
    log: WorkerLog,
    draining: Cell<bool>,
    /// How many connections keep what their next request needs.
    resting: Cell<usize>,
    /// How many client connections are open; a drain waits for none.
    open: watch::Sender<usize>,
}

impl Worker {
    /// A worker with empty pools.
    pub(crate) fn new(id: usize, shared: &Arc<Shared>, seed: u64) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            id,
            blocks: Blocks::of(&shared.publisher),
            request_heads: Spares::default(),
            usual: Rc::default(),
            pool: Pool::default(),
            trunks: Trunks::default(),
            deadlines: Rc::default(),
            idles: Idles::default(),
            roll: Roll::default(),
            runners: Rc::default(),
            turned_away: Rc::default(),
            kept: Kept::new(replay::MOST_OF_A_WORKER),
            mirrors: Rc::default(),
            reader: RefCell::new(Reader::new(Arc::clone(&shared.publisher))),
            rng: RefCell::new(Rng::new(seed)),
            log: WorkerLog::new(shared.log().as_ref()),
            draining: Cell::new(false),
            resting: Cell::new(0),
            open: watch::Sender::new(0),
            me: Weak::clone(me),
            shared: Arc::clone(shared),
        })
    }

    /// The worker as what tasks of its own hold.
    pub(crate) fn itself(&self) -> Option<Rc<Self>> {
        self.me.upgrade()
    }

    /// The newest snapshot.
    pub(crate) fn snapshot(&self) -> Handle {
        self.reader.borrow_mut().current()
    }

    /// This worker's counters.
    pub(crate) fn counters(&self) -> &WorkerCounters {
        &self.shared.counters[self.id]
    }

    /// This worker's chance.
    pub(crate) fn rng(&self) -> RefMut<'_, Rng> {
        self.rng.borrow_mut()
    }

    /// Whether the process is ready for traffic, as far as whoever asks may know.
    pub(crate) fn is_ready(&self) -> bool {
        self.shared.is_ready.load(Ordering::Relaxed)
    }

    /// Whether connections are to be closed after their exchange.
    pub(crate) const fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Whether everything that runs is to end now.
    pub(crate) fn is_stopping(&self) -> bool {
        self.deadlines.is_stopped()
    }

    /// Closes an idle connection to one of these endpoints, or asks the other workers to close one of theirs; true when one is
    /// closed now.
    pub(crate) fn reclaim(&self, serials: &[u32]) -> bool {
        if self.pool.close_one(serials) {
            return true;
        }
        // One that carries many says goodbye first, and whoever waits is called in when it is closed.
        if !self.trunks.close_one(serials) {
            self.shared.reclaim.ask(self.id, serials.into());
        }
        false
    }

    /// Answers what other workers ask for, for ever: an idle connection to be closed.
    pub(crate) async fn answer_letters(self: Rc<Self>) {
        loop {
            let letter = poll_fn(|cx| self.shared.reclaim.poll(self.id, cx)).await;
            if !self.pool.close_one(&letter.serials) && !self.trunks.close_one(&letter.serials) {
                self.shared.reclaim.pass_on(self.id, letter);
            }
        }
    }

    /// Milliseconds of the process, for what is kept in atomics.
    pub(crate) fn millis(&self, now: Instant) -> u64 {
        self.shared.publisher.millis(now)
    }

    /// The same in microseconds.
    pub(crate) fn micros(&self, now: Instant) -> u64 {
        self.shared.publisher.micros(now)
    }

    /// A request id: 128 bits of chance as hexadecimal digits.
    pub(crate) fn make_request_id(&self) -> [u8; 32] {
        let mut rng = self.rng();
        let mut id = [0; 32];
        for half in id.as_chunks_mut::<16>().0 {
            let bits = rng.next_u64();
            let (high, low) = half.split_at_mut(8);
            high.copy_from_slice(&hex(bits >> 32));
            low.copy_from_slice(&hex(bits & 0xffff_ffff));
        }
        id
    }

    /// From now on every response closes its connection.
    pub(crate) fn begin_drain(&self) {
        self.draining.set(true);
        self.pool.clear();
        self.trunks.drain();
        self.roll.call();
    }

    /// How many client connections are open, as it changes.
    pub(crate) fn watch_open(&self) -> watch::Receiver<usize> {
        self.open.subscribe()
    }

    /// Whether there is an access log.
    pub(crate) fn has_log(&self) -> bool {
        self.log.is_on()
    }

    /// For how many exchanges, in thousandths, the access record of this one stands; none: it has none.
    #[inline]
    pub(crate) fn draws_record(&self, record: &Record) -> Option<u32> {
        self.log.draw(record, |bound| self.rng().below(bound))
    }

    /// Whether the access log wants something of responses.
    #[inline]
    pub(crate) fn keeps_headers(&self) -> bool {
        self.log.keeps_headers.get()
    }

    /// What the access log wants of a response.
    #[cold]
    pub(crate) fn keep_headers(&self, response: &ResponseView<'_>) -> Option<Box<KeptHeaders>> {
        self.log.keep(response)
    }

    /// Writes an access record, when there is an access log.
    pub(crate) fn log_access(&self, exchange: &Exchange<'_>) {
        self.log.record(exchange, self.counters());
    }

    /// Writes access records to the log that is there now.
    pub(crate) fn change_log(&self) {
        self.log
            .replace(self.shared.log().as_ref(), self.counters());
    }

    /// Hands the last access records over to the writer.
    pub(crate) fn finish_log(&self) {
        self.log.finish(self.counters());
    }

    /// Hands collected access records over to the writer.
    pub(crate) fn flush_log(&self) {
        self.log.flush(self.counters());
    }

    /// Hands a traced exchange over to whoever exports it.
    pub(crate) fn hand_over(&self, story: Box<Story>) {
        self.shared.publisher.traces().hand_over(story);
    }

    /// How near the process is to its limits.
    #[inline]
    pub(crate) fn level(&self) -> Level {
        self.shared.publisher.pressure().level()
    }

    /// Whether new connections are turned away: the level says so, or more came since it was looked at than there is memory for.
    pub(crate) fn turns_away(&self) -> bool {
        let pressure = self.shared.publisher.pressure();
        pressure.level().turns_away() || pressure.is_out_of_room()
    }

    /// Whether a part of what is idle is to go.
    pub(crate) fn wants_room(&self) -> bool {
        self.shared.publisher.pressure().wants_room()
    }

    /// How many client connections the process may have.
    pub(crate) fn most_connections(&self) -> u32 {
        self.shared.publisher.pressure().most()
    }

    /// Gives up a part of what is idle: connections, the oldest first, and all free memory. Called again and again it takes a second
    /// for half of the connections, so that no more go than are needed.
    pub(crate) fn relieve(&self) {
        let part = |count: usize| count.div_ceil(IDLE_PART);
        let most = part(self.idles.len());
        let closed = self.idles.close_oldest(most, Instant::now());
        self.counters().idle_closed.add(closed as u64);
        self.trim_pool(part(self.pool.len() + self.trunks.idle()));
        self.blocks.trim();
        self.runners.send_home();
    }

    /// Closes client connections that idle and whose clients have to prove something else by now: their next request would be
    /// refused.
    pub(crate) fn close_outdated(&self) {
        let snapshot = self.snapshot();
        self.idles.close_outdated(Instant::now(), |checked| {
            let id = snapshot.find_listener(checked.serial, ListenerId::new(0));
            let now = id.and_then(|id| snapshot.tls(id));
            now.is_some_and(|now| !checked.tls.checks_clients_as(now))
        });
    }

    /// Closes so many idle connections to endpoints; whether there was one.
    pub(crate) fn trim_pool(&self, most: usize) -> bool {
        let mut closed = self.pool.trim(most);
        closed += self.trunks.trim(most - closed);
        self.counters().idle_trimmed.add(closed as u64);
        closed > 0
    }

    /// A place for a connection that keeps what its next request needs; none when all are taken, or memory is short.
    pub(crate) fn rest(&self) -> Option<Resting<'_>> {
        let resting = self.resting.get();
        (resting < MAX_RESTING && !self.level().is_short()).then(|| {
            self.resting.set(resting + 1);
            Resting(&self.resting)
        })
    }

    /// Counts a client connection as open until the guard is dropped; none when the process has as many as it may.
    pub(crate) fn open_connection(self: &Rc<Self>) -> Option<OpenConnection> {
        let pressure = self.shared.publisher.pressure();
        if !pressure.open() {
            return None;
        }
        pressure.take_room(OF_CONNECTION);
        self.counters().accepted.add(1);
        self.counters().connections.add(1);
        self.open.send_modify(|open| *open += 1);
        Some(OpenConnection(Rc::clone(self)))
    }
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Resting<'a>(&'a Cell<usize>);

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// An open client connection.
pub(crate) struct OpenConnection(Rc<Worker>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.counters().connections.sub(1);
        self.0.shared.publisher.pressure().close();
        self.0.open.send_modify(|open| *open -= 1);
        if std::thread::panicking() {
            self.0.counters().panics.add(1);
        }
    }
}
