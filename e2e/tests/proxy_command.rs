//! `evenkeel proxy`: no file needed.

use std::net::SocketAddr;

use evenkeel_testkit::origin::answering;
use evenkeel_testkit::{Client, Evenkeel, Folder, Origin, Reply, run};

#[test]
fn every_form_of_an_address_serves() {
    let folder = Folder::new();
    let socket = folder.join("o.sock");
    let origins = ["1", "2", "3"].map(Origin::saying);
    let unix = Origin::unix(&socket, answering(|_| Reply::ok("4")));
    let to = [
        origins[0].address(),
        format!(":{}", origins[1].port()),
        format!("http://{}", origins[2].address()),
        format!("unix:{}", socket.display()),
    ];
    let mut args = vec![
        "proxy",
        "--listen",
        "127.0.0.1:0",
        "--balancer",
        "round-robin",
    ];
    for address in &to {
        args.extend(["--to", address]);
    }
    let proxy = Evenkeel::start_args(&args);
    let mut client = proxy.client();
    let order: String = (0..8).map(|_| client.get("/").status(200).text()).collect();
    assert_eq!(order, "12341234");
    drop(unix);
}

#[test]
fn it_prints_the_file_that_does_the_same() {
    let folder = Folder::new();
    let args = [
        "proxy",
        "--listen",
        ":8080",
        "--to",
        "127.0.0.1:9001",
        "--to",
        "127.0.0.1:9002-9004",
        "--to",
        "unix:/tmp/x.sock",
        "--balancer",
        "random",
        "--print-config",
    ];
    let printed = run(folder.path(), &args);
    assert_eq!((printed.status, &*printed.stderr), (0, ""));
    folder.write("evenkeel.toml", &printed.stdout);
    let checked = run(folder.path(), &["check"]);
    assert_eq!(
        (checked.status, &*checked.stderr),
        (0, ""),
        "{}",
        printed.stdout
    );
    assert!(checked.stdout.contains("5 endpoints"), "{}", checked.stdout);
    assert!(
        printed.stdout.contains("8080") && printed.stdout.contains("random"),
        "{}",
        printed.stdout
    );
}

#[test]
fn the_printed_file_serves() {
    let origin = Origin::saying("ok");
    let folder = Folder::new();
    let printed = run(
        folder.path(),
        &[
            "proxy",
            "--listen",
            "127.0.0.1:0",
            "--to",
            &origin.address(),
            "--print-config",
        ],
    );
    let proxy = Evenkeel::start_text(&printed.stdout);
    proxy.client().get("/x").status(200).body("ok");
}

#[test]
fn a_bad_address_is_one_clear_sentence() {
    let folder = Folder::new();
    for to in [
        "https://a:1/path",
        "127.0.0.1:99999",
        "127.0.0.1:9-1",
        "ftp://a",
        "a b:1",
        "unix:",
    ] {
        let ended = run(
            folder.path(),
            &["proxy", "--listen", "127.0.0.1:0", "--to", to],
        );
        assert_ne!(ended.status, 0, "{to}");
        assert_eq!(ended.stderr.lines().count(), 1, "{to}: {}", ended.stderr);
        assert!(ended.stderr.contains(to), "{to}: {}", ended.stderr);
    }
}

#[test]
fn an_endpoint_that_refuses_connections_is_named_and_no_reason_to_die() {
    let dead = evenkeel_testkit::faults::DeadAddress::new();
    let proxy =
        Evenkeel::start_args(&["proxy", "--listen", "127.0.0.1:0", "--to", &dead.address()]);
    let address = dead.address();
    proxy.log().wait_for("the endpoint", |line| {
        line.contains(&address) && line.contains("refuse")
    });
    proxy.client().get("/").status(502);
}

#[test]
fn a_port_alone_listens_on_every_address() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start_args(&["proxy", "--listen", ":0", "--to", &origin.address()]);
    let port = proxy.address().port();
    for ip in ["127.0.0.1", "127.0.0.2", "::1"] {
        let address = SocketAddr::new(ip.parse().unwrap(), port);
        Client::connect(address).get("/").status(200).body("ok");
    }
    let seen: Vec<String> = origin
        .requests()
        .iter()
        .map(|r| r.field("x-forwarded-for").unwrap())
        .collect();
    assert_eq!(
        seen,
        ["127.0.0.1", "127.0.0.1", "::1"],
        "and a client has its own family of addresses"
    );
}
