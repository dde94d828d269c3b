//! HTTP/2 from clients: one stream as the client's side of one exchange.
//!
//! Heads go through `evenkeel_http2` in, and become the codec's header map on the way out; bodies are [`H2Body`]'s. The
//! connection that streams belong to, and how they end with it, is `connection/streams.rs`.
//!
//! An extended CONNECT (RFC 8441) is what HTTP/1.1 calls an upgrade, and the pipeline sees it as one: a GET with
//! [`Facts::upgrade`], for WebSocket with the key that endpoints of HTTP/1.1 want to echo. Its body begins with the tunnel.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use evenkeel_base::head::{FieldSpan, MAX_HEAD_BYTES, Span};
use evenkeel_base::{FieldSink, Known, RequestHead, RequestView, Run};
use evenkeel_http2::{self as http2, Limits, Refusal};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};

use crate::body::{Length, Source};
use crate::downstream::{Asker, Downstream, Expect, Facts};
use crate::h2::{H2Body, Usual, websocket};
use crate::scene::After;
use crate::worker::Worker;

/// Bytes of interim responses that a client gets for one request: the codec keeps them until they can be written, and they are
/// nothing that has to arrive.
const MOST_INTERIM: usize = 64 * 1024;

/// One stream of a client's connection.
#[derive(Debug)]
pub(crate) struct H2Downstream {
    body: H2Body,
    head: RequestHead,
    block: Vec<u8>,
    facts: Facts,
    /// What an extended CONNECT sends once it is a tunnel.
    tunnel: Option<Box<Tunnel>>,
    interim: usize,
    usual: Rc<Usual>,
}

/// What an extended CONNECT waits with.
#[derive(Debug)]
struct Tunnel {
    request: Option<RecvStream>,
    /// The echo of the key that the endpoint has to give.
    accept: Option<[u8; 28]>,
}

impl H2Downstream {
    /// Takes up a stream, and what the codec has decoded of its head. One that was refused can be answered and no more.
    pub(crate) fn new(
        (parts, request): (&Parts, RecvStream),
        respond: SendResponse<Bytes>,
        limits: &Limits,
        https: bool,
        worker: &Worker,
    ) -> (Self, Option<Refusal>) {
        let mut head = worker.request_heads.take();
        let mut block = worker.blocks.take_out();
        let ends = request.is_end_stream();
        let fields = fields(parts, https);
        let read = http2::request(fields, ends, limits, &mut block, &mut head);
        let mut down = Self {
            body: H2Body::of_client(respond),
            head,
            block,
            facts: Facts::none(),
            tunnel: None,
            interim: 0,
            usual: Rc::clone(&worker.usual),
        };
        let read = read.and_then(|read| down.accept(&read, (request, ends), worker));
        let refusal = read.err();
        if refusal.is_some() {
            down.head.clear();
        }
        (down, refusal)
    }

    fn accept(
        &mut self,
        read: &http2::Request,
        (request, ends): (RecvStream, bool),
        worker: &Worker,
    ) -> Result<(), Refusal> {
        self.facts = Facts {
            length: match read.length {
                Some(length) => Length::Known(length),
                None if read.upgrade.is_some() || ends => Length::Empty,
                None => Length::Unknown,
            },
            expect: match read.expect {
                http2::Expect::None => Expect::Nothing,
                http2::Expect::Continue => Expect::Continue,
                http2::Expect::Unknown => Expect::Unknown,
            },
            upgrade: read.upgrade,
            interim: true,
            // Whatever becomes of this stream, the next request has one of its own: nothing need be read to get to it.
            persistent: false,
        };
        let Some(protocol) = read.upgrade else {
            // Until then the body is one that was received whole.
            if !ends {
                self.body.receive(request);
            }
            return Ok(());
        };
        let accept = if protocol.of(&self.block).eq_ignore_ascii_case(b"websocket") {
            Some(websocket::accept(&self.key(worker)?))
        } else {
            None
        };
        self.tunnel = Some(Box::new(Tunnel {
            request: Some(request),
            accept,
        }));
        Ok(())
    }

