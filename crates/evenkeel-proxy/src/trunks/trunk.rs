//! One connection that carries many requests: places on it, and the task that reads and writes.
//!
//! ```text
//!   Driver (a task): preface ─▶ SETTINGS of the endpoint ─▶ open ─▶ leaving (GOAWAY, idle for too long, replaced) ─▶ closed
//!                                      │ places                  no new requests, those that run end
//! ```
//! Before the endpoint's first SETTINGS no request is sent: they say how many it takes, whether it takes WebSockets, and that it
//! speaks HTTP/2 at all. That is one way there and back for each of few connections.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use evenkeel_base::Fault;
use evenkeel_base::rules::MultiplexRules;
use evenkeel_http2::{Abuse, Limits, Role};
use evenkeel_net::Stream;
use evenkeel_state::{EndpointState, OpenConnection};
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, SendStream};
use http::Request;
use tokio::time;

use crate::block::Blocks;
use crate::h2::{Outlet, SEND_BUFFER, STREAM_WINDOW, Wire};
use crate::trunks::pulse::{Pulse, Sign};

/// The largest head of a response that is decoded. The limits of responses are smaller: within this, one that is too large is named
/// by what is wrong with it and costs its stream alone.
const MOST_HEAD: u32 = 256 * 1024;

/// Small DATA frames that were not taken yet, by what they cost the codec beyond their bytes: three times what 64 KiB bring, which are
/// read in a row, when each has five bytes. Then those have their turn whose streams it came for, and streams that stand still
/// fetch it as well. By default it would be half of the windows, and less than that with few streams.
const DATA_FRAME_BUDGET: usize = 4 * 1024 * 1024;

/// A connection that carries many requests.
#[derive(Debug)]
pub(crate) struct Trunk {
    /// Begins requests; none: it takes no new ones.
    send: RefCell<Option<SendRequest<Bytes>>>,
    outlet: Outlet,
    ping: RefCell<Option<PingPong>>,
    pulse: RefCell<Pulse>,
    rules: MultiplexRules,
    /// How many requests the endpoint lets run at once, and we do.
    most: Cell<u32>,
    /// How many have a place.
    taken: Cell<u32>,
    /// When the last place was given back; none while one is taken.
    idle_since: Cell<Option<Instant>>,
    /// So long it may be idle.
    keep: Duration,
    /// Why what runs on it fails, once that is known.
    end: Cell<Option<Fault>>,
    driver: RefCell<Option<Waker>>,
    home: RefCell<Option<Weak<dyn Home>>>,
}

/// Where a trunk stands, as far as it has to say something there.
pub(super) trait Home: std::fmt::Debug {
    /// There may be places for those that wait.
    fn serve(&self);

    /// A trunk takes no new requests any more, or is closed.
    fn lost(&self, trunk: &Trunk, is_closed: bool);
}

impl Trunk {
    /// Of a connection that has said nothing yet, and what drives it.
    pub(crate) async fn begin(
        stream: Stream,
        open: OpenConnection,
        endpoint: &Arc<EndpointState>,
        (rules, keepalive): (MultiplexRules, Duration),
        blocks: &Rc<Blocks>,
    ) -> Result<(Rc<Self>, Driver), Fault> {
        let (wire, outlet) = Wire::new(stream, Bytes::new(), Role::Endpoint, blocks);
        outlet.allow(rules.max_concurrent_streams, Limits::default().head_bytes);
        // As much as all streams together, so that those that nobody reads do not stop the others.
        let window = rules.max_concurrent_streams.saturating_mul(STREAM_WINDOW);
        let begun = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(window)
            .initial_max_send_streams(0)
            .max_header_list_size(MOST_HEAD)
            .max_send_buffer_size(SEND_BUFFER)
            .enable_push(false)
            .data_frame_budget(DATA_FRAME_BUDGET)
            // What comes for a stream that a client has given up is no offence.
            .max_local_error_reset_streams(None)
            .handshake(wire)
            .await;
        let (send, mut connection) = begun.map_err(|_| Fault::EndpointClosed)?;
        let now = Instant::now();
        let trunk = Rc::new(Self {
            send: RefCell::new(Some(send)),
            ping: RefCell::new(connection.ping_pong()),
            outlet,
            pulse: RefCell::new(Pulse::new(now)),
            rules,
            most: Cell::new(0),
            taken: Cell::new(0),
            idle_since: Cell::new(Some(now)),
            keep: keepalive,
            end: Cell::new(None),
            driver: RefCell::default(),
            home: RefCell::default(),
        });
        let driver = Driver {
            connection: Some(connection),
            trunk: Rc::clone(&trunk),
            endpoint: Arc::clone(endpoint),
            farewell: None,
            _open: open,
        };
        Ok((trunk, driver))
    }

