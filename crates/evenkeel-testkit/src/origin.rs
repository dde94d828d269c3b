//! Origins: the endpoints that a test scripts, byte by byte where the case needs it.
//!
//! Each connection is a thread that runs the script; of HTTP/2 each stream is one, and its script gets an [`Exchange`]. What
//! came is recorded: whole requests, and the bytes of each connection of HTTP/1.1. A script that panics fails the test when its origin goes out of scope; after [`Origin::stop`] scripts
//! may fail as they like, since it is the test that took their connections away.

mod conn;
mod exchange;
mod listener;
mod reply;
mod run;
mod turn;

pub use conn::Conn;
pub use exchange::Exchange;
pub use reply::Reply;

pub(crate) use run::{Manner, Script};

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use crate::ends::{self, HangUp};
use crate::faults::DeadAddress;
use crate::message::Request;
use crate::patience::PATIENCE;
use crate::port::Port;
use crate::stream::Stream;
use listener::Listener;

/// Where connections are answered by a script, until it goes out of scope.
#[derive(Debug)]
pub struct Origin {
    inner: Arc<Inner>,
    acceptor: Option<JoinHandle<()>>,
    /// None on a Unix socket.
    port: Option<Port>,
}

impl Origin {
    /// Runs `script` for every connection, each in its own thread; the connection is closed when it returns.
    ///
    /// Only a connection on which something comes is one: evenkeel also looks at its start whether endpoints accept.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn script(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::on_port(Port::free().expect("a port is free"), spoken_to(script))
    }

    /// As [`Origin::script`], without waiting for a first byte.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn on_accept(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::on_port(Port::free().expect("a port is free"), script)
    }

    /// Answers every request, as long as the connection lasts.
    #[must_use]
    pub fn http(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::script(answering(answer))
    }

    /// Answers every request with 200 and this body.
    #[must_use]
    pub fn saying(body: &str) -> Self {
        let body = body.to_owned();
        Self::http(move |_| Reply::ok(&body))
    }

    /// As [`Origin::script`], on a Unix socket.
    ///
    /// # Panics
    /// When the socket cannot be made.
    #[must_use]
    pub fn unix(path: &Path, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        let listener = Listener::unix(path).expect("a Unix socket can be made");
        Self::on(listener, None, Manner::plain(spoken_to(script)))
    }

    /// As [`Origin::script`], where nothing listened before.
    ///
    /// # Panics
    /// When it cannot be listened on.
    #[must_use]
    pub fn revive(dead: DeadAddress, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::on_port(dead.into_port(), spoken_to(script))
    }

    /// One that answers every request with 200 and this body, at another of this host's own addresses with the port of this one:
    /// what a name moves to.
    ///
    /// # Panics
    /// On a Unix socket, or when the port is taken there.
    #[must_use]
    pub fn beside(&self, ip: [u8; 4], body: &str) -> Self {
        let port = Port::at((ip, self.port()).into()).expect("the port is free there as well");
        let body = body.to_owned();
        Self::on_port(port, spoken_to(answering(move |_| Reply::ok(&body))))
    }

    fn on_port(port: Port, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::in_manner(port, Manner::plain(script))
    }

    /// On this port in this manner.
    pub(crate) fn in_manner(port: Port, manner: Manner) -> Self {
        let listener = Listener::tcp(&port).expect("a port that is ours can be listened on");
        Self::on(listener, Some(port), manner)
    }

    fn on(listener: Listener, port: Option<Port>, manner: Manner) -> Self {
        let inner = Arc::new(Inner {
            scheme: manner.scheme(),
            listener,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        ends::note(&inner);
        let acceptor = thread::spawn({
            let inner = Arc::clone(&inner);
            move || inner.accept(&Arc::new(manner))
        });
        Self {
            inner,
            acceptor: Some(acceptor),
            port,
        }
    }

    /// Its address as a configuration has it: `127.0.0.1:PORT`, `https://127.0.0.1:PORT` with TLS, `h2c://127.0.0.1:PORT` with
    /// HTTP/2 and no TLS, or `unix:PATH`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}{}", self.inner.scheme, self.inner.listener.address())
    }

    /// Its address as a client of the test connects to it.
    ///
    /// # Panics
    /// On a Unix socket.
    #[must_use]
    pub fn socket_address(&self) -> SocketAddr {
        let port = self.port.as_ref().expect("it listens on TCP");
        port.address()
    }

    /// Its port.
    ///
    /// # Panics
    /// On a Unix socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        let port = self.port.as_ref().expect("it listens on TCP");
        port.address().port()
    }

    /// The whole requests so far, in the order in which they ended.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.inner.lock().requests.clone()
    }

    /// The only request so far, which is waited for.
    ///
    /// # Panics
    /// When there is none in time, or more than one.
    #[must_use]
    #[track_caller]
    pub fn request(&self) -> Request {
        let mut requests = self.wait_requests(1);
        assert_eq!(requests.len(), 1, "one request, not {requests:?}");
        requests.remove(0)
    }

    /// Waits for this many whole requests, and returns all that came.
    ///
    /// # Panics
    /// When they do not come in time.
    #[track_caller]
    pub fn wait_requests(&self, number: usize) -> Vec<Request> {
        self.inner
            .wait(&format!("{number} requests"), |state| {
                state.requests.len() >= number
            })
            .requests
            .clone()
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.inner.lock().spoken.len()
    }

    /// Waits until this many connections have been there.
    ///
    /// # Panics
    /// When they do not come in time.
    #[track_caller]
    pub fn wait_connections(&self, number: usize) {
        drop(self.inner.wait(&format!("{number} connections"), |state| {
            state.spoken.len() >= number
        }));
    }

    /// Waits until at most this many connections are left: a script has seen the end of the others.
    ///
    /// # Panics
    /// When they do not end in time.
    #[track_caller]
    pub fn wait_open(&self, number: usize) {
        drop(
            self.inner
                .wait(&format!("no more than {number} connections"), |state| {
                    state.open() <= number
                }),
        );
    }

    /// How many requests ended before their framing said so; they are not among the requests.
    #[must_use]
    pub fn cut_requests(&self) -> usize {
        self.inner.lock().cut
    }

    /// Waits for this many cut requests.
    ///
    /// # Panics
    /// When they do not come in time.
    #[track_caller]
    pub fn wait_cut(&self, number: usize) {
        let what = format!("{number} cut requests");
        drop(self.inner.wait(&what, |state| state.cut >= number));
    }

    /// Why handshakes of TLS failed so far.
    #[must_use]
    pub fn failed_handshakes(&self) -> Vec<String> {
        self.inner.lock().failed_handshakes.clone()
    }

    /// How many streams of HTTP/2, or exchanges of [`crate::Speech::serve`], there have been on all connections.
    #[must_use]
    pub fn exchanges(&self) -> usize {
        self.inner.lock().exchanges
    }

    /// Waits until there have been this many.
    ///
    /// # Panics
    /// When they do not come in time.
    #[track_caller]
    pub fn wait_exchanges(&self, number: usize) {
        let what = format!("{number} exchanges");
        drop(self.inner.wait(&what, |state| state.exchanges >= number));
    }

    /// Waits until at most this many exchanges are left: a script has come to its end in the others.
    ///
    /// # Panics
    /// When they do not end in time.
    #[track_caller]
    pub fn wait_exchanging(&self, number: usize) {
        let what = format!("no more than {number} exchanges");
        drop(self.inner.wait(&what, |state| state.exchanging <= number));
    }

    /// Ends all connections as a dying process would, and goes on listening.
    pub fn hang_up(&self) {
        for connection in &self.inner.lock().connections {
            connection.hang_up();
        }
    }

    /// The bytes of each connection so far, each at most its first megabyte.
    #[must_use]
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        let state = self.inner.lock();
        let spoken = state.spoken.iter();
        spoken
            .map(|&index| state.connections[index].bytes())
            .collect()
    }

    /// Ends its connections and listens no more; gives the address, on which nothing listens now.
    ///
    /// # Panics
    /// On a Unix socket.
    #[must_use]
    pub fn stop(mut self) -> DeadAddress {
        let port = self.port.take().expect("it listens on TCP");
        drop(self);
        DeadAddress::on(port)
    }

    fn end(&mut self) {
        self.inner.hang_up();
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        // A connection of HTTP/2 may have begun one more meanwhile.
        loop {
            let scripts = std::mem::take(&mut self.inner.lock().scripts);
            if scripts.is_empty() {
                return;
            }
            for script in scripts {
                drop(script.join());
            }
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.end();
        let failures = std::mem::take(&mut self.inner.lock().failures);
        self.inner.listener.close();
        if !thread::panicking() {
            assert!(
                failures.is_empty(),
                "an origin's script failed: {failures:?}"
            );
        }
    }
}

