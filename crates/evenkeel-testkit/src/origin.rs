//! Origins: the endpoints that a test scripts, byte by byte where the case needs it.
//!
//! Each connection is a thread that runs the script. What came is recorded: whole requests, and the bytes of each
//! connection. A script that panics fails the test when its origin goes out of scope; after [`Origin::stop`] scripts
//! may fail as they like, since it is the test that took their connections away.

mod conn;
mod listener;
mod reply;

pub use conn::Conn;
pub use reply::Reply;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
        Self::on(listener, None, spoken_to(script))
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
        let listener = Listener::tcp(&port).expect("a port that is ours can be listened on");
        Self::on(listener, Some(port), script)
    }

    fn on(
        listener: Listener,
        port: Option<Port>,
        script: impl Fn(&mut Conn) + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::new(Inner {
            listener,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        ends::note(&inner);
        let script: Arc<Script> = Arc::new(script);
        let acceptor = thread::spawn({
            let inner = Arc::clone(&inner);
            move || inner.accept(&script)
        });
        Self {
            inner,
            acceptor: Some(acceptor),
            port,
        }
    }

    /// Its address as a configuration has it: `127.0.0.1:PORT`, or `unix:PATH`.
    #[must_use]
    pub fn address(&self) -> String {
        self.inner.listener.address()
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
        let scripts = std::mem::take(&mut self.inner.lock().scripts);
        for script in scripts {
            drop(script.join());
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

fn spoken_to(
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

type Script = dyn Fn(&mut Conn) + Send + Sync;

struct Inner {
    listener: Listener,
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

    fn accept(self: &Arc<Self>, script: &Arc<Script>) {
        while let Ok(stream) = self.listener.accept() {
            let stream = Arc::new(stream);
            let record = Arc::new(Mutex::new(Vec::new()));
            let mut state = self.lock();
            if state.stopped {
                return;
            }
            let index = state.connections.len();
            state.connections.push(Connection {
                stream: Arc::downgrade(&stream),
                record: Arc::clone(&record),
                open: true,
            });
            let conn = Conn::new(index, stream, record, Arc::clone(self));
            let (inner, script) = (Arc::clone(self), Arc::clone(script));
            let thread = thread::spawn(move || inner.run(index, conn, &script));
            state.scripts.push(thread);
            drop(state);
            self.changed.notify_all();
        }
    }

    fn run(&self, index: usize, mut conn: Conn, script: &Arc<Script>) {
        let ran = catch_unwind(AssertUnwindSafe(|| script(&mut conn)));
        drop(conn);
        self.change(|state| {
            state.connections[index].open = false;
            if let (Err(panic), false) = (ran, state.stopped) {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()));
                state
                    .failures
                    .push(text.unwrap_or_else(|| "a panic".to_owned()));
            }
        });
    }
}

impl HangUp for Inner {
    fn hang_up(&self) {
        self.listener.stop();
        let mut state = self.lock();
        state.stopped = true;
        for connection in &state.connections {
            if let Some(stream) = connection.stream.upgrade() {
                stream.hang_up();
            }
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.listener.address())
    }
}
