//! One request on a connection of HTTP/1.1, in the hands of the script that answers it.

use super::Conn;
use crate::broken::Broken;
use crate::length::Length;
use crate::message::{Field, Framing, Head};
use crate::wire::Body;

/// A request of HTTP/1.1 and its response.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    conn: &'a mut Conn,
    head: Head,
    body: Body,
    sending: Sending,
    /// Whether the connection ends with it, well or not.
    last: bool,
}

/// How far the response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// No head yet.
    Nothing,
    /// Bytes as they are.
    Plain,
    /// Chunks.
    Chunks,
    /// All of it.
    Done,
}

impl<'a> Turn<'a> {
    pub(super) fn new(conn: &'a mut Conn, head: Head) -> Self {
        let framing = head.request_framing().expect("a request is framed");
        Self {
            conn,
            head,
            body: Body::new(framing),
            sending: Sending::Nothing,
            last: false,
        }
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn conn(&self) -> &Conn {
        self.conn
    }

    pub(super) fn piece(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        self.conn.piece(&mut self.body)
    }

    pub(super) fn request_trailers(&mut self) -> Vec<Field> {
        self.body.trailers()
    }

    pub(super) fn interim(&mut self, status: u16, lines: &str) -> bool {
        self.conn
            .send(format!("HTTP/1.1 {status} Wait\r\n{lines}\r\n"))
    }

    pub(super) fn respond(&mut self, status: u16, lines: &str, length: Length) -> bool {
        let framing = match length {
            Length::None => String::new(),
            Length::Known(length) => format!("Content-Length: {length}\r\n"),
            Length::Unknown => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        self.sending = match length {
            Length::None => Sending::Done,
            Length::Known(_) => Sending::Plain,
            Length::Unknown => Sending::Chunks,
        };
        self.conn
            .send(format!("HTTP/1.1 {status} Fine\r\n{lines}{framing}\r\n"))
    }

    /// Answers 101: from then on pieces are what comes, and data is sent as it is.
    pub(super) fn switch(&mut self, lines: &str) -> bool {
        self.sending = Sending::Plain;
        self.body = Body::new(Framing::Close);
        self.conn
            .send(format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n"))
    }

    pub(super) fn data(&mut self, bytes: &[u8]) -> bool {
        match self.sending {
            Sending::Plain => self.conn.send(bytes),
            // An empty chunk would be the last one.
            Sending::Chunks if bytes.is_empty() => true,
            Sending::Chunks => {
                let line = format!("{:x}\r\n", bytes.len());
                self.conn.send([line.as_bytes(), bytes, b"\r\n"].concat())
            }
            other => panic!("no body can be sent: {other:?}"),
        }
    }

    pub(super) fn end(&mut self) -> bool {
        self.trailers("")
    }

    pub(super) fn trailers(&mut self, lines: &str) -> bool {
        let sent = match self.sending {
            Sending::Chunks => self.conn.send(format!("0\r\n{lines}\r\n")),
            _ => lines.is_empty(),
        };
        self.sending = Sending::Done;
        sent
    }

    pub(super) fn bytes(&mut self, bytes: Vec<u8>, last: bool) -> bool {
        self.sending = Sending::Done;
        self.last |= last;
        self.conn.send(bytes)
    }

    pub(super) fn cut(&mut self) {
        self.last = true;
        self.conn.no_goodbye();
    }

    pub(super) fn reset(&mut self) {
        self.last = true;
        self.conn.reset();
    }

    pub(super) fn retire(&mut self) {
        self.last = true;
    }

    pub(super) fn gone(&mut self) {
        self.last = true;
        self.conn.until_closed();
    }

    /// Whether another request may follow: this one was read and answered to its end.
    pub(super) fn is_over(&self) -> bool {
        !self.last && self.sending == Sending::Done && self.body.is_over()
    }
}
