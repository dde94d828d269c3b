//! Every vector of the testkit against the binary: what must be refused never reaches an endpoint, what must be read in
//! one way reaches it in that way, and the next request on every connection gets its own answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use evenkeel_testkit::message::Framing;
use evenkeel_testkit::vectors::{
    Answer, AskedFor, Message, RequestVector, RequestVerdict, ResponseVector, ResponseVerdict,
    requests, responses,
};
use evenkeel_testkit::{Client, Conn, Evenkeel, Origin, Reply, Request, Setup};

/// How the bytes of a vector are sent.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Whole,
    Bytewise,
    BehindAnother,
}

#[test]
fn requests_sent_whole() {
    all_requests(Sent::Whole);
}

#[test]
fn requests_sent_byte_by_byte() {
    all_requests(Sent::Bytewise);
}

#[test]
fn requests_sent_behind_another_in_one_write() {
    all_requests(Sent::BehindAnother);
}

fn all_requests(sent: Sent) {
    let origin = Origin::http(|request| Reply::ok(request.target()));
    // One of them is the preface of HTTP/2, which is refused where that is not spoken.
    let setup = Setup::to([&origin]).listener("protocols = \"http/1.1\"");
    let proxy = Evenkeel::start(&setup);
    let vectors = requests();
    let failed = failures(
        &vectors,
        |vector| (vector.id.clone(), vector.rfc),
        |vector| {
            request(&proxy, &origin, vector, sent);
        },
    );
    assert!(
        failed.is_empty(),
        "{} of {}: {failed:#?}",
        failed.len(),
        vectors.len()
    );
}