    /// The key of a WebSocket's handshake: the client's own if it has one, else one that is made for it.
    fn key(&mut self, worker: &Worker) -> Result<Vec<u8>, Refusal> {
        if let Some(key) = self.request().known(Known::SecWebSocketKey) {
            return Ok(key.to_vec());
        }
        let key = {
            let mut rng = worker.rng();
            websocket::key([rng.next_u64(), rng.next_u64()])
        };
        let name = b"sec-websocket-key";
        let start = self.block.len();
        let value = start + name.len() + 2;
        let end = value + key.len();
        if end + 2 > MAX_HEAD_BYTES {
            return Err(Refusal::HeadTooLarge);
        }
        for part in [name, &b": "[..], &key, b"\r\n"] {
            self.block.extend_from_slice(part);
        }
        let before = self.head.fields.last();
        self.head.fields.push(FieldSpan {
            name: Span::new(start, start + name.len()),
            value: Span::new(value, end),
            known: Known::SecWebSocketKey,
            verbatim: before.is_none_or(|field| usize::from(field.value.end) + 2 == start),
        });
        Ok(key.to_vec())
    }

    /// The request was refused. One that breaks the protocol gets no answer but that (RFC 9113 §8.1.1).
    pub(crate) fn refuse(&mut self, is_malformed: bool) {
        self.facts = Facts::none();
        if is_malformed {
            self.body.reset(Reason::PROTOCOL_ERROR);
        }
    }

    /// The exchange is over: what is not complete is reset, and the buffers go back to their pools.
    pub(crate) fn finish(&mut self, after: After, worker: &Worker) {
        if after == After::Cut || !self.body.is_sent() {
            self.body.reset(Reason::INTERNAL_ERROR);
        }
        worker.request_heads.give(std::mem::take(&mut self.head));
        worker.blocks.give_out(std::mem::take(&mut self.block));
    }
}

/// The fields of a request as the codec has decoded them, pseudo-fields first. The scheme is lost without an authority; it was
/// the connection's own, or nobody could have asked for it there.
fn fields(parts: &Parts, https: bool) -> impl Iterator<Item = (&[u8], &[u8])> {
    let uri = &parts.uri;
    let protocol = parts.extensions.get::<h2::ext::Protocol>();
    let is_plain_connect = parts.method == http::Method::CONNECT && protocol.is_none();
    let own = if https { "https" } else { "http" };
    let scheme = uri.scheme_str().or(Some(own)).filter(|_| !is_plain_connect);
    let path = uri.path_and_query().map(http::uri::PathAndQuery::as_str);
    let pseudo = [
        (":method", Some(parts.method.as_str())),
        (":scheme", scheme),
        (
            ":authority",
            uri.authority().map(http::uri::Authority::as_str),
        ),
        (":path", path),
        (":protocol", protocol.map(h2::ext::Protocol::as_str)),
    ];
    let pseudo = pseudo
        .into_iter()
        .filter_map(|(name, value)| Some((name.as_bytes(), value?.as_bytes())));
    let rest = parts.headers.iter();
    pseudo.chain(rest.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())))
}

