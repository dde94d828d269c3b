//! How long a client says that it will wait: the value of the route's `deadline_header`, and of a call's `grpc-timeout`.
//!
//! Three ways to say it are in use: a number of milliseconds, a duration with its unit (`1.5s`), and in `grpc-timeout` what gRPC
//! says. What is none of these is not believed.

use std::time::Duration;

use evenkeel_base::unit::parse_duration;
use evenkeel_base::{RequestView, grpc};
use evenkeel_config::model::Route;

/// Longer than this nobody waits, and no more digits than that are read.
const LONGEST_VALUE: usize = 16;

/// How long a whole exchange may take: what the route says, or the client where it is less patient. A call of gRPC says so in a field
/// of its own, which is believed on every route. [`Duration::MAX`]: as long as it likes.
#[inline]
#[must_use]
pub fn allowed(route: &Route, request: &RequestView<'_>, call: bool) -> Duration {
    let mut allowed = route.total_timeout;
    let mut believe = |name: &str| {
        if let Some(told) = patience(request, name) {
            allowed = allowed.min(told);
        }
    };
    if call {
        believe(grpc::TIMEOUT);
    }
    if !route.deadline_header.is_empty() {
        believe(&route.deadline_header);
    }
    allowed
}

/// How long the client waits, when it says so in that field.
#[must_use]
pub fn patience(request: &RequestView<'_>, name: &str) -> Option<Duration> {
    let field = request
        .fields()
        .find(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))?;
    let value = std::str::from_utf8(field.value).ok()?.trim();
    if value.len() > LONGEST_VALUE {
        return None;
    }
    if name.eq_ignore_ascii_case(grpc::TIMEOUT) {
        return grpc::parse_timeout(value);
    }
    match value.parse() {
        Ok(millis) => Some(Duration::from_millis(millis)),
        Err(_) => parse_duration(value).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::rig;

    #[track_caller]
    fn check(name: &str, value: &str, expected: Option<Duration>) {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n");
        let head = rig::parse(bytes.as_bytes()).unwrap();
        let told = patience(&head.view(bytes.as_bytes()), name);
        assert_eq!(told, expected, "{name}: {value}");
    }

    #[test]
    fn patience_is_told_in_three_ways() {
        let millis = |n| Some(Duration::from_millis(n));
        for (value, expected) in [
            ("1500", millis(1500)),
            ("1.5s", millis(1500)),
            ("250ms", millis(250)),
            ("0", millis(0)),
            ("", None),
            ("soon", None),
            ("-1", None),
            ("99999999999999999999", None),
        ] {
            check("X-Request-Timeout", value, expected);
        }
        for (value, expected) in [
            ("100m", millis(100)),
            ("2S", millis(2000)),
            ("100", None),
            ("1.5s", None),
        ] {
            check("grpc-timeout", value, expected);
        }
    }

    #[test]
    fn without_the_field_nothing_is_told() {
        let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let head = rig::parse(bytes).unwrap();
        assert_eq!(patience(&head.view(bytes), "X-Request-Timeout"), None);
    }
}
