//! Where outgoing fields go, and the names of those that we set ourselves. What is set, passed or dropped is decided elsewhere.

use crate::field::is_tchar;
use crate::head::Run;

/// The name of a field that we set ourselves, spelt once, together with what stands between it and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldName(&'static str);

impl FieldName {
    /// RFC 9110 §7.2.
    pub const HOST: Self = Self::of("Host: ");
    /// The client's address.
    pub const X_FORWARDED_FOR: Self = Self::of("X-Forwarded-For: ");
    /// How the client came.
    pub const X_FORWARDED_PROTO: Self = Self::of("X-Forwarded-Proto: ");
    /// What host the client asked.
    pub const X_FORWARDED_HOST: Self = Self::of("X-Forwarded-Host: ");
    /// The id of the request.
    pub const X_REQUEST_ID: Self = Self::of("X-Request-Id: ");

    /// A name with its colon and space, checked when it is compiled.
    const fn of(line: &'static str) -> Self {
        let bytes = line.as_bytes();
        let (mut at, end) = (0, bytes.len() - 2);
        assert!(end > 0 && bytes[end] == b':' && bytes[end + 1] == b' ');
        while at < end {
            assert!(is_tchar(bytes[at]));
            at += 1;
        }
        Self(line)
    }

    /// The name alone.
    #[inline]
    #[must_use]
    pub fn name(self) -> &'static [u8] {
        &self.0.as_bytes()[..self.0.len() - 2]
    }

    /// The name as a line of HTTP/1 begins with it: colon and space included.
    #[inline]
    #[must_use]
    pub const fn line_start(self) -> &'static [u8] {
        self.0.as_bytes()
    }
}

/// Where outgoing fields go: an h1 head being written, or later a header map of another protocol.
pub trait FieldSink {
    /// Adds one field after those before it. Name and value have been validated by whoever read or compiled them.
    fn field(&mut self, name: &[u8], value: &[u8]);

    /// Adds a field of ours.
    fn set(&mut self, name: FieldName, value: &[u8]) {
        self.field(name.name(), value);
    }

    /// Adds fields as they came with a message.
    fn run(&mut self, run: Run<'_>) {
        for field in run.fields() {
            self.field(field.name, field.value);
        }
    }
}

impl FieldSink for Vec<(Vec<u8>, Vec<u8>)> {
    fn field(&mut self, name: &[u8], value: &[u8]) {
        self.push((name.to_vec(), value.to_vec()));
    }
}
