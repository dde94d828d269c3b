//! A client of whichever protocol, message by message: what a case says once for all of them.
//!
//! What only one protocol can say (bytes, streams side by side) is said by [`Client`] and [`h2::Client`].

use std::net::SocketAddr;

use crate::broken::Broken;
use crate::client::{Client, Cut};
use crate::h2;
use crate::length::Length;
use crate::message::{Framing, Head, Response};
use crate::tls::TlsClient;
use crate::wire::Body;

/// A connection of either protocol.
#[derive(Debug)]
pub enum Caller {
    /// Of HTTP/1.1.
    H1(Client),
    /// Of HTTP/2.
    H2(h2::Client),
}

impl Caller {
    /// Connects with HTTP/1.1, over TLS when there are terms for it.
    #[must_use]
    #[track_caller]
    pub fn h1(address: SocketAddr, tls: Option<&TlsClient>) -> Self {
        Self::H1(match tls {
            None => Client::connect(address),
            Some(tls) => Client::tls(address, tls),
        })
    }

    /// Connects with HTTP/2, over TLS when there are terms for it.
    #[must_use]
    #[track_caller]
    pub fn h2(address: SocketAddr, tls: Option<&TlsClient>) -> Self {
        Self::H2(h2::Client::connect_with(address, tls, &h2::Settings::new()))
    }

    /// Asks for another host from now on; it is `a.example` at first.
    #[must_use]
    pub fn host(self, host: &str) -> Self {
        match self {
            Self::H1(client) => Self::H1(client.host(host)),
            Self::H2(client) => Self::H2(client.host(host)),
        }
    }

    /// A GET, and its response.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.ask("GET", target, "", "")
    }

    /// A POST whose length is said, and its response.
    #[track_caller]
    pub fn post(&mut self, target: &str, body: &str) -> Response {
        let length = format!("Content-Length: {}\r\n", body.len());
        self.ask("POST", target, &length, body)
    }

    /// A GET with these field lines, and its response.
    #[track_caller]
    pub fn get_with(&mut self, target: &str, fields: &str) -> Response {
        self.ask("GET", target, fields, "")
    }

    /// Any request with these field lines and this body, whose length they say, and its response.
    #[track_caller]
    pub fn ask(&mut self, method: &str, target: &str, fields: &str, body: &str) -> Response {
        match self {
            Self::H1(client) => client.ask(method, target, fields, body),
            Self::H2(client) => client.ask(method, target, fields, body),
        }
    }

    /// Begins a request with these field lines.
    #[track_caller]
    pub fn begin(&mut self, method: &str, target: &str, fields: &str, length: Length) -> Call<'_> {
        match self {
            Self::H2(client) => Call::H2(client.begin(method, target, fields, length)),
            Self::H1(client) => {
                let framing = match length {
                    Length::None => String::new(),
                    Length::Known(length) => format!("Content-Length: {length}\r\n"),
                    Length::Unknown => "Transfer-Encoding: chunked\r\n".to_owned(),
                };
                client.send_request(method, target, &format!("{fields}{framing}"), "");
                Call::H1(Asked {
                    client,
                    method: method.to_owned(),
                    chunked: length == Length::Unknown,
                    body: Body::new(Framing::None),
                })
            }
        }
    }

    /// Asks for a WebSocket: an upgrade of HTTP/1.1, an extended CONNECT of HTTP/2. What is asked of the handshake's fields
    /// beyond that stands in `fields`.
    #[track_caller]
    pub fn begin_websocket(&mut self, target: &str, fields: &str) -> Call<'_> {
        if let Self::H2(client) = self {
            client.wait_connect_protocol();
            let fields = format!(":protocol: websocket\r\nsec-websocket-version: 13\r\n{fields}");
            return Call::H2(client.begin("CONNECT", target, &fields, Length::Unknown));
        }
        let fields = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}"
        );
        self.begin("GET", target, &fields, Length::None)
    }
}

/// A request under way.
#[derive(Debug)]
pub enum Call<'a> {
    /// The only one of its connection.
    H1(Asked<'a>),
    /// One of its connection's streams.
    H2(h2::Call),
}

/// A request of HTTP/1.1 under way.
#[derive(Debug)]
pub struct Asked<'a> {
    client: &'a mut Client,
    method: String,
    chunked: bool,
    /// Of the response, or what comes through a tunnel.
    body: Body,
}

