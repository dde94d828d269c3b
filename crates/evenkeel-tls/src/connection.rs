//! One TLS connection as a machine: encrypted bytes go in and plain ones come out, or the other way round. It keeps what is left
//! over between two calls, and holds no other buffer: one that idles holds none.
//!
//! ```text
//!   held + incoming (encrypted) ──▶ open ──▶ plain, rest       what has to be answered (a handshake, new keys) ──▶ outgoing
//!                         plain ──▶ seal ──▶ outgoing (encrypted)
//! ```

use std::fmt;
use std::mem;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error, HandshakeKind, ProtocolVersion};

use crate::believed::{self, EVER};
use crate::failure::{Failure, Reason};
use crate::outgoing::Outgoing;
use crate::shown::Shown;

/// The most plain bytes of one record (RFC 8446 §5.1).
pub const RECORD: usize = 16 * 1024;

/// The most bytes that a record is longer than what it carries: header, content type and padding, tag (RFC 8446 §5.2).
pub const OVERHEAD: usize = 5 + 256;

/// The most that is held of a message of the handshake that is not there whole, in bytes. A message has 64 KiB at most (rustls refuses
/// more, and its own buffer has no more), but in records of a byte, with empty ones between them, it would take 47 MB.
const MOST_HELD: usize = 4 * (RECORD + OVERHEAD);

/// A connection of either side.
#[derive(Debug)]
pub struct Connection {
    side: Side,
    /// Encrypted bytes that are not used up: the beginning of a record, or records that there was no room for.
    held: Vec<u8>,
    /// So many bytes of that were looked at, whole records too: for those only more bytes lead further. rustls leaves a record where
    /// it is whose message of the handshake has come in part.
    looked: usize,
    /// Plain bytes that there was no room for, and how many of them are used.
    rest: Vec<u8>,
    taken: usize,
    /// The other side said that it sends no more.
    ended: bool,
    said_goodbye: bool,
    /// The last second of the certificates that it rests on, its own or those of the session that it goes on with.
    until: i64,
    /// It has failed. rustls takes it for a mistake of ours when it is asked for anything after that.
    failed: bool,
}

enum Side {
    /// With what its client was shown, until somebody takes that.
    Server(Box<UnbufferedServerConnection>, Option<Shown>),
    Client(Box<UnbufferedClientConnection>),
}

/// What came of looking at encrypted bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// So many plain bytes were written.
    pub plain: usize,
    /// Whether there is room for more, and nothing to fill it with until more encrypted bytes are there.
    pub wants_more: bool,
}

impl Connection {
    pub(crate) fn of_server(connection: UnbufferedServerConnection) -> Self {
        Self::new(Side::Server(Box::new(connection), None), EVER)
    }

    /// One that may have taken up a session that is good `until` then.
    pub(crate) fn of_client(connection: UnbufferedClientConnection, until: i64) -> Self {
        Self::new(Side::Client(Box::new(connection)), until)
    }

    const fn new(side: Side, until: i64) -> Self {
        Self {
            side,
            held: Vec::new(),
            looked: 0,
            rest: Vec::new(),
            taken: 0,
            ended: false,
            said_goodbye: false,
            until,
            failed: false,
        }
    }

    /// Encrypted bytes that are not used up. What is given to [`Self::open`] begins with them.
    #[must_use]
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// Whether there are plain bytes, or whole records that may be some. Never twice for the same ones: who asks may read right away,
    /// and would ask for ever.
    #[must_use]
    pub fn has_bytes(&self) -> bool {
        let may_open = self.looked < self.held.len() && is_whole_record(&self.held);
        self.taken < self.rest.len() || self.failed || may_open
    }

