//! The programs together, as processes: every mode of the load generator against the origin, straight and through each
//! relay, and against listeners that misbehave. How fast they are is no matter of a test.

#![expect(
    clippy::unwrap_used,
    clippy::tests_outside_test_module,
    reason = "all of this is test code, also what is outside of a #[test]"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::{Value, json};

const ORIGIN: &str = env!("CARGO_BIN_EXE_bench-origin");
const LOAD: &str = env!("CARGO_BIN_EXE_bench-load");
const RELAYS: [&str; 2] = [
    env!("CARGO_BIN_EXE_bench-relay-epoll"),
    env!("CARGO_BIN_EXE_bench-relay-tokio"),
];

/// A program that listens until the test is done.
struct Program {
    child: Child,
    ports: Vec<String>,
}

impl Program {
    fn start(path: &str, arguments: &[String]) -> Self {
        let mut child = Command::new(path)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let mut words = line.split_whitespace().map(str::to_owned);
        assert_eq!(words.next().as_deref(), Some("ready"), "{path}");
        let ports = words.collect();
        Self { child, ports }
    }

    fn origin() -> Self {
        Self::start(ORIGIN, &["0".to_owned(), "0".to_owned()])
    }

    fn relay(path: &str, origin: &Self) -> Self {
        let mut arguments = vec!["0".to_owned()];
        arguments.extend_from_slice(&origin.ports);
        Self::start(path, &arguments)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs the load generator against a port and gives its report.
fn load(port: &str, arguments: &str) -> Value {
    let output = Command::new(LOAD)
        .args(arguments.split_whitespace())
        .args(["--to", &format!("127.0.0.1:{port}")])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments}: {errors}");
    serde_json::from_str(&text).unwrap()
}

fn errors(report: &Value) -> u64 {
    let errors = report["errors"].as_object().unwrap();
    errors.values().map(|count| count.as_u64().unwrap()).sum()
}

/// Every way to ask, a number of times, and what must come back: nothing but so many responses of so many bytes.
fn asks_in_every_way(port: &str) {
    for (arguments, requests, data) in [
        ("--requests 300 --connections 7", 300, 128),
        ("--requests 100 --path /c/100000", 100, 100_000),
        ("--requests 100 --head browser --path /b/10240", 100, 10_240),
        ("--requests 300 --connections 3 --pipeline 20", 300, 128),
        (
            "--requests 60 --pipeline 20 --path /c/20000 --head browser",
            60,
            20_000,
        ),
        ("--requests 90 --one-request-per-connection", 90, 128),
        (
            "--requests 8 --connections 3 --path /b/5000000",
            8,
            5_000_000,
        ),
        ("--requests 50 --upload 100000 --path /b/0", 50, 0),
        ("--requests 8 --upload 5000000 --connections 3", 8, 128),
        (
            "--requests 50 --upload 100000 --upload-chunked --path /c/10",
            50,
            10,
        ),
    ] {
        let report = load(port, &format!("closed {arguments}"));
        assert_eq!(report["requests"], requests, "{arguments}: {report}");
        assert_eq!(
            report["status"],
            json!({ "200": requests }),
            "{arguments}: {report}"
        );
        assert_eq!(
            (errors(&report), &report["unanswered"]),
            (0, &json!(0)),
            "{arguments}: {report}"
        );
        let bytes = report["bytes_in"].as_u64().unwrap();
        assert!(bytes > requests * data, "{arguments}: {report}");
        assert!(report["latency_us"]["p50"].as_f64() <= report["latency_us"]["max"].as_f64());
    }
    let report = load(
        port,
        "open --rate 1000 --seconds 0.2 --warmup 0.1 --connections 5",
    );
    assert_eq!(
        (&report["requests"], errors(&report)),
        (&json!(200), 0),
        "{report}"
    );
    let report = load(port, "closed --seconds 0.1 --warmup 0.1 --path /nothing");
    let found = report["status"]["404"].as_u64().unwrap();
    assert!(
        found > 0 && report["requests"] == found && errors(&report) == 0,
        "{report}"
    );
}

#[test]
fn every_way_to_ask_is_answered_by_the_origin() {
    let origin = Program::origin();
    for port in &origin.ports {
        asks_in_every_way(port);
    }
}

#[test]
fn every_way_to_ask_is_answered_through_each_relay() {
    for path in RELAYS {
        let origin = Program::origin();
        let relay = Program::relay(path, &origin);
        asks_in_every_way(&relay.ports[0]);
    }
}

#[test]
fn hosts_and_paths_come_from_a_file() {
    let origin = Program::origin();
    let file = std::env::temp_dir().join(format!("bench-paths-{}", std::process::id()));
    std::fs::write(&file, "a.example /one/b/10\n\nb.example /two/c/20\n").unwrap();
    let arguments = format!("closed --requests 200 --paths-file {}", file.display());
    let report = load(&origin.ports[0], &arguments);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(report["status"], json!({ "200": 200 }), "{report}");
}

/// An idle run: its process, the line it printed, and what it reads and writes.
fn idle(port: &str, arguments: &str) -> (Child, String, ChildStdin, BufReader<ChildStdout>) {
    let mut child = Command::new(LOAD)
        .args(arguments.split_whitespace())
        .args(["--to", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    (child, line, input, output)
}

#[test]
fn idle_connections_are_held_until_the_input_ends() {
    let origin = Program::origin();
    for arguments in ["idle --connections 300", "idle --connections 300 --fresh"] {
        let (mut child, line, input, mut output) = idle(&origin.ports[0], arguments);
        assert_eq!(line, "{\"ready\":300}\n");
        assert!(child.try_wait().unwrap().is_none());
        drop(input);
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "{\"held\":300}\n");
        assert!(child.wait().unwrap().success());
    }
}

/// A listener that gives every connection to `serve`, each on a thread of its own.
fn listener(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Reads one request; whether there was one.
fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return false;
        }
        head.extend_from_slice(&byte);
    }
    true
}

