//! The same load in HTTP/2: in lock-step, some streams at once on each connection, all heads as a client compresses them that
//! asks for the same again and again. It reads frames as far as counting responses needs that, and is no client otherwise.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail};

use super::load::{connect, fill};

/// What a client says first (RFC 9113 §3.4), with windows that are never used up: SETTINGS of what a stream may bring, and a
/// WINDOW_UPDATE for the connection.
const OPENING: &[&[u8]] = &[
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x3f, 0xff, 0xff, 0xff],
    &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0x3f, 0xff, 0, 0],
];

/// The acknowledgement of the other side's SETTINGS.
const ACKNOWLEDGED: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];

/// `:method: GET` and `:scheme: http` of the static table (RFC 7541, appendix A), which all requests begin with.
const BEGINNING: &[u8] = &[0x82, 0x86];

/// The fields that the first request puts into the dynamic table: the index of the name in the static one, and the value.
const FIRST: [(u8, &str); 3] = [(4, "/b/128"), (1, "a.example"), (58, "icount")];

/// The same fields as later requests name them: the table has the newest first, from 62 on.
const LATER: [u8; 3] = [0x80 | 64, 0x80 | 63, 0x80 | 62];

/// `:status: 200` of the static table.
const OK: u8 = 0x88;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Connections of HTTP/2.
#[derive(Debug)]
pub(super) struct Streams {
    connections: Vec<Connection>,
    /// How many requests there are at once on each.
    each: usize,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// The next request's stream.
    next: u32,
    /// What came and is not a whole frame yet.
    block: Vec<u8>,
}

/// What the responses of one connection have brought in a round.
#[derive(Debug, Default, PartialEq, Eq)]
struct Brought {
    heads: usize,
    ends: usize,
    bytes: usize,
    settings: usize,
}

impl Streams {
    /// Opens `count` connections to `address`, for so many requests at once on `each`.
    pub(super) fn connect(address: SocketAddr, count: usize, each: usize) -> Result<Self> {
        let connections = connect(address, count)?.into_iter().map(|mut stream| {
            stream.write_all(&OPENING.concat())?;
            Ok(Connection {
                stream,
                next: 1,
                block: Vec::new(),
            })
        });
        Ok(Self {
            connections: connections.collect::<Result<_>>()?,
            each,
        })
    }

    /// Asks `rounds` times on all connections, and reads the responses, whose bodies have `body` bytes each. Gives how many there
    /// were.
    pub(super) fn run(&mut self, body: usize, rounds: usize) -> Result<u64> {
        let mut answered = 0;
        for _ in 0..rounds {
            for connection in &mut self.connections {
                connection.ask(self.each)?;
            }
            for connection in &mut self.connections {
                connection.read(self.each, body)?;
                answered += self.each as u64;
            }
        }
        Ok(answered)
    }
}

impl Connection {
    fn ask(&mut self, count: usize) -> Result<()> {
        let mut bytes = Vec::new();
        for _ in 0..count {
            let head = head(self.next == 1);
            let length = u32::try_from(head.len())?.to_be_bytes();
            bytes.extend_from_slice(&length[1..]);
            bytes.extend_from_slice(&[HEADERS, END_STREAM | END_HEADERS]);
            bytes.extend_from_slice(&self.next.to_be_bytes());
            bytes.extend_from_slice(&head);
            self.next += 2;
        }
        Ok(self.stream.write_all(&bytes)?)
    }

    fn read(&mut self, count: usize, body: usize) -> Result<()> {
        let mut brought = Brought::default();
        while brought.ends < count {
            let taken = brought.take(&self.block)?;
            self.block.drain(..taken);
            for _ in 0..std::mem::take(&mut brought.settings) {
                self.stream.write_all(ACKNOWLEDGED)?;
            }
            if brought.ends < count {
                fill(&mut self.stream, &mut self.block).context("the response does not come")?;
            }
        }
        let expected = Brought {
            heads: count,
            ends: count,
            bytes: count * body,
            settings: 0,
        };
        if brought != expected {
            bail!("not {expected:?} but {brought:?}");
        }
        Ok(())
    }
}

impl Brought {
    /// Counts the whole frames in `block`, and gives how many bytes they are.
    fn take(&mut self, block: &[u8]) -> Result<usize> {
        let mut taken = 0;
        while let Some((head, rest)) = block[taken..].split_first_chunk::<9>() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (Some(payload), kind, flags) = (rest.get(..length), head[3], head[4]) else {
                break;
            };
            match kind {
                DATA => self.bytes += length,
                HEADERS if payload.first() == Some(&OK) => self.heads += 1,
                SETTINGS if flags == 0 => self.settings += 1,
                SETTINGS | PING | WINDOW_UPDATE => {}
                other => {
                    bail!("a frame of type {other} where a response was expected: {payload:?}")
                }
            }
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                self.ends += 1;
            }
            taken += 9 + length;
        }
        Ok(taken)
    }
}

/// The block of a request's head, the connection's `first` or a later one.
fn head(first: bool) -> Vec<u8> {
    let mut block = BEGINNING.to_vec();
    if first {
        for (name, value) in FIRST {
            // A literal that is to be put into the table (RFC 7541 §6.2.1), its value as it is.
            block.push(0x40 | name);
            block.extend(u8::try_from(value.len()));
            block.extend_from_slice(value.as_bytes());
        }
    } else {
        block.extend_from_slice(&LATER);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_counted_frame_by_frame() {
        let bytes: &[&[u8]] = &[
            &[0, 0, 0, 4, 0, 0, 0, 0, 0],
            &[0, 0, 2, 1, 4, 0, 0, 0, 1, OK, 0x5c],
            &[0, 0, 3, 0, 1, 0, 0, 0, 1, b'x', b'y', b'z'],
            &[0, 0, 1, 1, 5, 0, 0, 0, 3, OK],
        ];
        let bytes = bytes.concat();
        for cut in 0..=bytes.len() {
            let mut brought = Brought::default();
            let taken = brought.take(&bytes[..cut]).unwrap();
            let rest = brought.take(&bytes[taken..]).unwrap();
            assert_eq!(taken + rest, bytes.len());
            let (heads, ends, settings) = (2, 2, 1);
            let expected = Brought {
                heads,
                ends,
                bytes: 3,
                settings,
            };
            assert_eq!(brought, expected, "{cut}");
        }
        for wrong in [
            &[0, 0, 1, 1, 5, 0, 0, 0, 3, 0x8d][..],
            &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7],
        ] {
            assert!(Brought::default().take(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_first_head_fills_the_table_and_later_ones_name_it() {
        assert_eq!(head(true)[..4], [0x82, 0x86, 0x44, 6]);
        assert_eq!(head(true).len(), 2 + 3 * 2 + 6 + 9 + 6);
        assert_eq!(head(false), [0x82, 0x86, 0xc0, 0xbf, 0xbe]);
    }
}
