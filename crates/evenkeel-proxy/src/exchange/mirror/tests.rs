//! What is counted and kept of mirrors, and that all of it is given back. What clusters and clients see of them stands in the
//! end-to-end tests.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::task::{spawn_local, yield_now};
use tokio::time;

use crate::connection::bench::{client, one_at_a_time, run, worker};
use crate::mirror::{MOST_BYTES, UnderWay};
use crate::worker::Worker;

/// A worker whose only route leads to one endpoint and is mirrored to another, and a client of it.
struct Bench {
    worker: Rc<Worker>,
    client: UnixStream,
}

impl Bench {
    /// With these keys of the mirror.
    async fn new(mirror: &str) -> Self {
        Self::with(mirror, "ready").await
    }

    /// The same, and an admin state of the mirror's endpoint.
    async fn with(mirror: &str, admin: &str) -> Self {
        let second = endpoint().await;
        Self::to(&second, mirror, admin).await
    }

    /// The same, and where the mirror's endpoint is.
    async fn to(second: &str, mirror: &str, admin: &str) -> Self {
        let first = endpoint().await;
        let text = format!(
            "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n\
             [[route]]\ncluster = \"app\"\nmirror = {{ cluster = \"shadow\", {mirror} }}\n\
             [cluster.app]\nendpoints = [\"{first}\"]\n\
             [cluster.shadow]\nendpoints = [{{ address = \"{second}\", admin = \"{admin}\" }}]\n"
        );
        let (worker, door) = worker(&text);
        let client = client(&worker, &door);
        Self { worker, client }
    }

    /// Sends a request with that body, and gets its response.
    async fn ask(&mut self, body: &str) {
        let length = body.len();
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let request = head + body;
        self.client.write_all(request.as_bytes()).await.unwrap();
        let mut response = [0; 1024];
        let n = self.client.read(&mut response).await.unwrap();
        assert!(response[..n].starts_with(b"HTTP/1.1 200 "));
    }

    /// How many were mirrored and how many dropped, once all is over; nothing is kept of any of them.
    async fn expect(&self, mirrored: u64, dropped: u64) {
        let counters = self.worker.counters();
        let over = async {
            loop {
                let counted = (counters.mirrored.read(), counters.mirrors_dropped.read());
                if counted == (mirrored, dropped) && self.worker.mirrors.under_way() == 0 {
                    return;
                }
                yield_now().await;
            }
        };
        let over = time::timeout(Duration::from_secs(10), over).await;
        assert!(over.is_ok(), "{counters:?}");
        assert_eq!(self.worker.kept.held(), 0);
        assert_eq!(self.worker.mirrors.kept.held(), 0);
    }
}

/// An endpoint that answers whatever comes, a read at a time.
async fn endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            spawn_local(async move {
                let mut bytes = [0; 65_536];
                while stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    address
}

#[test]
fn what_is_mirrored_is_counted_and_keeps_nothing() {
    run(async {
        let mut bench = Bench::new("percent = 100").await;
        for number in 1..=3 {
            bench.ask("hello").await;
            bench.expect(number, 0).await;
        }
    });
}

#[test]
fn a_body_that_is_too_long_is_neither_mirrored_nor_dropped() {
    run(async {
        let mut bench = Bench::new("max_body = \"4B\"").await;
        bench.ask("hello").await;
        bench.expect(0, 0).await;
    });
}

#[test]
fn one_without_a_place_is_dropped() {
    run(async {
        let mut bench = Bench::new("percent = 100").await;
        let places: Vec<UnderWay> = std::iter::from_fn(|| bench.worker.mirrors.begin()).collect();
        bench.ask("hello").await;
        drop(places);
        bench.expect(0, 1).await;
    });
}

#[test]
fn one_without_room_for_what_it_keeps_is_dropped() {
    run(async {
        let mut bench = Bench::new("percent = 100").await;
        let others = bench.worker.mirrors.kept.charge(MOST_BYTES - 4).unwrap();
        bench.ask("hello").await;
        drop(others);
        bench.expect(0, 1).await;
        let others = bench.worker.mirrors.kept.charge(MOST_BYTES - 5).unwrap();
        bench.ask("hello").await;
        drop(others);
        bench.expect(0, 2).await;
    });
}

#[test]
fn one_whose_cluster_has_no_endpoint_is_dropped() {
    run(async {
        let mut bench = Bench::with("percent = 100", "maint").await;
        bench.ask("hello").await;
        bench.expect(0, 1).await;
    });
}

#[test]
fn a_worker_that_drains_neither_mirrors_nor_drops() {
    run(async {
        let mut bench = Bench::new("percent = 100").await;
        bench.worker.begin_drain();
        bench.ask("hello").await;
        bench.expect(0, 0).await;
    });
}

#[test]
fn those_that_wait_for_one_connection_which_is_not_for_all_look_for_another_way() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("h2c://{}", listener.local_addr().unwrap());
        let mut bench = Bench::to(&address, "percent = 100", "ready").await;
        bench.ask("first").await;
        bench.ask("the second").await;
        // Nobody has accepted yet.
        while bench.worker.mirrors.under_way() < 2 {
            yield_now().await;
        }
        let lengths = time::timeout(Duration::from_secs(10), one_at_a_time(&listener, 2)).await;
        assert_eq!(lengths, Ok(vec![Some(5), Some(10)]));
        bench.expect(2, 0).await;
    });
}
