//! One request in the hands of a script, whatever protocol it came by.

use std::sync::Arc;

use super::turn::Turn;
use super::{Conn, Inner, Reply};
use crate::broken::Broken;
use crate::h2::{Answer, Command};
use crate::length::Length;
use crate::message::{Field, Head, Request};
use crate::tls::Handshake;

/// A request and its response. What it sends tells by `false` that nobody takes it any more.
///
/// When the script is done and the response is not, the request is cut: by a close of HTTP/1.1, a reset of HTTP/2.
#[derive(Debug)]
pub struct Exchange<'a> {
    side: Side<'a>,
    connection: usize,
    tls: Option<Handshake>,
    inner: Arc<Inner>,
    trailers: Vec<Field>,
}

#[derive(Debug)]
enum Side<'a> {
    H1(Turn<'a>),
    H2(Box<Answer>),
}

impl<'a> Exchange<'a> {
    /// Runs the script for request after request of a connection of HTTP/1.1.
    pub(super) fn each(conn: &mut Conn, inner: &Arc<Inner>, script: &dyn Fn(&mut Exchange<'_>)) {
        while let Some(head) = conn.next_head() {
            let mut exchange = Exchange {
                connection: conn.number(),
                tls: conn.handshake(),
                side: Side::H1(Turn::new(conn, head)),
                inner: Arc::clone(inner),
                trailers: Vec::new(),
            };
            script(&mut exchange);
            if !matches!(&exchange.side, Side::H1(turn) if turn.is_over()) {
                return;
            }
        }
    }

    pub(super) fn of_stream(
        answer: Answer,
        connection: usize,
        tls: Option<Handshake>,
        inner: Arc<Inner>,
    ) -> Exchange<'static> {
        Exchange {
            side: Side::H2(Box::new(answer)),
            connection,
            tls,
            inner,
            trailers: Vec::new(),
        }
    }

    /// The request's head.
    #[must_use]
    pub fn head(&self) -> &Head {
        match &self.side {
            Side::H1(turn) => turn.head(),
            Side::H2(answer) => answer.head(),
        }
    }

    /// Which of the origin's connections it came on, from 0.
    #[must_use]
    pub fn connection(&self) -> usize {
        self.connection
    }

    /// What was agreed on by TLS, when there is any.
    #[must_use]
    pub fn handshake(&self) -> Option<&Handshake> {
        self.tls.as_ref()
    }

    /// The whole request, recorded with its origin; `None` when it was cut.
    pub fn request(&mut self) -> Option<Request> {
        let mut body = Vec::new();
        if !self.body(&mut |piece| body.extend_from_slice(piece)) {
            return None;
        }
        let request = Request {
            head: self.head().clone(),
            body,
            trailers: std::mem::take(&mut self.trailers),
            connection: self.connection,
            tls: self.tls.clone(),
        };
        self.inner
            .change(|state| state.requests.push(request.clone()));
        Some(request)
    }

    /// Gives each piece of the request's body to `sink`; `false` when it was cut.
    pub fn body(&mut self, sink: &mut dyn FnMut(&[u8])) -> bool {
        loop {
            match self.try_piece() {
                Ok(Some(piece)) => sink(&piece),
                Ok(None) => return true,
                Err(broken) => {
                    self.cut_short(&broken);
                    return false;
                }
            }
        }
    }

    /// The next piece of the request's body, or of a tunnel, as it comes; `None` at its end, however that came.
    pub fn piece(&mut self) -> Option<Vec<u8>> {
        match self.try_piece() {
            Ok(piece) => piece,
            Err(broken) => {
                self.cut_short(&broken);
                None
            }
        }
    }

    fn try_piece(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let piece = match &mut self.side {
            Side::H1(turn) => turn.piece()?,
            Side::H2(answer) => answer.piece()?,
        };
        if piece.is_none() {
            self.trailers = match &mut self.side {
                Side::H1(turn) => turn.request_trailers(),
                Side::H2(answer) => answer.request_trailers()?,
            };
        }
        Ok(piece)
    }

    /// The request's trailers, once [`Exchange::body`] or [`Exchange::piece`] came to its end.
    #[must_use]
    pub fn request_trailers(&self) -> &[Field] {
        &self.trailers
    }

    /// Sends an interim (1xx) head with these field lines.
    pub fn interim(&mut self, status: u16, lines: &str) -> bool {
        match &mut self.side {
            Side::H1(turn) => turn.interim(status, lines),
            Side::H2(answer) => answer.interim(status, lines),
        }
    }

