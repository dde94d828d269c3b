//! Messages written anew: heads, chunk framing, trailers, straight into the send buffer. Nothing is decided here.
//!
//! No byte that ends a line can come in through a name or a value: readers and configuration have refused it before, a
//! debug build asserts it, and a release build writes a space instead.

use evenkeel_base::head::Field;
use evenkeel_base::{FieldName, FieldSink, Run};

use crate::scan::{is_plain, value_end};

/// Writes one head. Fields come through [`FieldSink`]; [`HeadWriter::end`] writes the empty line.
#[derive(Debug)]
pub struct HeadWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> HeadWriter<'a> {
    /// Begins a request. `path` is `*` or begins with `/`, and is a whole authority for CONNECT.
    #[inline]
    #[must_use]
    pub fn request(out: &'a mut Vec<u8>, method: &[u8], path: &[u8], query: Option<&[u8]>) -> Self {
        let start = out.len();
        out.extend_from_slice(method);
        out.push(b' ');
        out.extend_from_slice(path);
        if let Some(query) = query {
            out.push(b'?');
            out.extend_from_slice(query);
        }
        check(out, start);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        Self { out }
    }

    /// Begins a response; a status beyond three digits is written as 500, which no caller has.
    #[inline]
    #[must_use]
    pub fn response(out: &'a mut Vec<u8>, status: u16, reason: &[u8]) -> Self {
        if (status, reason) == (200, b"OK") {
            // Nearly all of them.
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
            return Self { out };
        }
        debug_assert!((100..1000).contains(&status), "a status has three digits");
        let status = if (100..1000).contains(&status) {
            status
        } else {
            500
        };
        let digit = |place: u16| b"0123456789"[usize::from(status / place % 10)];
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(&[digit(100), digit(10), digit(1), b' ']);
        put(out, reason);
        out.extend_from_slice(b"\r\n");
        Self { out }
    }

    /// Frames the body by its length.
    #[inline]
    pub fn content_length(&mut self, length: u64) {
        self.out.extend_from_slice(b"Content-Length: ");
        put_number(self.out, length);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Frames the body in chunks.
    #[inline]
    pub fn chunked(&mut self) {
        self.out
            .extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }

    /// Ends the head.
    #[inline]
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

impl FieldSink for HeadWriter<'_> {
    #[inline]
    fn field(&mut self, name: &[u8], value: &[u8]) {
        put_field(self.out, name, value);
    }

    #[inline(always)]
    fn set(&mut self, name: FieldName, value: &[u8]) {
        self.out.extend_from_slice(name.line_start());
        put(self.out, value);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Lines that stand in the message as they would be written are copied many at a time: the reader has validated every
    /// byte of them. Lines with other white space around the value are written one by one.
    #[inline]
    fn run(&mut self, mut run: Run<'_>) {
        while !run.is_empty() {
            let (lines, rest) = run.split_lines();
            debug_assert!(run.part(0, run.len() - rest.len()).fields().all(is_clean));
            self.out.extend_from_slice(lines);
            run = rest;
            if let Some(odd) = run.fields().next() {
                put_field(self.out, odd.name, odd.value);
                run = run.part(1, run.len());
            }
        }
    }
}

/// Whether a field can stand in a line.
fn is_clean(field: Field<'_>) -> bool {
    [field.name, field.value].map(|text| value_end(text, 0) == text.len()) == [true; 2]
}

/// Ends a chunked body with trailers: writes the last chunk, fields through [`FieldSink`], and the empty line.
#[derive(Debug)]
pub struct TrailerWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> TrailerWriter<'a> {
    /// Writes the last chunk.
    #[must_use]
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(b"0\r\n");
        Self { out }
    }

    /// Ends the body.
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

impl FieldSink for TrailerWriter<'_> {
    fn field(&mut self, name: &[u8], value: &[u8]) {
        put_field(self.out, name, value);
    }
}