    /// Whether nothing has been received that is not used up.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        self.rest.len() == self.taken && self.held.is_empty()
    }

    /// Takes plain bytes that there was no room for earlier.
    pub fn take_rest(&mut self, plain: &mut [u8]) -> usize {
        let left = self.rest.get(self.taken..).unwrap_or_default();
        let n = left.len().min(plain.len());
        plain[..n].copy_from_slice(&left[..n]);
        self.taken += n;
        if self.taken == self.rest.len() {
            (self.rest, self.taken) = (Vec::new(), 0);
        }
        n
    }

    /// Opens records of `incoming`, which is what is held and what came behind it, until `plain` is full or no whole record is
    /// left. Answers to what was no data go to `outgoing`, and so does the alert when it fails. An empty `plain` is for the
    /// handshake.
    ///
    /// # Errors
    /// See [`Failure`]; the connection is of no use then.
    pub fn open(
        &mut self,
        incoming: &mut [u8],
        plain: &mut [u8],
        outgoing: &mut Outgoing,
    ) -> Result<Opened, Failure> {
        self.check()?;
        let mut work = Work {
            plain,
            rest: &mut self.rest,
            outgoing,
            used: 0,
            filled: 0,
            ended: false,
        };
        let result = believed::carry(&mut self.until, || match &mut self.side {
            Side::Server(connection, shown) => {
                let result = work.open(&mut **connection, incoming);
                if let Some(just_shown) = Shown::pick_up() {
                    *shown = Some(just_shown);
                }
                result
            }
            Side::Client(connection) => work.open(&mut **connection, incoming),
        });
        self.ended |= work.ended;
        let (used, plain) = (work.used, work.filled);
        let left = incoming.get(used..).unwrap_or_default();
        self.held.clear();
        if left.is_empty() {
            // An idle connection holds no memory for it.
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(left);
        }
        self.failed |= result.is_err();
        let wants_more = result.map_err(Failure::of)?;
        self.looked = if wants_more { self.held.len() } else { 0 };
        if wants_more && self.held.len() > MOST_HELD {
            self.failed = true;
            let text = "a message of the handshake came in too many records";
            return Err(Failure::new(Reason::Broken, text));
        }
        Ok(Opened { plain, wants_more })
    }

    /// Begins: a client's first words go to `outgoing`.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn begin(&mut self, outgoing: &mut Outgoing) -> Result<(), Failure> {
        self.open(&mut [], &mut [], outgoing).map(|_| ())
    }

    /// Seals all of `plain` behind what is in `outgoing`. Only after the handshake.
    ///
    /// # Errors
    /// See [`Failure`]: before the handshake is done, and when the keys are used up.
    pub fn seal(&mut self, plain: &[u8], outgoing: &mut Outgoing) -> Result<(), Failure> {
        if plain.is_empty() {
            return Ok(());
        }
        self.write(What::Plain(plain), outgoing)
    }

    /// Says, once, that nothing more is sent (close_notify).
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn say_goodbye(&mut self, outgoing: &mut Outgoing) -> Result<(), Failure> {
        if self.said_goodbye || self.failed || self.is_handshaking() {
            return Ok(());
        }
        self.said_goodbye = true;
        self.write(What::Goodbye, outgoing)
    }

    /// Whether the handshake is still under way.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.state().is_handshaking()
    }

    /// Whether a client's first words are still to come.
    #[must_use]
    pub fn expects_hello(&self) -> bool {
        matches!(&self.side, Side::Server(_, None)) && self.is_handshaking()
    }

    /// Whether the other side said that it sends no more. A connection that just ends has been cut.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The protocol that both sides agreed on (ALPN).
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.state().alpn_protocol()
    }

    /// The version, as logs and fields call it.
    #[must_use]
    pub fn version(&self) -> &'static str {
        match self.state().protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "unknown",
        }
    }

    /// Whether the handshake went on from an earlier one.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.state().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The other side's certificate (DER), when it showed one and it was verified.
    #[must_use]
    pub fn shown_certificate(&self) -> Option<&[u8]> {
        let chain = self.state().peer_certificates()?;
        chain.first().map(AsRef::as_ref)
    }

    /// What the client asked for and was shown, once; none on a connection of a client.
    pub(crate) fn take_shown(&mut self) -> Option<Shown> {
        match &mut self.side {
            Side::Server(_, shown) => shown.take(),
            Side::Client(_) => None,
        }
    }

    fn state(&self) -> &CommonState {
        match &self.side {
            Side::Server(connection, _) => connection,
            Side::Client(connection) => connection,
        }
    }

    /// Writes, which is possible between any two records: what is held comes along, for the records in it are looked at first.
    fn write(&mut self, what: What<'_>, outgoing: &mut Outgoing) -> Result<(), Failure> {
        self.check()?;
        let mut held = mem::take(&mut self.held);
        let mut work = Work {
            plain: &mut [],
            rest: &mut self.rest,
            outgoing,
            used: 0,
            filled: 0,
            ended: false,
        };
        let result = believed::carry(&mut self.until, || match &mut self.side {
            Side::Server(connection, _) => work.write(&mut **connection, &mut held, what),
            Side::Client(connection) => work.write(&mut **connection, &mut held, what),
        });
        self.ended |= work.ended;
        held.drain(..work.used.min(held.len()));
        self.held = held;
        if result.is_ok() {
            // Writing is offered only when there is nothing left to open.
            self.looked = self.held.len();
        }
        self.failed |= result.is_err();
        result
    }

    fn check(&self) -> Result<(), Failure> {
        if self.failed {
            return Err(Failure::new(Reason::Broken, "the connection has failed"));
        }
        Ok(())
    }
}

/// What is to be written.
#[derive(Clone, Copy)]
enum What<'a> {
    Plain(&'a [u8]),
    Goodbye,
}

impl What<'_> {
    const fn needs(self) -> usize {
        match self {
            Self::Plain(plain) => plain.len() + plain.len().div_ceil(RECORD) * OVERHEAD,
            Self::Goodbye => OVERHEAD,
        }
    }

    fn write<D>(
        self,
        writer: &mut WriteTraffic<'_, D>,
        room: &mut [u8],
    ) -> Result<usize, EncryptError> {
        match self {
            Self::Plain(plain) => writer.encrypt(plain, room),
            Self::Goodbye => writer.queue_close_notify(room),
        }
    }
}