impl Call<'_> {
    /// Sends a piece of the body, or of what goes through a tunnel.
    ///
    /// # Panics
    /// When it is not taken.
    #[track_caller]
    pub fn data(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        assert!(self.try_data(bytes), "evenkeel took no more");
        self
    }

    /// The same; `false` when the other side takes no more.
    pub fn try_data(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        match self {
            // An empty chunk would be the last one.
            Self::H1(asked) if asked.chunked && bytes.is_empty() => true,
            Self::H1(asked) if asked.chunked => {
                let line = format!("{:x}\r\n", bytes.len());
                asked
                    .client
                    .try_send([line.as_bytes(), bytes, b"\r\n"].concat())
            }
            Self::H1(asked) => asked.client.try_send(bytes),
            Self::H2(call) => call.try_data(bytes),
        }
    }

    /// Ends the request.
    #[track_caller]
    pub fn end(&mut self) {
        match self {
            Self::H1(asked) if asked.chunked => asked.client.send("0\r\n\r\n"),
            Self::H1(_) => {}
            Self::H2(call) => call.end(),
        }
    }

    /// Ends a request of unknown length with trailers.
    ///
    /// # Panics
    /// When it is one of HTTP/1.1 whose length was said.
    #[track_caller]
    pub fn trailers(&mut self, lines: &str) {
        match self {
            Self::H1(asked) => {
                assert!(asked.chunked, "only chunks have trailers");
                asked.client.send(format!("0\r\n{lines}\r\n"));
            }
            Self::H2(call) => call.trailers(lines),
        }
    }

    /// The next interim (1xx) head, waited for.
    ///
    /// # Panics
    /// When the final one comes instead, or nothing.
    #[track_caller]
    pub fn interim(&mut self) -> Head {
        match self {
            Self::H1(asked) => {
                let head = asked.client.head();
                assert!(
                    head.start[1].starts_with('1'),
                    "no interim response: {head}"
                );
                head
            }
            Self::H2(call) => call.interim(),
        }
    }

    /// The final head alone; the body is read by [`Call::piece`].
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        match self {
            Self::H1(asked) => loop {
                let head = asked.client.head();
                if head.start[1].starts_with('1') && head.status() != 101 {
                    continue;
                }
                let framing = if head.status() == 101 {
                    Ok(Framing::Close)
                } else {
                    head.response_framing(&asked.method)
                };
                asked.body = Body::new(framing.expect("a response is framed"));
                return head;
            },
            Self::H2(call) => call.head(),
        }
    }

    /// The next piece of the body after the head, or of what comes through a tunnel; `None` at its end.
    ///
    /// # Errors
    /// When it is cut.
    pub fn piece(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        match self {
            Self::H1(asked) => asked.client.piece(&mut asked.body),
            Self::H2(call) => call.piece(),
        }
    }

    /// Pieces until so many bytes came, which must not end within a piece.
    ///
    /// # Panics
    /// When fewer come.
    #[track_caller]
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            match self.piece() {
                Ok(Some(piece)) => bytes.extend(piece),
                other => panic!(
                    "expected {length} bytes, but after {} {other:?}",
                    bytes.len()
                ),
            }
        }
        bytes
    }

    /// The whole response.
    ///
    /// # Panics
    /// When it is cut.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        match self.try_response() {
            Ok(response) => response,
            Err(cut) => panic!("expected a response, but {}: {:?}", cut.why, cut.head),
        }
    }

    /// The whole response, or how far it came.
    ///
    /// # Errors
    /// When it is cut.
    pub fn try_response(&mut self) -> Result<Response, Box<Cut>> {
        match self {
            Self::H1(asked) => asked.client.try_response(&asked.method),
            Self::H2(call) => call.try_response(),
        }
    }

    /// A response that visibly ends before it is whole: never complete.
    #[track_caller]
    pub fn cut_response(&mut self) -> Box<Cut> {
        Cut::expected(self.try_response())
    }

    /// Gives the request up: HTTP/1.1 closes its connection, HTTP/2 resets the stream.
    pub fn cancel(self) {
        match self {
            Self::H1(asked) => asked.client.hang_up(),
            Self::H2(call) => call.cancel(),
        }
    }
}
