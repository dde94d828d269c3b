//! A connection on which frames are written and read as they are, from either side.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use super::{Frame, PREFACE, block, code, flag, kind};
use crate::broken::Broken;
use crate::ends;
use crate::origin::Conn;
use crate::patience::PATIENCE;
use crate::stream::{Sender, Stream};
use crate::tls::TlsClient;

/// A raw connection of HTTP/2.
#[derive(Debug)]
pub struct Raw {
    stream: Arc<Stream>,
    unread: Vec<u8>,
    /// Whether it answers, and an end of a stream from the other side is that of a request.
    answers: bool,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The code of the GOAWAY frame that said something is wrong, when one came.
    pub goaway: Option<u32>,
    /// What ended it: [`Broken::Closed`] or [`Broken::Reset`].
    pub why: Broken,
}

/// What became of a stream, or of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A whole response with this status.
    Answer(u16),
    /// The stream was reset with this code.
    Stream(u32),
    /// The connection ended with a GOAWAY of this code.
    Connection(u32),
    /// The connection ended without a word.
    Closed,
    /// Nothing of that: the connection goes on.
    Goes,
}

impl Raw {
    /// Connects, and says nothing.
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

    /// Connects with TLS, and says nothing more.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    #[track_caller]
    pub fn tls(address: SocketAddr, tls: &TlsClient) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .and_then(Stream::tcp)
            .and_then(|tcp| tcp.secured(tls.connection("h2")))
            .unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        Self::over(stream)
    }

    fn over(stream: Stream) -> Self {
        stream
            .read_timeout(PATIENCE)
            .and_then(|()| stream.write_timeout(PATIENCE))
            .expect("a socket takes timeouts");
        let stream = Arc::new(stream);
        ends::note(&stream);
        Self {
            stream,
            unread: Vec::new(),
            answers: false,
        }
    }

    /// Connects and greets: see [`Self::greet`].
    ///
    /// # Panics
    /// When the other side does not greet.
    #[must_use]
    #[track_caller]
    pub fn greeted(address: SocketAddr) -> Self {
        let mut raw = Self::connect(address);
        raw.greet(&[]);
        raw
    }

    /// Sends a client's preface with these settings, and waits until both sides have agreed on theirs.
    ///
    /// # Panics
    /// When the other side does not.
    #[track_caller]
    pub fn greet(&mut self, settings: &[(u16, u32)]) {
        self.send([PREFACE, &Frame::settings(settings).bytes()].concat());
        let (mut theirs, mut ours) = (false, false);
        while !(theirs && ours) {
            let frame = self.frame();
            if frame.kind == kind::SETTINGS {
                if frame.has(flag::ACK) {
                    ours = true;
                } else {
                    theirs = true;
                    self.send(Frame::settings_ack());
                }
            }
        }
    }

    /// The connection of an origin's script, past the preface of evenkeel, to which it has sent these settings.
    ///
    /// # Panics
    /// When what came is no preface.
    #[must_use]
    pub fn of_origin(conn: &mut Conn, settings: &[(u16, u32)]) -> Self {
        assert_eq!(conn.exactly(PREFACE.len()), PREFACE);
        let (stream, unread) = conn.raw();
        let mut raw = Self {
            stream,
            unread,
            answers: true,
        };
        raw.send(Frame::settings(settings));
        raw.send(Frame::settings_ack());
        raw
    }

    /// Sends bytes, or a frame.
    ///
    /// # Panics
    /// When the other side takes no more.
    #[track_caller]
    pub fn send(&mut self, bytes: impl Into<Vec<u8>>) {
        if let Err(error) = self.stream.write_all(&bytes.into()) {
            panic!("evenkeel took no more: {error}");
        }
    }

    /// The same; `false` when the connection is gone.
    pub fn try_send(&mut self, bytes: impl Into<Vec<u8>>) -> bool {
        self.stream.write_all(&bytes.into()).is_ok()
    }

    /// The sending half, for a thread of its own.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender::new(&self.stream)
    }

    /// Makes the kernel hold few received bytes.
    ///
    /// # Panics
    /// When the socket cannot do it.
    pub fn small_receive_buffer(&self) {
        self.stream
            .small_receive_buffer()
            .expect("a buffer can be made small");
    }

    /// The next frame.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn frame(&mut self) -> Frame {
        match self.try_frame() {
            Ok(frame) => frame,
            Err(broken) => panic!("expected a frame, but {broken}"),
        }
    }

    /// The next frame, or why none comes.
    ///
    /// # Errors
    /// When the connection ends instead, or nothing comes in time.
    pub fn try_frame(&mut self) -> Result<Frame, Broken> {
        let mut piece = [0; 65_536];
        loop {
            if let Some((frame, length)) = Frame::parse(&self.unread) {
                self.unread.drain(..length);
                return Ok(frame);
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(Broken::Closed),
                Ok(read) => self.unread.extend_from_slice(&piece[..read]),
                Err(error) => return Err(Broken::from(error)),
            }
        }
    }

    /// The next frame for which `wanted` gives something; others are read over.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn wait_for<T>(&mut self, what: &str, mut wanted: impl FnMut(&Frame) -> Option<T>) -> T {
        loop {
            match self.try_frame() {
                Ok(frame) => {
                    if let Some(found) = wanted(&frame) {
                        return found;
                    }
                }
                Err(broken) => panic!("waited for {what}, but {broken}"),
            }
        }
    }

    /// Reads until the connection ends, and says how.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn end(&mut self) -> End {
        let mut goaway = None;
        loop {
            match self.try_frame() {
                Ok(frame) if frame.kind == kind::GOAWAY && frame.number(4) != code::NO_ERROR => {
                    goaway = Some(frame.number(4));
                }
                Ok(_) => {}
                Err(Broken::Silent) => panic!("the connection does not end"),
                Err(why) => return End { goaway, why },
            }
        }
    }

    /// What becomes of this stream, or of the connection, up to the answer to a PING that is sent now. With `patient`, a stream
    /// of which nothing was heard until then is waited for.
    ///
    /// # Panics
    /// When nothing comes at all.
    #[track_caller]
    pub fn outcome(&mut self, stream: u32, patient: bool) -> Outcome {
        const QUESTION: [u8; 8] = *b"outcome?";
        let mut status = None;
        // It may have ended already.
        self.try_send(Frame::ping(QUESTION));
        loop {
            let frame = match self.try_frame() {
                Ok(frame) => frame,
                Err(Broken::Silent) => panic!("nothing becomes of stream {stream}"),
                Err(_) => return Outcome::Closed,
            };
            let ours = frame.stream == stream;
            match frame.kind {
                kind::GOAWAY if frame.number(4) != code::NO_ERROR => {
                    return Outcome::Connection(frame.number(4));
                }
                kind::RST_STREAM if ours => return Outcome::Stream(frame.number(0)),
                kind::PING if frame.payload == QUESTION && !patient => return Outcome::Goes,
                kind::HEADERS if ours && status.is_none() => status = block::status(&frame.payload),
                kind::SETTINGS if !frame.has(flag::ACK) => {
                    self.try_send(Frame::settings_ack());
                }
                _ => {}
            }
            let ends =
                matches!(frame.kind, kind::HEADERS | kind::DATA) && frame.has(flag::END_STREAM);
            if ends && ours && !self.answers {
                return Outcome::Answer(status.unwrap_or_default());
            }
        }
    }
}
