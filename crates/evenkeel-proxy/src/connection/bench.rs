//! What the tests of whole exchanges stand on: a worker with a configuration, a client of it, and an endpoint. Not product code.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use evenkeel_config::{Nowhere, check};
use evenkeel_state::{Publisher, Reclaim, Registry, Resolved, WorkerCounters};
use h2::server;
use tokio::net::{TcpListener, UnixStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

use crate::connection::serve;
use crate::door::Door;
use crate::rig::pair;
use crate::scene::From;
use crate::shared::Shared;
use crate::worker::Worker;

/// A worker with that configuration, and the door of its first listener.
pub(crate) fn worker(text: &str) -> (Rc<Worker>, Rc<Door>) {
    let config = check(text, "test", &Nowhere).config.unwrap();
    let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
    let shared = Arc::new(Shared {
        publisher: Publisher::new(Arc::new(snapshot)),
        counters: [WorkerCounters::default()].into(),
        reclaim: Reclaim::new(1),
        log: std::sync::Mutex::default(),
        is_ready: std::sync::atomic::AtomicBool::new(true),
    });
    let door = Door::new(&shared.publisher.current().listeners()[0]);
    let worker = Worker::new(0, &shared, 1);
    (worker, door)
}

/// A client of it, at that door.
pub(crate) fn client(worker: &Rc<Worker>, door: &Rc<Door>) -> UnixStream {
    let (stream, client) = pair();
    let (worker, door) = (Rc::clone(worker), Rc::clone(door));
    spawn_local(async move {
        let from = From {
            ip: None,
            text: String::new(),
            proof: None,
        };
        serve(&worker, (&door, door.enter()), stream, &from).await;
    });
    client
}

/// An endpoint that answers that many requests on one connection, which takes one at a time, and says how long they were.
pub(crate) async fn one_at_a_time(listener: &TcpListener, requests: usize) -> Vec<Option<u64>> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut rules = server::Builder::new();
    rules.max_concurrent_streams(1);
    let mut connection = rules.handshake::<_, Bytes>(stream).await.unwrap();
    let mut lengths = Vec::new();
    while lengths.len() < requests {
        let (request, mut answer) = connection.accept().await.unwrap().unwrap();
        let length = request.headers().get(http::header::CONTENT_LENGTH);
        lengths.push(length.map(|length| length.to_str().unwrap().parse().unwrap()));
        answer.send_response(http::Response::new(()), true).unwrap();
    }
    spawn_local(async move { while connection.accept().await.is_some() {} });
    lengths
}

/// Runs a test whose tasks stay in its thread.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let mut builder = Builder::new_current_thread();
    let local = builder.enable_all().build_local(LocalOptions::default());
    local.unwrap().block_on(test);
}
