//! Clients: raw connections, with a small language for ordinary requests on top.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use crate::broken::Broken;
use crate::ends;
use crate::message::{Framing, Head, Response};
use crate::patience::PATIENCE;
use crate::stream::{Sender, Stream};
use crate::tls::{Handshake, TlsClient, posing};
use crate::wire::{Body, Wire};

/// One connection. What goes wrong on it panics, unless a method says otherwise.
#[derive(Debug)]
pub struct Client {
    stream: Arc<Stream>,
    wire: Wire,
    host: String,
}

impl Client {
    /// Connects over TCP.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .and_then(Stream::tcp)
            .unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        Self::over(stream)
    }

    /// Connects to a Unix socket.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    #[track_caller]
    pub fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path)
            .unwrap_or_else(|error| panic!("no connection to {}: {error}", path.display()));
        Self::over(Stream::Unix(stream))
    }

    /// Connects over TLS, and does the handshake.
    ///
    /// # Panics
    /// When nobody listens, or the handshake fails.
    #[must_use]
    #[track_caller]
    pub fn tls(address: SocketAddr, tls: &TlsClient) -> Self {
        Self::try_tls(address, tls)
            .unwrap_or_else(|broken| panic!("no TLS with {address}: {broken}"))
    }

    /// The same for a case in which the handshake may fail. Of TLS 1.3 this side's part may succeed all the same: that the
    /// other refuses a client's certificate shows when something is read.
    ///
    /// # Errors
    /// Why it does.
    ///
    /// # Panics
    /// When nobody listens.
    #[track_caller]
    pub fn try_tls(address: SocketAddr, tls: &TlsClient) -> Result<Self, Broken> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .and_then(Stream::tcp)
            .unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        let client = Self::over(stream.secured(tls.connection("http/1.1"))?);
        client.stream.handshake()?;
        Ok(client)
    }

    /// What was agreed on by TLS.
    ///
    /// # Panics
    /// When there is no TLS.
    #[must_use]
    #[track_caller]
    pub fn handshake(&self) -> Handshake {
        self.stream.agreed().expect("it is a connection with TLS")
    }

    fn over(stream: Stream) -> Self {
        stream
            .read_timeout(PATIENCE)
            .and_then(|()| stream.write_timeout(PATIENCE))
            .expect("a socket takes timeouts");
        let stream = Arc::new(stream);
        ends::note(&stream);
        Self {
            wire: Wire::new(Arc::clone(&stream)),
            stream,
            host: "a.example".to_owned(),
        }
    }

    /// Says another `Host` from now on; it is `a.example` at first.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Sends these bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.stream.write_all(bytes.as_ref()) {
            panic!("evenkeel took no more: {error}");
        }
    }

    /// Sends these bytes; `false` when the connection is gone.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends these bytes over TLS 1.3 as if they were of a message of the handshake; `false` when the connection is gone.
    pub fn try_send_as_handshake(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        posing::as_handshake(|| self.try_send(bytes))
    }

    /// Sends these bytes one at a time, each its own packet, and gives up when the connection is gone.
    pub fn send_bytewise(&mut self, bytes: impl AsRef<[u8]>) {
        let mut bytes = bytes.as_ref().iter();
        while bytes.next().is_some_and(|&byte| self.try_send([byte])) {}
    }

    /// The sending half, for a thread of its own.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender::new(&self.stream)
    }

    /// A GET, and its response.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.ask("GET", target, "", "")
    }

    /// A POST with `Content-Length`, and its response.
    #[track_caller]
    pub fn post(&mut self, target: &str, body: &str) -> Response {
        let length = format!("Content-Length: {}\r\n", body.len());
        self.ask("POST", target, &length, body)
    }

    /// A GET with these field lines (`"Name: value\r\n…"`), and its response.
    #[track_caller]
    pub fn get_with(&mut self, target: &str, fields: &str) -> Response {
        self.ask("GET", target, fields, "")
    }

    /// Any request with these field lines and this body, and its response.
    #[track_caller]
    pub fn ask(&mut self, method: &str, target: &str, fields: &str, body: &str) -> Response {
        self.send_request(method, target, fields, body);
        self.response(method)
    }

    /// Sends a request whose response is read later.
    #[track_caller]
    pub fn send_request(&mut self, method: &str, target: &str, fields: &str, body: &str) {
        let host = &self.host;
        self.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n{body}"
        ));
    }

    /// The response to a request of this method.
    #[track_caller]
    pub fn response(&mut self, method: &str) -> Response {
        match self.try_response(method) {
            Ok(response) => response,
            Err(cut) => panic!("expected a response, but {}: {:?}", cut.why, cut.head),
        }
    }

    /// The response to a request of this method, or how far it came.
    ///
    /// # Errors
    /// When it is cut or malformed.
    pub fn try_response(&mut self, method: &str) -> Result<Response, Box<Cut>> {
        let mut interim = Vec::new();
        let head = loop {
            match self.wire.head() {
                Ok(Some(head)) if is_interim(&head) => interim.push(head),
                Ok(Some(head)) => break head,
                Ok(None) => return Err(Cut::before_head(Broken::Closed)),
                Err(broken) => return Err(Cut::before_head(broken)),
            }
        };
        let mut body = Vec::new();
        let mut sink = |piece: &[u8]| body.extend_from_slice(piece);
        let read = head
            .response_framing(method)
            .and_then(|framing| Ok((framing, self.wire.body(framing, &mut sink)?)));
        match read {
            Ok((framing, trailers)) => Ok(Response {
                interim,
                head,
                framing,
                body,
                trailers,
            }),
            Err(why) => Err(Box::new(Cut {
                head: Some(head),
                body,
                why,
            })),
        }
    }

    /// A response that visibly ends before its framing says so: closed or reset, never complete.
    #[track_caller]
    pub fn cut_response(&mut self, method: &str) -> Box<Cut> {
        Cut::expected(self.try_response(method))
    }

    /// The next head alone: an interim response, or one whose body is read piece by piece.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        match self.wire.head() {
            Ok(Some(head)) => head,
            Ok(None) => panic!("expected a head, but the connection was closed"),
            Err(broken) => panic!("expected a head, but {broken}"),
        }
    }

    /// Gives each piece of the body after a response's head to `sink`.
    #[track_caller]
    pub fn body(&mut self, framing: Framing, sink: &mut dyn FnMut(&[u8])) {
        if let Err(broken) = self.wire.body(framing, sink) {
            panic!("expected a whole body, but {broken}");
        }
    }

    /// The next piece of a body; `None` after its last one.
    pub(crate) fn piece(&mut self, body: &mut Body) -> Result<Option<Vec<u8>>, Broken> {
        self.wire.piece(body)
    }

    /// Ends the connection in both directions.
    pub(crate) fn hang_up(&self) {
        self.stream.shutdown(Shutdown::Both);
    }

    /// Exactly so many bytes.
    #[track_caller]
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        match self.wire.exactly(length) {
            Ok(bytes) => bytes,
            Err(broken) => panic!("expected {length} bytes, but {broken}"),
        }
    }

    /// Exactly so many bytes, or why they did not come.
    ///
    /// # Errors
    /// When fewer come.
    pub fn try_exactly(&mut self, length: usize) -> Result<Vec<u8>, Broken> {
        self.wire.exactly(length)
    }

    /// Everything until evenkeel closes the connection cleanly.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        match self.wire.rest() {
            Ok(bytes) => bytes,
            Err(broken) => panic!("expected a clean close, but {broken}"),
        }
    }

    /// Nothing more comes, and evenkeel closes (or, when it had bytes of ours unread, resets) the connection.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        match self.wire.rest() {
            Ok(bytes) => assert!(
                bytes.is_empty(),
                "expected a close, but there came {:?}",
                String::from_utf8_lossy(&bytes)
            ),
            Err(Broken::Reset) => {}
            Err(broken) => panic!("expected a close, but {broken}"),
        }
    }

    /// Ends the sending direction only.
    pub fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write);
    }

    /// Makes the kernel hold few received bytes.
    #[must_use]
    pub fn small_receive_buffer(self) -> Self {
        self.stream
            .small_receive_buffer()
            .expect("a buffer can be made small");
        self
    }

    /// Makes the end of TLS come without the goodbye (`close_notify`) that tells it from a cut.
    #[must_use]
    pub fn no_goodbye(self) -> Self {
        self.stream.no_goodbye();
        self
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        self.stream
            .reset_on_close()
            .expect("a socket can be told to reset");
    }
}

/// A response that did not come whole.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Its head, when that came.
    pub head: Option<Head>,
    /// What came of its body.
    pub body: Vec<u8>,
    /// What ended it.
    pub why: Broken,
}

impl Cut {
    pub(crate) fn before_head(why: Broken) -> Box<Self> {
        Box::new(Self {
            head: None,
            body: Vec::new(),
            why,
        })
    }

    /// The response had a head, and was cut after it.
    #[track_caller]
    pub(crate) fn expected(response: Result<Response, Box<Self>>) -> Box<Self> {
        match response {
            Ok(response) => panic!("expected a cut response, but it is whole: {response}"),
            Err(cut) => {
                assert!(
                    cut.why.is_cut() && cut.head.is_some(),
                    "expected a cut response: {cut:?}"
                );
                cut
            }
        }
    }
}

/// Whether another head follows: 101 is the last one of its exchange.
fn is_interim(head: &Head) -> bool {
    head.start[1].starts_with('1') && head.status() != 101
}
