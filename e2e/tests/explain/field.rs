//! The field of a response by which a client is told how its request was dealt with.

use evenkeel_testkit::faults::DeadAddress;
use evenkeel_testkit::{Evenkeel, Origin, Reply, Setup};

use super::Dictionary;

const FIELD: &str = "x-evenkeel-explain";

#[test]
fn who_may_is_told_and_nobody_else_and_endpoints_see_nothing_of_it() {
    for (lines, fields, expected) in [
        (
            "explain_to = [\"127.0.0.1\"]",
            "X-Evenkeel-Explain: 1\r\n",
            true,
        ),
        ("explain_to = [\"127.0.0.1\"]", "", false),
        (
            "explain_to = [\"10.0.0.0/8\"]",
            "X-Evenkeel-Explain: 1\r\n",
            false,
        ),
        ("", "X-Evenkeel-Explain: 1\r\n", false),
        // Behind a proxy it is the client that counts.
        (
            "explain_to = [\"127.0.0.1\"]\ntrusted_proxies = [\"127.0.0.1\"]",
            "X-Evenkeel-Explain: 1\r\nX-Forwarded-For: 9.9.9.9\r\n",
            false,
        ),
        (
            "explain_to = [\"9.9.9.9\"]\ntrusted_proxies = [\"127.0.0.1\"]",
            "X-Evenkeel-Explain: 1\r\nX-Forwarded-For: 9.9.9.9\r\n",
            true,
        ),
    ] {
        let origin = Origin::http(|_| Reply::ok("").header("X-Evenkeel-Explain", "forged"));
        let proxy = Evenkeel::start(&Setup::to([&origin]).listener(lines));
        let response = proxy.client().get_with("/", fields).status(200);
        let told = response.field(FIELD);
        assert_eq!(told.is_some(), expected, "{lines} {fields}: {told:?}");
        assert!(!told.unwrap_or_default().contains("forged"));
        assert_eq!(origin.request().field(FIELD), None);
    }
}

#[test]
fn a_second_attempt_is_told_with_what_became_of_the_first() {
    let (dead, origin) = (DeadAddress::new(), Origin::saying("ok"));
    let setup = Setup::to_addresses([dead.address(), origin.address()])
        .listener("explain_to = [\"127.0.0.1\"]")
        .cluster("outlier = { consecutive_faults = \"off\" }");
    let proxy = Evenkeel::start(&setup);
    let response = proxy
        .client()
        .get_with("/", "X-Evenkeel-Explain: 1\r\n")
        .status(200);
    let told = Dictionary::of(&response.field(FIELD).unwrap());
    assert_eq!(told.get("endpoint"), Some(origin.address().as_str()));
    assert_eq!(
        (told.get("attempts"), told.get("pick")),
        (Some("2"), Some("round-robin"))
    );
    assert_eq!(
        told.get("tried"),
        Some(format!("{} connect-refused", dead.address()).as_str())
    );
    let record = proxy.record();
    assert_eq!(told.get("request_id"), record["request_id"].as_str());
}

#[test]
fn over_http2_it_is_the_same() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).listener("explain_to = [\"127.0.0.1\"]");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.h2();
    let response = client.ask("GET", "/", "x-evenkeel-explain: 1\r\n", "");
    let told = Dictionary::of(&response.field(FIELD).unwrap());
    assert_eq!(told.get("endpoint"), Some(origin.address().as_str()));
    assert_eq!(origin.request().field(FIELD), None);
}
