//! What a client of HTTP/2 hears that speaks frame by frame.

use std::io;

use evenkeel_testkit::frames::{Frame, code, kind};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

/// The reading half of its connection.
#[derive(Debug)]
pub(super) struct Ears {
    reading: OwnedReadHalf,
    unread: Vec<u8>,
    /// The code of a GOAWAY that said that something is wrong.
    pub(super) told: Option<u32>,
}

impl Ears {
    pub(super) const fn new(reading: OwnedReadHalf) -> Self {
        Self {
            reading,
            unread: Vec::new(),
            told: None,
        }
    }

    /// The next frame.
    pub(super) async fn frame(&mut self) -> io::Result<Frame> {
        loop {
            if let Some((frame, length)) = Frame::parse(&self.unread) {
                self.unread.drain(..length);
                return Ok(frame);
            }
            if self.reading.read_buf(&mut self.unread).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Waits for the end: true when something is said to be wrong, or the connection is gone. With `resets` also for the reset of
    /// a stream, which is no end.
    pub(super) async fn is_over(&mut self, resets: bool) -> bool {
        loop {
            match self.frame().await {
                Ok(frame) if frame.kind == kind::GOAWAY && frame.number(4) != code::NO_ERROR => {
                    self.told = Some(frame.number(4));
                    return true;
                }
                Ok(frame) if resets && frame.kind == kind::RST_STREAM => return false,
                Ok(_) => {}
                Err(_) => return true,
            }
        }
    }
}
