//! The meter of one connection: bytes of both directions in, and a verdict when one end makes work that nothing pays for.
//!
//! ```text
//!   from the other end ─▶ incoming ─▶ frames ─▶ debts ◀── credits ◀─ frames ◀─ outgoing ◀─ to the other end
//!                                                 │
//!                                                 └─▶ more than may be: an Abuse, once and for all
//! ```
//!
//! It counts and nothing else: a frame that breaks the protocol is the codec's to find. The codec's streams are not known here
//! either, so that progress is read off the wire: a stream ended by us is a request answered, DATA sent pays for the frames that
//! acknowledge it. In the usual case a frame costs an addition and a comparison.

use std::time::{Duration, Instant};

use crate::abuse::Abuse;
use crate::budget::{Budget, Debts};
use crate::walk::{Frame, Walker, kind};

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A client: its bytes begin with the preface, and it opens streams and takes them back.
    Client,
    /// An endpoint: it answers streams that we open, so that each reset of its own was paid for with a request.
    Endpoint,
}

/// CONTINUATION frames of one header block. A head of 64 KiB, the largest that can be configured, fits into four frames of the
/// usual size; the codec allows five.
const CONTINUATIONS: u8 = 5;

/// The same of an endpoint, whose heads are decoded up to 256 KiB: so one that is too large costs its stream alone. These are
/// sixteen frames, and the codec allows a quarter more.
const ENDPOINT_CONTINUATIONS: u8 = 20;

/// How many header bytes, as sent and as decoded, an answered request pays for: twice the usual limit of a head.
const HEADER_CREDIT: u32 = 64 * 1024;

/// What a DATA frame pays for of WINDOW_UPDATE: two for itself and as much again, or one for each KiB if that is more.
const fn windows_of(length: u32) -> u32 {
    let by_bytes = length / 1024;
    if by_bytes > 4 { by_bytes } else { 4 }
}

/// Counts what the other end of a connection makes us do.
///
/// Give it every byte read from the connection, before the codec gets it, and every byte written. After the first [`Abuse`] the
/// codec should get nothing more, and the connection is to be ended with GOAWAY and [`Abuse::CODE`].
#[derive(Clone, Debug)]
pub struct Meter {
    role: Role,
    incoming: Walker,
    outgoing: Walker,
    debts: Debts,
    /// CONTINUATION frames of the header block that is coming in.
    continuations: u8,
    /// The last stream that the client opened: HEADERS of a later one open it, others are trailers.
    newest: u32,
    /// Up to when time has been taken into account, in whole seconds from the beginning.
    forgiven: Instant,
    verdict: Option<Abuse>,
}

impl Meter {
    /// A meter of a connection of which no byte has been read or written, the client's preface included.
    #[must_use]
    pub const fn new(role: Role, now: Instant) -> Self {
        Self {
            role,
            incoming: Walker::new(matches!(role, Role::Client)),
            outgoing: Walker::new(matches!(role, Role::Endpoint)),
            debts: Debts::new(0, 0),
            continuations: 0,
            newest: 0,
            forgiven: now,
            verdict: None,
        }
    }

    /// The same for a connection that may have so many streams at once, with heads of so many bytes: a client that leaves may take
    /// back all of them, and all may stay open.
    #[must_use]
    pub const fn for_streams(mut self, most: u32, head: u32) -> Self {
        self.debts = Debts::new(most, head);
        self
    }

    /// Takes bytes that were read, in any pieces.
    ///
    /// # Errors
    /// The first abuse, again at every later call. The bytes before the frame that showed it are innocent, but nothing is lost by
    /// giving none of them to the codec.
    #[inline]
    pub fn incoming(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Abuse> {
        self.pass_time(now);
        while self.verdict.is_none()
            && let Some(frame) = self.incoming.next(&mut bytes)
        {
            self.verdict = self.received(frame).err();
        }
        self.verdict()
    }

    /// Takes bytes that were written, in any pieces: they pay debts back, RST_STREAM among them raises one, and a GOAWAY with which
    /// the codec ends the connection for a limit of its own is told as what it is for.
    ///
    /// # Errors
    /// The first abuse, as with [`Self::incoming`].
    #[inline]
    pub fn outgoing(&mut self, mut bytes: &[u8]) -> Result<(), Abuse> {
        // Also after a verdict: where a frame ends has to be known for a last word.
        while let Some(frame) = self.outgoing.next(&mut bytes) {
            if self.verdict.is_none() {
                self.verdict = self.sent(frame).err();
            }
        }
        self.verdict()
    }

    /// Whether all that was written are whole frames, so that another one can follow.
    #[must_use]
    pub const fn is_between_frames(&self) -> bool {
        self.outgoing.is_between_frames()
    }

    /// Counts the bytes that a header block was decoded to, names and values alone: what the wire does not show.
    ///
    /// # Errors
    /// The first abuse, as with [`Self::incoming`].
    pub fn decoded(&mut self, bytes: usize) -> Result<(), Abuse> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let counted = self.charge(Budget::HeaderBytes, bytes, Abuse::HeaderFlood);
        self.verdict = self.verdict.or_else(|| counted.err());
        self.verdict()
    }

