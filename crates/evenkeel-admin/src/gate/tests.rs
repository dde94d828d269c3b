//! What the gate lets in and what it refuses, field by field.

use hyper::Request;

use super::*;

fn head(target: &str, fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().uri(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// What comes of a request with these lines of fields.
fn seen(gate: &Gate, needs: Needs, fields: &str) -> &'static str {
    let fields: Vec<(&str, &str)> = fields
        .split('\n')
        .filter_map(|line| line.split_once(": "))
        .collect();
    let admitted = gate.admit(&head("/x", &fields), needs);
    admitted.map_or_else(Refusal::name, |()| "ok")
}

impl Gate {
    /// One that asks for this token and nothing else.
    pub(crate) fn asking_for(token: &[u8]) -> Self {
        Self {
            secret: Some(Secret::of(token)),
            ..Self::default()
        }
    }
}

fn open() -> Gate {
    Gate {
        hosts: vec!["lb.example".to_owned()],
        ..Gate::default()
    }
}

fn guarded() -> Gate {
    Gate {
        secret: Some(Secret::of(b"0123456789abcdef")),
        ..open()
    }
}

#[test]
fn only_names_that_lead_here_are_answered_to() {
    for (host, expected) in [
        ("127.0.0.1:9900", "ok"),
        ("127.0.0.1", "ok"),
        ("10.1.2.3:80", "ok"),
        ("[::1]:9900", "ok"),
        ("[::1]", "ok"),
        ("localhost", "ok"),
        ("LocalHost:9900", "ok"),
        ("localhost.", "ok"),
        ("lb.example", "ok"),
        ("LB.example:443", "ok"),
        ("lb.example.:443", "ok"),
        ("evil.example", "foreign-name"),
        ("evil.example:9900", "foreign-name"),
        ("lb.example.evil.example", "foreign-name"),
        ("x.lb.example", "foreign-name"),
        ("127.0.0.1.evil.example", "foreign-name"),
        ("localhost.evil.example", "foreign-name"),
        ("127.1", "foreign-name"),
        ("0x7f000001", "foreign-name"),
        ("[::1].evil.example", "foreign-name"),
        ("[::1", "foreign-name"),
        ("[evil]", "foreign-name"),
        ("::1", "foreign-name"),
        ("127.0.0.1:9900@evil.example", "foreign-name"),
        ("evil@127.0.0.1", "foreign-name"),
        ("127.0.0.1:123456", "foreign-name"),
        (":9900", "foreign-name"),
        ("localhost,evil.example", "foreign-name"),
    ] {
        for needs in [Needs::Name, Needs::Read] {
            let fields = format!("host: {host}");
            assert_eq!(seen(&open(), needs, &fields), expected, "{host}");
        }
    }
    let two = "host: 127.0.0.1\nhost: evil.example";
    for fields in ["", two, "host: 127.0.0.1\nhost: 127.0.0.1"] {
        assert_eq!(seen(&open(), Needs::Read, fields), "no-host", "{fields}");
        // Orchestrators ask for it by whatever name, and it tells nobody anything.
        assert_eq!(seen(&open(), Needs::Nothing, fields), "ok");
    }
    let absolute = head("http://127.0.0.1/x", &[("host", "127.0.0.1")]);
    assert_eq!(open().admit(&absolute, Needs::Read), Err(Refusal::Target));
    let star = head("*", &[("host", "127.0.0.1")]);
    assert_eq!(open().admit(&star, Needs::Read), Err(Refusal::Target));
}

#[test]
fn pages_of_other_sites_are_kept_out() {
    for (fields, expected) in [
        ("", "ok"),
        ("origin: http://127.0.0.1:9900", "ok"),
        ("origin: HTTP://127.0.0.1:9900", "foreign-origin"),
        ("origin: https://127.0.0.1:9900", "ok"),
        ("origin: http://127.0.0.1:5000", "foreign-origin"),
        ("origin: http://127.0.0.1", "foreign-origin"),
        ("origin: http://localhost:9900", "foreign-origin"),
        ("origin: https://evil.example", "foreign-origin"),
        ("origin: null", "foreign-origin"),
        ("origin: ", "foreign-origin"),
        (
            "origin: http://127.0.0.1:9900\norigin: http://evil.example",
            "foreign-origin",
        ),
        ("sec-fetch-site: same-origin", "ok"),
        ("sec-fetch-site: none", "ok"),
        ("sec-fetch-site: same-site", "foreign-site"),
        ("sec-fetch-site: cross-site", "foreign-site"),
        ("sec-fetch-site: whatever comes", "foreign-site"),
        (
            "sec-fetch-site: none\nsec-fetch-site: cross-site",
            "foreign-site",
        ),
    ] {
        let fields = format!("host: 127.0.0.1:9900\nx-evenkeel: 1\n{fields}");
        for needs in [Needs::Read, Needs::Write] {
            assert_eq!(seen(&open(), needs, &fields), expected, "{fields}");
        }
        // A link to the page itself may stand anywhere.
        assert_eq!(seen(&open(), Needs::Name, &fields), "ok", "{fields}");
    }
}

#[test]
fn an_order_is_none_that_a_form_could_send() {
    for (fields, expected) in [
        ("", "unmarked-order"),
        ("content-type: text/plain", "unmarked-order"),
        (
            "content-type: application/x-www-form-urlencoded",
            "unmarked-order",
        ),
        ("content-type: multipart/form-data", "unmarked-order"),
        (
            "content-type: text/plain; application/json",
            "unmarked-order",
        ),
        ("content-type: application/jsonp", "unmarked-order"),
        (
            "content-type: application/json\ncontent-type: text/plain",
            "unmarked-order",
        ),
        ("content-type: application/json", "ok"),
        ("content-type: Application/JSON; charset=utf-8", "ok"),
        ("x-evenkeel: 1", "ok"),
    ] {
        let fields = format!("host: localhost\n{fields}");
        assert_eq!(seen(&open(), Needs::Write, &fields), expected, "{fields}");
        assert_eq!(seen(&open(), Needs::Read, &fields), "ok");
        let shows = Gate {
            read_only: true,
            ..open()
        };
        assert_eq!(seen(&shows, Needs::Write, &fields), "read-only");
        assert_eq!(seen(&shows, Needs::Read, &fields), "ok");
    }
}

#[test]
fn the_token_is_asked_for_where_there_is_one() {
    for (fields, expected) in [
        ("", "no-token"),
        ("authorization: Bearer 0123456789abcdef", "ok"),
        ("authorization: bearer 0123456789abcdef", "ok"),
        ("authorization: Bearer  0123456789abcdef ", "ok"),
        ("authorization: Bearer 0123456789abcdeF", "wrong-token"),
        ("authorization: Bearer 0123456789abcde", "wrong-token"),
        ("authorization: Bearer 0123456789abcdef0", "wrong-token"),
        ("authorization: Bearer ", "wrong-token"),
        ("authorization: Bearer", "wrong-token"),
        ("authorization: 0123456789abcdef", "wrong-token"),
        ("authorization: Basic 0123456789abcdef", "wrong-token"),
        (
            "authorization: Bearer 0123456789abcdef\nauthorization: Bearer x",
            "wrong-token",
        ),
    ] {
        let fields = format!("host: localhost\nx-evenkeel: 1\n{fields}");
        for needs in [Needs::Read, Needs::Write] {
            assert_eq!(seen(&guarded(), needs, &fields), expected, "{fields}");
        }
        for needs in [Needs::Nothing, Needs::Name] {
            assert_eq!(seen(&guarded(), needs, &fields), "ok");
        }
    }
}

#[test]
fn who_was_let_in_by_another_token_is_asked_anew() {
    let other = Gate {
        secret: Some(Secret::of(b"another token, longer")),
        ..open()
    };
    assert!(guarded().asks_as(&guarded()));
    assert!(!other.asks_as(&guarded()));
    assert!(!guarded().asks_as(&open()));
    let more = Gate {
        hosts: Vec::new(),
        read_only: true,
        ..guarded()
    };
    assert!(more.asks_as(&guarded()));
}