    /// Sends the response's head with these field lines; with [`Length::None`] that is all of it.
    pub fn respond(&mut self, status: u16, lines: &str, length: Length) -> bool {
        match &mut self.side {
            Side::H1(turn) => turn.respond(status, lines, length),
            Side::H2(answer) => answer.respond(status, lines, length),
        }
    }

    /// Opens a tunnel: 101 to an upgrade of HTTP/1.1 with these field lines, 200 to an extended CONNECT of HTTP/2.
    pub fn switch(&mut self, lines: &str) -> bool {
        match &mut self.side {
            Side::H1(turn) => turn.switch(lines),
            Side::H2(answer) => answer.respond(200, "", Length::Unknown),
        }
    }

    /// Sends a piece of the response's body.
    pub fn data(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        match &mut self.side {
            Side::H1(turn) => turn.data(bytes.as_ref()),
            Side::H2(answer) => answer.data(bytes.as_ref()),
        }
    }

    /// Ends the response.
    pub fn end(&mut self) -> bool {
        match &mut self.side {
            Side::H1(turn) => turn.end(),
            Side::H2(answer) => answer.end(),
        }
    }

    /// Ends the response with trailers; of HTTP/1.1 only one of unknown length has them.
    pub fn trailers(&mut self, lines: &str) -> bool {
        match &mut self.side {
            Side::H1(turn) => turn.trailers(lines),
            Side::H2(answer) => answer.trailers(lines),
        }
    }

    /// Sends a whole reply.
    ///
    /// # Panics
    /// When it is raw bytes, and the protocol is HTTP/2.
    pub fn reply(&mut self, reply: &Reply) -> bool {
        let head_only = self.head().start[0] == "HEAD";
        match &mut self.side {
            Side::H1(turn) => turn.bytes(reply.bytes(head_only), reply.closes()),
            Side::H2(answer) => {
                let (status, fields, body) = reply.parts().expect("HTTP/2 has no raw replies");
                if reply.closes() {
                    answer.command(Command::Retire);
                }
                let bodiless = matches!(status, 204 | 304);
                if head_only {
                    let length = format!("{fields}content-length: {}\r\n", body.len());
                    let fields = if bodiless { fields } else { &length };
                    return answer.respond(status, fields, Length::None);
                }
                if bodiless {
                    return answer.respond(status, fields, Length::None);
                }
                let length = Length::Known(body.len() as u64);
                answer.respond(status, fields, length) && answer.data(body) && answer.end()
            }
        }
    }

    /// Cuts the response where it is: HTTP/1.1 closes the connection (without the goodbye of TLS), HTTP/2 resets the stream
    /// with `INTERNAL_ERROR`.
    pub fn cut(&mut self) {
        match &mut self.side {
            Side::H1(turn) => turn.cut(),
            Side::H2(answer) => answer.reset(2),
        }
    }

    /// Resets: HTTP/1.1 its connection, HTTP/2 the stream with this code.
    pub fn reset(&mut self, code: u32) {
        match &mut self.side {
            Side::H1(turn) => turn.reset(),
            Side::H2(answer) => answer.reset(code),
        }
    }

    /// Closes the whole connection now, with all that is under way on it.
    pub fn hang_up(&mut self) {
        match &mut self.side {
            Side::H1(turn) => turn.cut(),
            Side::H2(answer) => answer.command(Command::HangUp),
        }
    }

    /// Takes no more requests on this connection: HTTP/1.1 closes it after this response, HTTP/2 says GOAWAY.
    pub fn retire(&mut self) {
        match &mut self.side {
            Side::H1(turn) => turn.retire(),
            Side::H2(answer) => answer.command(Command::Retire),
        }
    }

    /// Ends the connection of HTTP/2 with GOAWAY and this code.
    ///
    /// # Panics
    /// When it is HTTP/1.1.
    pub fn goaway(&mut self, code: u32) {
        match &mut self.side {
            Side::H1(_) => panic!("HTTP/1.1 has no GOAWAY"),
            Side::H2(answer) => answer.command(Command::Abort(code)),
        }
    }

    /// Waits until the other side has given this request up: its connection of HTTP/1.1 is closed, its stream of HTTP/2
    /// reset; then gives the code.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn wait_gone(&mut self) -> Option<u32> {
        match &mut self.side {
            Side::H1(turn) => {
                turn.gone();
                None
            }
            Side::H2(answer) => match answer.gone() {
                Ok(code) => Some(code),
                Err(broken) => panic!("expected to be given up, but {broken}"),
            },
        }
    }

    fn cut_short(&self, broken: &Broken) {
        match &self.side {
            Side::H1(turn) => turn.conn().cut(broken),
            Side::H2(_) => self.inner.change(|state| state.cut += 1),
        }
    }
}
