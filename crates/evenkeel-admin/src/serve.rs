//! The control socket: connections, each with one request and its answer, and the limits that keep them from harm.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_net::{Acceptor, ListenSocket, Listener, Origin, Owner, Stream};
use evenkeel_state::command::Refused;
use evenkeel_state::life::Stage;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::{self, AbortHandle, JoinHandle, JoinSet};
use tokio::time;

use crate::metrics::Format;
use crate::table::{Found, Page, find};
use crate::wire::Wire;
use crate::{Office, look, metrics, view};

/// The longest head of a request; beyond it 431.
const MAX_HEAD: usize = 16 * 1024;

/// The longest body of a request; beyond it 413.
const MAX_BODY: usize = 64 * 1024;

/// So many connections at once; one more takes the place of the oldest that has not asked for anything yet.
const MAX_CONNECTIONS: usize = 32;

/// How long a request may take to come, and its answer to go. What is ordered may take longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of the process waits for answers that are on their way.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The pause after a connection that could not be accepted: descriptors may be free by then.
const PAUSE: Duration = Duration::from_millis(100);

/// The control socket of a process, while it listens.
#[derive(Debug)]
pub struct Console {
    task: JoinHandle<()>,
    end: watch::Sender<bool>,
}

impl Console {
    /// Accepts no more, for another process does; the answers that are on their way go out.
    pub async fn leave(&self) {
        self.end.send_replace(true);
        self.end.closed().await;
    }

    /// Accepts no more, lets the answers that are on their way go out, and removes the socket.
    pub async fn close(mut self) {
        self.end.send_replace(true);
        if time::timeout(LAST_ANSWERS, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Binds the control socket, which nobody but its owner may open.
///
/// # Errors
/// `AddrInUse` when another process listens there; else what the operating system says.
pub fn open(path: &Path) -> io::Result<ListenSocket> {
    of(Listener::bind_private(path)?)
}

/// The control socket that a process before this one had.
///
/// # Errors
/// When it is none.
pub fn inherit(socket: OwnedFd, owner: Owner) -> io::Result<ListenSocket> {
    of(Listener::inherit(vec![socket], owner)?)
}

fn of(listener: Listener) -> io::Result<ListenSocket> {
    let mut sockets = listener.into_sockets(1).into_iter();
    sockets.next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl Console {
    /// Answers on the socket until it is closed.
    ///
    /// # Errors
    /// When descriptors run out or there is no event loop.
    pub fn start(socket: ListenSocket, office: Office) -> io::Result<Self> {
        let acceptor = socket.acceptor()?;
        let (end, ends) = watch::channel(false);
        let task = tokio::spawn(async move {
            serve(&acceptor, Arc::new(office), ends).await;
            // Its file is there for as long as anybody is answered.
            drop(socket);
        });
        Ok(Self { task, end })
    }
}

async fn serve(acceptor: &Acceptor, office: Arc<Office>, ends: watch::Receiver<bool>) {
    let mut open = Connections::default();
    loop {
        let mut ends = ends.clone();
        tokio::select! {
            accepted = acceptor.accept(), if open.have_room() => match accepted {
                Ok((Stream::Unix(stream), Origin::Unix)) => open.begin(stream, &office),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    time::sleep(PAUSE).await;
                }
            },
            Some(ended) = open.tasks.join_next_with_id() => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                open.order.retain(|one| one.task.id() != id);
            }
            () = async move { let _ = ends.wait_for(|end| *end).await; } => break,
        }
    }
    drop(ends);
    open.order.retain(|one| {
        // Nobody waits for an answer to what was not asked.
        let is_asking = one.is_asking();
        if is_asking {
            one.task.abort();
        }
        !is_asking
    });
    while open.tasks.join_next().await.is_some() {}
}

/// The connections that are open.
#[derive(Debug, Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// The oldest first.
    order: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    task: AbortHandle,
    turn: watch::Receiver<Turn>,
}

impl Connection {
    fn is_asking(&self) -> bool {
        *self.turn.borrow() == Turn::Asking
    }
}

impl Connections {
    /// Whether one more can be had: when there are too many, in the place of one that has not asked for anything yet.
    fn have_room(&self) -> bool {
        self.order.len() < MAX_CONNECTIONS || self.order.iter().any(Connection::is_asking)
    }