/// One turn of the machine.
struct Work<'a> {
    plain: &'a mut [u8],
    rest: &'a mut Vec<u8>,
    outgoing: &'a mut Outgoing,
    used: usize,
    filled: usize,
    ended: bool,
}

impl Work<'_> {
    /// Says whether only more encrypted bytes lead further.
    fn open<M: Machine>(&mut self, machine: &mut M, incoming: &mut [u8]) -> Result<bool, Error> {
        loop {
            if self.filled == self.plain.len() && self.filled > 0 {
                return Ok(false);
            }
            match self.step(machine, &mut incoming[self.used..])? {
                Next::Again => {}
                Next::Wait | Next::Over => return Ok(true),
            }
        }
    }

    fn write<M: Machine>(
        &mut self,
        machine: &mut M,
        held: &mut [u8],
        what: What<'_>,
    ) -> Result<(), Failure> {
        let mut what = Some(what);
        loop {
            let status = machine.step(&mut held[self.used..]);
            self.used += status.discard;
            if let Ok(ConnectionState::WriteTraffic(mut writer)) = status.state {
                let Some(now) = what.take() else {
                    return Ok(());
                };
                let mut room = now.needs();
                // The second try has the room that the first one said it needs.
                for _ in 0..2 {
                    match now.write(&mut writer, self.outgoing.room(room)) {
                        Ok(n) => {
                            self.outgoing.wrote(n);
                            return Ok(());
                        }
                        Err(EncryptError::InsufficientSize(error)) => room = error.required_size,
                        Err(EncryptError::EncryptExhausted) => break,
                    }
                }
                return Err(Failure::new(Reason::Broken, "the keys are used up"));
            }
            match self.act(status.state).map_err(Failure::of)? {
                Next::Again => {}
                Next::Wait | Next::Over => {
                    let text = "nothing can be sent before the handshake or after the end";
                    return Err(Failure::new(Reason::Broken, text));
                }
            }
        }
    }

    /// One step; when it fails, with the alert that says so to the other side.
    fn step<M: Machine>(&mut self, machine: &mut M, incoming: &mut [u8]) -> Result<Next, Error> {
        let status = machine.step(incoming);
        let used = status.discard;
        let acted = self.act(status.state);
        self.used += used;
        if acted.is_err()
            && let Ok(ConnectionState::EncodeTlsData(alert)) =
                machine.step(&mut incoming[used..]).state
        {
            // The failure is what counts.
            let _ = self.encode(alert);
        }
        acted
    }

    fn act<D>(&mut self, state: Result<ConnectionState<'_, '_, D>, Error>) -> Result<Next, Error> {
        match state? {
            ConnectionState::ReadTraffic(mut records) => {
                while let Some(record) = records.next_record() {
                    self.keep(record?.payload);
                }
                Ok(Next::Again)
            }
            ConnectionState::EncodeTlsData(data) => self.encode(data).map(|()| Next::Again),
            ConnectionState::TransmitTlsData(data) => {
                // What is outgoing leaves before anything that comes after it.
                data.done();
                Ok(Next::Again)
            }
            ConnectionState::PeerClosed => {
                self.ended = true;
                Ok(Next::Again)
            }
            ConnectionState::Closed => Ok(Next::Over),
            ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => Ok(Next::Wait),
            // Nobody is offered it.
            _ => Err(Error::General("early data, which is not offered".into())),
        }
    }

    fn encode<D>(&mut self, mut data: EncodeTlsData<'_, D>) -> Result<(), Error> {
        let mut room = OVERHEAD;
        for _ in 0..2 {
            match data.encode(self.outgoing.room(room)) {
                Ok(n) => {
                    self.outgoing.wrote(n);
                    return Ok(());
                }
                Err(EncodeError::InsufficientSize(error)) => room = error.required_size,
                Err(EncodeError::AlreadyEncoded) => break,
            }
        }
        Err(Error::General("a record cannot be written".into()))
    }

    fn keep(&mut self, payload: &[u8]) {
        let room = &mut self.plain[self.filled..];
        let n = payload.len().min(room.len());
        room[..n].copy_from_slice(&payload[..n]);
        self.filled += n;
        self.rest.extend_from_slice(&payload[n..]);
    }
}

/// What comes after a step.
enum Next {
    Again,
    /// Nothing, until there are more encrypted bytes.
    Wait,
    /// Both sides said that they send no more.
    Over,
}

/// rustls's own machine, of either side.
trait Machine {
    type Data;

    /// One step: how many bytes are used up, and what is to be done now.
    fn step<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Machine for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn step<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }
}

impl Machine for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn step<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }
}

/// Whether the bytes begin with a whole record (RFC 8446 §5.1).
fn is_whole_record(bytes: &[u8]) -> bool {
    let Some([_, _, _, high, low]) = bytes.first_chunk::<5>() else {
        return false;
    };
    bytes.len() - 5 >= usize::from(u16::from_be_bytes([*high, *low]))
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server(..) => "Server",
            Self::Client(_) => "Client",
        })
    }
}

#[cfg(test)]
mod tests;
