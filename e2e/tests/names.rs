//! Endpoints that have names instead of addresses.

use evenkeel_testkit::{Evenkeel, Origin, Setup};

#[test]
fn a_name_is_resolved() {
    let origin = Origin::saying("found");
    let proxy = Evenkeel::start(&Setup::to_addresses([format!(
        "localhost:{}",
        origin.port()
    )]));
    let mut client = proxy.client();
    for _ in 0..3 {
        client.get("/").status(200).body("found");
    }
    let record = &proxy.records(3)[0];
    let endpoint = record["endpoint"].as_str().unwrap();
    assert!(
        endpoint.ends_with(&format!(":{}", origin.port())),
        "{record}"
    );
}

#[test]
fn a_name_that_does_not_resolve_does_not_stop_the_start() {
    let origin = Origin::saying("found");
    let setup = Setup::to_addresses(["no-such-name.invalid:80".to_owned(), origin.address()]);
    let proxy = Evenkeel::start(&setup);
    proxy.log().wait_for("the name", |line| {
        line.contains("no-such-name.invalid") && !line.contains("cluster   ")
    });
    let mut client = proxy.client();
    for _ in 0..4 {
        client.get("/").status(200).body("found");
    }
}

#[test]
fn a_cluster_whose_names_do_not_resolve_has_no_endpoint() {
    let proxy = Evenkeel::start(&Setup::to_addresses(["no-such-name.invalid:80"]));
    proxy.client().get("/").status(503).fault("no-endpoint");
}