/// Answers one request with these bytes and closes.
fn answer(mut stream: TcpStream, response: &str) {
    if read_head(&mut stream) {
        stream.write_all(response.as_bytes()).ok();
    }
}

#[test]
fn failures_are_counted_by_what_they_are() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let cut = listener(|stream| answer(stream, "HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\nx"));
    let silent = listener(|stream| answer(stream, ""));
    let short = listener(|stream| answer(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
    let garbage = listener(|stream| answer(stream, "200 OK\n"));
    let stuck = listener(|mut stream| while read_head(&mut stream) {});
    for (port, kind) in [
        (&nobody, "connect"),
        (&cut, "read"),
        (&silent, "read"),
        (&short, "malformed"),
        (&garbage, "malformed"),
        (&stuck, "timeout"),
    ] {
        let report = load(port, "closed --seconds 0.4 --connections 2 --timeout 0.1");
        let count = report["errors"][kind].as_u64().unwrap();
        assert!(count > 0 && errors(&report) == count, "{kind}: {report}");
        assert_eq!(report["requests"], 0, "{kind}: {report}");
    }
}

#[test]
fn a_fixed_rate_counts_what_is_never_answered() {
    let stuck = listener(|mut stream| while read_head(&mut stream) {});
    let report = load(
        &stuck,
        "open --rate 100 --seconds 0.2 --connections 3 --timeout 0.3",
    );
    assert_eq!(report["requests"], 0, "{report}");
    assert_eq!(
        (&report["errors"]["timeout"], errors(&report)),
        (&json!(20), 20),
        "{report}"
    );
}

#[test]
fn a_connection_closed_in_order_is_no_error() {
    // The announced end, with requests of the same batch behind it, and a body that ends with its connection.
    let announced = listener(|stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 128\r\nConnection: close\r\n\r\n";
        answer(stream, &format!("{head}{}", "x".repeat(128)));
    });
    let until_close = listener(|stream| {
        let response = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(128));
        answer(stream, &response);
    });
    for (port, arguments) in [
        (&announced, "closed --requests 30 --connections 2"),
        (&until_close, "closed --requests 30 --connections 2"),
    ] {
        let report = load(port, arguments);
        assert_eq!(report["status"], json!({ "200": 30 }), "{report}");
        assert_eq!(errors(&report), 0, "{report}");
        assert!(report["reopened"].as_u64().unwrap() >= 28, "{report}");
    }
}

/// What a client gets that sends `request` through a relay whose origin answers with `response` and closes.
fn relayed(path: &str, request: &str, response: &'static str) -> String {
    let origin = listener(move |stream| answer(stream, response));
    let relay = Program::start(path, &["0".to_owned(), origin]);
    let mut client = TcpStream::connect(format!("127.0.0.1:{}", relay.ports[0])).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).ok();
    String::from_utf8(got).unwrap()
}

#[test]
fn relays_pass_on_what_an_origin_may_answer_and_nothing_else() {
    const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    const LENGTH_CLOSED: &str =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    for (method, response, expected) in [
        ("GET", LENGTH, LENGTH_CLOSED),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nhi",
            LENGTH_CLOSED,
        ),
        (
            "GET",
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\n\r\nuntil it closes",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil it closes",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nT: u\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2;a=b\r\nhi\r\n0\r\nT: u\r\n\r\n",
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
        ),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
        ),
        // What is cut short stays cut short; what is no response, or an upgrade, is not passed on.
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhi",
        ),
        ("GET", "200 OK\r\n\r\n", ""),
        ("GET", "HTTP/1.1 101 Switching Protocols\r\n\r\n", ""),
    ] {
        for path in RELAYS {
            let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let got = relayed(path, &request, response);
            assert_eq!(got, expected, "{path}: {response:?}");
        }
    }
}
