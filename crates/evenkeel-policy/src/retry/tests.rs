//! The truth table of the verdict, written out by outcome and then checked in every combination.

use evenkeel_base::Side;

use super::*;

const FULL: Allowance = Allowance::new(2);

/// A GET that failed after it was sent on a fresh connection: the plain case, which each test changes.
const GET: Attempt = Attempt {
    failure: Failure::Fault(Fault::EndpointReset),
    sent: Sent::Some,
    method_idempotent: true,
    reused: false,
    body_replayable: true,
    response_started: false,
};

const POST: Attempt = Attempt {
    method_idempotent: false,
    ..GET
};

const SPENT: Allowance = Allowance {
    attempts: 0,
    free_replay: false,
};
const ONLY_FREE: Allowance = Allowance {
    free_replay: true,
    ..SPENT
};
const ONLY_PAID: Allowance = Allowance {
    attempts: 1,
    ..SPENT
};

const fn unsent(attempt: Attempt) -> Attempt {
    Attempt {
        sent: Sent::Nothing,
        ..attempt
    }
}

const fn reused(attempt: Attempt) -> Attempt {
    Attempt {
        reused: true,
        ..attempt
    }
}

const fn failed(attempt: Attempt, fault: Fault) -> Attempt {
    Attempt {
        failure: Failure::Fault(fault),
        ..attempt
    }
}

const fn answered(attempt: Attempt, status: u16) -> Attempt {
    Attempt {
        failure: Failure::Status(status),
        ..attempt
    }
}

#[track_caller]
fn check(table: &[(&str, Attempt, Allowance, Verdict)]) {
    check_by(&RetryRules::DEFAULT, table);
}

#[track_caller]
fn check_by(rules: &RetryRules, table: &[(&str, Attempt, Allowance, Verdict)]) {
    for (name, attempt, left, expected) in table {
        assert_eq!(verdict(attempt, *left, rules), *expected, "{name}");
    }
}

#[test]
fn what_was_sent_and_what_is_left_decide() {
    use Verdict::{GiveUp, Retry};
    let refused = |attempt| failed(unsent(attempt), Fault::ConnectRefused);
    check(&[
        ("a GET that was sent", GET, FULL, Retry),
        ("its last attempt", GET, ONLY_PAID, Retry),
        ("no attempts left", GET, ONLY_FREE, GiveUp),
        ("a POST that was sent", POST, FULL, GiveUp),
        ("a POST, nothing sent", unsent(POST), FULL, Retry),
        ("a POST, refused", refused(POST), FULL, Retry),
        ("a GET, refused", refused(GET), FULL, Retry),
        ("refused, none left", refused(GET), ONLY_FREE, GiveUp),
    ]);
}

#[test]
fn a_stale_connection_is_replayed_once_for_free() {
    use Verdict::{GiveUp, Retry, RetryFree};
    let slow = failed(reused(GET), Fault::ResponseHeaderTimeout);
    check(&[
        ("a GET", reused(GET), FULL, RetryFree),
        ("attempts used up", reused(GET), ONLY_FREE, RetryFree),
        ("the second time", reused(GET), ONLY_PAID, Retry),
        ("nothing left", reused(GET), SPENT, GiveUp),
        ("a POST that was sent", reused(POST), FULL, GiveUp),
        (
            "a POST, nothing sent",
            unsent(reused(POST)),
            FULL,
            RetryFree,
        ),
        ("slow is not stale", slow, FULL, Retry),
    ]);
}

#[test]
fn nothing_mends_these() {
    let gone = Attempt {
        body_replayable: false,
        ..GET
    };
    let begun = Attempt {
        response_started: true,
        ..GET
    };
    let fails = |fault| reused(unsent(failed(GET, fault)));
    check(&[
        ("the body is gone", gone, FULL, Verdict::GiveUp),
        ("the response began", begun, FULL, Verdict::GiveUp),
        (
            "too large",
            fails(Fault::ResponseHeadTooLarge),
            FULL,
            Verdict::GiveUp,
        ),
        (
            "client left",
            fails(Fault::ClientGone),
            FULL,
            Verdict::GiveUp,
        ),
        (
            "time is over",
            fails(Fault::TotalTimeout),
            FULL,
            Verdict::GiveUp,
        ),
    ]);
}

#[test]
fn a_route_says_which_kinds_of_fault_are_tried_again() {
    use Verdict::{GiveUp, Retry, RetryFree};
    let kinds = [
        (Fault::ConnectRefused, 0),
        (Fault::ConnectTimeout, 0),
        (Fault::TlsHandshakeFailed, 0),
        (Fault::TlsCertificateRefused, 0),
        (Fault::TlsAlertReceived, 1),
        (Fault::EndpointReset, 1),
        (Fault::ResponseCut, 1),
        (Fault::AttemptTimeout, 2),
        (Fault::EndpointStalled, 2),
        (Fault::ResponseMalformed, 3),
    ];
    for only in 0..4 {
        let rules = RetryRules {
            on: RetryOn {
                connect: only == 0,
                reset: only == 1,
                timeout: only == 2,
                malformed: only == 3,
            },
            ..RetryRules::DEFAULT
        };
        for (fault, kind) in kinds {
            let expected = if kind == only { Retry } else { GiveUp };
            check_by(
                &rules,
                &[(fault.name(), failed(GET, fault), FULL, expected)],
            );
        }
        check_by(&rules, &[("a stale one", reused(GET), FULL, RetryFree)]);
    }
}

