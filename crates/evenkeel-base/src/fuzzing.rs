//! What must hold of every input, whatever it is: the entries of the fuzz targets, replayed by plain tests. A failure is a
//! panic. Nothing here is used by a running proxy.

use crate::GrpcStatus;
use crate::grpc::health::{self, Health};
use crate::grpc::{Timeout, encode_message, parse_timeout};
use crate::trace::{Context, LENGTH};

/// What others write for gRPC: the first byte says what the rest is.
pub fn grpc(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => status(rest),
        1 => texts(&String::from_utf8_lossy(rest)),
        _ => answer(rest),
    }
}

/// A status is digits, and what is written is read as the same.
fn status(value: &[u8]) {
    if let Some(status) = GrpcStatus::parse(value) {
        assert!(value.iter().all(u8::is_ascii_digit));
        assert_eq!(GrpcStatus::parse(status.digits().as_bytes()), Some(status));
    }
}

/// A timeout is read as no more than it was when it is written again, and a message can stand in a field.
fn texts(text: &str) {
    if let Some(time) = parse_timeout(text) {
        let again = parse_timeout(&Timeout(time).to_string());
        assert!(again.is_some_and(|again| again <= time || again.as_millis() == 1));
    }
    let encoded = encode_message(text);
    assert!(encoded.bytes().all(|byte| matches!(byte, b' '..=b'~')));
}

/// A body that is read as an answer is one whole message, and cut anywhere it is none.
fn answer(body: &[u8]) {
    if health::read(body).is_ok() {
        for end in 0..body.len() {
            assert!(health::read(&body[..end]).is_err(), "cut at {end}");
        }
        let twice = [body, body].concat();
        assert!(health::read(&twice).is_err(), "two messages");
    }
    if let Ok(service) = std::str::from_utf8(body) {
        let asked = health::ask(service);
        // A service is a string in the place of a status.
        assert!(matches!(health::read(&asked), Ok(Health::Unknown) | Err(_)));
    }
}

/// A `traceparent` that is believed has ids that are none of zero, and is passed on as one that says the same; of this version,
/// it is the very same but for flags that nobody knows.
pub fn traceparent(value: &[u8]) {
    let Some(context) = Context::parse(value) else {
        return;
    };
    let written = context.write();
    assert_eq!(Context::parse(&written), Some(context));
    assert_eq!(written[2..53], value[2..53]);
    assert_ne!(context.trace.bytes(), [0; 16]);
    assert_ne!(context.span.bytes(), [0; 8]);
    if value.starts_with(b"00") {
        assert_eq!(value.len(), LENGTH);
    }
    let ours = context.with(context.span.part(1), !context.is_sampled());
    assert_eq!(Context::parse(&ours.write()), Some(ours));
}
