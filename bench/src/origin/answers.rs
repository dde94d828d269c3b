//! The canned responses: which path gets which, made once and kept.

use std::rc::Rc;

use crate::message::{Blocks, BodyKind, Message};

/// Up to here a response is one piece, and one write of one buffer.
const INLINE: usize = 64 * 1024;

/// Kept responses. A benchmark asks for a handful; who asks for more has them made anew.
const KEPT: usize = 64;

/// The responses that were asked for, the last one first.
#[derive(Debug, Default)]
pub(super) struct Answers {
    blocks: Blocks,
    kept: Vec<(Asked, Rc<Message>)>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The body; none for what does not exist.
    body: Option<(BodyKind, u64)>,
    /// Whether only the head is wanted.
    head_only: bool,
}

impl Asked {
    /// Reads the last two segments of a target.
    pub(super) fn new(target: &[u8], head_only: bool) -> Self {
        let path = target.split(|byte| *byte == b'?').next().unwrap_or(target);
        let mut segments = path.rsplit(|byte| *byte == b'/');
        let length = segments.next().and_then(decimal);
        let kind = match segments.next() {
            Some(b"b") => Some(BodyKind::Plain),
            Some(b"c") => Some(BodyKind::Chunked),
            _ => None,
        };
        Self {
            body: kind.zip(length),
            head_only,
        }
    }
}

impl Answers {
    /// The response to what is asked.
    #[inline]
    pub(super) fn get(&mut self, asked: Asked) -> Rc<Message> {
        match self.kept.iter().position(|(key, _)| *key == asked) {
            Some(0) => {}
            Some(at) => self.kept.swap(0, at),
            None => {
                self.kept.truncate(KEPT - 1);
                let message = Rc::new(self.make(asked));
                self.kept.push((asked, message));
                let last = self.kept.len() - 1;
                self.kept.swap(0, last);
            }
        }
        Rc::clone(&self.kept[0].1)
    }

    fn make(&self, asked: Asked) -> Message {
        let (status, kind, length) = match asked.body {
            Some((kind, length)) => ("200 OK", kind, length),
            None => ("404 Not Found", BodyKind::Plain, 10),
        };
        // The fields of an ordinary origin; the date stands still, because nothing here reads it.
        let head = format!(
            "HTTP/1.1 {status}\r\nServer: bench-origin\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n\
             Content-Type: text/plain\r\n{}\r\n",
            kind.field(length)
        );
        if asked.head_only {
            Message::bare(head.into(), &self.blocks)
        } else {
            Message::new(head.into(), length, kind, &self.blocks, INLINE)
        }
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(digits).ok().filter(|_| all)?;
    // Below 2^50, so that sums of lengths cannot overflow.
    text.parse().ok().filter(|length| *length < 1 << 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_segments_say_what_is_asked() {
        for (target, body) in [
            ("/b/128", Some((BodyKind::Plain, 128))),
            ("/c/0", Some((BodyKind::Chunked, 0))),
            ("/route-17/b/128?x=/c/1", Some((BodyKind::Plain, 128))),
            ("http://host/c/10000", Some((BodyKind::Chunked, 10_000))),
            ("/", None),
            ("/b/", None),
            ("/b/x", None),
            ("/b/+1", None),
            ("/d/1", None),
            ("/b/99999999999999999999", None),
            ("1", None),
        ] {
            assert_eq!(Asked::new(target.as_bytes(), false).body, body, "{target}");
        }
    }

    #[test]
    fn an_answer_is_made_once_and_few_are_kept() {
        let mut answers = Answers::default();
        let asked = |n: u64| Asked::new(format!("/b/{n}").as_bytes(), false);
        let one = answers.get(asked(1));
        answers.get(asked(2));
        assert!(Rc::ptr_eq(&one, &answers.get(asked(1))));
        for n in 0..1000 {
            assert_eq!(
                answers.get(asked(n)).len() - answers.get(asked(n)).head_len(),
                n
            );
        }
        assert_eq!(answers.kept.len(), KEPT);
    }

    #[test]
    fn a_head_request_gets_the_head() {
        let mut answers = Answers::default();
        let message = answers.get(Asked::new(b"/b/128", true));
        assert_eq!(message.len(), message.head_len());
        assert!(
            message
                .slices(0)
                .0
                .ends_with(b"Content-Length: 128\r\n\r\n")
        );
    }
}
