//! Clients and servers of gRPC that we did not write: grpcio, on both sides of evenkeel.
//!
//! `cargo xtask setup` installs it where it may. Where it is missing, the tests say so and are content.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::patience::PATIENCE;
use evenkeel_testkit::{Authority, Evenkeel, Folder, Setup};

const NO_PAUSE: &str = "slow_start = \"off\"";

/// A Python that has grpcio: the first one, or the system's own.
fn python() -> Option<&'static str> {
    static PYTHON: OnceLock<Option<&str>> = OnceLock::new();
    *PYTHON.get_or_init(|| {
        let has = |python: &&str| {
            let mut command = Command::new(python);
            command.args(["-c", "import grpc"]).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let found = ["python3", "/usr/bin/python3"].into_iter().find(has);
        if found.is_none() {
            eprintln!("Python's grpcio is not here: cargo xtask setup installs it");
        }
        found
    })
}

fn program(name: &str) -> Option<Command> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/grpc");
    let mut command = Command::new(python()?);
    command.arg(path.join(name));
    // A proxy in the environment is none of this test's.
    command.env_remove("http_proxy").env("no_proxy", "*");
    Some(command)
}

/// A program that lasts, what it is told and what it says.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            stdin: child.stdin.take(),
            lines: lines(child.stdout.take().unwrap()),
            child,
        }
    }

    /// The next line.
    #[track_caller]
    fn says(&self) -> String {
        self.lines.recv_timeout(PATIENCE * 2).unwrap()
    }

    fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
        stdin.flush().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A server and its address.
fn origin(name: &str) -> Option<(Running, String)> {
    let mut command = program("origin.py")?;
    command.arg(name);
    let running = Running::start(command);
    let line = running.says();
    let port = line.strip_prefix("port ").unwrap();
    let address = format!("h2c://127.0.0.1:{port}");
    Some((running, address))
}

/// What a client says in the end.
#[track_caller]
fn client(proxy: &Evenkeel, case: &[&str]) -> String {
    outcome(program("client.py").unwrap(), proxy, case)
}

#[track_caller]
fn outcome(mut command: Command, proxy: &Evenkeel, case: &[&str]) -> String {
    command.arg(proxy.address().to_string()).args(case);
    let Output {
        status,
        stdout,
        stderr,
    } = command.stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{case:?}: {stderr}");
    String::from_utf8(stdout).unwrap().trim().to_owned()
}

fn start(setup: &Setup) -> Evenkeel {
    Evenkeel::start(setup).with_own_endpoints()
}

/// One server behind evenkeel.
fn one(cluster: &str) -> Option<(Running, Evenkeel)> {
    let (origin, address) = origin("a")?;
    let proxy = start(&Setup::to_addresses([address]).cluster(cluster));
    Some((origin, proxy))
}

#[test]
fn unary_calls_and_their_metadata_pass() {
    let Some((_origin, proxy)) = one("") else {
        return;
    };
    client(&proxy, &["unary"]);
    let record = &proxy.records(2)[0];
    assert_eq!(record["grpc_status"], "ok");
}

#[test]
fn streams_of_either_side_and_of_both_at_once_pass() {
    let Some((_origin, proxy)) = one("") else {
        return;
    };
    client(&proxy, &["streams"]);
    client(&proxy, &["both_ways"]);
    client(&proxy, &["early"]);
}

#[test]
fn calls_pass_through_tls_on_both_sides() {
    let Some(mut command) = program("origin.py") else {
        return;
    };
    let (authority, folder) = (Authority::new(), Folder::new());
    let pair = authority.certify(&["127.0.0.1"]).write(&folder, "web");
    let ca = authority.write(&folder, "ca");
    command
        .arg("a")
        .env("CERTIFICATE", &pair.certificate)
        .env("KEY", &pair.key);
    let origin = Running::start(command);
    let line = origin.says();
    let port = line.strip_prefix("port ").unwrap();
    let setup = Setup::to_addresses([format!("https://127.0.0.1:{port}")])
        .listener(&format!("tls = {{ certificates = {} }}", pair.toml()))
        .cluster(&format!("tls = {{ ca = \"{}\" }}", ca.display()));
    let proxy = start(&setup);
    for case in ["unary", "streams", "both_ways"] {
        let mut command = program("client.py").unwrap();
        command.env("CA", &ca);
        outcome(command, &proxy, &[case]);
    }
    let record = &proxy.records(2)[0];
    assert_eq!(record["version"], "2");
}

#[test]
fn messages_of_many_megabytes_pass() {
    let (Some((_origin, address)), unlimited) = (origin("a"), "max_request_body = \"off\"") else {
        return;
    };
    let proxy = start(&Setup::to_addresses([address]).route(unlimited));
    client(&proxy, &["large"]);
}

