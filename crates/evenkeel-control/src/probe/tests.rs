//! Probes of origins on this host that answer with scripted bytes.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use evenkeel_base::rules::ProbeRules;
use evenkeel_base::{Address, Target};
use evenkeel_config::model::{BodyMatch, Probe, ProbeAddress, ProbeRequest};
use evenkeel_state::Dial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Bad, Good, Plan, Prober, Shows};

fn rules() -> ProbeRules {
    ProbeRules {
        timeout: Duration::from_secs(2),
        ..ProbeRules::DEFAULT
    }
}

/// `GET /healthz`, and any status from 200 to 399.
fn get() -> ProbeRequest {
    ProbeRequest {
        method: "GET".into(),
        path: "/healthz".into(),
        host: String::new(),
        headers: Vec::new(),
        statuses: vec![(200, 399)],
        body: BodyMatch::Any,
    }
}

fn http(request: ProbeRequest) -> Probe {
    Probe::Http {
        rules: rules(),
        at: ProbeAddress::Endpoint,
        request,
    }
}

fn tcp(send: &str, expect: &str) -> Probe {
    Probe::Tcp {
        rules: rules(),
        at: ProbeAddress::Endpoint,
        send: send.into(),
        expect: expect.into(),
    }
}

fn prober(probe: &Probe, at: SocketAddr) -> Prober {
    let plan = Plan::new(probe).unwrap();
    plan.prober(&Target::Ip(at), &Dial::PLAIN, "app.test:8080")
}

/// Sends each piece by itself.
async fn say(stream: &mut TcpStream, pieces: &[&[u8]]) {
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        // Whoever has judged already is gone.
        let _ = stream.write_all(piece).await;
        tokio::task::yield_now().await;
    }
}

/// An origin for one connection: reads up to an empty line, says these pieces and closes; gives what it read.
async fn origin(pieces: Vec<Vec<u8>>) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            let read = stream.read_buf(&mut heard).await.unwrap();
            assert!(read > 0, "a whole request is sent");
        }
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        say(&mut stream, &pieces).await;
        String::from_utf8(heard).unwrap()
    });
    (address, heard)
}

/// What is wrong with an endpoint that answers this; empty when nothing is.
async fn told(request: &ProbeRequest, answer: &str) -> String {
    let (address, _) = origin(vec![answer.into()]).await;
    said(prober(&http(request.clone()), address).probe().await)
}

fn said<T>(result: Result<T, Bad>) -> String {
    result.err().map(|bad| bad.to_string()).unwrap_or_default()
}

#[tokio::test]
async fn the_request_is_whole_and_says_who_asks() {
    let (address, heard) = origin(vec![b"HTTP/1.1 204 Fine\r\n\r\n".to_vec()]).await;
    let good = prober(&http(get()), address).probe().await;
    assert_eq!(good, Ok(Good::Status(204)));
    assert_eq!(
        heard.await.unwrap(),
        "GET /healthz HTTP/1.1\r\nHost: app.test:8080\r\nUser-Agent: evenkeel-probe\r\nConnection: close\r\n\r\n"
    );
}

