//! The codec against hyper: what we accept, hyper refuses or reads in the same way, over memory and without a runtime.
//!
//! Only one direction is held: hyper may accept what we refuse. Where RFC 9112 lets both differ in form (an absolute
//! target, the `*` of a proxy's OPTIONS) the form is taken away before comparing.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use evenkeel_http1::{Asked, RequestBody};
use evenkeel_testkit::vectors::{AskedFor, requests, responses};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper::{Request, Response};
use proptest::prelude::*;

use crate::drive::{Cuts, Outcome, ReadRequest, request, response};
use crate::properties::{near_chunks, near_request, near_response};

/// A connection in memory: what comes in is fixed, what goes out is forgotten.
struct Wire {
    incoming: Vec<u8>,
    taken: usize,
    /// For a client: nothing comes before something went out.
    open: Rc<Cell<bool>>,
}

impl Wire {
    fn new(incoming: &[u8], open: bool) -> (Self, Rc<Cell<bool>>) {
        let open = Rc::new(Cell::new(open));
        let wire = Self {
            incoming: incoming.to_vec(),
            taken: 0,
            open: Rc::clone(&open),
        };
        (wire, open)
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.open.get() {
            return Poll::Pending;
        }
        let rest = &self.incoming[self.taken..];
        let piece = &rest[..rest.len().min(buf.remaining())];
        buf.put_slice(piece);
        let taken = piece.len();
        self.taken += taken;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.open.set(true);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls a future that waits for nothing but itself until it is ready.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("hyper waits for something that will not come");
}

/// A request in the form in which both readings compare.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plain {
    method: String,
    path: String,
    query: Option<String>,
    authority: Option<String>,
    fields: Vec<(String, String)>,
    body: String,
}

/// Every request that hyper reads whole.
fn by_hyper(bytes: &[u8]) -> Vec<Plain> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let mut fields: Vec<_> = parts
                .headers
                .iter()
                .map(|(name, value)| {
                    (
                        name.as_str().to_owned(),
                        value.as_bytes().escape_ascii().to_string(),
                    )
                })
                .collect();
            fields.sort();
            seen.borrow_mut().push(Plain {
                method: parts.method.to_string(),
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().map(str::to_owned),
                authority: parts
                    .uri
                    .authority()
                    .map(|authority| authority.as_str().to_owned()),
                fields,
                body: body.escape_ascii().to_string(),
            });
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = hyper::StatusCode::NOT_FOUND;
            Ok::<_, hyper::Error>(response)
        }
    });
    let (wire, _) = Wire::new(bytes, true);
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(wire, service);
    // An error is how hyper refuses; what it read before counts.
    drop(finish(connection));
    seen.take()
}

/// Every request that the codec reads whole.
fn by_us(bytes: &[u8]) -> Vec<ReadRequest> {
    let mut all = Vec::new();
    let mut rest = bytes.to_vec();
    while let Outcome::Whole(read) = request(&rest, Cuts::whole(rest.len())) {
        rest.clone_from(&read.rest);
        let more = read.head.persistent;
        all.push(read);
        if !more || rest.is_empty() {
            break;
        }
    }
    all
}

/// Our reading in the form of hyper's, which keeps the target as it came.
fn plain(read: &ReadRequest, like: &Plain) -> Plain {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let raw = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let target = raw(&read.target);
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (target, None),
    };
    let absolute = like.authority.is_some();
    let mut fields: Vec<_> = read
        .fields
        .iter()
        .map(|(name, value)| (raw(name).to_ascii_lowercase(), text(value)))
        .collect();
    fields.sort();
    Plain {
        method: raw(&read.method),
        path: match path.as_str() {
            "*" if absolute => "/".to_owned(),
            _ if read.method == b"CONNECT" => String::new(),
            _ => path,
        },
        query,
        authority: absolute.then(|| raw(&read.authority)),
        fields,
        body: text(&read.body),
    }
}

/// Whatever we read, hyper refuses or reads the same way; says how many requests both have read.
fn compare(bytes: &[u8]) -> Result<usize, String> {
    let (ours, theirs) = (by_us(bytes), by_hyper(bytes));
    for (read, like) in ours.iter().zip(&theirs) {
        let read = plain(read, like);
        if read != *like {
            let bytes = bytes.escape_ascii();
            return Err(format!("{bytes}\nwe read {read:?}\nhyper reads {like:?}"));
        }
    }
    Ok(ours.len().min(theirs.len()))
}

