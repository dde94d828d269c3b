//! Responses that pass and responses that are refused.

use super::*;

type Pair<'a> = (&'a str, &'a str);

fn read(pairs: &[Pair<'_>], how: (bool, bool)) -> Result<(Response, u16, String), Refusal> {
    let (mut block, mut head) = (Vec::new(), ResponseHead::default());
    let fields = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
    let response = response(fields, how, &Limits::default(), &mut block, &mut head)?;
    let lines = head.view(&block).run().split_lines().0;
    let lines = String::from_utf8_lossy(lines).into_owned();
    assert_eq!(head.version, Version::Http2);
    Ok((response, head.status, lines))
}

#[test]
fn a_response_is_a_status_and_fields() {
    let pairs = [
        (":status", "200"),
        ("content-length", "5"),
        ("set-cookie", "a"),
        ("set-cookie", "b"),
    ];
    let (response, status, lines) = read(&pairs, (false, false)).unwrap();
    assert_eq!(status, 200);
    assert_eq!((response.interim, response.length), (false, Some(5)));
    assert_eq!(
        lines,
        "content-length: 5\r\nset-cookie: a\r\nset-cookie: b\r\n"
    );
    assert!(
        read(&[(":status", "103")], (false, false))
            .unwrap()
            .0
            .interim
    );
}

#[test]
fn responses_that_are_refused() {
    for (pairs, refusal) in [
        (&[][..], Refusal::PseudoMissing),
        (&[("x", "y"), (":status", "200")], Refusal::PseudoMissing),
        (&[(":method", "GET")], Refusal::PseudoUnknown),
        (
            &[(":status", "200"), (":status", "200")],
            Refusal::PseudoRepeated,
        ),
        (&[(":status", "200"), (":path", "/")], Refusal::PseudoLate),
        (&[(":status", "")], Refusal::StatusInvalid),
        (&[(":status", "99")], Refusal::StatusInvalid),
        (&[(":status", "1000")], Refusal::StatusInvalid),
        (&[(":status", "2x0")], Refusal::StatusInvalid),
        (&[(":status", "200 OK")], Refusal::StatusInvalid),
        (&[(":status", "101")], Refusal::UpgradeUnasked),
        (&[(":status", "200"), ("Server", "x")], Refusal::NameInvalid),
        (
            &[(":status", "200"), ("x", "a\r\nb")],
            Refusal::ValueInvalid,
        ),
        (
            &[(":status", "200"), ("transfer-encoding", "chunked")],
            Refusal::ConnectionField,
        ),
        (
            &[
                (":status", "200"),
                ("content-length", "5"),
                ("content-length", "6"),
            ],
            Refusal::LengthRepeated,
        ),
        (
            &[(":status", "200"), ("content-length", "+5")],
            Refusal::LengthInvalid,
        ),
    ] {
        assert_eq!(
            read(pairs, (false, false)).unwrap_err(),
            refusal,
            "{pairs:?}"
        );
    }
}

#[test]
fn a_length_without_a_body_is_for_responses_that_have_none() {
    let with = |status, how| read(&[(":status", status), ("content-length", "5")], how).map(drop);
    assert_eq!(with("200", (true, false)), Err(Refusal::LengthMismatch));
    assert_eq!(with("200", (true, true)), Ok(()));
    assert_eq!(with("304", (true, false)), Ok(()));
    let none = read(
        &[(":status", "200"), ("content-length", "0")],
        (true, false),
    );
    assert_eq!(none.map(drop), Ok(()));
    let interim = read(&[(":status", "100")], (true, false));
    assert_eq!(interim.map(drop), Err(Refusal::InterimEnds));
}