#[tokio::test]
async fn the_request_is_as_configured_but_its_framing_is_ours() {
    let request = ProbeRequest {
        method: "POST".into(),
        path: "/check?deep=1".into(),
        host: "health.test".into(),
        headers: [
            ("Authorization", "Bearer x"),
            ("user-agent", "me"),
            ("Content-Length", "5"),
            ("connection", "keep-alive"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec(),
        ..get()
    };
    let (address, heard) = origin(vec![b"HTTP/1.1 200 Fine\r\n\r\n".to_vec()]).await;
    prober(&http(request), address).probe().await.unwrap();
    assert_eq!(
        heard.await.unwrap(),
        "POST /check?deep=1 HTTP/1.1\r\nHost: health.test\r\nAuthorization: Bearer x\r\nuser-agent: me\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

#[tokio::test]
async fn statuses() {
    let only = |statuses: &[(u16, u16)]| ProbeRequest {
        statuses: statuses.to_vec(),
        ..get()
    };
    for (request, status, expected) in [
        (get(), 200, ""),
        (get(), 399, ""),
        (get(), 400, "status 400, expected 200-399"),
        (get(), 503, "status 503, expected 200-399"),
        (only(&[(401, 401)]), 401, ""),
        (
            only(&[(200, 200), (204, 206)]),
            203,
            "status 203, expected 200, 204-206",
        ),
    ] {
        let answer = format!("HTTP/1.1 {status} Thus\r\nContent-Length: 3\r\n\r\nabc");
        assert_eq!(told(&request, &answer).await, expected, "{status}");
    }
}

#[tokio::test]
async fn what_is_no_strict_response_is_bad() {
    for (answer, expected) in [
        ("", "closed the connection before the response"),
        ("HTTP/1.1 200", "closed the connection before the response"),
        (
            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            "malformed response: A line ends in LF without CR",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "malformed response: Content-Length is there more than once",
        ),
        (
            "SSH-2.0-OpenSSH\r\n",
            "malformed response: The status line is not a version, a status of three digits and a reason",
        ),
        (
            "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "malformed response: A 101 came that nobody asked for, or in HTTP/1.0",
        ),
    ] {
        assert_eq!(told(&get(), answer).await, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn interim_responses_are_passed_over_but_not_without_end() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let answer = |n: usize| format!("{}HTTP/1.1 200 OK\r\n\r\n", interim.repeat(n));
    assert_eq!(told(&get(), &answer(super::http::MAX_INTERIM)).await, "");
    assert_eq!(
        told(&get(), &answer(super::http::MAX_INTERIM + 1)).await,
        "interim (1xx) responses and no final one"
    );
}

#[tokio::test]
async fn a_head_is_bounded() {
    let answer = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    assert_eq!(
        told(&get(), &answer).await,
        "malformed response: The head is larger than allowed"
    );
}

fn body(body: BodyMatch) -> ProbeRequest {
    ProbeRequest { body, ..get() }
}

fn contains(text: &str) -> ProbeRequest {
    body(BodyMatch::Contains(text.into()))
}

fn matches(expression: &str) -> ProbeRequest {
    body(BodyMatch::Regex(expression.into()))
}

#[tokio::test]
async fn bodies() {
    const SIZED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well";
    const CLOSED: &str = "HTTP/1.0 200 OK\r\n\r\nall is well";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nall i\r\n6\r\ns well\r\n0\r\n\r\n";
    for answer in [SIZED, CLOSED, CHUNKED] {
        for (request, expected) in [
            (contains("is well"), ""),
            (contains("ill"), "body does not contain \"ill\""),
            (matches("^all .* well$"), ""),
            (matches("^is"), "body does not match \"^is\""),
            (matches("("), "body does not match \"(\""),
        ] {
            assert_eq!(told(&request, answer).await, expected, "{answer}");
        }
    }
    for (answer, expected) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nall is",
            "closed the connection before the end of the body",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nall i\r\n",
            "closed the connection before the end of the body",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nall is well\r\n0\r\n\r\n",
            "malformed response: A chunk's data does not end in CRLF where its size says",
        ),
        (
            "HTTP/1.1 204 Nothing\r\n\r\n",
            "body does not contain \"well\"",
        ),
    ] {
        assert_eq!(told(&contains("well"), answer).await, expected, "{answer}");
    }
}

#[tokio::test]
async fn a_body_is_read_however_it_is_cut_and_no_further_than_its_limit() {
    let whole = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nall i\r\n6\r\ns well\r\n0\r\n\r\n";
    let pieces = whole.bytes().map(|byte| vec![byte]).collect();
    let (address, _) = origin(pieces).await;
    let well = http(contains("all is well"));
    assert_eq!(said(prober(&well, address).probe().await), "");

    let most = ProbeRequest::BODY_LIMIT;
    for (before, expected) in [
        (most - 4, String::new()),
        (
            most - 3,
            format!("the first {most} bytes of the body do not contain \"well\""),
        ),
    ] {
        let text = format!("{}well{}", "x".repeat(before), "y".repeat(most));
        let sized = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n",
            text.len()
        );
        let closed = format!("HTTP/1.1 200 OK\r\n\r\n{text}");
        for answer in [sized, chunked, closed] {
            assert_eq!(told(&contains("well"), &answer).await, expected);
        }
    }
}

#[tokio::test]
async fn head_has_no_body_and_a_long_text_is_cut_in_the_sentence() {
    let request = ProbeRequest {
        method: "HEAD".into(),
        ..contains(&"w".repeat(50))
    };
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n";
    let expected = format!("body does not contain \"{}…\"", "w".repeat(40));
    assert_eq!(told(&request, answer).await, expected);
}

#[tokio::test]
async fn without_a_condition_on_the_body_it_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let prober = prober(&http(get()), listener.local_addr().unwrap());
    let endless = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        say(&mut stream, &[b"HTTP/1.1 200 OK\r\n\r\nfirst"]).await;
        stream
    };
    let (result, _open) = tokio::join!(prober.probe(), endless);
    assert_eq!(said(result), "");
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for probe in [http(get()), tcp("", "")] {
        let prober = prober(&probe, address);
        let bad = prober.probe().await.unwrap_err();
        assert_eq!(
            (bad.to_string().as_str(), bad.is_connect()),
            ("connection refused", true)
        );
        assert_eq!(
            prober.knock(Duration::from_secs(1)).await,
            Err(Bad::Refused)
        );
    }
    let missing = Target::Unix(std::sync::Arc::new("/nonexistent/a.sock".into()));
    let plan = Plan::new(&tcp("", "")).unwrap();
    let bad = plan
        .prober(&missing, &Dial::PLAIN, "localhost")
        .probe()
        .await
        .unwrap_err();
    assert!(
        bad.to_string().starts_with("cannot connect: ") && bad.is_connect(),
        "{bad}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_keeps_silent_is_given_up_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (probe, expected) in [
        (http(get()), "no response within 2s"),
        (tcp("", "hello"), "no answer within 2s"),
    ] {
        let began = tokio::time::Instant::now();
        let result = prober(&probe, address).probe().await;
        assert_eq!(said(result), expected);
        assert_eq!(began.elapsed().as_secs(), 2);
    }
}

#[tokio::test]
async fn tcp_probes_connect_and_may_talk() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut heard = [0; 4];
                if stream.read_exact(&mut heard).await.is_ok() {
                    let long = [b'x'; 5_000];
                    let answers: &[&[u8]] = match &heard {
                        b"ping" => &[b"-po", b"ng-"],
                        b"long" => &[&long],
                        _ => &[],
                    };
                    say(&mut stream, answers).await;
                }
            });
        }
    });
    for (send, expect, expected) in [
        ("", "", ""),
        ("ping", "", ""),
        ("ping", "pong", ""),
        ("ping", "gong", "the first 6 bytes do not contain \"gong\""),
        (
            "long",
            "pong",
            "the first 4096 bytes do not contain \"pong\"",
        ),
        ("none", "pong", "closed the connection before the answer"),
    ] {
        let result = prober(&tcp(send, expect), address).probe().await;
        assert_eq!(said(result), expected, "{send} {expect}");
    }
}