#[test]
fn errors_keep_their_status_and_their_message() {
    let Some((_origin, proxy)) = one("outlier = \"off\"") else {
        return;
    };
    client(&proxy, &["errors"]);
    let known: Vec<_> = proxy
        .records(18)
        .iter()
        .map(|record| record["grpc_status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(known.len(), 18);
    assert_eq!(known[0], "cancelled");
    assert_eq!(known[15], "unauthenticated");
    assert_eq!(known[16..], ["aborted", "unimplemented"]);
}

#[test]
fn a_deadline_reaches_the_server_and_ends_the_call_on_both_sides() {
    let Some((origin, proxy)) = one("") else {
        return;
    };
    client(&proxy, &["deadline", "0.5"]);
    let held = origin.says();
    let left: u32 = held.strip_prefix("held ").unwrap().parse().unwrap();
    assert!(left <= 500, "{held}");
    assert_eq!(origin.says(), "over");
}

#[test]
fn a_call_that_the_client_gives_up_is_over_for_the_server() {
    let Some((origin, proxy)) = one("") else {
        return;
    };
    client(&proxy, &["cancel"]);
    assert!(origin.says().starts_with("held "));
    assert_eq!(origin.says(), "over");
    assert_eq!(proxy.record()["fault"], "client-gone");
}

#[test]
fn a_call_that_evenkeel_ends_says_why() {
    let Some((origin, address)) = origin("a") else {
        return;
    };
    let setup = Setup::to_addresses([address]);
    let proxy = start(&setup.clone().route("max_request_body = \"9B\""));
    assert_eq!(
        client(&proxy, &["fault", "Unary"]),
        "RESOURCE_EXHAUSTED request-body-too-large: The request's body is larger than the route allows."
    );
    drop(origin);
    let proxy = start(&setup);
    assert_eq!(
        client(&proxy, &["fault", "Unary"]),
        "UNAVAILABLE connect-refused: The endpoint refused the connection."
    );
}

#[test]
fn calls_go_on_when_one_of_two_servers_dies() {
    let (Some((a, of_a)), Some((_b, of_b))) = (origin("a"), origin("b")) else {
        return;
    };
    let proxy = start(&Setup::to_addresses([of_a, of_b]));
    let answers = client(&proxy, &["who", "10"]);
    assert!(answers.contains('a') && answers.contains('b'), "{answers}");
    drop(a);
    let answers = client(&proxy, &["who", "20"]);
    assert_eq!(answers, ["b"; 20].join(" "));
}

#[test]
fn a_server_that_does_not_serve_gets_no_calls_until_it_does() {
    let (Some((mut a, of_a)), Some((_b, of_b))) = (origin("a"), origin("b")) else {
        return;
    };
    let probe =
        "probe = { grpc = { service = \"shop.Orders\" }, interval = \"100ms\", timeout = \"5s\" }";
    let setup = Setup::to_addresses([of_a, of_b])
        .cluster(probe)
        .cluster(NO_PAUSE);
    let proxy = start(&setup);
    let both = |answers: &str| answers.contains('a') && answers.contains('b');
    assert!(both(&client(&proxy, &["who", "10"])));
    a.tell("2");
    let down = proxy
        .log()
        .wait_for("down", |line| line.contains("endpoint down"));
    assert!(down.contains("NOT_SERVING"), "{down}");
    assert_eq!(client(&proxy, &["who", "10"]), ["b"; 10].join(" "));
    a.tell("1");
    proxy
        .log()
        .wait_for("up", |line| line.contains("endpoint up"));
    assert!(both(&client(&proxy, &["who", "10"])));
}

#[test]
fn a_stream_lives_through_a_reload_and_ends_with_a_drain_s_deadline() {
    let Some((_origin, address)) = origin("a") else {
        return;
    };
    let setup = Setup::to_addresses([address]);
    let mut proxy = start(&setup);
    let mut command = program("client.py").unwrap();
    command.args([&proxy.address().to_string(), "lasting"]);
    let mut stream = Running::start(command);
    stream.tell("one");
    assert_eq!(stream.says(), "one");
    proxy.reload(&setup.top("shutdown_timeout = \"1s\"").text());
    stream.tell("two");
    assert_eq!(stream.says(), "two");
    proxy.signal(Signal::Terminate);
    stream.tell("three");
    assert_eq!(stream.says(), "three");
    // Its end comes from evenkeel, for the client says nothing more.
    let code = stream.says();
    assert!(
        ["UNAVAILABLE", "CANCELLED", "INTERNAL", "UNKNOWN"].contains(&&*code),
        "{code}"
    );
    proxy.wait();
}
