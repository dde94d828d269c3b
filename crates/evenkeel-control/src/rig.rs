//! What tests of the control plane stand on: origins that a test switches, snapshots of clusters of them, and waiting in
//! the runtime's own time.
//!
//! Tests hold the clock: it moves on by itself, a millisecond at a time, whenever nothing is left to do, so that an hour
//! of probes takes a moment. Sockets are real, and there is no other process to wait for.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_base::head::Version;
use evenkeel_base::rules::ProbeRules;
use evenkeel_base::trace::Context;
use evenkeel_base::{ClusterId, ListenerId, RouteId};
use evenkeel_config::model::{BodyMatch, Config, Probe, ProbeAddress, ProbeRequest};
use evenkeel_config::{Nowhere, check};
use evenkeel_policy::Health;
use evenkeel_state::trace::{Asked, Attempt, Story};
use evenkeel_state::{Endpoint, HeldNames, Publisher, Registry, Resolved, Snapshot};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{self, Instant};

/// How long a test waits, in the runtime's time, for what never comes.
const PATIENCE: Duration = Duration::from_mins(10);

/// Waits until `done`; gives how long it took.
#[track_caller]
pub(crate) fn until<'a>(
    what: &'a str,
    mut done: impl FnMut() -> bool + 'a,
) -> impl Future<Output = Duration> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let began = Instant::now();
        while !done() {
            let waited = began.elapsed();
            assert!(waited < PATIENCE, "{caller}: waited in vain for {what}");
            time::sleep(Duration::from_millis(1)).await;
        }
        began.elapsed()
    }
}

/// Lets this much time pass.
pub(crate) async fn pass(time: Duration) {
    let began = Instant::now();
    until("time to pass", || began.elapsed() >= time).await;
}

/// How an origin behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It answers 200.
    Good,
    /// It answers 500.
    Bad,
    /// It accepts and says nothing.
    Silent,
}

/// An origin on a port of its own.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Holds the port while nobody listens.
    held: Socket,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    requests: usize,
}

impl Origin {
    pub(crate) fn new(mode: Mode) -> Self {
        let mut origin = Self::closed();
        origin.open(mode);
        origin
    }

    /// One that refuses connections.
    pub(crate) fn closed() -> Self {
        let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        held.bind(&any.into()).unwrap();
        let address = held.local_addr().unwrap().as_socket().unwrap();
        let state = State {
            mode: Mode::Good,
            requests: 0,
        };
        Self {
            held,
            address,
            state: Arc::new(Mutex::new(state)),
            task: None,
        }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many requests came so far.
    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    /// Listens, beside the socket that holds the port: both allow reuse, and only one listens.
    pub(crate) fn open(&mut self, mode: Mode) {
        self.set(mode);
        self.held.set_reuse_address(true).unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.bind(&self.address.into()).unwrap();
        socket.listen(1_024).unwrap();
        let listener = TcpListener::from_std(socket.into()).unwrap();
        let state = Arc::clone(&self.state);
        self.task = Some(tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, Arc::clone(&state)));
            }
        }));
    }

    /// Refuses connections from now on.
    pub(crate) async fn close(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            drop(task.await);
        }
        self.held.set_reuse_address(false).unwrap();
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        match stream.read_buf(&mut heard).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    let mode = {
        let mut state = state.lock().unwrap();
        state.requests += 1;
        state.mode
    };
    let status = match mode {
        Mode::Good => 200,
        Mode::Bad => 500,
        Mode::Silent => return time::sleep(Duration::from_hours(1)).await,
    };
    let response = format!("HTTP/1.1 {status} Thus\r\nContent-Length: 0\r\n\r\n");
    // Who has given up does not hear it.
    let _ = stream.write_all(response.as_bytes()).await;
}

/// A configuration with a cluster for each list of endpoints, called `a`, `b` and so on.
pub(crate) fn config(clusters: &[&[String]]) -> Config {
    let mut text = "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n".to_owned();
    for (name, endpoints) in ('a'..).zip(clusters) {
        text.push_str(&format!(
            "[[route]]\npath = \"/{name}\"\ncluster = \"{name}\"\n[cluster.{name}]\nendpoints = {endpoints:?}\n"
        ));
    }
    let checked = check(&text, "test", &Nowhere);
    let mistakes = checked.diagnostics;
    checked.config.unwrap_or_else(|| panic!("{mistakes:?}"))
}

/// `GET /` with the default rules.
pub(crate) fn http_probe() -> Probe {
    Probe::Http {
        rules: ProbeRules::DEFAULT,
        at: ProbeAddress::Endpoint,
        request: ProbeRequest {
            method: "GET".into(),
            path: "/".into(),
            host: String::new(),
            headers: Vec::new(),
            statuses: vec![(200, 399)],
            body: BodyMatch::Any,
        },
    }
}

/// A configuration of one cluster of these origins, probed by HTTP.
pub(crate) fn probed<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> Config {
    let addresses: Vec<String> = origins.into_iter().map(Origin::address).collect();
    let mut config = config(&[&addresses]);
    config.clusters[0].probe = http_probe();
    config
}

/// A snapshot of a configuration, published.
pub(crate) fn published(config: Config) -> Arc<Publisher> {
    let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
    Publisher::new(Arc::new(snapshot))
}

/// The endpoints of the first cluster.
pub(crate) fn endpoints(snapshot: &Snapshot) -> Vec<Endpoint> {
    snapshot.clusters()[0].endpoints.list.clone()
}

pub(crate) fn health(endpoint: &Endpoint) -> Health {
    endpoint.state.standing.health()
}

/// The reasons of an endpoint's last probes.
pub(crate) fn reasons(endpoint: &Endpoint) -> Vec<String> {
    let results = endpoint.state.probes.results();
    results.into_iter().map(|result| result.reason).collect()
}

/// What is told of a request that had two attempts in that snapshot's first cluster, the second after a wait.
pub(crate) fn story(snapshot: &Arc<Snapshot>) -> Box<Story> {
    let began = std::time::Instant::now();
    let at = |millis| began + Duration::from_millis(millis);
    let came = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let came = Context::parse(came).unwrap();
    let context = came.with(came.span.part(1), true);
    let first = Attempt {
        span: context.span.part(2),
        endpoint: 0,
        began: at(0),
        queued: Duration::ZERO,
        connect: Duration::from_millis(3),
        tls: Duration::ZERO,
        head: None,
        ended: at(3),
        status: None,
        failure: Some("connect-refused"),
    };
    let second = Attempt {
        span: context.span.part(3),
        endpoint: 1,
        began: at(10),
        queued: Duration::from_millis(7),
        connect: Duration::from_millis(5),
        tls: Duration::from_millis(4),
        head: Some(at(20)),
        ended: at(30),
        status: Some(404),
        failure: None,
    };
    Box::new(Story {
        context,
        parent: Some(came.span),
        names: HeldNames::In(Arc::clone(snapshot)),
        listener: ListenerId::new(0),
        route: Some(RouteId::new(0)),
        cluster: Some(ClusterId::new(0)),
        asked: Asked {
            method: "GET".to_owned(),
            secure: true,
            authority: "app.example:8443".to_owned(),
            path: "/a".to_owned(),
            query: Some("x=1&sig=secret&sig".to_owned()),
            version: Version::Http2,
            user_agent: Some("tester".to_owned()),
            request_id: "mine".to_owned(),
        },
        client: Some(Ipv4Addr::new(203, 0, 113, 9).into()),
        status: 404,
        grpc: None,
        fault: None,
        bytes: (1, 2),
        began,
        ended: at(31),
        waited: None,
        attempts: vec![first, second],
    })
}
