//! One stream of a client's: a request and its response.

use std::future::poll_fn;
use std::io::Cursor;
use std::task::Poll;

use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};

use super::{Data, fields, park};
use crate::broken::Broken;
use crate::client::Cut;
use crate::message::{Field, Framing, Head, Response};

/// A request under way. Dropping it before its end cancels it.
#[derive(Debug)]
pub struct Call {
    method: String,
    send: SendStream<Data>,
    awaited: Option<ResponseFuture>,
    body: Option<RecvStream>,
}

impl Call {
    pub(super) fn new(method: &str, awaited: ResponseFuture, send: SendStream<Data>) -> Self {
        Self {
            method: method.to_owned(),
            send,
            awaited: Some(awaited),
            body: None,
        }
    }

    pub(super) fn method(&self) -> &str {
        &self.method
    }

    /// Sends a piece of the body, which waits for the other side's windows.
    ///
    /// # Panics
    /// When it is not taken in time, or the stream has ended.
    #[track_caller]
    pub fn data(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        if let Err(broken) = send_data(&mut self.send, bytes.as_ref()) {
            panic!("evenkeel took no more: {broken}");
        }
        self
    }

    /// The same; `false` when the stream has ended, or nothing was taken for too long.
    pub fn try_data(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        send_data(&mut self.send, bytes.as_ref()).is_ok()
    }

    /// Ends the request.
    ///
    /// # Panics
    /// When the stream has ended.
    #[track_caller]
    pub fn end(&mut self) {
        assert!(self.try_end(), "the stream has ended");
    }

    /// The same; `false` when the stream has ended.
    pub fn try_end(&mut self) -> bool {
        self.send.send_data(Cursor::default(), true).is_ok()
    }

    /// Ends the request with trailers.
    #[track_caller]
    pub fn trailers(&mut self, lines: &str) {
        let sent = self.send.send_trailers(fields::plain(lines));
        sent.expect("a stream that has not ended can be ended");
    }

    /// Gives it up (RST_STREAM with CANCEL).
    pub fn cancel(mut self) {
        self.send.send_reset(Reason::CANCEL);
    }

    /// Resets the stream with this code.
    pub fn reset(mut self, code: u32) {
        self.send.send_reset(code.into());
    }

    /// Waits until the other side has reset the stream, and gives the code.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn wait_reset(&mut self) -> u32 {
        match park::wait(poll_fn(|cx| self.send.poll_reset(cx))) {
            Ok(Ok(reason)) => reason.into(),
            Ok(Err(error)) => panic!("expected a reset of the stream, but {error}"),
            Err(broken) => panic!("expected a reset of the stream, but {broken}"),
        }
    }

    /// The next interim (1xx) head, waited for.
    ///
    /// # Panics
    /// When the final one comes instead, or nothing.
    #[track_caller]
    pub fn interim(&mut self) -> Head {
        match park::wait(poll_fn(|cx| self.poll_head(cx))) {
            Ok(Ok(head)) if head.start[1].starts_with('1') => head,
            other => panic!("expected an interim response, but {other:?}"),
        }
    }

    /// The final head alone; the body is read by [`Call::body`], and interim ones before it are left out.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        match self.try_head() {
            Ok((_, head)) => head,
            Err(cut) => panic!("expected a head, but {}", cut.why),
        }
    }

    /// Gives each piece of the body after the head to `sink`, and returns the trailers. What was given is allowed to be sent
    /// anew: without it the stream stands still.
    ///
    /// # Errors
    /// When the body is cut.
    ///
    /// # Panics
    /// Before the head.
    pub fn body(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<Vec<Field>, Broken> {
        let body = self.body.as_mut().expect("the head is read first");
        receive(body, sink)
    }

    /// The next piece of the body after the head; `None` after its last one. What was given is allowed to be sent anew.
    ///
    /// # Errors
    /// When the body is cut.
    ///
    /// # Panics
    /// Before the head.
    pub fn piece(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let body = self.body.as_mut().expect("the head is read first");
        next_piece(body)
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
        let (interim, head) = self.try_head()?;
        let framing = match &self.body {
            Some(body) if body.is_end_stream() => Framing::None,
            _ => Framing::Stream,
        };
        let mut body = Vec::new();
        match self.body(&mut |piece| body.extend_from_slice(piece)) {
            Ok(trailers) => Ok(Response {
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

    /// A response that visibly ends before it is whole: reset, never complete.
    #[track_caller]
    pub fn cut_response(&mut self) -> Box<Cut> {
        Cut::expected(self.try_response())
    }

    fn try_head(&mut self) -> Result<(Vec<Head>, Head), Box<Cut>> {
        let mut interim = Vec::new();
        loop {
            let next = park::wait(poll_fn(|cx| self.poll_head(cx)));
            match next.and_then(|head| head) {
                Ok(head) if head.start[1].starts_with('1') => interim.push(head),
                Ok(head) => return Ok((interim, head)),
                Err(broken) => return Err(Cut::before_head(broken)),
            }
        }
    }

    /// The next head, interim or not; the body is there with the final one.
    fn poll_head(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<Head, Broken>> {
        let awaited = self.awaited.as_mut().expect("there is one response");
        if let Poll::Ready(Some(interim)) = awaited.poll_informational(cx) {
            let head = interim.map(|interim| fields::response_head(&interim));
            return Poll::Ready(head.map_err(Broken::from));
        }
        let polled = std::pin::Pin::new(awaited).poll(cx);
        polled.map(|response| {
            self.awaited = None;
            let response = response?;
            let head = fields::response_head(&response);
            self.body = Some(response.into_body());
            Ok(head)
        })
    }
}

/// Sends a piece of a body as the windows allow it.
pub(super) fn send_data(stream: &mut SendStream<Data>, bytes: &[u8]) -> Result<(), Broken> {
    let mut rest = bytes;
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let granted = if stream.capacity() > 0 {
            stream.capacity()
        } else {
            match park::wait(poll_fn(|cx| stream.poll_capacity(cx)))? {
                Some(granted) => granted?,
                None => return Err(Broken::Closed),
            }
        };
        let (piece, after) = rest.split_at(granted.min(rest.len()));
        stream.send_data(Cursor::new(piece.to_vec()), false)?;
        rest = after;
    }
    Ok(())
}

/// Reads a body to its end, and its trailers.
fn receive(body: &mut RecvStream, sink: &mut dyn FnMut(&[u8])) -> Result<Vec<Field>, Broken> {
    while let Some(piece) = next_piece(body)? {
        sink(&piece);
    }
    trailers(body)
}

/// The next piece of a body, whose room is given back at once.
pub(super) fn next_piece(body: &mut RecvStream) -> Result<Option<Vec<u8>>, Broken> {
    loop {
        let Some(piece) = park::wait(poll_fn(|cx| body.poll_data(cx)))? else {
            return Ok(None);
        };
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        // A frame that only ends the stream is no piece.
        if !piece.is_empty() {
            return Ok(Some(piece.to_vec()));
        }
    }
}

/// What comes after the last piece.
pub(super) fn trailers(body: &mut RecvStream) -> Result<Vec<Field>, Broken> {
    let trailers = park::wait(poll_fn(|cx| body.poll_trailers(cx)))??;
    Ok(trailers.map_or_else(Vec::new, |trailers| fields::fields(&trailers)))
}
