//! Message heads of HTTP/1.1, as far as an instrument needs them: where one ends, how its body is framed, whether the
//! connection stays.
//!
//! It is no validating parser (that is what `evenkeel-http1` is for): it reads every line, looks into three fields, and
//! refuses what it cannot frame. Nothing is copied; what a relay must leave out is given as spans.

use std::fmt;
use std::ops::Range;

/// Longer heads are refused: nothing here sends one.
const MAX_HEAD: usize = 64 * 1024;

/// Lines about the connection that one head may have; a browser sends one.
const MAX_HOPS: usize = 4;

/// Bytes that cannot be understood as HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed HTTP/1.1")
    }
}

impl std::error::Error for Malformed {}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// So many bytes.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// The connection's end is the body's.
    UntilClose,
}

/// The head of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Its length, the empty line included.
    pub len: usize,
    /// Whether the method is HEAD, so that the response has no body whatever it says.
    pub is_head: bool,
    /// Where the target stands.
    pub target: Range<usize>,
    /// How its body ends.
    pub framing: Framing,
    /// Whether the client means to go on using the connection.
    pub keep_alive: bool,
    /// The lines that concern this connection alone.
    pub hops: Hops,
}

/// The head of a response.
#[derive(Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Its length, the empty line included.
    pub len: usize,
    /// Its status; below 200 another head follows.
    pub status: u16,
    /// How its body ends.
    pub framing: Framing,
    /// Whether the connection can be used again.
    pub keep_alive: bool,
    /// The lines that concern this connection alone.
    pub hops: Hops,
}

/// Where the lines stand that a relay leaves out: `Connection` and `Keep-Alive`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hops {
    spans: [(usize, usize); MAX_HOPS],
    count: usize,
}

impl Hops {
    /// Appends the head in `bytes` to `out` without these lines, and without its last, empty one.
    pub fn copy_rest(&self, head: &[u8], out: &mut Vec<u8>) {
        let mut at = 0;
        for &(from, to) in &self.spans[..self.count] {
            out.extend_from_slice(&head[at..from]);
            at = to;
        }
        out.extend_from_slice(&head[at..head.len() - 2]);
    }

    fn push(&mut self, from: usize, to: usize) -> Result<(), Malformed> {
        let span = self.spans.get_mut(self.count).ok_or(Malformed)?;
        *span = (from, to);
        self.count += 1;
        Ok(())
    }
}

/// Reads a request's head; none when it is not complete yet.
///
/// # Errors
///
/// Refuses what it cannot frame.
pub fn request(bytes: &[u8]) -> Result<Option<RequestHead>, Malformed> {
    let Some((start, at)) = line(bytes, 0)? else {
        return Ok(None);
    };
    let Some((fields, len)) = Fields::read(bytes, at)? else {
        return Ok(None);
    };
    let method = memchr::memchr(b' ', start).ok_or(Malformed)?;
    let version = memchr::memrchr(b' ', start).ok_or(Malformed)?;
    if method == 0 || version <= method + 1 {
        return Err(Malformed);
    }
    Ok(Some(RequestHead {
        len,
        is_head: &start[..method] == b"HEAD",
        target: method + 1..version,
        framing: fields.framing()?.unwrap_or(Framing::Empty),
        keep_alive: fields.keeps_alive(is_one_one(&start[version + 1..])?),
        hops: fields.hops,
    }))
}

/// Reads a response's head; none when it is not complete yet. `to_head` says that it answers a HEAD request.
///
/// # Errors
///
/// Refuses what it cannot frame.
pub fn response(bytes: &[u8], to_head: bool) -> Result<Option<ResponseHead>, Malformed> {
    let Some((start, at)) = line(bytes, 0)? else {
        return Ok(None);
    };
    let Some((fields, len)) = Fields::read(bytes, at)? else {
        return Ok(None);
    };
    let (version, rest) = start.split_at_checked(8).ok_or(Malformed)?;
    let &[b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] = rest else {
        return Err(Malformed);
    };
    if rest.get(4).is_some_and(|after| *after != b' ') {
        return Err(Malformed);
    }
    let digit = |d: u8| u16::from(d - b'0');
    let status = digit(a) * 100 + digit(b) * 10 + digit(c);
    let has_body = !to_head && status >= 200 && status != 204 && status != 304;
    let framing = match fields.framing()? {
        _ if !has_body => Framing::Empty,
        Some(framing) => framing,
        None => Framing::UntilClose,
    };
    Ok(Some(ResponseHead {
        len,
        status,
        framing,
        keep_alive: framing != Framing::UntilClose && fields.keeps_alive(is_one_one(version)?),
        hops: fields.hops,
    }))
}

/// What the three fields say that matter.
#[derive(Default)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    stay: bool,
    hops: Hops,
}

impl Fields {
    /// Reads lines from `at` to the empty one, and gives the position behind it.
    fn read(bytes: &[u8], mut at: usize) -> Result<Option<(Self, usize)>, Malformed> {
        let mut fields = Self::default();
        while let Some((line, next)) = line(bytes, at)? {
            match line.first() {
                None => return Ok(Some((fields, next))),
                // The first letters of the names below: no other line is looked at.
                Some(b'c' | b'C' | b't' | b'T' | b'k' | b'K') => fields.look(line, at, next)?,
                Some(_) => {}
            }
            at = next;
        }
        Ok(None)
    }

