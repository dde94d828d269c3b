//! A connection from request to request, in memory. Its timeouts and floods stand in the end-to-end tests.

use std::io::{Read, Write};
use std::sync::Arc;

use evenkeel_config::{Nowhere, check};
use evenkeel_state::{Publisher, Registry, Resolved, Snapshot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::task::yield_now;

use super::*;
use crate::rig::{once, pair, run};
use crate::shared::Shared;

/// A configuration that answers everything with `word`.
fn answering(word: &str, generation: u64) -> Snapshot {
    let text = format!(
        "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"{word}\"\n"
    );
    let config = check(&text, "test", &Nowhere).config.unwrap();
    Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), generation)
}

/// What a worker shares.
pub(super) fn shared(publisher: &Arc<Publisher>) -> Arc<Shared> {
    Arc::new(Shared {
        publisher: Arc::clone(publisher),
        counters: vec![evenkeel_state::WorkerCounters::default()].into(),
        reclaim: evenkeel_state::Reclaim::new(1),
        log: None.into(),
        is_ready: true.into(),
    })
}

/// The door of the only listener.
fn door(publisher: &Publisher) -> Rc<Door> {
    Door::new(&publisher.current().listeners()[0])
}

pub(super) const fn nobody() -> From {
    From {
        ip: None,
        text: String::new(),
        proof: None,
    }
}

/// What the client gets for one more request.
async fn ask(client: &mut UnixStream) -> String {
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut bytes = [0; 1024];
    let n = client.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

#[test]
fn a_resting_connection_answers_by_what_was_published_while_it_rested() {
    let publisher = Publisher::new(Arc::new(answering("before", 1)));
    let shared = shared(&publisher);
    run(async {
        let worker = Worker::new(0, &shared, 1);
        let (stream, mut client) = pair();
        let requests = async {
            assert!(ask(&mut client).await.ends_with("before"));
            publisher.update(|_, generation| Some(answering("after", generation)));
            let answer = ask(&mut client).await;
            assert!(answer.ends_with("after"), "{answer}");
            drop(client);
        };
        let door = door(&publisher);
        let serve = serve(&worker, &door, stream, nobody());
        tokio::join!(serve, requests);
    });
}

#[test]
fn who_asks_for_much_at_once_lets_others_have_their_turn() {
    let publisher = Publisher::new(Arc::new(answering("x", 1)));
    let shared = shared(&publisher);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    // Unlike in the other tests, each poll has the runtime's budget.
    let replies = runtime.block_on(async {
        let worker = Worker::new(0, &shared, 1);
        let (stream, client) = pair();
        let requests = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200);
        // Past the event loop, which would see the first replies a turn late.
        let mut client = client.into_std().unwrap();
        client.write_all(&requests).unwrap();
        let door = door(&publisher);
        let mut serve = Box::pin(serve(&worker, &door, stream, nobody()));
        let mut bytes = vec![0; 100_000];
        loop {
            assert!(once(|cx| serve.as_mut().poll(cx)).await.is_pending());
            if let Ok(n) = client.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
                return text.matches("HTTP/1.1 200").count();
            }
            yield_now().await;
        }
    });
    assert!((1..150).contains(&replies), "{replies} in one turn");
}
