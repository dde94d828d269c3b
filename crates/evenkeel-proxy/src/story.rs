//! A traced exchange as a story: the facts that its spans are made of, handed over to whoever exports them.
//!
//! Nothing is formatted here and nothing waits: the story goes into a queue of the meeting place (`evenkeel_state::trace`). What it
//! costs a worker is one allocation for each text.

use std::time::{Duration, Instant};

use evenkeel_base::{Known, ListenerId, RequestView};
use evenkeel_policy::Failure;
use evenkeel_state::HeldNames;
use evenkeel_state::trace::{Asked, Attempt, Story};

use crate::attempted::{Attempted, Fate};
use crate::record::Record;
use crate::scene::From;
use crate::trace::Traced;
use crate::worker::Worker;
use evenkeel_state::decide::request_id;

/// No text of a story is longer, as in the access log.
const MAX_TEXT: usize = 1024;

/// Hands an exchange over to whoever exports it.
#[inline(never)]
pub(crate) fn hand_over(
    worker: &Worker,
    from: &From,
    (names, listener): (HeldNames, ListenerId),
    request: &RequestView<'_>,
    traced: Traced,
    record: &Record,
) {
    // An exchange that went well ended when its last byte moved; one that failed waited longer.
    let ended = match record.fault {
        None => record.ended,
        Some(_) => Instant::now(),
    };
    let attempts: Vec<Attempt> = record
        .each_attempt()
        .map(|one| attempt(&one, traced, record))
        .collect();
    let waited: Duration = attempts.iter().map(|one| one.queued).sum();
    let rest = record.queued.saturating_sub(waited);
    worker.hand_over(Box::new(Story {
        context: traced.context,
        parent: traced.parent,
        names,
        listener,
        route: record.route,
        cluster: record.endpoint.map(|(cluster, _)| cluster),
        asked: asked(from, request, record),
        client: record.client,
        status: record.status,
        grpc: record.grpc,
        fault: record.fault,
        bytes: (record.bytes_in, record.bytes_out),
        began: record.began,
        ended: ended.max(record.began),
        waited: (!rest.is_zero()).then_some((ended, rest)),
        attempts,
    }));
}

fn asked(from: &From, request: &RequestView<'_>, record: &Record) -> Asked {
    let agent = request.fields().find(|field| {
        field.known == Known::Other && field.name.eq_ignore_ascii_case(b"user-agent")
    });
    let id = request_id::kept(request);
    Asked {
        method: text(request.method_name()),
        secure: from.proof.is_some(),
        authority: text(request.authority()),
        path: text(request.path()),
        query: request.query().map(text),
        version: request.version(),
        user_agent: agent.map(|agent| text(agent.value)),
        request_id: text(id.unwrap_or(&record.made_id)),
    }
}

fn attempt(one: &Attempted, traced: Traced, record: &Record) -> Attempt {
    let after = one.began.saturating_duration_since(record.began);
    Attempt {
        span: traced.attempt(one.endpoint, after),
        endpoint: one.endpoint,
        began: one.began,
        queued: one.queued,
        connect: one.connect,
        tls: one.tls,
        head: one.head,
        ended: one.ended,
        status: one.fate.status(),
        failure: match one.fate {
            Fate::Answered(_) | Fate::Failed(Failure::Status(_)) => None,
            Fate::Cut(_, fault) | Fate::Failed(Failure::Fault(fault)) => Some(fault.name()),
            Fate::Failed(Failure::Grpc(status)) => Some(status.name()),
            Fate::Cancelled => Some("cancelled"),
        },
    }
}

/// The text, or its beginning; what is no UTF-8 is replaced, for a collector takes nothing else.
fn text(bytes: &[u8]) -> String {
    let beginning = bytes.get(..MAX_TEXT).unwrap_or(bytes);
    let mut text = String::from_utf8_lossy(beginning).into_owned();
    // Each byte that is none of a text became three.
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_and_made_one() {
        assert_eq!(text("é".repeat(MAX_TEXT).as_bytes()).len(), MAX_TEXT);
        assert_eq!(text(b"a\xff"), "a\u{fffd}");
    }

    #[test]
    fn a_text_of_bytes_that_are_none_is_no_longer_than_others() {
        for bytes in [&[0xff; 2 * MAX_TEXT][..], &[0xff; MAX_TEXT / 2]] {
            let text = text(bytes);
            assert!(
                (MAX_TEXT - 2..=MAX_TEXT).contains(&text.len()),
                "{}",
                text.len()
            );
        }
    }
}
