//! A connection of HTTP/2 from preface to GOAWAY, in memory. What needs endpoints or time stands in the end-to-end tests.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use evenkeel_config::{Nowhere, check};
use evenkeel_state::{Publisher, Registry, Resolved};
use h2::Reason;
use h2::client::{Builder, Connection, SendRequest};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{self, LocalOptions};
use tokio::task::{self, yield_now};

use crate::connection::tests::{nobody, shared};
use crate::connection::{REST, serve};
use crate::door::Door;
use crate::rig::pair;
use crate::worker::Worker;

/// A worker that answers everything with "hello", and a stream to it.
struct Bench {
    worker: Rc<Worker>,
    door: Rc<Door>,
    client: UnixStream,
    served: task::JoinHandle<()>,
}

impl Bench {
    fn new(knobs: &str) -> Self {
        Self::with(knobs, "respond.body = \"hello\"")
    }

    /// With a route that does something else.
    fn with(knobs: &str, route: &str) -> Self {
        let text = format!(
            "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n{knobs}\n[[route]]\n{route}\n"
        );
        let config = check(&text, "test", &Nowhere).config.unwrap();
        let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
        let publisher = Publisher::new(Arc::new(snapshot));
        let worker = Worker::new(0, &shared(&publisher), 1);
        let door = Door::new(&publisher.current().listeners()[0]);
        let (stream, client) = pair();
        let (of_worker, of_door) = (Rc::clone(&worker), Rc::clone(&door));
        let served = task::spawn_local(async move {
            let by = (&of_door, of_door.enter());
            serve(&of_worker, by, stream, &nobody()).await;
        });
        Self {
            worker,
            door,
            client,
            served,
        }
    }

    /// Speaks HTTP/2; the connection is to be driven.
    async fn speak(self) -> (Speaking, Connection<UnixStream, Bytes>) {
        let (client, connection) = Builder::new().handshake(self.client).await.unwrap();
        let speaking = Speaking {
            worker: self.worker,
            door: self.door,
            client,
            served: self.served,
        };
        (speaking, connection)
    }
}

struct Speaking {
    worker: Rc<Worker>,
    door: Rc<Door>,
    client: SendRequest<Bytes>,
    served: task::JoinHandle<()>,
}

impl Speaking {
    /// The status and the body that a request gets, or why it gets none.
    async fn ask(&self, request: Request<()>) -> Result<(u16, Bytes), Option<Reason>> {
        let mut client = self.client.clone().ready().await.map_err(|e| e.reason())?;
        let (response, _) = client.send_request(request, true).map_err(|e| e.reason())?;
        let response = response.await.map_err(|e| e.reason())?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let data = body.data().await.transpose().map_err(|e| e.reason())?;
        Ok((status, data.unwrap_or_default()))
    }

    /// The time passes in which most have another request.
    async fn rest(&self) {
        for _ in 0..10 {
            yield_now().await;
        }
        self.worker.deadlines.fire(Instant::now() + REST);
        for _ in 0..10 {
            yield_now().await;
        }
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        let over = tokio::time::timeout(Duration::from_secs(10), test).await;
        assert!(over.is_ok(), "it takes for ever");
    });
}

fn get() -> Request<()> {
    Request::get("http://a.example/x?y").body(()).unwrap()
}

#[test]
fn requests_of_one_connection_are_answered() {
    run(async {
        let (speaking, connection) = Bench::new("").speak().await;
        task::spawn_local(connection);
        for _ in 0..3 {
            let answer = speaking.ask(get()).await;
            assert_eq!(answer, Ok((200, Bytes::from_static(b"hello"))));
        }
        let ten = (0..10).map(|_| speaking.ask(get()));
        for answer in ten {
            assert_eq!(answer.await.unwrap().0, 200);
        }
        assert_eq!(speaking.worker.counters().exchanges.read(), 13);
    });
}

#[test]
fn a_preface_that_comes_byte_by_byte_is_one() {
    run(async {
        let mut bench = Bench::new("");
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let said = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat();
        for byte in said {
            bench.client.write_all(&[byte]).await.unwrap();
            yield_now().await;
        }
        let mut frame = [0; 9];
        bench.client.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[3], 4, "SETTINGS come first: {frame:?}");
    });
}

#[test]
fn a_listener_says_no_to_what_it_does_not_speak() {
    run(async {
        let mut bench = Bench::new("protocols = \"http/1.1\"");
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        bench.client.write_all(preface).await.unwrap();
        let mut answer = [0; 16];
        bench.client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[..13], *b"HTTP/1.1 505 ");

        let mut bench = Bench::new("protocols = \"h2\"");
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        bench.client.write_all(request).await.unwrap();
        bench.client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[..13], *b"HTTP/1.1 505 ");

        let mut bench = Bench::new("");
        let other = b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n";
        bench.client.write_all(other).await.unwrap();
        bench.client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[..13], *b"HTTP/1.1 505 ", "no preface");
    });
}

