//! Byte sequences that a strict HTTP/1.1 proxy must refuse, or must read in exactly one way, with the rule for each.
//!
//! Plain data without any codec: `evenkeel-http1` is held to it whole and cut at every offset, and the binary is held to
//! it over sockets. The ids begin with the family: F framing, C chunks, R request line and Host, H fields, U upgrade and
//! expectation, S responses.

mod chunks;
mod fields;
mod framing;
mod lines;
mod responses;

/// What a client sends, and what must come of it.
#[derive(Clone, Debug)]
pub struct RequestVector {
    /// Its name, unique in the table.
    pub id: String,
    /// The rule.
    pub rfc: &'static str,
    /// What is sent, in one connection.
    pub bytes: Vec<u8>,
    /// What must come of it.
    pub verdict: RequestVerdict,
}

/// What must come of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestVerdict {
    /// The head is refused with this status, for this reason: no endpoint sees a byte, the connection is closed.
    Refuse(u16, &'static str),
    /// The head is good and the body is refused, for this reason: no endpoint ever sees a whole message, the client gets
    /// this status unless its response has begun, the connection is closed.
    RefuseBody(u16, &'static str),
    /// The bytes end before the message does: no endpoint ever sees a whole message.
    Incomplete,
    /// It is this message.
    Accept(Message),
    /// It is this message, and a proxy with the default rules answers it with this status: no endpoint sees a byte.
    Decline(u16, Message),
}

/// A request as every reader must understand it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The method.
    pub method: &'static str,
    /// The target that an endpoint gets: path and query, or `*`.
    pub target: &'static str,
    /// The authority that an endpoint gets in Host; empty when there is none.
    pub host: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the body comes in chunks.
    pub chunked: bool,
    /// What follows the message on the connection: the next request, or part of it.
    pub rest: Vec<u8>,
}

/// What an endpoint sends, and what must come of it.
#[derive(Clone, Debug)]
pub struct ResponseVector {
    /// Its name, unique in the table.
    pub id: String,
    /// The rule.
    pub rfc: &'static str,
    /// What was asked for.
    pub asked: AskedFor,
    /// What the endpoint sends before it closes its side.
    pub bytes: Vec<u8>,
    /// What must come of it.
    pub verdict: ResponseVerdict,
}

/// The request that a response answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedFor {
    /// `GET /`.
    Get,
    /// `HEAD /`.
    Head,
    /// `GET /` that asks to upgrade to `websocket`.
    Upgrade,
}

/// What must come of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseVerdict {
    /// 502 for this reason; the connection is thrown away.
    Refuse(&'static str),
    /// The head passes and the body is refused for this reason: the client sees a cut body, never a whole one.
    RefuseBody(&'static str),
    /// The head passes, the bytes end before the body does: the client sees a cut body, never a whole one.
    Cut,
    /// It is this response.
    Accept(Answer),
}

/// A response as every reader must understand it; interim ones are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: &'static str,
    /// Whether the connection may serve another exchange.
    pub kept: bool,
    /// What follows on the connection, after which it must not be kept.
    pub rest: &'static str,
}

/// Every request of the table.
#[must_use]
pub fn requests() -> Vec<RequestVector> {
    let mut all = framing::all();
    all.extend(chunks::all());
    all.extend(lines::all());
    all.extend(fields::all());
    all
}

/// Every response of the table.
#[must_use]
pub fn responses() -> Vec<ResponseVector> {
    responses::all()
}

/// A chunked request whose body is `body`.
fn chunks(body: &[u8]) -> Vec<u8> {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    [head.as_slice(), body].concat()
}

/// A POST with these lines between its Host and its empty line, and a body after it.
fn fields(lines: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: a\r\n", lines, b"\r\n\r\nhello"].concat()
}

/// A request without a body that begins with this line.
fn line(first: &[u8]) -> Vec<u8> {
    [first, b"\r\nHost: a\r\n\r\n"].concat()
}

