//! One stream of an origin's: a request, in the hands of the script that answers it.

use std::fmt;
use std::future::poll_fn;
use std::io::Cursor;
use std::sync::mpsc;

use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use tokio::sync::mpsc::UnboundedSender;

use super::call::{next_piece, send_data, trailers};
use super::origin::{Arrival, Command};
use super::{Data, fields, park};
use crate::broken::Broken;
use crate::length::Length;
use crate::message::{Field, Head};
use crate::patience::PATIENCE;

/// A request of HTTP/2 and its response. What it sends tells by `false` that the stream is gone.
pub struct Answer {
    head: Head,
    body: RecvStream,
    respond: SendResponse<Data>,
    send: Option<SendStream<Data>>,
    commands: UnboundedSender<Command>,
}

impl Answer {
    pub(crate) fn new((request, respond): Arrival, commands: UnboundedSender<Command>) -> Self {
        Self {
            head: fields::request_head(&request),
            body: request.into_body(),
            respond,
            send: None,
            commands,
        }
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) fn piece(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        next_piece(&mut self.body)
    }

    /// The trailers, after the last piece.
    pub(crate) fn request_trailers(&mut self) -> Result<Vec<Field>, Broken> {
        trailers(&mut self.body)
    }

    pub(crate) fn interim(&mut self, status: u16, lines: &str) -> bool {
        let head = fields::response(status, lines, Length::None);
        self.respond.send_informational(head).is_ok()
    }

    pub(crate) fn respond(&mut self, status: u16, lines: &str, length: Length) -> bool {
        let head = fields::response(status, lines, length);
        match self.respond.send_response(head, length == Length::None) {
            Ok(send) => {
                self.send = Some(send);
                true
            }
            Err(_) => false,
        }
    }

    pub(crate) fn data(&mut self, bytes: &[u8]) -> bool {
        send_data(self.sending(), bytes).is_ok()
    }

    pub(crate) fn end(&mut self) -> bool {
        let sent = self.sending().send_data(Cursor::default(), true).is_ok();
        // Whoever has the response whole may end this origin, and with it what is still to be written.
        self.flush();
        sent
    }

    pub(crate) fn trailers(&mut self, lines: &str) -> bool {
        self.sending().send_trailers(fields::plain(lines)).is_ok()
    }

    /// Resets the stream, once what was sent before is on its way.
    pub(crate) fn reset(&mut self, code: u32) {
        self.flush();
        self.respond.send_reset(code.into());
    }

    /// Waits until what was sent is on its way, as far as windows and socket allow.
    fn flush(&self) {
        let (tell, told) = mpsc::sync_channel(0);
        self.command(Command::Flush(tell));
        // It tells by letting go of its end.
        let _ = told.recv_timeout(PATIENCE);
    }

    /// Waits until the other side has reset the stream, or the connection has ended; gives the code.
    pub(crate) fn gone(&mut self) -> Result<u32, Broken> {
        let reset = match &mut self.send {
            None => park::wait(poll_fn(|cx| self.respond.poll_reset(cx)))?,
            Some(send) => park::wait(poll_fn(|cx| send.poll_reset(cx)))?,
        };
        Ok(reset.unwrap_or(Reason::CANCEL).into())
    }

    pub(crate) fn command(&self, command: Command) {
        // A connection that has ended obeys already.
        let _ = self.commands.send(command);
    }

    fn sending(&mut self) -> &mut SendStream<Data> {
        self.send.as_mut().expect("the head is sent first")
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({})", self.head)
    }
}
