//! Reading HTTP/1.1 off a socket, strictly: the second parser, independent of the one under test.
//!
//! It knows one way to read a message and reports everything else as [`Broken`]. It is slow and simple on purpose.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use crate::broken::Broken;
use crate::message::{Field, Framing, Head};
use crate::stream::Stream;

/// The longest head or line that is read.
const LONGEST: usize = 1 << 20;

/// The most bytes of a connection that are recorded.
const RECORDED: usize = 1 << 20;

/// The receiving half of a connection.
#[derive(Debug)]
pub struct Wire {
    stream: Arc<Stream>,
    unread: Vec<u8>,
    record: Option<Arc<Mutex<Vec<u8>>>>,
}

impl Wire {
    /// Reads from this socket.
    #[must_use]
    pub fn new(stream: Arc<Stream>) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            record: None,
        }
    }

    /// Reads from this socket and keeps the first megabyte of what came.
    #[must_use]
    pub fn recording(stream: Arc<Stream>, record: Arc<Mutex<Vec<u8>>>) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            record: Some(record),
        }
    }

    /// The next head, or `None` when the connection ended before its first byte.
    ///
    /// # Errors
    /// When there is no whole head, or a malformed one.
    pub fn head(&mut self) -> Result<Option<Head>, Broken> {
        let mut seen = 0;
        loop {
            if let Some(at) = find(&self.unread[seen..], b"\r\n\r\n") {
                let raw: Vec<u8> = self.unread.drain(..seen + at + 4).collect();
                return parse_head(raw).map(Some);
            }
            seen = self.unread.len().saturating_sub(3);
            if self.unread.len() > LONGEST {
                return Err(Broken::Malformed("an endless head".to_owned()));
            }
            if self.fill()? == 0 {
                return if self.unread.is_empty() {
                    Ok(None)
                } else {
                    Err(Broken::Closed)
                };
            }
        }
    }

    /// Gives each piece of a body to `sink`, and returns its trailers.
    ///
    /// # Errors
    /// When the body is cut or malformed.
    pub fn body(
        &mut self,
        framing: Framing,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Vec<Field>, Broken> {
        let mut body = Body::new(framing);
        while let Some(piece) = self.piece(&mut body)? {
            sink(&piece);
        }
        Ok(body.trailers())
    }

    /// The next piece of a body, as it comes; `None` after its last one.
    ///
    /// # Errors
    /// When the body is cut or malformed.
    pub fn piece(&mut self, body: &mut Body) -> Result<Option<Vec<u8>>, Broken> {
        match body.framing {
            Framing::Chunked if body.left == 0 && !body.over => self.next_chunk(body)?,
            Framing::Close => body.left = u64::MAX,
            Framing::Stream => panic!("this is no stream of HTTP/2"),
            _ => {}
        }
        body.over |= body.left == 0;
        if body.over {
            return Ok(None);
        }
        if self.unread.is_empty() && self.fill()? == 0 {
            if body.framing == Framing::Close {
                body.over = true;
                return Ok(None);
            }
            return Err(Broken::Closed);
        }
        let most = usize::try_from(body.left).unwrap_or(usize::MAX);
        let piece = if most < self.unread.len() {
            self.unread.drain(..most).collect()
        } else {
            mem::take(&mut self.unread)
        };
        body.left -= piece.len() as u64;
        body.over = body.left == 0 && body.framing != Framing::Chunked;
        Ok(Some(piece))
    }

    /// Exactly so many bytes.
    ///
    /// # Errors
    /// When fewer come.
    pub fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::with_capacity(length);
        self.body(Framing::Length(length as u64), &mut |piece| {
            bytes.extend_from_slice(piece);
        })?;
        Ok(bytes)
    }

    /// Everything until the connection is closed.
    ///
    /// # Errors
    /// When it is reset, or not closed in time.
    pub fn rest(&mut self) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::new();
        self.body(Framing::Close, &mut |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    /// What was read and not taken yet: whoever takes it reads the socket alone from then on.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        mem::take(&mut self.unread)
    }

    /// Waits until there is something to read.
    ///
    /// # Errors
    /// When the connection ends instead.
    pub fn await_more(&mut self) -> Result<(), Broken> {
        if self.unread.is_empty() && self.fill()? == 0 {
            return Err(Broken::Closed);
        }
        Ok(())
    }

    /// Reads the line of the next chunk, or the trailers after the last one.
    fn next_chunk(&mut self, body: &mut Body) -> Result<(), Broken> {
        if mem::replace(&mut body.begun, true) && self.exactly(2)? != b"\r\n" {
            return Err(Broken::Malformed("bytes beyond a chunk".to_owned()));
        }
        let line = self.line()?;
        body.left = chunk_size(&line)
            .ok_or_else(|| Broken::Malformed(format!("the chunk line {line:?}")))?;
        if body.left > 0 {
            return Ok(());
        }
        loop {
            match &*self.line()? {
                "" => return Ok(()),
                line => body.trailers.push(parse_field(line.as_bytes())?),
            }
        }
    }

    fn line(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(at) = find(&self.unread, b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at + 2).take(at).collect();
                return String::from_utf8(line)
                    .map_err(|_| Broken::Malformed("a line that is no text".to_owned()));
            }
            if self.unread.len() > LONGEST {
                return Err(Broken::Malformed("an endless line".to_owned()));
            }
            if self.fill()? == 0 {
                return Err(Broken::Closed);
            }
        }
    }

    fn fill(&mut self) -> Result<usize, Broken> {
        let mut piece = [0; 65_536];
        let read = self.stream.read(&mut piece).map_err(Broken::from)?;
        self.unread.extend_from_slice(&piece[..read]);
        if let Some(record) = &self.record {
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            let room = RECORDED.saturating_sub(record.len()).min(read);
            record.extend_from_slice(&piece[..room]);
        }
        Ok(read)
    }
}

