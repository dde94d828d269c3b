//! A connection from request to request, in memory. Its timeouts and floods stand in the end-to-end tests.

use std::io::{Read, Write};
use std::sync::Arc;

use evenkeel_config::{Nowhere, check};
use evenkeel_state::{Publisher, Registry, Resolved, Snapshot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
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
        let nobody = nobody();
        let serve = serve(&worker, (&door, door.enter()), stream, &nobody);
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
        let nobody = nobody();
        let mut serve = Box::pin(serve(&worker, (&door, door.enter()), stream, &nobody));
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

/// One that sends everything to an endpoint.
fn forwarding(to: &str, generation: u64) -> Snapshot {
    let text = format!(
        "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n[cluster.c]\nendpoints = [\"{to}\"]\n[[route]]\ncluster = \"c\"\n"
    );
    let config = check(&text, "test", &Nowhere).config.unwrap();
    Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), generation)
}

/// The next head that comes.
async fn head(from: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await.unwrap());
    }
    String::from_utf8_lossy(&head).into_owned()
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n";
const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n";

#[test]
fn a_tunnel_holds_its_place_at_the_endpoint_and_no_snapshot() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let publisher = Publisher::new(Arc::new(forwarding(&address, 1)));
        let worker = Worker::new(0, &shared(&publisher), 1);
        let (door, (stream, mut client)) = (door(&publisher), pair());
        let endpoint = Arc::clone(&publisher.current().clusters()[0].endpoints.list[0].state);
        let talk = async {
            client.write_all(ASK).await.unwrap();
            let (mut there, _) = listener.accept().await.unwrap();
            head(&mut there).await;
            there.write_all(SWITCH).await.unwrap();
            assert!(head(&mut client).await.starts_with("HTTP/1.1 101 "));
            let before = Arc::downgrade(&publisher.current());
            publisher.update(|_, generation| Some(answering("after", generation)));
            drop(worker.snapshot());
            assert!(before.upgrade().is_none(), "nobody needs it");
            assert_eq!(endpoint.in_flight(), 1);
            let mut word = [0; 4];
            client.write_all(b"ping").await.unwrap();
            there.read_exact(&mut word).await.unwrap();
            there.write_all(b"pong!").await.unwrap();
            client.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"pong");
            drop((client, there));
        };
        let nobody = nobody();
        let serve = serve(&worker, (&door, door.enter()), stream, &nobody);
        tokio::join!(serve, talk);
        assert_eq!(endpoint.in_flight(), 0);
        let counters = endpoint.counters(0);
        assert_eq!(counters.bytes_sent.read(), 4);
        assert_eq!(counters.bytes_received.read(), 5);
    });
}

#[test]
fn a_door_that_is_left_by_all_who_may_ask_keeps_no_snapshot() {
    let mut registry = Registry::new(1, &[0; 32]);
    let mut with = |listener: &str, generation| {
        let text = format!(
            "version = 1\n[listener.{listener}]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"\"\n"
        );
        let config = check(&text, "test", &Nowhere).config.unwrap();
        registry.compile(config, &Resolved::new(), generation)
    };
    let publisher = Publisher::new(Arc::new(with("a", 1)));
    let worker = Worker::new(0, &shared(&publisher), 1);
    let door = door(&publisher);
    let (one, other) = (door.enter(), door.enter());
    door.leave(&worker);
    let before = Arc::downgrade(&publisher.current());
    publisher.update(|_, generation| Some(with("b", generation)));
    drop(worker.snapshot());
    drop(one);
    let view = door.view(&worker).map(|view| view.leaving);
    assert_eq!(view, Some(true), "somebody may ask yet");
    drop(other);
    assert!(door.view(&worker).is_none() && door.is_leaving());
    assert!(before.upgrade().is_none());
}

#[test]
fn an_old_client_may_send_a_body_behind_a_post_without_a_length() {
    let publisher = Publisher::new(Arc::new(answering("x", 1)));
    let shared = shared(&publisher);
    run(async {
        for (request, waits) in [
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("HEAD / HTTP/1.0\r\n\r\n", false),
            ("POST / HTTP/1.0\r\n\r\n", true),
        ] {
            let (stream, mut client) = pair();
            client.write_all(request.as_bytes()).await.unwrap();
            let worker = Worker::new(0, &shared, 1);
            let (door, nobody) = (door(&publisher), nobody());
            let mut serve = Box::pin(serve(&worker, (&door, door.enter()), stream, &nobody));
            let mut bytes = [0; 1024];
            let is_closed = tokio::select! {
                biased;
                _ = client.read(&mut bytes) => once(|cx| serve.as_mut().poll(cx)).await.is_ready(),
                () = &mut serve => true,
            };
            // Closing in front of it would be a reset.
            assert_eq!(is_closed, !waits, "{request}");
            drop(client);
            if waits {
                serve.await;
            }
        }
    });
}
