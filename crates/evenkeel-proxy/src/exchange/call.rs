//! What the pipeline reads of an endpoint's response to a call of gRPC: how the call ended, and whether it may be made again.
//!
//! The status stands in the trailers, or in the head of a response that is nothing else ("trailers only"). Whether such a call is
//! tried again and what it says of its endpoint is `evenkeel-policy`'s to decide; the reply to a call that evenkeel itself ends is
//! with the other replies.

use std::time::Duration;

use evenkeel_base::{GrpcStatus, ResponseView, grpc};

use crate::body::{Length, Source};
use crate::exchange::converse::Conversation;
use crate::exchange::stage::Stage;
use crate::upstream::any::AnyUpstream;
use crate::upstream::{Answer, Upstream};

/// How the call ended, when the response says it in its head and is over with that.
pub(crate) fn status_in_head(
    stage: &Stage<'_>,
    up: &AnyUpstream,
    talk: &Conversation,
) -> Option<GrpcStatus> {
    let is_all = matches!(talk.answer, Answer::Final(Length::Empty | Length::Known(0)));
    if stage.forward.call && is_all {
        grpc::status_in(up.response().fields())
    } else {
        None
    }
}

/// How the call ended by the trailers of a response that is over.
pub(crate) fn status_in_trailers(stage: &Stage<'_>, up: &mut AnyUpstream) -> Option<GrpcStatus> {
    if !stage.forward.call {
        return None;
    }
    let (mut found, mut count) = (None, 0);
    up.body().trailers(&mut |field| {
        if field.name.eq_ignore_ascii_case(grpc::STATUS) {
            found = GrpcStatus::parse(field.value);
            count += 1;
        }
    });
    found.filter(|_| count == 1)
}

/// What the endpoint says about another attempt (gRPC's proposal A6, "pushback"): how long to wait before it, or that there should be
/// none, which is what a number below 0 and what is no number mean. None when it says nothing.
pub(crate) fn pushback(response: &ResponseView<'_>) -> Option<Result<Duration, Unwanted>> {
    let mut fields = response.fields();
    let field = fields.find(|field| field.name.eq_ignore_ascii_case(b"grpc-retry-pushback-ms"))?;
    let millis = std::str::from_utf8(field.value).map(str::parse);
    Some(match millis {
        Ok(Ok(millis)) => Ok(Duration::from_millis(millis)),
        _ => Err(Unwanted),
    })
}

/// The endpoint wants no other attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unwanted;

#[cfg(test)]
mod tests {
    use evenkeel_base::ResponseHead;
    use evenkeel_http1::{Asked, Limits, ResponseParser};

    use super::*;

    #[test]
    fn an_endpoint_says_when_it_wants_another_attempt_or_that_it_wants_none() {
        for (line, expected) in [
            ("", None),
            ("grpc-retry-pushback-ms: 0\r\n", Some(Ok(Duration::ZERO))),
            (
                "Grpc-Retry-Pushback-Ms: 70\r\n",
                Some(Ok(Duration::from_millis(70))),
            ),
            ("grpc-retry-pushback-ms: -1\r\n", Some(Err(Unwanted))),
            ("grpc-retry-pushback-ms: soon\r\n", Some(Err(Unwanted))),
        ] {
            let bytes = format!("HTTP/1.1 200 OK\r\n{line}\r\n");
            let mut head = ResponseHead::default();
            let mut parser = ResponseParser::default();
            let (limits, asked) = (Limits::default(), Asked::default());
            parser
                .parse(bytes.as_bytes(), &limits, asked, &mut head)
                .unwrap();
            assert_eq!(pushback(&head.view(bytes.as_bytes())), expected, "{line}");
        }
    }
}