/// How many bytes the head has without its pseudo-fields, as it was decoded.
pub(crate) fn decoded(parts: &Parts) -> usize {
    let fields = parts.headers.iter();
    fields
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

impl Asker for H2Downstream {
    type Body = H2Body;

    fn body(&mut self) -> &mut H2Body {
        &mut self.body
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn request_done(&self) -> bool {
        self.body.is_received()
    }

    fn interim(&mut self, line: (u16, &[u8]), fields: impl FnOnce(&mut dyn FieldSink)) {
        let head = head_of(line.0, &self.usual, fields);
        self.interim += size_of_fields(head.headers());
        // HTTP/2 has no 101 (RFC 9113 §8.6).
        if self.interim <= MOST_INTERIM && line.0 != 101 {
            self.body.interim(head);
        }
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.body.gather(cx);
        self.body.poll_gone(cx)
    }

    fn says_when_gone(&self) -> bool {
        true
    }
}

impl Downstream for H2Downstream {
    fn request(&self) -> RequestView<'_> {
        self.head.view(&self.block)
    }

    fn head(&self) -> (&RequestHead, &[u8]) {
        (&self.head, &self.block)
    }

    fn begin_response(
        &mut self,
        line: (u16, &[u8]),
        (length, told): (Length, bool),
        _: bool,
        fields: impl FnOnce(&mut dyn FieldSink),
    ) {
        let mut head = head_of(line.0, &self.usual, fields);
        if let Length::Known(length) = length
            && !told
        {
            head.headers_mut()
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let is_empty = matches!(length, Length::Empty | Length::Known(0));
        self.body.begin_response(head, is_empty);
    }

    fn begin_tunnel(&mut self, _: &[u8], fields: impl FnOnce(&mut dyn FieldSink)) {
        let mut head = head_of(200, &self.usual, fields);
        head.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
        self.body.begin_response(head, false);
        if let Some(request) = self
            .tunnel
            .as_mut()
            .and_then(|tunnel| tunnel.request.take())
        {
            self.body.receive(request);
        }
    }

    fn is_tunnel(&self) -> bool {
        self.tunnel.is_some()
    }

    fn takes_accept(&self, accept: &[u8]) -> bool {
        let expected = self.tunnel.as_ref().and_then(|tunnel| tunnel.accept);
        expected.is_none_or(|expected| expected == accept)
    }

    fn retract_response(&mut self) -> bool {
        self.body.retract()
    }
}

fn head_of(status: u16, usual: &Usual, fields: impl FnOnce(&mut dyn FieldSink)) -> Response<()> {
    let mut head = Response::new(());
    // Three digits, which whoever read or compiled it has seen to.
    *head.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let map = head.headers_mut();
    fields(&mut HeadSink { map, usual });
    head
}

fn size_of_fields(map: &HeaderMap) -> usize {
    let fields = map.iter();
    64 + fields
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum::<usize>()
}

/// Fields into the codec's map, whose names are in lower case. Those that concern a connection are not for this protocol.
struct HeadSink<'a> {
    map: &'a mut HeaderMap,
    usual: &'a Usual,
}

impl HeadSink<'_> {
    fn add(&mut self, name: &[u8], value: &[u8], known: Known) {
        let is_of_connection = matches!(
            known,
            Known::Connection
                | Known::KeepAlive
                | Known::ProxyConnection
                | Known::TransferEncoding
                | Known::Upgrade
                | Known::Http2Settings
                | Known::Te
        );
        if is_of_connection {
            return;
        }
        if let Some((name, value)) = self.usual.field(name, value, known) {
            self.map.append(name, value);
        }
    }
}

impl FieldSink for HeadSink<'_> {
    fn field(&mut self, name: &[u8], value: &[u8]) {
        self.add(name, value, Known::of(name));
    }

    fn run(&mut self, run: Run<'_>) {
        self.map.reserve(run.len());
        for field in run.fields() {
            self.add(field.name, field.value, field.known);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn fields_of_a_response_are_lower_case_and_none_is_the_connection_s() {
        let head = head_of(426, &Usual::default(), |sink| {
            sink.field(b"Connection", b"upgrade");
            sink.field(b"Upgrade", b"h2c");
            sink.field(b"Keep-Alive", b"timeout=5");
            sink.field(b"Transfer-Encoding", b"chunked");
            sink.field(b"Set-Cookie", b"a=1");
            sink.field(b"Set-Cookie", b"b=2");
            sink.field(b"X-Caf\xe9", b"no name");
            sink.field(b"X-Note", b"caf\xe9");
        });
        assert_eq!(head.status(), 426);
        let fields: Vec<(&str, &[u8])> = head
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let expected: [(&str, &[u8]); 3] = [
            ("set-cookie", b"a=1"),
            ("set-cookie", b"b=2"),
            ("x-note", b"caf\xe9"),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_head_is_told_with_its_pseudo_fields_first() {
        let told = |request: http::request::Builder| -> String {
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let fields = fields(&parts, true);
            fields
                .map(|(name, value)| format!("{}={} ", name.escape_ascii(), value.escape_ascii()))
                .collect()
        };
        assert_eq!(
            told(Request::get("http://a.example/x?y").header("b", "c")),
            ":method=GET :scheme=http :authority=a.example :path=/x?y b=c "
        );
        assert_eq!(
            told(Request::get("/x").header("host", "a")),
            ":method=GET :scheme=https :path=/x host=a ",
            "the scheme is lost without an authority, and is the connection's"
        );
        assert_eq!(
            told(Request::builder().method("CONNECT").uri("a.example:443")),
            ":method=CONNECT :authority=a.example:443 "
        );
    }
}