#[tokio::test]
async fn the_probe_may_go_elsewhere() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = listener.local_addr().unwrap();
    let port = NonZeroU16::new(elsewhere.port()).unwrap();
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    for at in [
        ProbeAddress::Port(port),
        ProbeAddress::Fixed(Address::Ip(elsewhere)),
        ProbeAddress::Fixed(Address::Name {
            host: "localhost".into(),
            port: port.get(),
        }),
    ] {
        let probe = Probe::Tcp {
            rules: rules(),
            at,
            send: Vec::new(),
            expect: Vec::new(),
        };
        // The listener's queue takes connections that nobody accepts.
        assert_eq!(said(prober(&probe, nobody).probe().await), "");
    }
    let probe = Probe::Tcp {
        rules: rules(),
        at: ProbeAddress::Fixed(Address::Name {
            host: "no\0name".into(),
            port: 1,
        }),
        send: Vec::new(),
        expect: Vec::new(),
    };
    let bad = prober(&probe, nobody).probe().await.unwrap_err();
    assert!(
        bad.to_string().starts_with("no\0name does not resolve: "),
        "{bad}"
    );
}

#[test]
fn what_a_result_shows_of_the_endpoint() {
    let elsewhere = Probe::Tcp {
        rules: rules(),
        at: ProbeAddress::Port(NonZeroU16::MIN),
        send: b"ping".to_vec(),
        expect: Vec::new(),
    };
    for (probe, expected) in [
        (http(get()), Shows::Answers),
        (tcp("", "hello"), Shows::Answers),
        (tcp("ping", ""), Shows::Accepts),
        (elsewhere, Shows::Nothing),
    ] {
        assert_eq!(Plan::new(&probe).unwrap().shows(), expected, "{probe:?}");
    }
    assert!(Plan::new(&Probe::Off).is_none());
}