/// How far a body was read.
#[derive(Debug)]
pub struct Body {
    framing: Framing,
    /// Bytes of it, or of its chunk, that are still to come.
    left: u64,
    /// Whether there was a chunk.
    begun: bool,
    over: bool,
    trailers: Vec<Field>,
}

impl Body {
    /// At its first byte.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            left: match framing {
                Framing::Length(length) => length,
                _ => 0,
            },
            begun: false,
            over: matches!(framing, Framing::None | Framing::Length(0)),
            trailers: Vec::new(),
        }
    }

    /// Whether all of it was read, its trailers too.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The trailers that came after its last piece; they are given once.
    pub fn trailers(&mut self) -> Vec<Field> {
        mem::take(&mut self.trailers)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn chunk_size(line: &str) -> Option<u64> {
    if line.is_empty() || line.len() > 16 || !line.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(line, 16).ok()
}

fn parse_head(raw: Vec<u8>) -> Result<Head, Broken> {
    let malformed = || Broken::Malformed(format!("{:?}", String::from_utf8_lossy(&raw)));
    let mut lines = Vec::new();
    let mut rest = &raw[..raw.len() - 2];
    while let Some(at) = find(rest, b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    let (start, fields) = lines.split_first().ok_or_else(malformed)?;
    // A reason phrase may have bytes that are no text, and tabs.
    let start = String::from_utf8_lossy(start);
    if start.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f) {
        return Err(malformed());
    }
    let mut parts = start.splitn(3, ' ').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let start = [part(), part(), part()];
    let fields = fields
        .iter()
        .map(|line| parse_field(line))
        .collect::<Result<_, _>>()?;
    Ok(Head { start, fields, raw })
}

fn parse_field(line: &[u8]) -> Result<Field, Broken> {
    let malformed = || Broken::Malformed(format!("the field {:?}", String::from_utf8_lossy(line)));
    let at = line.iter().position(|&b| b == b':').ok_or_else(malformed)?;
    let (name, value) = (&line[..at], &line[at + 1..]);
    let token = |&b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let printable = |&b: &u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    if name.is_empty() || !name.iter().all(token) || !value.iter().all(printable) {
        return Err(malformed());
    }
    Ok(Field {
        name: String::from_utf8_lossy(name).into_owned(),
        value: value.trim_ascii().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn wire(bytes: &[u8]) -> Wire {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = Stream::Unix(theirs);
        theirs.write_all(bytes).unwrap();
        theirs.shutdown(Shutdown::Write);
        Wire::new(Arc::new(Stream::Unix(ours)))
    }

    #[test]
    fn a_head_is_read_as_it_stands() {
        let mut wire = wire(b"GET /a HTTP/1.1\r\nHost: a\r\nX:\t1 \r\nx: 2\r\n\r\nrest");
        let head = wire.head().unwrap().unwrap();
        assert_eq!(head.start, ["GET", "/a", "HTTP/1.1"]);
        assert_eq!(head.all("X"), ["1", "2"]);
        assert_eq!(wire.rest().unwrap(), b"rest");
        assert_eq!(wire.head(), Ok(None));
    }

    #[test]
    fn doubtful_heads_are_broken() {
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\n\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            b"GET / HTTP/1.1\r\n folded: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: a\x00\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        ] {
            let broken = wire(bytes).head().unwrap_err();
            assert!(matches!(broken, Broken::Malformed(_)), "{broken}");
        }
        assert_eq!(wire(b"GET / HTTP").head(), Err(Broken::Closed));
        for fields in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: +1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
            let head = wire(head.as_bytes()).head().unwrap().unwrap();
            assert!(head.response_framing("GET").is_err(), "{fields}");
        }
    }

    #[test]
    fn chunks_end_with_the_last_one_only() {
        let read = |bytes: &[u8]| {
            let mut body = Vec::new();
            let trailers = wire(bytes).body(Framing::Chunked, &mut |piece| {
                body.extend_from_slice(piece);
            });
            trailers.map(|trailers| (String::from_utf8(body).unwrap(), trailers.len()))
        };
        let good = read(b"3\r\nabc\r\n02\r\nde\r\n0\r\nx: y\r\n\r\n");
        assert_eq!(good, Ok(("abcde".to_owned(), 1)));
        assert_eq!(read(b"3\r\nabc\r\n"), Err(Broken::Closed));
        assert_eq!(read(b"3\r\nabc\r\n0\r\n"), Err(Broken::Closed));
        for bad in [
            &b"3;a\r\nabc\r\n0\r\n\r\n"[..],
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"\r\n",
        ] {
            assert!(matches!(read(bad), Err(Broken::Malformed(_))));
        }
    }
}
