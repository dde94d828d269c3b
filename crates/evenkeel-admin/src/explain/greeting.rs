//! What a client is told before its request is read, where it speaks TLS and the listener does not, or the other way round.

use evenkeel_base::RequestHead;
use evenkeel_config::model::HeadLimits;
use evenkeel_http1::RequestParser;

use super::ask::limits;
use super::{nothing, unreadable};
use crate::view::explain as view;

/// How a TLS client begins: a record of its handshake, in which its ClientHello begins (RFC 8446 §4.1.2, §5.1).
const HELLO: &[u8] = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";

/// What a TLS client is told where HTTP is read: what the codec says of its handshake.
pub(super) fn of_hello(most: HeadLimits) -> Option<view::Verdict> {
    let mut head = RequestHead::default();
    let refusal = RequestParser::new(false)
        .parse(HELLO, &limits(most), &mut head)
        .err()?;
    Some(view::Verdict {
        text: "the client begins a TLS handshake where the listener speaks HTTP without TLS: the answer is in clear text, which \
               clients call a broken handshake"
            .to_owned(),
        ..unreadable(refusal)
    })
}

/// What a client without TLS is told where a handshake is awaited. No fault: there has been no request.
pub(super) fn of_plain() -> view::Verdict {
    view::Verdict {
        kind: "refused".to_owned(),
        text: "the listener speaks TLS, and this is HTTP without it: the answer says so, and the connection ends; \
               `redirect_to_https` of a listener at another port leads such clients here"
            .to_owned(),
        status: Some(400),
        ..nothing()
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_config::{Nowhere, check};
    use evenkeel_policy::overload::Level;
    use evenkeel_state::{Registry, Resolved};

    use super::*;
    use crate::explain::{Sight, explain};

    /// Of a listener that speaks HTTP at port 8080: the kind, the status, the fault, and how much was supposed.
    fn told(url: &str, listener: &str, more: &str) -> (String, Option<u16>, String, String) {
        let text = format!(
            "version = 1\n[listener.a]\nbind = \":8080\"\n{more}[[route]]\nrespond.body = \"here\"\n"
        );
        let config = check(&text, "test", &Nowhere).config.unwrap();
        let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
        let sight = Sight {
            snapshot: &snapshot,
            now_us: 0,
            level: Level::Normal,
            live: true,
        };
        let ask = view::Ask {
            url: url.to_owned(),
            from: "10.0.0.1".to_owned(),
            listener: listener.to_owned(),
            ..view::Ask::default()
        };
        let told = explain(sight, &ask).unwrap();
        let fault = told.verdict.fault.map(|fault| fault.name);
        (
            told.verdict.kind,
            told.verdict.status,
            fault.unwrap_or_default(),
            told.supposed.join("; "),
        )
    }

    #[test]
    fn a_tls_handshake_is_no_request_where_tls_is_not_spoken() {
        let malformed = |url: &str, listener: &str, more: &str| {
            let (kind, status, fault, supposed) = told(url, listener, more);
            assert_eq!((kind.as_str(), status), ("refused", Some(400)), "{url}");
            assert_eq!((fault.as_str(), &*supposed), ("request-malformed", ""));
        };
        malformed("https://a.example:8080/", "", "");
        malformed("https://a.example:8080/", "a", "");
        malformed("wss://a.example:8080/live", "", "health = true\n");
        malformed("https://a.example:8080/", "", "redirect_to_https = true\n");
    }

    #[test]
    fn behind_something_that_speaks_tls_the_request_comes_without() {
        for (url, listener) in [("https://a.example/", ""), ("https://a.example/", "a")] {
            let (kind, _, _, supposed) = told(url, listener, "");
            assert_eq!(kind, "answered", "{url}");
            assert!(
                supposed.contains("speaks TLS with the client"),
                "{supposed}"
            );
        }
        let (kind, _, _, supposed) = told("http://a.example:8080/", "", "");
        assert_eq!((kind.as_str(), &*supposed), ("answered", ""));
    }
}