    /// It stands there.
    pub(super) fn belongs_to(&self, home: Weak<dyn Home>) {
        *self.home.borrow_mut() = Some(home);
    }

    /// By which rules it was made.
    pub(super) const fn rules(&self) -> &MultiplexRules {
        &self.rules
    }

    /// How many requests it carries at once.
    pub(super) const fn most(&self) -> u32 {
        self.most.get()
    }

    /// Whether it takes new requests.
    pub(super) fn is_open(&self) -> bool {
        self.send.borrow().is_some()
    }

    /// Whether it takes one now.
    pub(super) fn has_room(&self) -> bool {
        self.taken.get() < self.most.get() && self.is_open()
    }

    /// Whether it is open and nothing runs on it.
    pub(super) fn is_idle(&self) -> bool {
        self.taken.get() == 0 && self.is_open()
    }

    /// How long nothing has run on it.
    pub(super) fn idle_for(&self, now: Instant) -> Duration {
        let since = self.idle_since.get();
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Whether the endpoint takes WebSockets on it.
    pub(crate) fn takes_upgrades(&self) -> bool {
        let send = self.send.borrow();
        send.as_ref()
            .is_some_and(SendRequest::is_extended_connect_protocol_enabled)
    }

    /// A number that grows whenever the system takes something of what is to be sent.
    pub(crate) fn progress(&self) -> u64 {
        self.outlet.progress()
    }

    /// Counts what a head was decoded to.
    pub(crate) fn decoded(&self, bytes: usize) {
        self.outlet.decoded(bytes);
    }

    /// Why what runs on it fails, where that is known.
    pub(crate) const fn end(&self) -> Option<Fault> {
        self.end.get()
    }

    /// Begins a request; with `ends` it has no body.
    ///
    /// # Errors
    /// What the crate says; nothing was sent then.
    pub(crate) fn send(
        &self,
        request: Request<()>,
        ends: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), Unsent> {
        // Another handle for each: one handle refuses while its last request waits for the stream of one that was given up.
        let send = self.send.borrow().clone();
        let mut send = send.ok_or(Unsent::Leaving)?;
        send.send_request(request, ends).map_err(Unsent::Refused)
    }

    /// Takes no new requests, and closes when nothing runs on it any more.
    pub(super) fn retire(&self) {
        let send = self.send.take();
        if send.is_some() {
            drop(send);
            if let Some(home) = self.home() {
                home.lost(self, false);
            }
            self.wake();
        }
    }

    /// Once a second: goes when it was idle for too long, asks whether the endpoint is alive, or finds that it is dead.
    pub(super) fn sweep(&self, now: Instant) {
        if self.is_idle() && self.idle_for(now) >= self.keep {
            return self.retire();
        }
        let heard = self.outlet.heard();
        match self.pulse.borrow_mut().look(heard, now, &self.rules) {
            Sign::Fine => {}
            Sign::Ask => {
                if let Some(ping) = self.ping.borrow_mut().as_mut() {
                    // The answer to the last one; without taking it there is no next one.
                    let _ = ping.poll_pong(&mut Context::from_waker(Waker::noop()));
                    // One that is still to be sent will do.
                    let _ = ping.send_ping(Ping::opaque());
                }
            }
            Sign::Dead => {
                self.end.set(Some(Fault::ConnectionDead));
                self.wake();
            }
        }
    }

    fn home(&self) -> Option<Rc<dyn Home>> {
        self.home.borrow().as_ref()?.upgrade()
    }

    fn driven_by(&self, waker: &Waker) {
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|one| one.will_wake(waker)) {
            *driver = Some(waker.clone());
        }
    }

    fn wake(&self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Learns what the connection has learnt.
    fn learn(&self, connection: &Connection<Wire, Bytes>, cx: &mut Context<'_>) {
        let allowed = connection.max_concurrent_send_streams();
        let allowed = u32::try_from(allowed).unwrap_or(u32::MAX);
        let most = allowed.min(self.rules.max_concurrent_streams);
        let was = self.most.replace(most);
        // After GOAWAY, or an error that ends it all, no request can be begun.
        let mut send = self.send.borrow_mut();
        let is_leaving = send
            .as_mut()
            .is_some_and(|send| matches!(send.poll_ready(cx), Poll::Ready(Err(_))));
        drop(send);
        if is_leaving {
            self.retire();
        } else if was < most
            && let Some(home) = self.home()
        {
            home.serve();
        }
    }
}

/// Why a request could not be begun.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// The trunk takes none any more.
    Leaving,
    /// The crate refuses it.
    Refused(h2::Error),
}