    /// The last stream that the client has opened, as far as was read; 0: none.
    #[inline]
    #[must_use]
    pub const fn newest(&self) -> u32 {
        self.newest
    }

    /// The verdict so far.
    ///
    /// # Errors
    /// The first abuse, once there was one.
    #[inline]
    pub fn verdict(&self) -> Result<(), Abuse> {
        self.verdict.map_or(Ok(()), Err)
    }

    /// What time forgives, in whole seconds.
    #[inline]
    fn pass_time(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.forgiven).as_secs();
        if seconds > 0 {
            self.debts.forgive(seconds);
            self.forgiven += Duration::from_secs(seconds);
        }
    }

    #[inline]
    const fn charge(&mut self, budget: Budget, amount: u32, abuse: Abuse) -> Result<(), Abuse> {
        if self.debts.charge(budget, amount) {
            Ok(())
        } else {
            Err(abuse)
        }
    }

    /// A frame came in.
    #[inline]
    fn received(&mut self, frame: Frame) -> Result<(), Abuse> {
        match frame.kind {
            kind::DATA => {
                if frame.data() == 0 && !frame.ends_stream() {
                    self.charge(Budget::Empty, 1, Abuse::EmptyFrames)?;
                }
            }
            kind::HEADERS => self.received_headers(frame)?,
            kind::CONTINUATION => {
                self.continuations = self.continuations.saturating_add(1);
                let most = match self.role {
                    Role::Client => CONTINUATIONS,
                    Role::Endpoint => ENDPOINT_CONTINUATIONS,
                };
                if self.continuations > most {
                    return Err(Abuse::ContinuationFlood);
                }
                self.charge(Budget::HeaderBytes, frame.length, Abuse::HeaderFlood)?;
            }
            kind::RST_STREAM => {
                if self.role == Role::Client {
                    self.debts.credit(Budget::Open, 1);
                    self.charge(Budget::Resets, 1, Abuse::RapidReset)?;
                }
            }
            kind::SETTINGS => self.charge(Budget::Settings, 1, Abuse::SettingsFlood)?,
            kind::PING => self.charge(Budget::Pings, 1, Abuse::PingFlood)?,
            kind::WINDOW_UPDATE => self.charge(Budget::Windows, 1, Abuse::WindowFlood)?,
            kind::PRIORITY | kind::PRIORITY_UPDATE => {
                self.charge(Budget::Priorities, 1, Abuse::PriorityFlood)?;
            }
            _ => self.charge(Budget::Unknown, 1, Abuse::UnknownFrames)?,
        }
        if frame.ends_stream() && self.role == Role::Endpoint {
            self.answered();
        }
        Ok(())
    }

    fn received_headers(&mut self, frame: Frame) -> Result<(), Abuse> {
        self.continuations = 0;
        if frame.length == 0 && !frame.ends_stream() {
            self.charge(Budget::Empty, 1, Abuse::EmptyFrames)?;
        }
        if self.role == Role::Client && frame.stream > self.newest {
            self.newest = frame.stream;
            self.asked();
            self.charge(Budget::Open, 1, Abuse::StreamFlood)?;
        }
        self.charge(Budget::HeaderBytes, frame.length, Abuse::HeaderFlood)
    }

    /// A frame went out.
    #[inline]
    fn sent(&mut self, frame: Frame) -> Result<(), Abuse> {
        match frame.kind {
            kind::DATA => {
                self.debts.credit(Budget::Windows, windows_of(frame.length));
                self.debts.credit(Budget::Pings, 1);
            }
            kind::HEADERS if self.role == Role::Endpoint => self.asked(),
            // The codec has ended the connection of itself, and says why to the other end alone.
            kind::GOAWAY => return Abuse::of_codec(self.outgoing.word()).map_or(Ok(()), Err),
            kind::RST_STREAM if self.role == Role::Client => {
                self.debts.credit(Budget::Open, 1);
                let cost = provoked(frame.code());
                self.charge(Budget::Resets, cost, Abuse::ProvokedReset)?;
            }
            _ => {}
        }
        if frame.ends_stream() && self.role == Role::Client {
            self.answered();
        }
        Ok(())
    }

    /// A request was begun: it brings a few frames along.
    const fn asked(&mut self) {
        self.debts.credit(Budget::Windows, 2);
        self.debts.credit(Budget::Priorities, 2);
        self.debts.credit(Budget::Unknown, 2);
    }

    /// A request was answered whole.
    const fn answered(&mut self) {
        self.debts.credit(Budget::Open, 1);
        self.debts.credit(Budget::Resets, 1);
        self.debts.credit(Budget::HeaderBytes, HEADER_CREDIT);
    }
}

/// What a reset of ours costs the client that provoked it. One that follows an answer takes back what the answer has paid, as when
/// the codec answers 431 and resets. Codes that we use for reasons of our own (an endpoint that failed, an answer that came
/// before the request's end) cost nothing.
const fn provoked(code: u32) -> u32 {
    const NO_ERROR: u32 = 0;
    const INTERNAL_ERROR: u32 = 2;
    const REFUSED_STREAM: u32 = 7;
    const CANCEL: u32 = 8;
    match code {
        NO_ERROR | INTERNAL_ERROR | CANCEL => 0,
        REFUSED_STREAM => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests;