    fn begin(&mut self, stream: UnixStream, office: &Arc<Office>) {
        if self.order.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.order.iter().position(Connection::is_asking)
        {
            self.order.remove(oldest).task.abort();
        }
        let (turn, turns) = watch::channel(Turn::Asking);
        let office = Arc::clone(office);
        let seen = turns.clone();
        let task = self
            .tasks
            .spawn(async move { converse(Wire(stream), &office, turn, turns).await });
        self.order.push(Connection { task, turn: seen });
    }
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Its request comes.
    Asking,
    /// Something is done about it.
    Working,
    /// Its answer goes.
    Answering,
}

/// One request and its answer. Who is slow at either is hung up on.
async fn converse(
    wire: Wire,
    office: &Office,
    turn: watch::Sender<Turn>,
    mut turns: watch::Receiver<Turn>,
) {
    let service = service_fn(|request| answer(request, office, &turn));
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(wire, service);
    let mut connection = std::pin::pin!(connection);
    loop {
        let now = *turns.borrow_and_update();
        let late = async {
            match now {
                Turn::Working => std::future::pending().await,
                Turn::Asking | Turn::Answering => time::sleep(PATIENCE).await,
            }
        };
        tokio::select! {
            // What clients do wrong is their affair: the API has said so, or they are gone.
            _ = &mut connection => return,
            Ok(()) = turns.changed() => {}
            () = late => return,
        }
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(
    request: Request<Incoming>,
    office: &Office,
    turn: &watch::Sender<Turn>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let answer = match find(head.method.as_str(), head.uri.path()) {
        Found::Nothing => wrong(StatusCode::NOT_FOUND, "there is no such page"),
        Found::Method(method) => {
            let mut answer = wrong(
                StatusCode::METHOD_NOT_ALLOWED,
                &format!("this is asked for by {method}"),
            );
            if let Ok(method) = method.parse() {
                answer.headers_mut().insert(ALLOW, method);
            }
            answer
        }
        Found::Page(page, names) => match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => {
                turn.send_replace(Turn::Working);
                let body = body.to_bytes();
                show(page, &names, &body, &head, office).await
            }
            Err(_) => wrong(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the body has more than {MAX_BODY} bytes, or breaks off"),
            ),
        },
    };
    turn.send_replace(Turn::Answering);
    Ok(answer)
}

async fn show(page: &Page, names: &[String], body: &[u8], head: &Parts, office: &Office) -> Answer {
    match page {
        Page::Events => events(head, office),
        Page::Metrics => numbers(head, office).await,
        Page::Status => status(office).await,
        Page::Live => fine(true, office),
        Page::Ready => fine(office.life.told().stage == Stage::Serving, office),
        Page::Order(read) => match read(names, body) {
            Err(why) => wrong(StatusCode::BAD_REQUEST, &why),
            Ok(command) => match office.desk.order(command).await {
                Ok(done) => json(
                    StatusCode::OK,
                    &view::Done {
                        ok: true,
                        what: done.what,
                        generation: done.generation,
                    },
                ),
                Err(Refused::NotFound(why)) => wrong(StatusCode::NOT_FOUND, &why),
                Err(Refused::Cannot(why)) => wrong(StatusCode::CONFLICT, &why),
            },
        },
    }
}

/// Of a hundred thousand endpoints this takes a while, which is nobody else's.
async fn status(office: &Office) -> Answer {
    let office = office.clone();
    let shown = task::spawn_blocking(move || json(StatusCode::OK, &look::status(&office)));
    let panicked = |_| wrong(StatusCode::INTERNAL_SERVER_ERROR, "looking at it panicked");
    shown.await.unwrap_or_else(panicked)
}

fn events(head: &Parts, office: &Office) -> Answer {
    let after = match head.uri.query() {
        None => 0,
        Some(query) => match query.strip_prefix("after=").and_then(|n| n.parse().ok()) {
            Some(after) => after,
            None => {
                return wrong(
                    StatusCode::BAD_REQUEST,
                    "the query is after=NUMBER, or left out",
                );
            }
        },
    };
    json(StatusCode::OK, &look::events(office, after))
}

/// Of five thousand endpoints that is a page of thirty megabytes: made beside the event loop.
async fn numbers(head: &Parts, office: &Office) -> Answer {
    let accept = head
        .headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    let format = Format::preferred(accept.unwrap_or_default());
    let office = office.clone();
    let written = task::spawn_blocking(move || metrics::page(&office, format));
    let Ok(text) = written.await else {
        return wrong(StatusCode::INTERNAL_SERVER_ERROR, "counting it up panicked");
    };
    let mut answer = Response::new(Full::from(text));
    let kind = HeaderValue::from_static(format.content_type());
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn fine(ok: bool, office: &Office) -> Answer {
    let state = office.life.told().stage.name().to_owned();
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(status, &view::Fine { ok, state })
}

fn wrong(status: StatusCode, error: &str) -> Answer {
    let error = error.to_owned();
    json(status, &view::Wrong { error })
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Views have text for keys, so that writing them cannot fail.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}
