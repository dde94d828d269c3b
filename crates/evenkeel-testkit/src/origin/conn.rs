//! One connection of an origin, in the hands of its script.

use std::net::Shutdown;
use std::sync::{Arc, Mutex};

use super::{Inner, Reply};
use crate::broken::Broken;
use crate::message::{Framing, Head, Request};
use crate::stream::{Sender, Stream};
use crate::tls::Handshake;
use crate::wire::{Body, Wire};

/// A connection that evenkeel made.
#[derive(Debug)]
pub struct Conn {
    index: usize,
    number: usize,
    stream: Arc<Stream>,
    wire: Wire,
    inner: Arc<Inner>,
}

impl Conn {
    pub(super) fn new(
        index: usize,
        stream: Arc<Stream>,
        record: Arc<Mutex<Vec<u8>>>,
        inner: Arc<Inner>,
    ) -> Self {
        let wire = Wire::recording(Arc::clone(&stream), record);
        Self {
            index,
            number: 0,
            stream,
            wire,
            inner,
        }
    }

    pub(super) fn wait_spoken_to(&mut self) -> bool {
        if let Err(broken) = self.wire.await_more() {
            if matches!(broken, Broken::Tls(_)) {
                let failed = broken.to_string();
                self.inner
                    .change(|state| state.failed_handshakes.push(failed));
            }
            return false;
        }
        let index = self.index;
        let number = &mut self.number;
        self.inner.change(|state| {
            *number = state.spoken.len();
            state.spoken.push(index);
        });
        true
    }

    /// Which of the origin's connections it is, from 0.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// The next whole request, recorded with its origin; `None` when the connection ended before or within one.
    ///
    /// # Panics
    /// When what came is no strict HTTP/1.1: what evenkeel sends is nothing else.
    pub fn request(&mut self) -> Option<Request> {
        match self.read_request() {
            Ok(request) => {
                if let Some(request) = &request {
                    self.record(request.clone());
                }
                request
            }
            Err(broken) => {
                self.cut(&broken);
                None
            }
        }
    }

    /// The next request's head alone.
    ///
    /// # Panics
    /// When none comes.
    pub fn head(&mut self) -> Head {
        match self.wire.head() {
            Ok(Some(head)) => head,
            Ok(None) => panic!("the connection ended where a request was expected"),
            Err(broken) => panic!("expected a request's head, but {broken}"),
        }
    }

    /// Gives each piece of the body after `head` to `sink`; `false` when it was cut.
    pub fn body(&mut self, head: &Head, sink: &mut dyn FnMut(&[u8])) -> bool {
        let framing = head.request_framing().expect("a request is framed");
        match self.wire.body(framing, sink) {
            Ok(_) => true,
            Err(broken) => {
                self.cut(&broken);
                false
            }
        }
    }

    /// What was agreed on by TLS, when there is any.
    #[must_use]
    pub fn handshake(&self) -> Option<Handshake> {
        self.stream.agreed()
    }

    /// The next piece of a body.
    pub(super) fn piece(&mut self, body: &mut Body) -> Result<Option<Vec<u8>>, Broken> {
        self.wire.piece(body)
    }

    /// The next request's head, when one comes.
    pub(super) fn next_head(&mut self) -> Option<Head> {
        match self.wire.head() {
            Ok(head) => head,
            Err(broken) => {
                self.cut(&broken);
                None
            }
        }
    }

    /// Records a whole request with its origin.
    pub(super) fn record(&self, request: Request) {
        self.inner.change(|state| state.requests.push(request));
    }

    /// Exactly so many bytes of whatever comes.
    ///
    /// # Panics
    /// When fewer come.
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        self.wire
            .exactly(length)
            .unwrap_or_else(|broken| panic!("expected {length} bytes, but {broken}"))
    }

    /// Reads until the other side closes or resets, and returns what came.
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut sink = |piece: &[u8]| bytes.extend_from_slice(piece);
        // How it ended does not matter here.
        drop(self.wire.body(Framing::Close, &mut sink));
        bytes
    }

    /// Its socket, and what was read of it and not taken yet.
    pub(crate) fn raw(&mut self) -> (Arc<Stream>, Vec<u8>) {
        (Arc::clone(&self.stream), self.wire.take_unread())
    }

    /// The sending half, for a thread of its own.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender::new(&self.stream)
    }

    /// Sends these bytes; `false` when the connection is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends these bytes one at a time, each its own packet; `false` when the connection is gone.
    pub fn send_bytewise(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        bytes
            .as_ref()
            .iter()
            .all(|&byte| self.stream.write_all(&[byte]).is_ok())
    }

    /// Sends a reply to this request; `false` when the connection is to be closed or is gone.
    pub fn reply(&mut self, request: &Request, reply: &Reply) -> bool {
        self.send(reply.bytes(request.method() == "HEAD")) && !reply.closes()
    }

    /// Ends the sending direction only.
    pub fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write);
    }

    /// Makes the close at the script's end a reset.
    ///
    /// # Panics
    /// When the socket cannot do it.
    pub fn reset(&mut self) {
        self.stream
            .reset_on_close()
            .expect("a socket can be told to reset");
    }

    /// Makes the end of TLS come without the goodbye (`close_notify`) that tells it from a cut.
    pub fn no_goodbye(&mut self) {
        self.stream.no_goodbye();
    }

    /// Makes the kernel hold few received bytes.
    ///
    /// # Panics
    /// When the socket cannot do it.
    pub fn small_receive_buffer(&mut self) {
        self.stream
            .small_receive_buffer()
            .expect("a buffer can be made small");
    }

    fn read_request(&mut self) -> Result<Option<Request>, Broken> {
        let Some(head) = self.wire.head()? else {
            return Ok(None);
        };
        let framing = head.request_framing()?;
        let mut body = Vec::new();
        let trailers = self
            .wire
            .body(framing, &mut |piece| body.extend_from_slice(piece))?;
        Ok(Some(Request {
            head,
            body,
            trailers,
            connection: self.number,
            tls: self.stream.agreed(),
        }))
    }

    pub(super) fn cut(&self, broken: &Broken) {
        assert!(
            !matches!(broken, Broken::Malformed(_)),
            "evenkeel sent an origin {broken}"
        );
        self.inner.change(|state| state.cut += 1);
    }
}