#[test]
fn statuses_are_tried_again_where_the_route_names_them() {
    use Verdict::{GiveUp, Retry};
    let rules = RetryRules {
        statuses: [502, 503].into_iter().collect(),
        ..RetryRules::DEFAULT
    };
    check(&[("not by default", answered(GET, 503), FULL, GiveUp)]);
    check_by(
        &rules,
        &[
            ("one that is named", answered(GET, 503), FULL, Retry),
            ("one that is not", answered(GET, 504), FULL, GiveUp),
            ("no attempts left", answered(GET, 503), SPENT, GiveUp),
            (
                "never for free",
                answered(reused(GET), 503),
                ONLY_FREE,
                GiveUp,
            ),
            ("a POST was seen", answered(POST, 503), FULL, GiveUp),
        ],
    );
}

#[test]
fn a_post_is_seen_twice_only_where_the_route_allows_it() {
    use Verdict::{GiveUp, Retry, RetryFree};
    let rules = RetryRules {
        non_idempotent: true,
        ..RetryRules::DEFAULT
    };
    let kept = Attempt {
        body_replayable: false,
        ..POST
    };
    check_by(
        &rules,
        &[
            ("a POST that was sent", POST, FULL, Retry),
            ("a stale one", reused(POST), FULL, RetryFree),
            ("whose body is gone", kept, FULL, GiveUp),
        ],
    );
    assert!(is_repeatable(false, false, &rules));
    assert!(!is_repeatable(false, true, &RetryRules::DEFAULT));
}

#[test]
fn a_call_is_seen_twice_where_the_route_names_its_status() {
    use Verdict::{GiveUp, Retry};
    let ended = |attempt, status| Attempt {
        failure: Failure::Grpc(status),
        ..attempt
    };
    let call = ended(POST, GrpcStatus::Unavailable);
    let rules = RetryRules {
        grpc_statuses: [GrpcStatus::Unavailable].into_iter().collect(),
        ..RetryRules::DEFAULT
    };
    let kept = Attempt {
        body_replayable: false,
        ..call
    };
    let other = ended(POST, GrpcStatus::Internal);
    check(&[("not by default", call, FULL, GiveUp)]);
    check_by(
        &rules,
        &[
            ("one that is named", call, FULL, Retry),
            ("one that is not", other, FULL, GiveUp),
            ("no attempts left", call, SPENT, GiveUp),
            ("whose request is gone", kept, FULL, GiveUp),
            ("never for free", reused(call), ONLY_FREE, GiveUp),
            ("a reset says nothing of a status", POST, FULL, GiveUp),
        ],
    );
    assert!(is_repeatable(false, true, &rules) && !is_repeatable(false, false, &rules));
}

/// Every combination of facts, faults and allowances.
fn all() -> impl Iterator<Item = (Attempt, Allowance)> {
    Fault::ALL.iter().flat_map(|&fault| {
        (0..128_u32).map(move |bits| {
            let bit = |at: u32| bits >> at & 1 == 1;
            let attempt = Attempt {
                failure: Failure::Fault(fault),
                sent: if bit(0) { Sent::Some } else { Sent::Nothing },
                method_idempotent: bit(1),
                reused: bit(2),
                body_replayable: bit(3),
                response_started: bit(4),
            };
            let left = Allowance {
                attempts: u16::from(bit(5)),
                free_replay: bit(6),
            };
            (attempt, left)
        })
    })
}

#[test]
fn no_endpoint_sees_twice_what_is_not_idempotent() {
    let rules = RetryRules::DEFAULT;
    let repeated =
        all().filter(|(attempt, left)| verdict(attempt, *left, &rules) != Verdict::GiveUp);
    let mut count = 0;
    for (attempt, _) in repeated {
        assert!(
            attempt.method_idempotent || attempt.sent == Sent::Nothing,
            "{attempt:?}"
        );
        assert!(
            !attempt.response_started && attempt.body_replayable,
            "{attempt:?}"
        );
        let Failure::Fault(fault) = attempt.failure else {
            panic!("{attempt:?}");
        };
        assert_eq!(fault.side(), Side::Upstream, "{attempt:?}");
        count += 1;
    }
    // 16 faults; 3 of 4 ways to be safe; paid: 2 ways of reuse with 2 of 4 allowances; free: 2 faults with 1 more.
    assert_eq!(count, 16 * 3 * 2 * 2 + 2 * 3);
}

#[test]
fn no_sequence_of_faults_repeats_more_often_than_allowed() {
    for (attempt, _) in all() {
        let (mut left, mut repeats) = (FULL, 0);
        loop {
            let verdict = verdict(&attempt, left, &RetryRules::DEFAULT);
            if verdict == Verdict::GiveUp {
                break;
            }
            left = left.after(verdict);
            repeats += 1;
            assert!(repeats <= 3, "{attempt:?}");
        }
        assert!(
            attempt.reused || repeats == 0 || repeats == 2,
            "{attempt:?}"
        );
    }
}