#[test]
fn what_breaks_the_protocol_is_reset_and_what_is_too_large_is_told() {
    run(async {
        let (speaking, connection) = Bench::new("max_head = \"1KiB\"").speak().await;
        task::spawn_local(connection);
        let with = |name: &'static str, value: String| {
            let request = Request::get("http://a.example/").header(name, value);
            request.body(()).unwrap()
        };
        let padded = speaking.ask(with("x", " a".into())).await;
        assert_eq!(padded, Err(Some(Reason::PROTOCOL_ERROR)));
        let other_host = speaking.ask(with("host", "b.example".into())).await;
        assert_eq!(other_host, Err(Some(Reason::PROTOCOL_ERROR)));
        let large = speaking.ask(with("x", "a".repeat(1100))).await.unwrap();
        assert_eq!(large.0, 431);
        let huge = speaking.ask(with("x", "a".repeat(6000))).await.unwrap();
        assert_eq!(huge, (431, Bytes::new()), "by the codec itself");
        let trace = Request::builder().method("TRACE").uri("http://a.example/");
        let trace = speaking.ask(trace.body(()).unwrap()).await.unwrap();
        assert_eq!(trace.0, 405);
        assert_eq!(
            speaking.ask(get()).await.unwrap().0,
            200,
            "others are not touched"
        );
    });
}

#[test]
fn a_drain_says_goodbye_to_a_connection_that_waits() {
    run(async {
        let (speaking, connection) = Bench::new("").speak().await;
        let connection = task::spawn_local(connection);
        assert_eq!(speaking.ask(get()).await.unwrap().0, 200);
        speaking.rest().await;
        assert_eq!(speaking.worker.idles.len(), 1);
        speaking.worker.begin_drain();
        connection.await.unwrap().unwrap();
        speaking.ask(get()).await.unwrap_err();
        drop(speaking.client);
        speaking.served.await.unwrap();
        assert_eq!(speaking.worker.idles.len(), 0);
    });
}

#[test]
fn a_listener_that_leaves_says_goodbye_after_the_first_answer() {
    run(async {
        let (speaking, connection) = Bench::new("").speak().await;
        let connection = task::spawn_local(connection);
        speaking.door.leave(&speaking.worker);
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(speaking.ask(get()).await.unwrap().0, 200);
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_connection_that_waits_makes_room() {
    run(async {
        let (speaking, connection) = Bench::new("").speak().await;
        let connection = task::spawn_local(connection);
        assert_eq!(speaking.ask(get()).await.unwrap().0, 200);
        assert_eq!(speaking.worker.idles.len(), 0, "it may have another one");
        speaking.rest().await;
        // Long enough to be idle, and not between two requests.
        let later = Instant::now() + Duration::from_secs(60);
        assert_eq!(speaking.worker.idles.close_oldest(1, later), 1);
        connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_stop_ends_the_connection() {
    run(async {
        let (speaking, connection) = Bench::new("").speak().await;
        let connection = task::spawn_local(connection);
        assert_eq!(speaking.ask(get()).await.unwrap().0, 200);
        speaking.worker.deadlines.stop();
        connection.await.unwrap().unwrap();
        drop(speaking.client);
        speaking.served.await.unwrap();
    });
}

#[test]
fn a_flood_is_ended_by_its_name() {
    run(async {
        let mut bench = Bench::new("");
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let flood = [
            &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
            &settings.repeat(200),
        ]
        .concat();
        bench.client.write_all(&flood).await.unwrap();
        let mut all = Vec::new();
        bench.client.read_to_end(&mut all).await.unwrap();
        let goaway = all.windows(4).any(|code| code == [0, 0, 0, 0xb]);
        assert!(goaway, "ENHANCE_YOUR_CALM: {all:?}");
        drop(bench.client);
        bench.served.await.unwrap();
        let counted: Vec<u64> = bench
            .worker
            .counters()
            .abuses
            .iter()
            .map(|n| n.read())
            .collect();
        let flood = evenkeel_http2::Abuse::SettingsFlood.index();
        assert_eq!((counted[flood], counted.iter().sum()), (1, 1));
    });
}

#[test]
fn nothing_is_begun_for_a_flood_that_has_come() {
    run(async {
        let mut bench = Bench::new("");
        let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        flood.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        for stream in (1..1_201_u32).step_by(2) {
            // GET http://a/, of the static table but for the authority.
            flood.extend([0, 0, 6, 1, 5]);
            flood.extend(stream.to_be_bytes());
            flood.extend([0x82, 0x86, 0x84, 0x01, 1, b'a']);
        }
        bench.client.write_all(&flood).await.unwrap();
        let mut all = Vec::new();
        bench.client.read_to_end(&mut all).await.unwrap();
        drop(bench.client);
        bench.served.await.unwrap();
        let counters = bench.worker.counters();
        let flood = evenkeel_http2::Abuse::StreamFlood.index();
        assert_eq!(counters.abuses[flood].read(), 1);
        assert_eq!(counters.exchanges.read(), 0);
    });
}

#[test]
fn what_a_client_took_back_counts_until_its_work_has_ended() {
    run(async {
        // An endpoint that never answers. No clock runs here, so that nobody looks whether the clients are still there.
        let endpoint = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = endpoint.local_addr().unwrap();
        let route = format!("cluster = \"app\"\n[cluster.app]\nendpoints = [\"{address}\"]");
        let bench = Bench::with("http2.max_concurrent_streams = 2", &route);
        let (speaking, connection) = bench.speak().await;
        task::spawn_local(connection);
        let mut taken_back = Vec::new();
        for _ in 0..2 {
            let mut client = speaking.client.clone().ready().await.unwrap();
            let (_, mut stream) = client.send_request(get(), true).unwrap();
            taken_back.push(endpoint.accept().await.unwrap());
            stream.send_reset(Reason::CANCEL);
        }
        let third = speaking.ask(get()).await;
        assert_eq!(third, Err(Some(Reason::REFUSED_STREAM)));
        assert_eq!(speaking.worker.counters().exchanges.read(), 2);
    });
}
