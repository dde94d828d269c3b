//! The tables of this file, checked against what they promise.

use evenkeel_base::Side;

use super::*;

#[test]
fn only_the_endpoints_side_is_held_against_it() {
    for &fault in Fault::ALL {
        if fault.side() != Side::Upstream {
            assert_eq!(Cause::of(fault), None, "{fault}");
        }
    }
    let not: Vec<&str> = Fault::ALL
        .iter()
        .filter(|fault| fault.side() == Side::Upstream && Cause::of(**fault).is_none())
        .map(|fault| fault.name())
        .collect();
    assert_eq!(
        not,
        [
            "endpoint-flood",
            "upgrade-unsupported",
            "response-head-too-large",
            "idle-timeout"
        ]
    );
}

#[test]
fn a_status_of_a_gateway_is_and_one_of_an_application_is_not() {
    let bad: Vec<u16> = (100..1_000)
        .filter(|status| Cause::of_status(*status).is_some())
        .collect();
    assert_eq!(bad, [502, 503, 504]);
}

#[test]
fn a_call_that_was_unavailable_is_and_one_that_was_late_or_wrong_is_not() {
    let bad: Vec<&str> = GrpcStatus::ALL
        .into_iter()
        .filter(|status| Cause::of_grpc(*status).is_some())
        .map(GrpcStatus::name)
        .collect();
    assert_eq!(bad, ["unavailable"]);
    for (status, grpc, expected) in [
        (200, None, None),
        (200, Some(GrpcStatus::Ok), None),
        (200, Some(GrpcStatus::Unavailable), Some(Cause::GrpcStatus)),
        (503, None, Some(Cause::Status)),
        (503, Some(GrpcStatus::Unavailable), Some(Cause::Status)),
        (503, Some(GrpcStatus::Ok), Some(Cause::Status)),
    ] {
        assert_eq!(
            Cause::of_response(status, grpc),
            expected,
            "{status} {grpc:?}"
        );
    }
}

#[test]
fn causes_have_names_of_their_own_and_come_back_from_their_bits() {
    let mut names: Vec<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
    for (cause, bits) in Cause::ALL.into_iter().zip(0..) {
        assert_eq!(Cause::from_bits(bits), cause);
        assert_eq!(cause as u32, bits);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Cause::ALL.len());
}