pub(crate) fn spoken_to(
    script: impl Fn(&mut Conn) + Send + Sync + 'static,
) -> impl Fn(&mut Conn) + Send + Sync + 'static {
    move |conn| {
        if conn.wait_spoken_to() {
            script(conn);
        }
    }
}

/// A script that answers every request, as long as the connection lasts.
pub fn answering(
    answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> impl Fn(&mut Conn) + Send + Sync + 'static {
    move |conn| {
        while let Some(request) = conn.request() {
            if !conn.reply(&request, &answer(&request)) {
                return;
            }
        }
    }
}

struct Inner {
    listener: Listener,
    /// What stands in front of its address.
    scheme: &'static str,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    connections: Vec<Connection>,
    /// Those on which something came, in the order in which it did.
    spoken: Vec<usize>,
    requests: Vec<Request>,
    cut: usize,
    exchanges: usize,
    exchanging: usize,
    failed_handshakes: Vec<String>,
    failures: Vec<String>,
    scripts: Vec<JoinHandle<()>>,
    stopped: bool,
}

struct Connection {
    stream: Weak<Stream>,
    record: Arc<Mutex<Vec<u8>>>,
    open: bool,
}

impl Connection {
    fn bytes(&self) -> Vec<u8> {
        let record = self.record.lock();
        record.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hang_up(&self) {
        if let Some(stream) = self.stream.upgrade() {
            stream.hang_up();
        }
    }
}

impl State {
    fn open(&self) -> usize {
        let connections = self.connections.iter();
        connections.filter(|connection| connection.open).count()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    #[track_caller]
    fn wait(&self, what: &str, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), PATIENCE, |state| !done(state))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            done(&state),
            "an origin waited {PATIENCE:?} in vain for {what}"
        );
        state
    }
}

impl HangUp for Inner {
    fn hang_up(&self) {
        self.listener.stop();
        let mut state = self.lock();
        state.stopped = true;
        for connection in &state.connections {
            connection.hang_up();
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.listener.address())
    }
}
