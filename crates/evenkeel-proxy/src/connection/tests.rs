//! A connection from request to request, in memory. Its timeouts and floods stand in the end-to-end tests.

use std::sync::Arc;

use evenkeel_config::{Nowhere, check};
use evenkeel_state::{Publisher, Registry, Resolved};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::rig::{pair, run};
use crate::shared::Shared;

/// A configuration that answers everything with `word`.
fn answering(word: &str, generation: u64) -> Snapshot {
    let text = format!(
        "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"{word}\"\n"
    );
    let config = check(&text, "test", &Nowhere).config.unwrap();
    Registry::new(1).compile(config, &Resolved::new(), generation)
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
    let shared = Arc::new(Shared {
        publisher: Arc::clone(&publisher),
        counters: vec![evenkeel_state::WorkerCounters::default()],
        log: None,
        began: Instant::now(),
    });
    run(async {
        let worker = Rc::new(Worker::new(0, &shared, 1));
        let (stream, mut client) = pair();
        let from = From {
            ip: None,
            text: String::new(),
        };
        let requests = async {
            assert!(ask(&mut client).await.ends_with("before"));
            publisher.update(|_, generation| Some(answering("after", generation)));
            let answer = ask(&mut client).await;
            assert!(answer.ends_with("after"), "{answer}");
            drop(client);
        };
        tokio::join!(serve(&worker, ListenerId::new(0), stream, from), requests);
    });
}
