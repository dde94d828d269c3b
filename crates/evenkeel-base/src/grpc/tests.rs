//! What calls, statuses, messages and timeouts look like on the wire; which status each fault is.

use std::time::Duration;

use super::*;
use crate::{Fault, Side};

#[test]
fn a_content_type_is_that_of_grpc_alone_or_with_a_format_or_a_parameter() {
    for (value, expected) in [
        ("application/grpc", true),
        ("Application/GRPC", true),
        ("application/grpc+proto", true),
        ("application/grpc+json; charset=utf-8", true),
        ("application/grpc;x=y", true),
        ("application/grpc ; x=y", true),
        ("application/grpc-web", false),
        ("application/grpc-web+proto", false),
        ("application/grpcfoo", false),
        ("application/grp", false),
        ("application/json", false),
        ("", false),
    ] {
        assert_eq!(is_content_type(value.as_bytes()), expected, "{value}");
    }
}

#[test]
fn a_status_is_digits_as_the_protocol_writes_them() {
    for (value, expected) in [
        ("0", Some(GrpcStatus::Ok)),
        ("4", Some(GrpcStatus::DeadlineExceeded)),
        ("16", Some(GrpcStatus::Unauthenticated)),
        ("17", Some(GrpcStatus::Unknown)),
        ("99999", Some(GrpcStatus::Unknown)),
        ("100000", None),
        ("", None),
        ("00", None),
        ("014", None),
        ("+1", None),
        ("-1", None),
        (" 1", None),
        ("1 ", None),
        ("1a", None),
        ("0, 0", None),
    ] {
        assert_eq!(GrpcStatus::parse(value.as_bytes()), expected, "{value:?}");
    }
    for (number, status) in GrpcStatus::ALL.into_iter().enumerate() {
        assert_eq!(status as usize, number);
        assert_eq!(status.digits(), number.to_string());
        assert_eq!(GrpcStatus::parse(status.digits().as_bytes()), Some(status));
        assert_eq!(GrpcStatus::from_name(status.name()), Some(status));
    }
}

#[test]
fn two_statuses_are_none() {
    let check = |fields: &[(&str, &str)], expected| {
        let fields = fields.iter().map(|(name, value)| Field {
            name: name.as_bytes(),
            value: value.as_bytes(),
            known: Known::Other,
        });
        assert_eq!(status_in(fields), expected);
    };
    check(
        &[("a", "b"), ("Grpc-Status", "5")],
        Some(GrpcStatus::NotFound),
    );
    check(&[("grpc-status", "x")], None);
    check(&[("grpc-status", "0"), ("grpc-status", "0")], None);
    check(&[("grpc-message", "0")], None);
}

#[test]
fn a_message_is_printable_whatever_it_says() {
    for (text, expected) in [
        ("no-route: No route matches.", "no-route: No route matches."),
        ("100 % of\r\n\u{7f}", "100 %25 of%0D%0A%7F"),
        ("Ä~", "%C3%84~"),
        ("", ""),
    ] {
        assert_eq!(encode_message(text), expected, "{text:?}");
    }
}

#[test]
fn a_timeout_is_read_with_the_units_of_the_protocol() {
    let millis = |n| Some(Duration::from_millis(n));
    for (value, expected) in [
        ("100m", millis(100)),
        ("2S", millis(2000)),
        ("1M", millis(60_000)),
        ("5H", millis(5 * 3_600_000)),
        ("7000u", millis(7)),
        ("9n", Some(Duration::from_nanos(9))),
        ("0S", millis(0)),
        ("99999999H", Some(Duration::from_hours(99_999_999))),
        ("100", None),
        ("123456789m", None),
        ("m", None),
        ("", None),
        ("+1S", None),
        ("1s", None),
        ("1ü", None),
    ] {
        assert_eq!(parse_timeout(value), expected, "{value}");
    }
}

#[test]
fn a_timeout_is_written_with_at_most_eight_digits_and_never_longer_than_it_is() {
    for (time, expected) in [
        (Duration::from_millis(1500), "1500m"),
        (Duration::from_nanos(1_999_999), "1m"),
        (Duration::ZERO, "1m"),
        (Duration::from_millis(99_999_999), "99999999m"),
        (Duration::from_millis(100_000_999), "100000S"),
        (Duration::from_secs(100_000_059), "1666667M"),
        (Duration::from_mins(100_000_059), "1666667H"),
        (Duration::MAX, "99999999H"),
    ] {
        let written = Timeout(time).to_string();
        assert_eq!(written, expected);
        let read = parse_timeout(&written).unwrap();
        assert!(read <= time.max(Duration::from_millis(1)), "{written}");
    }
}

#[test]
fn every_fault_is_an_error_to_who_calls() {
    for fault in Fault::ALL.iter().copied() {
        let status = GrpcStatus::of_fault(fault);
        assert_ne!(status, GrpcStatus::Ok, "{fault}");
        // Clients repeat what was unavailable: never what they did themselves.
        let is_client_s = fault.side() == Side::Downstream;
        assert!(
            !(is_client_s && status == GrpcStatus::Unavailable),
            "{fault}"
        );
        let has_none = matches!(fault, Fault::ConnectTimeout | Fault::ConnectionDead);
        let is_late = fault.status() == 504 && !has_none;
        assert_eq!(
            is_late || fault.status() == 408,
            status == GrpcStatus::DeadlineExceeded,
            "{fault}"
        );
    }
    for (fault, expected) in [
        (Fault::NoRoute, "unimplemented"),
        (Fault::RateLimited, "resource-exhausted"),
        (Fault::RequestBodyTooLarge, "resource-exhausted"),
        (Fault::RequestDenied, "permission-denied"),
        (Fault::ConnectRefused, "unavailable"),
        (Fault::ConnectTimeout, "unavailable"),
        (Fault::NoEndpoint, "unavailable"),
        (Fault::Overloaded, "unavailable"),
        (Fault::ResponseMalformed, "internal"),
        (Fault::ClientGone, "cancelled"),
    ] {
        assert_eq!(GrpcStatus::of_fault(fault).name(), expected, "{fault}");
    }
}

#[test]
fn a_set_holds_errors_alone() {
    let set: GrpcStatuses = [
        GrpcStatus::Unavailable,
        GrpcStatus::Ok,
        GrpcStatus::Cancelled,
    ]
    .into_iter()
    .collect();
    let names: Vec<_> = set.iter().map(GrpcStatus::name).collect();
    assert_eq!(names, ["cancelled", "unavailable"]);
    assert!(!set.contains(GrpcStatus::Ok) && set.contains(GrpcStatus::Unavailable));
    assert!(GrpcStatuses::NONE.is_empty() && !set.is_empty());
}
