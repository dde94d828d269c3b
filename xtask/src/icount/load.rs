//! The load of the whole binary's measures: in lock-step, because here repeatable matters and fast does not.
//!
//! A round writes one request on every connection and then reads every response, so that a run is a fixed number of
//! requests in a fixed order, however slow the program under callgrind is: figures of two runs differ by 0.1 %, with a
//! load that sends as fast as it can by 0.5 %. It measures nothing; `bench-load` does.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How long a response may take: what is counted runs twenty times slower than otherwise, on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most that is read at once.
const PIECE: usize = 16 * 1024;

/// The longest head of a response.
const HEAD: usize = 4 * 1024;

/// Connections that are kept alive.
#[derive(Debug)]
pub(super) struct Load {
    connections: Vec<TcpStream>,
    block: Vec<u8>,
}

impl Load {
    /// Opens `count` connections to `address`.
    pub(super) fn connect(address: SocketAddr, count: usize) -> Result<Self> {
        Ok(Self {
            connections: connect(address, count)?,
            block: Vec::new(),
        })
    }

    /// Sends `rounds` requests on every connection, `requests` in turn, and reads the responses, whose bodies have
    /// `body` bytes each. Gives how many there were.
    pub(super) fn run(&mut self, requests: &[Vec<u8>], body: usize, rounds: usize) -> Result<u64> {
        let mut turn = requests.iter().cycle();
        let mut answered = 0;
        for _ in 0..rounds {
            for stream in &mut self.connections {
                let request = turn.next().context("no request to send")?;
                stream.write_all(request)?;
            }
            for stream in &mut self.connections {
                self.block.clear();
                while !is_whole(&self.block, body)? {
                    fill(stream, &mut self.block).context("the response does not come")?;
                }
                answered += 1;
            }
        }
        Ok(answered)
    }
}

/// Opens `count` connections to `address`.
pub(super) fn connect(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let open = |_| {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    (0..count).map(open).collect()
}

/// Adds what comes next to `block`; the end is an error.
pub(super) fn fill(stream: &mut TcpStream, block: &mut Vec<u8>) -> std::io::Result<()> {
    let start = block.len();
    block.resize(start + PIECE, 0);
    let length = stream.read(&mut block[start..])?;
    block.truncate(start + length);
    if length == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Whether `block` holds a whole response with status 200 and a body of `body` bytes; anything else is an error.
fn is_whole(block: &[u8], body: usize) -> Result<bool> {
    let Some(end) = block.windows(4).position(|four| four == b"\r\n\r\n") else {
        if block.len() > HEAD {
            bail!("a response's head has no end");
        }
        return Ok(false);
    };
    let head = String::from_utf8_lossy(&block[..end]).to_ascii_lowercase();
    let length = format!("content-length: {body}");
    if !head.starts_with("http/1.1 200 ") || !head.lines().any(|line| line == length) {
        bail!("the response is not 200 with {body} bytes:\n{head}");
    }
    let beyond = block.len().checked_sub(end + 4 + body);
    match beyond {
        None => Ok(false),
        Some(0) => Ok(true),
        Some(beyond) => bail!("{beyond} bytes behind the response"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_whole_when_every_byte_is_there() {
        let response = b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\nxyz";
        for cut in 0..response.len() {
            assert!(!is_whole(&response[..cut], 3).unwrap(), "{cut}");
        }
        assert!(is_whole(response, 3).unwrap());
        for (wrong, body) in [
            (&response[..], 4),
            (&[response, &b"H"[..]].concat(), 3),
            (
                b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nxyz",
                3,
            ),
            (&[b'x'; HEAD + 1], 3),
        ] {
            assert!(is_whole(wrong, body).is_err(), "{wrong:?}");
        }
    }
}
