//! Endpoints asked for their load, and what the balancer makes of the answers.

use std::sync::Mutex;

use evenkeel_policy::balancer::Wanted;
use evenkeel_policy::{Candidate, Tried};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::rig::{config, pass, published, until};

/// What an endpoint answers, and what it was asked.
#[derive(Debug)]
struct State {
    answer: &'static str,
    requests: Vec<String>,
    connections: usize,
    /// Requests that wait for an answer that does not come.
    hanging: usize,
}

/// An endpoint that answers to probes for load, on connections that it keeps.
#[derive(Debug)]
struct Told {
    address: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

/// A response that keeps the connection, with this report as its body.
macro_rules! says {
    ($length:literal, $body:literal) => {
        concat!(
            "HTTP/1.1 200 OK\r\nContent-Length: ",
            $length,
            "\r\n\r\n",
            $body
        )
    };
}

const IDLE: &str = says!("28", "in_flight=0, latency_ms=12.5");
const BUSY: &str = says!("28", "in_flight=9, latency_ms=90.0");

impl Told {
    async fn new(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = Arc::new(Mutex::new(State {
            answer,
            requests: Vec::new(),
            connections: 0,
            hanging: 0,
        }));
        Self {
            address: listener.local_addr().unwrap().to_string(),
            state: Arc::clone(&state),
            task: tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    state.lock().unwrap().connections += 1;
                    tokio::spawn(answers(stream, Arc::clone(&state)));
                }
            }),
        }
    }

    fn set(&self, answer: &'static str) {
        self.state.lock().unwrap().answer = answer;
    }

    fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    fn requests(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers each request of a connection; nothing to say is to let it hang.
async fn answers(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut heard = Vec::new();
    loop {
        while !heard.ends_with(b"\r\n\r\n") {
            match stream.read_buf(&mut heard).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        let answer = {
            let mut state = state.lock().unwrap();
            let request = String::from_utf8(std::mem::take(&mut heard)).unwrap();
            state.requests.push(request);
            state.hanging += usize::from(state.answer.is_empty());
            state.answer
        };
        if answer.is_empty() {
            // Until the one who asks has given up.
            let _ = stream.read_buf(&mut heard).await;
            state.lock().unwrap().hanging -= 1;
            return;
        }
        let _ = stream.write_all(answer.as_bytes()).await;
        if answer.contains("close") {
            return;
        }
    }
}

/// A cluster of these endpoints that picks by what they say, by these rules.
fn cluster(rules: PrequalRules, endpoints: &[&Told]) -> Arc<Publisher> {
    let addresses: Vec<String> = endpoints.iter().map(|told| told.address.clone()).collect();
    let mut config = config(&[&addresses]);
    config.clusters[0].balancer = BalancerRules::Prequal(rules);
    published(config)
}

fn rules() -> PrequalRules {
    PrequalRules {
        signals: Signals::Probe("/load?all=1".into()),
        ..PrequalRules::DEFAULT
    }
}

fn begin(publisher: &Arc<Publisher>) -> JoinHandle<()> {
    tokio::spawn(run(Arc::clone(publisher), 1))
}

/// The endpoint that a request goes to now.
fn pick(publisher: &Arc<Publisher>, rng: &mut Rng) -> usize {
    let snapshot = publisher.current();
    let endpoints = &snapshot.clusters()[0].endpoints;
    let tried = Tried::new();
    let wanted = Wanted {
        now_us: Clock::of(publisher).micros(),
        ..Wanted::new(&tried)
    };
    let list = &endpoints.list;
    endpoints.tiers.pick(list, wanted, rng).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_endpoints_say_decides_and_is_asked_for_without_traffic_too() {
    let endpoints = [
        Told::new(BUSY).await,
        Told::new(IDLE).await,
        Told::new(BUSY).await,
    ];
    let [first, second, third] = &endpoints;
    let publisher = cluster(rules(), &[first, second, third]);
    let task = begin(&publisher);
    until("all to be asked", || {
        endpoints.iter().all(|told| told.requests() > 0)
    })
    .await;
    pass(Duration::from_millis(50)).await;
    let mut rng = Rng::new(1);
    assert!((0..5).all(|_| pick(&publisher, &mut rng) == 1));
    let asked = second.state.lock().unwrap().requests[0].clone();
    assert!(asked.starts_with("GET /load?all=1 HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.contains(&format!("Host: {}\r\n", second.address)),
        "{asked}"
    );
    assert!(asked.contains("User-Agent: evenkeel-probe\r\n"), "{asked}");

    // Another is idle now. Nothing but the minimum rate tells, 8 in a second.
    second.set(BUSY);
    third.set(IDLE);
    pass(Duration::from_secs(2)).await;
    assert!((0..5).all(|_| pick(&publisher, &mut rng) == 2));
    let before: usize = endpoints.iter().map(Told::requests).sum();
    pass(Duration::from_secs(10)).await;
    let asked = endpoints.iter().map(Told::requests).sum::<usize>() - before;
    // The picks above have raised three for each as well.
    assert!((70..=100).contains(&asked), "{asked}");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn connections_are_kept_and_made_anew_when_the_endpoint_closed_them() {
    let told = Told::new(IDLE).await;
    let publisher = cluster(rules(), &[&told]);
    let task = begin(&publisher);
    until("some probes", || told.requests() >= 20).await;
    assert_eq!(told.connections(), 1);
    told.set("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nin_flight=1");
    until("some more", || told.requests() >= 30).await;
    let connections = told.connections();
    assert!((9..=11).contains(&connections), "{connections}");
    // One that ends without a word, though it was to be kept, is asked again at once.
    told.set(concat!(
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nX-Not: close\r\n\r\n",
        "in_flight=1"
    ));
    let (connections, requests) = (told.connections(), told.requests());
    until("some more", || told.requests() >= requests + 10).await;
    let made = told.connections() - connections;
    assert!((9..=11).contains(&made), "{made}");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_does_not_answer_is_asked_once_at_a_time_and_has_no_readings() {
    let endpoints = [
        Told::new("").await,
        Told::new(BUSY).await,
        Told::new(BUSY).await,
    ];
    let [silent, second, third] = &endpoints;
    let publisher = cluster(rules(), &[silent, second, third]);
    let task = begin(&publisher);
    let mut rng = Rng::new(1);
    until("all to be asked", || {
        endpoints.iter().all(|told| told.requests() > 0)
    })
    .await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        // Requests in great number ask for many more probes.
        assert!((0..20).all(|_| pick(&publisher, &mut rng) != 0));
        pass(Duration::from_millis(20)).await;
        assert!(silent.state.lock().unwrap().hanging <= 1);
    }
    // Given up after a second each.
    assert!(
        (8..=12).contains(&silent.requests()),
        "{}",
        silent.requests()
    );
    assert!(second.requests() > 500, "{}", second.requests());
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn so_many_are_under_way_and_no_more() {
    let mut endpoints = Vec::new();
    for _ in 0..100 {
        endpoints.push(Told::new("").await);
    }
    let all: Vec<&Told> = endpoints.iter().collect();
    let publisher = cluster(rules(), &all);
    let task = begin(&publisher);
    let hanging = || {
        endpoints
            .iter()
            .map(|told| told.state.lock().unwrap().hanging)
            .sum::<usize>()
    };
    let mut rng = Rng::new(1);
    let mut most = 0;
    for _ in 0..100 {
        for _ in 0..50 {
            let _ = pick(&publisher, &mut rng);
        }
        pass(Duration::from_millis(5)).await;
        most = hanging().max(most);
    }
    assert_eq!(most, MOST_UNDER_WAY);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn who_gets_no_requests_is_not_asked_and_who_picks_otherwise_asks_nobody() {
    let endpoints = [
        Told::new(IDLE).await,
        Told::new(IDLE).await,
        Told::new(IDLE).await,
    ];
    let [first, second, third] = &endpoints;
    let publisher = cluster(rules(), &[first, second]);
    let standing = &publisher.current().clusters()[0].endpoints.list[0]
        .state
        .clone();
    let _ = standing.standing.set_health(
        evenkeel_policy::Health::Down,
        evenkeel_policy::slow_start::Entry::Full,
        1,
    );
    assert_eq!(
        publisher.current().clusters()[0].endpoints.list[0].share(),
        0
    );
    let own = cluster(PrequalRules::DEFAULT, &[third]);
    let tasks = [begin(&publisher), begin(&own)];
    pass(Duration::from_secs(5)).await;
    assert_eq!((first.requests(), third.requests()), (0, 0));
    assert!(second.requests() > 20);
    tasks.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_report_is_a_mistake_that_is_told() {
    let told = Told::new(IDLE).await;
    let target: evenkeel_base::Target = evenkeel_base::Target::Ip(told.address.parse().unwrap());
    let request = LoadRequest::new("/load", "app.test");
    for (answer, expected) in [
        (IDLE, "Some(0) Some(12.5ms)"),
        (
            says!("15", "{\"rif\": 3, \"x\":1"),
            "no report of in_flight or latency: answer with a line like in_flight=3, latency_ms=12.5",
        ),
        (says!("11", "{\"rif\": 3} "), "Some(3) None"),
        (
            says!("20", "cpu_utilization=0.50"),
            "no report of in_flight or latency: answer with a line like in_flight=3, latency_ms=12.5",
        ),
        (
            "HTTP/1.1 204 No\r\nEndpoint-Load-Metrics: TEXT named_metrics.rif=4\r\n\r\n",
            "Some(4) None",
        ),
        (
            "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
            "status 404, expected 200-299",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\nX: close\r\n\r\n",
            "malformed response",
        ),
    ] {
        told.set(answer);
        let outcome = request
            .put(&target, None, None, Duration::from_secs(1))
            .await;
        let said = match outcome {
            Ok(Reported { report, .. }) => format!("{:?} {:?}", report.in_flight, report.latency),
            Err(bad) => bad.to_string(),
        };
        assert!(said.starts_with(expected), "{answer}: {said}");
    }
    told.set("");
    let outcome = request
        .put(&target, None, None, Duration::from_secs(1))
        .await;
    assert_eq!(outcome.unwrap_err().to_string(), "no response within 1s");
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_at_once_and_then_once_a_minute() {
    let mut failures = Failures::default();
    failures.tell("a");
    assert_eq!(failures.told, None);
    failures.count(Bad::NoReport);
    failures.tell("a");
    assert_eq!((failures.count, failures.told), (0, Some(Instant::now())));
    (0..9).for_each(|_| failures.count(Bad::NoReport));
    failures.tell("a");
    assert_eq!(failures.count, 9);
    time::advance(TELL).await;
    failures.tell("a");
    assert_eq!((failures.count, failures.told), (0, Some(Instant::now())));
}

#[test]
fn a_millisecond_without_a_request_is_no_pause_in_asking() {
    for (nobody, idle, expected) in [
        (false, 0, LOOK),
        (false, PATIENCE - 1, LOOK),
        (false, PATIENCE, QUIET),
        (false, u32::MAX, QUIET),
        (true, 0, REST),
    ] {
        assert_eq!(pause(nobody, idle), expected, "{nobody}, {idle}");
    }
}