#[test]
fn vectors_read_the_same_in_hyper() {
    let mut both = 0;
    for vector in requests() {
        both += compare(&vector.bytes).unwrap_or_else(|wrong| panic!("{}: {wrong}", vector.id));
        // Behind a good request as well: no request begins anywhere else.
        let behind = [
            b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
            vector.bytes.as_slice(),
        ]
        .concat();
        both += compare(&behind).unwrap_or_else(|wrong| panic!("{}: {wrong}", vector.id));
    }
    assert!(
        both > 500,
        "both read {both} requests: the comparison compares something"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn near_requests_read_the_same_in_hyper(first in near_request(), second in near_request()) {
        let bytes = [first.as_slice(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &second].concat();
        prop_assert_eq!(compare(&bytes).err(), None);
    }

    #[test]
    fn near_chunks_read_the_same_in_hyper(chunks in near_chunks()) {
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let bytes = [head.as_slice(), &chunks, b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        prop_assert_eq!(compare(&bytes).err(), None);
    }
}

/// The status and the body of the response that hyper's client reads, unless it refuses.
fn answer_by_hyper(bytes: &[u8], asked: AskedFor) -> Option<(u16, Vec<u8>)> {
    let (wire, _) = Wire::new(bytes, false);
    let exchange = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(wire).await.ok()?;
        let mut request = Request::builder().uri("/").header("host", "a");
        match asked {
            AskedFor::Get => {}
            AskedFor::Head => request = request.method("HEAD"),
            AskedFor::Upgrade => {
                request = request
                    .header("connection", "upgrade")
                    .header("upgrade", "websocket");
            }
        }
        let request = request.body(Empty::<Bytes>::new()).ok()?;
        let answer = async {
            let response = sender.send_request(request).await.ok()?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.ok()?.to_bytes();
            Some((status, body.to_vec()))
        };
        let (mut connection, mut answer) = (pin!(connection), pin!(answer));
        std::future::poll_fn(move |context| {
            // An error of the connection reaches the answer too.
            let _: Poll<Result<(), hyper::Error>> = connection.as_mut().poll(context);
            answer.as_mut().poll(context)
        })
        .await
    };
    finish(exchange)
}

/// Whatever we read, hyper refuses or reads the same way; says whether both have read it.
fn compare_answer(bytes: &[u8], asked_for: AskedFor) -> Result<bool, String> {
    let asked = Asked {
        head: asked_for == AskedFor::Head,
        connect: false,
        upgrade: asked_for == AskedFor::Upgrade,
    };
    let Outcome::Whole(ours) = response(bytes, Cuts::whole(bytes.len()), asked) else {
        return Ok(false);
    };
    let Some(theirs) = answer_by_hyper(bytes, asked_for) else {
        return Ok(false);
    };
    if theirs == (ours.status, ours.body.clone()) {
        Ok(true)
    } else {
        let bytes = bytes.escape_ascii();
        Err(format!("{bytes}\nwe read {ours:?}\nhyper reads {theirs:?}"))
    }
}

#[test]
fn answers_read_the_same_in_hyper() {
    let mut both = 0;
    for vector in responses() {
        let same = compare_answer(&vector.bytes, vector.asked);
        both += usize::from(same.unwrap_or_else(|wrong| panic!("{}: {wrong}", vector.id)));
    }
    assert!(
        both > 10,
        "both read {both} responses: the comparison compares something"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn near_answers_read_the_same_in_hyper(bytes in near_response(), head in any::<bool>()) {
        let asked = if head { AskedFor::Head } else { AskedFor::Get };
        prop_assert_eq!(compare_answer(&bytes, asked).err(), None);
    }
}

#[test]
fn bodies_of_known_length_are_known_to_both() {
    let bytes = b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /y HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(compare(bytes), Ok(2));
    assert_eq!(by_us(bytes)[0].head.body, RequestBody::Known(5));
    assert_eq!(by_hyper(bytes)[0].body, "hello");
}