/// What reads and writes a trunk.
pub(crate) struct Driver {
    /// None: what ran on it has learnt that it ended.
    connection: Option<Connection<Wire, Bytes>>,
    trunk: Rc<Trunk>,
    endpoint: Arc<EndpointState>,
    farewell: Option<Farewell>,
    /// Its place within the limits, until it is closed.
    _open: OpenConnection,
}

/// How a connection ends whose endpoint makes work that nobody asked for.
pub(crate) struct Farewell {
    /// Says so.
    pub(crate) tell: Box<dyn Fn(Abuse)>,
    /// So long, and for so many bytes, the endpoint is waited for to close.
    pub(crate) linger: (Duration, usize),
}

impl Driver {
    /// Ends like that, when it comes to it.
    pub(crate) fn ends_by(&mut self, farewell: Farewell) {
        self.farewell = Some(farewell);
    }

    /// Ready when the endpoint has said how many requests it takes.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        if let Poll::Ready(end) = self.poll(cx) {
            return Poll::Ready(Err(end.unwrap_or(Fault::EndpointClosed)));
        }
        if self.trunk.most.get() > 0 {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    /// Drives it to its end.
    pub(crate) async fn run(mut self) {
        let end = std::future::poll_fn(|cx| self.poll(cx)).await;
        let trunk = &self.trunk;
        if trunk.is_idle() {
            // Nobody has ended it but the endpoint.
            let idle = trunk.idle_for(Instant::now());
            self.endpoint.keepalive.closed_after(idle);
        }
        trunk.end.set(trunk.end().or(end));
        if trunk.end() == Some(Fault::EndpointFlood) {
            self.leave().await;
        }
    }

    /// Ends what runs on it, and waits for the endpoint to close after what it was told: closing in front of what it still sends
    /// would take that from it.
    async fn leave(&mut self) {
        self.trunk.retire();
        self.connection = None;
        let outlet = &self.trunk.outlet;
        let Some((patience, mut left)) = self.farewell.as_ref().map(|one| one.linger) else {
            return;
        };
        let said = std::future::poll_fn(|cx| match ready!(outlet.poll_flush(cx)) {
            Ok(()) => outlet.poll_drain(cx, &mut left),
            Err(_) => Poll::Ready(()),
        });
        // One that takes nothing has had its time.
        let _ = time::timeout(patience, said).await;
    }

    /// The fault of what runs on a connection that is ended for that abuse.
    fn flooded(&self, abuse: Abuse) -> Fault {
        if let Some(farewell) = &self.farewell {
            (farewell.tell)(abuse);
        }
        Fault::EndpointFlood
    }

    /// Ready with the fault of what runs on it, where it is known.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Fault>> {
        let trunk = &self.trunk;
        if let Some(fault) = trunk.end() {
            return Poll::Ready(Some(fault));
        }
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(None);
        };
        trunk.driven_by(cx.waker());
        let polled = Pin::new(&mut *connection).poll(cx);
        let flushed = trunk.outlet.poll_flush(cx);
        let verdict = trunk.outlet.verdict();
        match (polled, flushed) {
            // Some limits are the codec's own, and it has said so to the endpoint.
            (Poll::Ready(Err(error)), _) if error.is_library() => Poll::Ready(Some(
                verdict.map_or_else(|abuse| self.flooded(abuse), |()| Fault::ResponseMalformed),
            )),
            (Poll::Ready(Err(error)), _) if error.is_io() => {
                Poll::Ready(Some(Fault::EndpointReset))
            }
            (Poll::Ready(_), _) => Poll::Ready(None),
            (Poll::Pending, Poll::Ready(Err(_))) => Poll::Ready(Some(Fault::EndpointReset)),
            (Poll::Pending, _) if let Err(abuse) = verdict => {
                trunk.outlet.say_goaway(abuse);
                Poll::Ready(Some(self.flooded(abuse)))
            }
            (Poll::Pending, _) => {
                trunk.learn(connection, cx);
                Poll::Pending
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.trunk.send.take());
        if let Some(home) = self.trunk.home() {
            home.lost(&self.trunk, true);
        }
    }
}

/// A place for one request on a trunk, until this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Rc<Trunk>);

impl Place {
    /// One of the places that are free there.
    pub(crate) fn on(trunk: &Rc<Trunk>) -> Self {
        trunk.taken.set(trunk.taken.get() + 1);
        trunk.idle_since.set(None);
        Self(Rc::clone(trunk))
    }

    /// The trunk.
    pub(crate) fn trunk(&self) -> &Trunk {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let trunk = &*self.0;
        let taken = trunk.taken.get() - 1;
        trunk.taken.set(taken);
        if taken == 0 {
            trunk.idle_since.set(Some(Instant::now()));
        }
        if let Some(home) = trunk.home() {
            home.serve();
        }
    }
}
