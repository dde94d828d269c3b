//! Probes of origins on this host that answer one call, each in a way of its own.

use std::net::SocketAddr;

use ::http::Response;
use evenkeel_base::Target;
use evenkeel_base::rules::ProbeRules;
use evenkeel_config::model::{Probe, ProbeAddress};
use evenkeel_state::Dial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::probe::{Plan, Prober, Shows};

const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const NOT_SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 2];

fn prober(service: &str, at: SocketAddr) -> Prober {
    let probe = Probe::Grpc {
        rules: ProbeRules {
            timeout: Duration::from_secs(2),
            ..ProbeRules::DEFAULT
        },
        at: ProbeAddress::Endpoint,
        service: service.to_owned(),
    };
    let plan = Plan::new(&probe).unwrap();
    assert_eq!(plan.shows(), Shows::Answers);
    plan.prober(&Target::Ip(at), &Dial::PLAIN, "app.test:8080")
}

/// An answer: status, fields of the head, the body in pieces, trailers; without the last two the head is all.
#[derive(Clone, Default)]
struct Says {
    status: u16,
    fields: Vec<(&'static str, &'static str)>,
    body: Vec<Vec<u8>>,
    trailers: Option<Vec<(&'static str, &'static str)>>,
}

/// That of a health service.
fn message(bytes: &[u8]) -> Says {
    Says {
        status: 200,
        fields: vec![("content-type", "application/grpc")],
        body: vec![bytes.to_vec()],
        trailers: Some(vec![("grpc-status", "0")]),
    }
}

/// A call that ended so before it said anything.
fn ended(status: &'static str, message: &'static str) -> Says {
    let kind = ("content-type", "application/grpc+proto");
    Says {
        status: 200,
        fields: vec![kind, ("grpc-status", status), ("grpc-message", message)],
        ..Says::default()
    }
}

/// An origin for one call; gives the request and its body.
async fn origin(says: Says) -> (SocketAddr, JoinHandle<(Request<()>, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let (head, mut body) = request.into_parts();
        let drive = tokio::spawn(async move { while connection.accept().await.is_some() {} });
        let mut asked = Vec::new();
        while let Some(data) = body.data().await {
            asked.extend_from_slice(&data.unwrap());
        }
        let mut response = Response::builder().status(says.status);
        for (name, value) in says.fields {
            response = response.header(name, value);
        }
        let is_all = says.body.is_empty() && says.trailers.is_none();
        let mut stream = respond
            .send_response(response.body(()).unwrap(), is_all)
            .unwrap();
        for piece in says.body {
            // Whoever has judged already is gone.
            let _ = stream.send_data(piece.into(), false);
        }
        let mut trailers = HeaderMap::new();
        for (name, value) in says.trailers.into_iter().flatten() {
            trailers.append(name, HeaderValue::from_static(value));
        }
        if !is_all {
            let _ = stream.send_trailers(trailers);
        }
        drive.await.unwrap();
        (Request::from_parts(head, ()), asked)
    });
    (address, heard)
}

async fn told(says: Says) -> String {
    let (address, _heard) = origin(says).await;
    match prober("", address).probe().await {
        Ok(good) => good.to_string(),
        Err(bad) => bad.to_string(),
    }
}

#[tokio::test]
async fn the_call_is_what_a_client_of_grpc_sends() {
    let (address, heard) = origin(message(SERVING)).await;
    let good = prober("shop.Orders", address).probe().await;
    assert_eq!(good, Ok(Good::Serving));
    let (request, body) = heard.await.unwrap();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(
        request.uri().to_string(),
        "http://app.test:8080/grpc.health.v1.Health/Check"
    );
    for (name, value) in [
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "evenkeel-probe"),
        ("grpc-timeout", "2000m"),
    ] {
        assert_eq!(request.headers()[name], value);
    }
    assert_eq!(body, health::ask("shop.Orders"));
}

#[tokio::test]
async fn one_that_serves_is_well_and_all_else_has_a_name() {
    let bare = |says: Says| Says {
        trailers: Some(Vec::new()),
        ..says
    };
    let with = |says: Says, trailer| Says {
        trailers: Some(vec![("grpc-status", trailer)]),
        ..says
    };
    let kind = |says: Says, kind| Says {
        fields: vec![("content-type", kind)],
        ..says
    };
    for (says, expected) in [
        (message(SERVING), "SERVING"),
        (message(NOT_SERVING), "NOT_SERVING"),
        (message(&[0, 0, 0, 0, 0]), "UNKNOWN"),
        (
            ended("12", ""),
            "it has no health service: the call of grpc.health.v1.Health ended with unimplemented",
        ),
        (
            ended("5", "x"),
            "its health service does not know the service",
        ),
        (
            ended("14", "try later"),
            "the call ended with unavailable: \"try later\"",
        ),
        (
            ended("0", ""),
            "the response is not gRPC's: it has no message",
        ),
        (
            ended("x", ""),
            "the response is not gRPC's: it has no grpc-status",
        ),
        (with(message(SERVING), "13"), "the call ended with internal"),
        (
            bare(message(SERVING)),
            "the response is not gRPC's: it has no grpc-status",
        ),
        (
            message(&SERVING[..6]),
            "the response is not gRPC's: it has not one whole message",
        ),
        (
            message(&[1, 0, 0, 0, 2, 8, 1]),
            "the response is not gRPC's: a message is compressed, which was not offered",
        ),
        (
            message(&[0; 5000]),
            "the response is not gRPC's: its message is longer than 4 KiB",
        ),
        (
            kind(message(SERVING), "text/html"),
            "the response is not gRPC's: its content type is another one",
        ),
        (
            Says {
                status: 404,
                ..ended("0", "")
            },
            "status 404, expected 200",
        ),
    ] {
        assert_eq!(told(says).await, expected);
    }
}

#[tokio::test]
async fn one_that_speaks_no_http2_is_told_from_one_that_says_nothing() {
    for (answer, expected) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..],
            "HTTP/2 failed: connection error detected: frame with invalid size",
        ),
        (
            b"",
            "closed the connection before the answer of its health service",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).await.unwrap();
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
            // Everything is read, so that the end is one and no reset.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let bad = prober("", address).probe().await.unwrap_err();
        assert_eq!(bad.to_string(), expected);
        origin.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_never_answers_is_late() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bad = prober("", address).probe().await.unwrap_err();
    assert_eq!(bad.to_string(), "no answer of its health service within 2s");
}