/// What stands after a chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The end of a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The size line of a chunk, on the stack; see [`chunk_head`].
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    bytes: [u8; CHUNK_HEAD_BYTES],
    start: usize,
}

/// Sixteen digits and CRLF.
const CHUNK_HEAD_BYTES: usize = 18;

impl ChunkHead {
    /// The line with its CRLF.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// The size line of a chunk of `length` bytes, which must not be 0: that would be the last one.
#[inline]
#[must_use]
pub fn chunk_head(length: usize) -> ChunkHead {
    debug_assert!(length > 0, "a chunk of length 0 ends the body");
    let mut bytes = [0; CHUNK_HEAD_BYTES];
    bytes[CHUNK_HEAD_BYTES - 2..].copy_from_slice(b"\r\n");
    let mut start = CHUNK_HEAD_BYTES - 2;
    let mut rest = length;
    loop {
        start -= 1;
        bytes[start] = b"0123456789abcdef"[rest % 16];
        rest /= 16;
        if rest == 0 {
            return ChunkHead { bytes, start };
        }
    }
}

#[inline]
fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    let start = out.len();
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    check(out, start);
    out.extend_from_slice(b"\r\n");
}

/// Writes text within a line.
#[inline]
fn put(out: &mut Vec<u8>, text: &[u8]) {
    let start = out.len();
    out.extend_from_slice(text);
    check(out, start);
}

/// Looks at what was written within a line from `start` on: almost always it is text without a control byte.
#[inline(always)]
fn check(out: &mut [u8], start: usize) {
    if let Some(text) = out.get_mut(start..)
        && !is_plain(text)
    {
        check_rare(text);
    }
}

/// Looks at text that has a HTAB, or what it cannot have.
#[cold]
fn check_rare(text: &mut [u8]) {
    let clean = value_end(text, 0) == text.len();
    debug_assert!(clean, "no control byte gets this far");
    tame(text);
}

/// Puts a space for every control byte but HTAB.
fn tame(text: &mut [u8]) {
    for byte in text {
        if byte.is_ascii_control() && *byte != b'\t' {
            *byte = b' ';
        }
    }
}

#[inline]
fn put_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = b"0123456789"[usize::try_from(rest % 10).unwrap_or_default()];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_written_as_they_should_be_read() {
        let mut out = Vec::new();
        let mut head = HeadWriter::request(&mut out, b"POST", b"/a", Some(b"b=c"));
        head.field(b"host", b"a");
        head.content_length(18_446_744_073_709_551_615);
        head.end();
        HeadWriter::response(&mut out, 200, b"OK").end();
        HeadWriter::response(&mut out, 200, b"Fine").end();
        let mut head = HeadWriter::response(&mut out, 204, b"No Content");
        head.chunked();
        head.content_length(0);
        head.end();
        let expected = "POST /a?b=c HTTP/1.1\r\nhost: a\r\nContent-Length: 18446744073709551615\r\n\r\n\
                        HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 Fine\r\n\r\n\
                        HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn chunk_heads_are_hexadecimal() {
        for (length, text) in [
            (1, "1\r\n"),
            (31, "1f\r\n"),
            (65_536, "10000\r\n"),
            (usize::MAX, "ffffffffffffffff\r\n"),
        ] {
            assert_eq!(chunk_head(length).as_slice(), text.as_bytes());
        }
    }

    #[test]
    fn trailers_follow_the_last_chunk() {
        let mut out = Vec::new();
        let mut trailers = TrailerWriter::new(&mut out);
        trailers.field(b"grpc-status", b"0");
        trailers.end();
        assert_eq!(out, b"0\r\ngrpc-status: 0\r\n\r\n");
    }

    #[test]
    fn what_cannot_get_this_far_would_not_end_a_line() {
        let mut text = *b"a\r\nX: b\0c\x7f\td";
        tame(&mut text);
        assert_eq!(&text, b"a  X: b c \td");
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "no control byte")]
    fn and_a_debug_build_says_so() {
        put(&mut Vec::new(), b"a\r\nb");
    }
}