/// Runs each case and returns the ids and rules of those that failed; what went wrong is printed.
fn failures<V>(
    vectors: &[V],
    name: impl Fn(&V) -> (String, &'static str),
    case: impl Fn(&V),
) -> Vec<(String, &'static str)> {
    let mut failed = Vec::new();
    for vector in vectors {
        if catch_unwind(AssertUnwindSafe(|| case(vector))).is_err() {
            eprintln!("^^^ {:?}", name(vector));
            failed.push(name(vector));
        }
    }
    failed
}

fn request(proxy: &Evenkeel, origin: &Origin, vector: &RequestVector, sent: Sent) {
    let seen = origin.requests().len();
    let mut client = proxy.client();
    let before = match sent {
        Sent::Whole => {
            client.try_send(&vector.bytes);
            0
        }
        Sent::Bytewise => {
            client.send_bytewise(&vector.bytes);
            0
        }
        Sent::BehindAnother => {
            let first = b"GET /first HTTP/1.1\r\nHost: first\r\n\r\n";
            client.try_send([&first[..], &vector.bytes].concat());
            client.response("GET").status(200).body("/first");
            1
        }
    };
    let came = || origin.requests().split_off(seen + before);
    match &vector.verdict {
        RequestVerdict::Refuse(status, _) => {
            refused(&mut client, *status);
            assert_eq!(came(), [], "no endpoint sees it");
        }
        RequestVerdict::RefuseBody(status, _) => {
            refused(&mut client, *status);
            assert_eq!(came(), [], "no endpoint sees a whole request");
        }
        RequestVerdict::Incomplete => {
            client.finish();
            let answer = client.rest();
            assert!(
                !answer.starts_with(b"HTTP/1.1 2"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
            assert_eq!(came(), [], "no endpoint sees a whole request");
        }
        RequestVerdict::Decline(status, message) => {
            let response = client.response(message.method).status(*status);
            if message.method == "CONNECT" {
                // What follows was meant for a tunnel: it is no request.
                drop(response.header("connection", "close"));
                client.expect_closed();
            }
            assert_eq!(came(), [], "no endpoint sees it");
        }
        RequestVerdict::Accept(message) => {
            drop(client.response(message.method).status(200));
            let first = came().into_iter().next().expect("an endpoint got it");
            arrived(&first, message);
            // A request behind it is an endpoint's as well, and must not be taken for the next vector's.
            client.finish();
            drop(client.rest());
        }
    }
    drop(client);
    next_gets_its_own(proxy, &vector.id);
}

fn refused(client: &mut Client, status: u16) {
    client
        .response("GET")
        .status(status)
        .header("connection", "close");
    client.expect_closed();
}

fn arrived(request: &Request, message: &Message) {
    assert_eq!(
        (request.method(), request.target()),
        (message.method, message.target)
    );
    let host = (!message.host.is_empty()).then_some(message.host);
    if host.is_some() {
        assert_eq!(request.field("host").as_deref(), host);
    }
    assert_eq!(request.body, message.body);
    let framing = request.head.request_framing();
    assert_eq!(
        framing == Ok(Framing::Chunked),
        message.chunked,
        "{framing:?}"
    );
}

/// Another client, which may well get the same connection to the endpoint, gets the answer to its own request.
fn next_gets_its_own(proxy: &Evenkeel, id: &str) {
    let id: String = id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let target = format!("/after/{id}");
    proxy.client().get(&target).status(200).body(&target);
}

#[test]
fn responses_sent_whole() {
    all_responses(false);
}

#[test]
fn responses_sent_byte_by_byte() {
    all_responses(true);
}

fn all_responses(bytewise: bool) {
    let vectors = Arc::new(responses());
    let origin = Origin::script({
        let vectors = Arc::clone(&vectors);
        move |conn| answer(conn, &vectors, bytewise)
    });
    let setup = Setup::to([&origin])
        .top("workers = 1")
        .cluster("retry = { attempts = 0 }");
    let proxy = Evenkeel::start(&setup);
    let numbers: Vec<usize> = (0..vectors.len()).collect();
    let name = |&i: &usize| (vectors[i].id.clone(), vectors[i].rfc);
    let failed = failures(&numbers, name, |&i| response(&proxy, i, &vectors[i]));
    assert!(
        failed.is_empty(),
        "{} of {}: {failed:#?}",
        failed.len(),
        vectors.len()
    );
}

/// Answers `/vector/N` with the bytes of that vector and closes; what else is asked for gets an ordinary response.
fn answer(conn: &mut Conn, vectors: &[ResponseVector], bytewise: bool) {
    while let Some(request) = conn.request() {
        let Some(number) = request.target().strip_prefix("/vector/") else {
            conn.reply(&request, &Reply::ok(request.target()));
            continue;
        };
        let bytes = &vectors[number.parse::<usize>().unwrap()].bytes;
        if bytewise {
            conn.send_bytewise(bytes);
        } else {
            conn.send(bytes);
        }
        conn.finish();
        conn.until_closed();
        return;
    }
}

fn response(proxy: &Evenkeel, number: usize, vector: &ResponseVector) {
    let mut client = proxy.client();
    let (method, fields) = match vector.asked {
        AskedFor::Get => ("GET", ""),
        AskedFor::Head => ("HEAD", ""),
        AskedFor::Upgrade => ("GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    };
    client.send_request(method, &format!("/vector/{number}"), fields, "");
    match &vector.verdict {
        ResponseVerdict::Refuse(_) => drop(client.response(method).status(502)),
        ResponseVerdict::RefuseBody(_) | ResponseVerdict::Cut => {
            // Nothing of it may have been passed on yet; then a 502 tells more than a cut.
            match client.try_response(method) {
                Ok(response) => drop(response.status(502)),
                Err(cut) => assert!(cut.head.is_some(), "{cut:?}"),
            }
        }
        ResponseVerdict::Accept(answer) => accepted(&mut client, method, answer),
    }
    drop(client);
    next_gets_its_own(proxy, &vector.id);
}

fn accepted(client: &mut Client, method: &str, answer: &Answer) {
    if answer.status == 101 {
        assert_eq!(client.head().status(), 101);
        assert_eq!(client.rest(), answer.rest.as_bytes());
        return;
    }
    client
        .response(method)
        .status(answer.status)
        .body(answer.body);
}
