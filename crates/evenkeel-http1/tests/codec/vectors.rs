//! The table of vectors, whole and cut at every offset.

use evenkeel_http1::{Asked, Refusal, RequestBody, fuzzing};
use evenkeel_testkit::vectors::{
    Answer, AskedFor, Message, RequestVerdict, ResponseVerdict, requests, responses,
};

use crate::drive::{Cuts, Outcome, ReadRequest, ReadResponse, request, response};

/// Above this, cutting at every offset costs seconds and shows nothing that the first and last bytes do not.
const EVERY_OFFSET: usize = 4096;

/// One piece, every single byte, and two pieces for every offset (of a huge vector: near its ends).
fn all_cuts(length: usize) -> impl Iterator<Item = Cuts> {
    let near = move |offset: &usize| {
        length <= EVERY_OFFSET
            || *offset < 64
            || *offset + 64 > length
            || offset.is_multiple_of(4093)
    };
    let pairs = (1..length)
        .filter(near)
        .map(move |offset| Cuts::at(offset, length));
    let bytes = (length <= EVERY_OFFSET).then(|| Cuts::every(1, length));
    [Cuts::whole(length), Cuts::every(1000, length)]
        .into_iter()
        .chain(bytes)
        .chain(pairs)
}

#[test]
fn requests_are_read_as_the_table_says() {
    let mut wrong = Vec::new();
    for vector in requests() {
        let expected = of_table(&vector.verdict);
        for cuts in all_cuts(vector.bytes.len()) {
            let read = of_codec(request(&vector.bytes, cuts));
            if read != expected {
                wrong.push(format!(
                    "{}: expected {expected:?}, read {read:?}",
                    vector.id
                ));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A verdict in a form that compares and prints well: its kind, its status or name, its parts.
type Plain = (&'static str, String, Vec<String>);

fn of_table(verdict: &RequestVerdict) -> Plain {
    match verdict {
        RequestVerdict::Refuse(status, why) => ("head", format!("{status} {why}"), Vec::new()),
        RequestVerdict::RefuseBody(status, why) => ("body", format!("{status} {why}"), Vec::new()),
        RequestVerdict::Incomplete => ("incomplete", String::new(), Vec::new()),
        RequestVerdict::Accept(message) | RequestVerdict::Decline(_, message) => {
            let framing = if message.chunked {
                "chunked"
            } else {
                "counted"
            };
            (
                "whole",
                framing.to_owned(),
                message_of_table(message).into(),
            )
        }
    }
}

fn of_codec(outcome: Outcome<ReadRequest>) -> Plain {
    let refused = |refusal: Refusal| format!("{} {refusal}", refusal.fault_of_request().status());
    match outcome {
        Outcome::Head(refusal) => ("head", refused(refusal), Vec::new()),
        Outcome::Body(refusal) => ("body", refused(refusal), Vec::new()),
        Outcome::Incomplete => ("incomplete", String::new(), Vec::new()),
        Outcome::Whole(read) => {
            let chunked = read.head.body == RequestBody::Chunked;
            let framing = if chunked { "chunked" } else { "counted" };
            ("whole", framing.to_owned(), message_of(&read).into())
        }
    }
}

/// Method, target, authority, body and what follows, in a form that prints well.
fn message_of(read: &ReadRequest) -> [String; 5] {
    [
        &read.method,
        &read.target,
        &read.authority,
        &read.body,
        &read.rest,
    ]
    .map(|bytes| bytes.escape_ascii().to_string())
}

fn message_of_table(message: &Message) -> [String; 5] {
    [
        message.method.as_bytes(),
        message.target.as_bytes(),
        message.host.as_bytes(),
        &message.body,
        &message.rest,
    ]
    .map(|bytes| bytes.escape_ascii().to_string())
}

#[test]
fn responses_are_read_as_the_table_says() {
    for vector in responses() {
        let id = &vector.id;
        let asked = Asked {
            head: vector.asked == AskedFor::Head,
            connect: false,
            upgrade: vector.asked == AskedFor::Upgrade,
        };
        for cuts in all_cuts(vector.bytes.len()) {
            match (&vector.verdict, response(&vector.bytes, cuts, asked)) {
                (ResponseVerdict::Refuse(reason), Outcome::Head(refusal))
                | (ResponseVerdict::RefuseBody(reason), Outcome::Body(refusal)) => {
                    assert_eq!(refusal.name(), *reason, "{id}");
                }
                (ResponseVerdict::Cut, Outcome::Incomplete) => {}
                (ResponseVerdict::Accept(answer), Outcome::Whole(read)) => {
                    check_answer(id, answer, &read);
                }
                (expected, outcome) => panic!("{id}: expected {expected:?}, read {outcome:?}"),
            }
        }
    }
}

fn check_answer(id: &str, answer: &Answer, read: &ReadResponse) {
    assert_eq!(read.status, answer.status, "{id}");
    assert_eq!(
        read.body.escape_ascii().to_string(),
        answer.body.escape_default().to_string(),
        "{id}"
    );
    assert_eq!(read.head.persistent, answer.kept, "{id}");
    assert_eq!(read.rest, answer.rest.as_bytes(), "{id}");
}

#[test]
fn every_refusal_has_a_vector() {
    let requests = requests();
    let responses = responses();
    let of_requests = requests.iter().filter_map(|vector| match &vector.verdict {
        RequestVerdict::Refuse(_, why) | RequestVerdict::RefuseBody(_, why) => Some(*why),
        _ => None,
    });
    let of_responses = responses.iter().filter_map(|vector| match &vector.verdict {
        ResponseVerdict::Refuse(why) | ResponseVerdict::RefuseBody(why) => Some(*why),
        _ => None,
    });
    let named: Vec<_> = of_requests.chain(of_responses).collect();
    for refusal in Refusal::ALL {
        assert!(named.contains(&refusal.name()), "{refusal}");
    }
    for name in named {
        assert!(
            Refusal::ALL.iter().any(|refusal| refusal.name() == name),
            "{name}"
        );
    }
}

#[test]
fn the_table_holds_every_invariant() {
    for vector in requests()
        .iter()
        .filter(|vector| vector.bytes.len() <= EVERY_OFFSET)
    {
        fuzzing::request_head(&vector.bytes);
        fuzzing::chunked(&vector.bytes[body_start(&vector.bytes)..]);
        fuzzing::trailers(&vector.bytes);
    }
    for vector in responses()
        .iter()
        .filter(|vector| vector.bytes.len() <= EVERY_OFFSET)
    {
        fuzzing::response_head(&vector.bytes);
        fuzzing::chunked(&vector.bytes[body_start(&vector.bytes)..]);
    }
}

fn body_start(bytes: &[u8]) -> usize {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    end.map_or(0, |end| end + 4)
}