/// The bytes as they stand.
fn raw(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

fn refuse(
    id: &str,
    rfc: &'static str,
    status: u16,
    why: &'static str,
    bytes: Vec<u8>,
) -> RequestVector {
    let verdict = RequestVerdict::Refuse(status, why);
    RequestVector {
        id: id.to_owned(),
        rfc,
        bytes,
        verdict,
    }
}

fn accept(id: &str, rfc: &'static str, bytes: Vec<u8>, message: Message) -> RequestVector {
    let verdict = RequestVerdict::Accept(message);
    RequestVector {
        id: id.to_owned(),
        rfc,
        bytes,
        verdict,
    }
}

/// One request per line: how the bytes are made, the id, the rule, the bytes, and what must come of them. In the lines
/// `METHOD TARGET HOST`, `-` stands for no host.
macro_rules! request_table {
    ($($make:ident $id:literal $rfc:literal $bytes:literal => $verdict:ident($($argument:expr),*);)*) => {
        vec![$($crate::vectors::RequestVector {
            id: $id.to_owned(),
            rfc: concat!("RFC ", $rfc),
            bytes: $crate::vectors::$make($bytes),
            verdict: $crate::vectors::verdict::$verdict($($argument),*),
        },)*]
    };
}
use request_table;

/// The verdicts as the lines of `requests!` name them.
mod verdict {
    use super::{Message, RequestVerdict};

    pub(super) fn refuse(status: u16, why: &'static str) -> RequestVerdict {
        RequestVerdict::Refuse(status, why)
    }

    pub(super) fn refuse_body(status: u16, why: &'static str) -> RequestVerdict {
        RequestVerdict::RefuseBody(status, why)
    }

    pub(super) fn incomplete() -> RequestVerdict {
        RequestVerdict::Incomplete
    }

    /// A message without a body.
    pub(super) fn plain(start: &'static str) -> RequestVerdict {
        RequestVerdict::Accept(message(start))
    }

    /// A message with a body of known length, and what follows it.
    pub(super) fn known(start: &'static str, body: &str, rest: &str) -> RequestVerdict {
        RequestVerdict::Accept(Message {
            body: body.into(),
            rest: rest.into(),
            ..message(start)
        })
    }

    /// A message with a chunked body, and what follows it.
    pub(super) fn chunked(start: &'static str, body: &str, rest: &str) -> RequestVerdict {
        RequestVerdict::Accept(Message {
            body: body.into(),
            rest: rest.into(),
            chunked: true,
            ..message(start)
        })
    }

    /// A message without a body that the default rules answer.
    pub(super) fn decline(status: u16, start: &'static str, rest: &str) -> RequestVerdict {
        RequestVerdict::Decline(
            status,
            Message {
                rest: rest.into(),
                ..message(start)
            },
        )
    }

    fn message(start: &'static str) -> Message {
        let mut words = start.split(' ');
        let mut word = || words.next().unwrap_or_default();
        Message {
            method: word(),
            target: word(),
            host: Some(word()).filter(|host| *host != "-").unwrap_or_default(),
            ..Message::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_and_families_complete() {
        let requests = requests();
        let responses = responses();
        let ids: Vec<_> = requests
            .iter()
            .map(|v| &v.id)
            .chain(responses.iter().map(|v| &v.id))
            .collect();
        let distinct: HashSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), distinct.len(), "every id stands once");
        let family = |letter: char, last: usize| {
            for number in 1..=last {
                let prefix = format!("{letter}{number}-");
                assert!(
                    ids.iter().any(|id| id.starts_with(&prefix)),
                    "{prefix} has a case"
                );
            }
        };
        family('F', 24);
        family('C', 17);
        family('R', 16);
        family('H', 8);
        family('S', 6);
    }

    #[test]
    fn what_is_accepted_is_in_the_bytes() {
        for vector in requests() {
            if let RequestVerdict::Accept(message) | RequestVerdict::Decline(_, message) =
                &vector.verdict
            {
                assert!(vector.bytes.ends_with(&message.rest), "{}", vector.id);
            }
        }
    }
}
