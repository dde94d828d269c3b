//! How an origin's connections are accepted and served: as scripts of HTTP/1.1, or as streams of HTTP/2.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::ServerConfig;
use tokio::sync::mpsc;

use super::{Conn, Connection, Exchange, Inner, State};
use crate::h2::{self, Answer};
use crate::stream::Stream;
use crate::tls;

type OnConn = dyn Fn(&mut Conn) + Send + Sync;
type OnExchange = dyn Fn(&mut Exchange<'_>) + Send + Sync;

/// What is done with connections.
pub(crate) struct Manner {
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) script: Script,
}

/// Who answers.
#[derive(Clone)]
pub(crate) enum Script {
    /// A script for a connection.
    Conn(Arc<OnConn>),
    /// A script for each request of HTTP/1.1.
    Exchange(Arc<OnExchange>),
    /// A script for each stream of HTTP/2.
    Stream(Arc<OnExchange>, h2::Settings),
}

impl Manner {
    /// A script for each connection, without TLS.
    pub(crate) fn plain(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self {
            tls: None,
            script: Script::Conn(Arc::new(script)),
        }
    }

    pub(super) fn scheme(&self) -> &'static str {
        match (&self.tls, &self.script) {
            (Some(_), _) => "https://",
            (None, Script::Stream(..)) => "h2c://",
            (None, _) => "",
        }
    }
}

impl fmt::Debug for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manner({})", self.scheme())
    }
}

impl Inner {
    /// Accepts until the listener is stopped.
    pub(super) fn accept(self: &Arc<Self>, manner: &Arc<Manner>) {
        while let Ok(stream) = self.listener.accept() {
            let secured = match (&manner.script, &manner.tls) {
                (Script::Conn(_) | Script::Exchange(_), Some(config)) => {
                    stream.secured(tls::accept(config))
                }
                _ => Ok(stream),
            };
            let Ok(stream) = secured else { return };
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
            let (inner, manner) = (Arc::clone(self), Arc::clone(manner));
            let thread = thread::spawn(move || {
                inner.serve(index, stream, record, &manner);
                inner.change(|state| state.connections[index].open = false);
            });
            state.scripts.push(thread);
            drop(state);
            self.changed.notify_all();
        }
    }

    fn serve(
        self: &Arc<Self>,
        index: usize,
        stream: Arc<Stream>,
        record: Arc<Mutex<Vec<u8>>>,
        manner: &Manner,
    ) {
        match &manner.script {
            Script::Conn(script) => {
                let mut conn = Conn::new(index, stream, record, Arc::clone(self));
                self.guard(|| script(&mut conn));
            }
            Script::Exchange(script) => {
                let mut conn = Conn::new(index, stream, record, Arc::clone(self));
                let counting = |exchange: &mut Exchange<'_>| {
                    self.change(State::begin_exchange);
                    // A script that panics is noted first, and its connection ends then.
                    let ran = self.guard(|| script(exchange));
                    self.change(|state| state.exchanging -= 1);
                    if !ran {
                        exchange.hang_up();
                    }
                };
                self.guard(|| {
                    if conn.wait_spoken_to() {
                        Exchange::each(&mut conn, self, &counting);
                    }
                });
            }
            Script::Stream(script, settings) => {
                let tls = manner.tls.as_ref().map(tls::accept);
                self.serve_streams(index, &stream, tls, script, settings);
            }
        }
    }

    fn serve_streams(
        self: &Arc<Self>,
        index: usize,
        stream: &Arc<Stream>,
        tls: Option<rustls::Connection>,
        script: &Arc<OnExchange>,
        settings: &h2::Settings,
    ) {
        let Stream::Tcp(tcp) = &**stream else {
            panic!("HTTP/2 is served over TCP here");
        };
        let Ok(tcp) = tcp.try_clone() else { return };
        let (commands, orders) = mpsc::unbounded_channel();
        let about = Mutex::new((0, None));
        let served = h2::serve(
            tcp,
            tls,
            settings,
            orders,
            |handshake| {
                let mut about = about.lock().expect("nobody panics with it");
                self.change(|state| {
                    *about = (state.spoken.len(), handshake);
                    state.spoken.push(index);
                });
            },
            |arrival| {
                let answer = Answer::new(arrival, commands.clone());
                let (number, tls) = about.lock().expect("nobody panics with it").clone();
                let (inner, script) = (Arc::clone(self), Arc::clone(script));
                self.change(|state| {
                    state.begin_exchange();
                    let thread = thread::spawn(move || {
                        let origin = Arc::clone(&inner);
                        let mut exchange = Exchange::of_stream(answer, number, tls, origin);
                        inner.guard(|| script(&mut exchange));
                        drop(exchange);
                        inner.change(|state| state.exchanging -= 1);
                    });
                    state.scripts.push(thread);
                });
            },
        );
        if let Err(error) = served
            && error.kind() == std::io::ErrorKind::InvalidData
        {
            self.change(|state| state.failed_handshakes.push(error.to_string()));
        }
        // Our other handles of the socket would keep it open.
        stream.shutdown(std::net::Shutdown::Both);
    }

    /// Runs a script, and notes when it panics; gives whether it did not.
    fn guard(&self, run: impl FnOnce()) -> bool {
        let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else {
            return true;
        };
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()));
        self.change(|state| {
            if !state.stopped {
                let text = text.unwrap_or_else(|| "a panic".to_owned());
                state.failures.push(text);
            }
        });
        false
    }
}

impl State {
    fn begin_exchange(&mut self) {
        self.exchanges += 1;
        self.exchanging += 1;
    }
}
