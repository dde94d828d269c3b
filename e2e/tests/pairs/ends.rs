//! Ends before their time: clients that leave, endpoints that break off, and who is told.

use evenkeel_testkit::{Gate, Length, Pattern};

use super::{Pair, each};

#[test]
fn a_client_that_leaves_while_it_waits_is_left_by_its_endpoint_too() {
    each(|pair| {
        let origin = pair.frozen();
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let call = caller.begin("GET", "/", "", Length::None);
        origin.wait_requests(1);
        call.cancel();
        origin.wait_exchanging(0);
        let record = proxy.record();
        assert_eq!(record["status"], 499, "{record}");
        assert_eq!(record["fault"], "client-gone", "{record}");
        assert_eq!(record["attempts"], 1, "nobody tries again for nobody");
        assert_eq!(origin.exchanges(), 1);
    });
}

#[test]
fn a_client_that_leaves_a_download_stops_it() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.request();
            exchange.respond(200, "", Length::Known(1_000_000_000));
            let mut pattern = Pattern::new();
            while exchange.data(pattern.next(65_000)) {}
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("GET", "/", "", Length::None);
        call.head();
        let mut pattern = Pattern::new();
        while pattern.offset() < 100_000 {
            pattern.check(&call.piece().unwrap().unwrap());
        }
        call.cancel();
        origin.wait_exchanging(0);
        let record = proxy.record();
        assert_eq!(record["status"], 200, "{record}");
        assert_eq!(record["fault"], "client-gone", "{record}");
    });
}

#[test]
fn a_client_that_leaves_an_upload_leaves_no_whole_request() {
    each(|pair| {
        for length in [Length::Known(100_000), Length::Unknown] {
            let origin = pair.serve(|exchange| assert!(exchange.request().is_none()));
            let proxy = pair.start([&origin]);
            let mut caller = pair.caller(&proxy);
            let mut call = caller.begin("POST", "/", "", length);
            call.data("x".repeat(50_000));
            origin.wait_exchanges(1);
            call.cancel();
            origin.wait_cut(1);
            assert_eq!(origin.requests(), []);
            assert_eq!(proxy.record()["fault"], "client-gone");
        }
    });
}

/// How an endpoint breaks off.
#[derive(Clone, Copy, Debug)]
enum Break {
    Cut,
    Reset,
    HangUp,
}

/// A response of this length breaks off after its first bytes, and the client sees that.
fn breaks_off(pair: Pair, length: Length, how: Break) {
    let seen = Gate::new();
    let origin = pair.serve({
        let seen = seen.clone();
        move |exchange| {
            exchange.request();
            exchange.respond(200, "", length);
            exchange.data("part");
            seen.wait();
            match how {
                Break::Cut => exchange.cut(),
                Break::Reset => exchange.reset(2),
                Break::HangUp => exchange.hang_up(),
            }
        }
    });
    let proxy = pair.start([&origin]);
    let mut caller = pair.caller(&proxy);
    let mut call = caller.begin("GET", "/", "", Length::None);
    assert_eq!(call.head().status(), 200);
    assert_eq!(call.exactly(4), b"part");
    seen.open();
    let end = loop {
        match call.piece() {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    let broken = end.expect_err("no clean end of half a body");
    assert!(broken.is_cut(), "{length:?}, {how:?}: {broken}");
    let record = proxy.record();
    assert_eq!(record["status"], 200, "{record}");
    assert_eq!(record["fault"], "response-cut", "{how:?}: {record}");
    if pair.down.h2 {
        // The stream alone was lost.
        assert!(!matches!(&caller, evenkeel_testkit::Caller::H2(client) if client.is_closed()));
    }
}

#[test]
fn a_response_that_is_cut_never_ends_cleanly() {
    each(|pair| {
        for length in [Length::Known(100), Length::Unknown] {
            breaks_off(pair, length, Break::Cut);
        }
    });
}

#[test]
fn a_response_that_is_reset_never_ends_cleanly() {
    each(|pair| {
        for length in [Length::Known(100), Length::Unknown] {
            breaks_off(pair, length, Break::Reset);
        }
    });
}

#[test]
fn a_response_whose_endpoint_dies_never_ends_cleanly() {
    each(|pair| {
        for length in [Length::Known(100), Length::Unknown] {
            breaks_off(pair, length, Break::HangUp);
        }
    });
}

#[test]
fn a_response_of_fewer_bytes_than_it_said_never_ends_cleanly() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.request();
            exchange.respond(200, "", Length::Known(10));
            exchange.data("part");
            exchange.end();
            exchange.retire();
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("GET", "/", "", Length::None);
        let cut = call.try_response();
        match cut {
            // Evenkeel had the whole of it before the client had its head.
            Ok(response) => drop(response.status(502)),
            Err(cut) => assert!(cut.why.is_cut(), "{cut:?}"),
        }
        let fault = proxy.record()["fault"].clone();
        let expected = if pair.up.h2 {
            "response-body-malformed"
        } else {
            "response-cut"
        };
        assert_eq!(fault, expected);
    });
}