    fn look(&mut self, line: &[u8], from: usize, to: usize) -> Result<(), Malformed> {
        if let Some(value) = value(line, b"content-length:") {
            let length = decimal(value)?;
            if self.length.is_some_and(|other| other != length) {
                return Err(Malformed);
            }
            self.length = Some(length);
        } else if let Some(value) = value(line, b"transfer-encoding:") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed);
            }
            self.chunked = true;
        } else if let Some(value) = value(line, b"connection:") {
            for option in value.split(|byte| *byte == b',') {
                let option = option.trim_ascii();
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.stay |= option.eq_ignore_ascii_case(b"keep-alive");
            }
            self.hops.push(from, to)?;
        } else if value(line, b"keep-alive:").is_some() {
            self.hops.push(from, to)?;
        }
        Ok(())
    }

    fn framing(&self) -> Result<Option<Framing>, Malformed> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Malformed),
            (Some(0), false) => Ok(Some(Framing::Empty)),
            (Some(length), false) => Ok(Some(Framing::Length(length))),
            (None, true) => Ok(Some(Framing::Chunked)),
            (None, false) => Ok(None),
        }
    }

    const fn keeps_alive(&self, is_one_one: bool) -> bool {
        !self.close && (is_one_one || self.stay)
    }
}

/// The line that begins at `at`, without its end, and where the next one begins; none when its end is not there yet.
#[inline]
fn line(bytes: &[u8], at: usize) -> Result<Option<(&[u8], usize)>, Malformed> {
    let rest = &bytes[at..];
    match memchr::memchr(b'\n', rest) {
        None | Some(_) if at > MAX_HEAD => Err(Malformed),
        None if rest.len() > MAX_HEAD => Err(Malformed),
        None => Ok(None),
        Some(end) if end > 0 && rest[end - 1] == b'\r' => {
            Ok(Some((&rest[..end - 1], at + end + 1)))
        }
        Some(_) => Err(Malformed),
    }
}

/// The value of a line whose name, colon included, is `name` in lower case.
#[inline]
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (own, value) = line.split_at_checked(name.len())?;
    // The colon tells most names apart at once.
    let is_it = own.ends_with(b":") && own.eq_ignore_ascii_case(name);
    is_it.then(|| value.trim_ascii())
}

fn decimal(digits: &[u8]) -> Result<u64, Malformed> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    let text = str::from_utf8(digits).map_err(|_| Malformed)?;
    text.parse().map_err(|_| Malformed)
}

fn is_one_one(version: &[u8]) -> Result<bool, Malformed> {
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing_of(fields: &str) -> Option<(Framing, bool)> {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let head = response(text.as_bytes(), false).ok()??;
        assert_eq!(head.len, text.len());
        Some((head.framing, head.keep_alive))
    }

    #[test]
    fn a_response_is_framed_by_its_fields() {
        use Framing::{Chunked, Empty, Length, UntilClose};
        for (fields, expected) in [
            ("Content-Length: 128\r\n", Some((Length(128), true))),
            ("X: y\r\ncontent-length:7 \r\n", Some((Length(7), true))),
            ("Content-Length: 0\r\n", Some((Empty, true))),
            ("Transfer-Encoding: chunked\r\n", Some((Chunked, true))),
            ("", Some((UntilClose, false))),
            (
                "Content-Length: 1\r\nConnection: close\r\n",
                Some((Length(1), false)),
            ),
            (
                "Content-Length: 1\r\nConnection: x, Close\r\n",
                Some((Length(1), false)),
            ),
            ("Content-Length: 1\r\nContent-Length: 2\r\n", None),
            ("Content-Length: +1\r\n", None),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", None),
            ("Transfer-Encoding: gzip\r\n", None),
            ("Content-Length: 1\n", None),
        ] {
            assert_eq!(framing_of(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn some_responses_have_no_body() {
        for (status, to_head) in [(204, false), (304, false), (100, false), (200, true)] {
            let text = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n");
            let head = response(text.as_bytes(), to_head).unwrap().unwrap();
            assert_eq!((head.status, head.framing), (status, Framing::Empty));
        }
    }

    #[test]
    fn a_request_is_read_wherever_it_is_cut() {
        let text = b"POST /b/5 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        for cut in 0..text.len() - 5 {
            assert_eq!(request(&text[..cut]), Ok(None), "{cut}");
        }
        let head = request(text).unwrap().unwrap();
        assert_eq!(&text[head.target.clone()], b"/b/5");
        assert_eq!(head.framing, Framing::Length(5));
        assert!(head.keep_alive && !head.is_head);
        assert_eq!(&text[head.len..], b"hello");
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for text in [
            "GET / HTTP/2.0\r\n\r\n",
            "GET  HTTP/1.1\r\n\r\n",
            "GET\r\n\r\n",
            "\r\n\r\n",
            "GET / HTTP/1.1\n\n",
        ] {
            assert_eq!(request(text.as_bytes()), Err(Malformed), "{text:?}");
        }
        for text in [
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 2000\r\n\r\n",
            "HTTP\r\n\r\n",
        ] {
            assert_eq!(response(text.as_bytes(), false), Err(Malformed), "{text:?}");
        }
        assert_eq!(request(&vec![b'x'; MAX_HEAD + 1]), Err(Malformed));
        let endless = [
            &b"GET / HTTP/1.1\r\n"[..],
            &b"a: b\r\n".repeat(MAX_HEAD / 6),
        ]
        .concat();
        assert_eq!(request(&endless), Err(Malformed));
    }

    #[test]
    fn lines_about_the_connection_are_left_out() {
        let text =
            b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: a\r\nKeep-Alive: 5\r\nX: y\r\n\r\n";
        let head = request(text).unwrap().unwrap();
        assert!(head.keep_alive);
        let mut out = Vec::new();
        head.hops.copy_rest(&text[..head.len], &mut out);
        assert_eq!(out, b"GET / HTTP/1.0\r\nHost: a\r\nX: y\r\n");
    }
}
