//! Unix sockets on both sides.

use std::fs;

use evenkeel_testkit::origin::answering;
use evenkeel_testkit::{Client, Evenkeel, Folder, Origin, Reply, Setup, run};

#[test]
fn an_endpoint_on_a_unix_socket_serves() {
    let folder = Folder::new();
    let origin = Origin::unix(&folder.join("o.sock"), answering(Reply::echo));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    for body in ["one", "two"] {
        client.post("/", body).status(200).body(body);
    }
    assert_eq!(
        origin.requests()[0].field("x-forwarded-for").as_deref(),
        Some("127.0.0.1")
    );
}

#[test]
fn a_unix_socket_where_nothing_listens_is_left_for_another_endpoint() {
    let folder = Folder::new();
    let origin = Origin::saying("ok");
    let missing = format!("unix:{}", folder.join("missing").display());
    let proxy = Evenkeel::start(&Setup::to_addresses([missing, origin.address()]));
    let mut client = proxy.client();
    for _ in 0..4 {
        client.get("/").status(200).body("ok");
    }
}

#[test]
fn a_listener_on_a_unix_socket_serves() {
    let folder = Folder::new();
    let path = folder.join("l.sock");
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).listener(&format!("bind = \"unix:{}\"", path.display()));
    let proxy = Evenkeel::start(&setup);
    for _ in 0..5 {
        let mut client = Client::unix(&path);
        client.get("/").status(200).body("ok");
        client.post("/", "x").status(200).body("ok");
    }
    let records = proxy.records(10);
    assert!(
        records.iter().all(|record| record["client"] == "unix"),
        "{records:?}"
    );
    let requests = origin.requests();
    // There is no address to name; and what is there must not be a client's invention.
    assert!(
        requests
            .iter()
            .all(|request| request.head.all("x-forwarded-proto") == ["http"])
    );
    Client::unix(&path)
        .get_with("/", "X-Forwarded-For: 6.6.6.6\r\n")
        .status(200);
    let last = origin.wait_requests(11).remove(10);
    assert!(
        !last
            .head
            .all("x-forwarded-for")
            .join("")
            .contains("6.6.6.6")
    );
}

#[test]
fn a_socket_file_that_was_left_behind_is_taken_over_and_a_live_one_is_not() {
    let folder = Folder::new();
    let path = folder.join("l.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).listener(&format!("bind = \"unix:{}\"", path.display()));
    let proxy = Evenkeel::start(&setup);
    Client::unix(&path).get("/").status(200);

    let other = Folder::new();
    other.write("evenkeel.toml", setup.text());
    let second = run(other.path(), &["run"]);
    assert_ne!(second.status, 0);
    assert!(second.stderr.contains("taken"), "{}", second.stderr);
    Client::unix(&path).get("/").status(200);
    drop(proxy);
}

#[test]
fn a_file_that_is_no_socket_is_not_touched() {
    let folder = Folder::new();
    let path = folder.write("precious", "data");
    let setup = Setup::to_addresses(["127.0.0.1:9"])
        .listener(&format!("bind = \"unix:{}\"", path.display()));
    folder.write("evenkeel.toml", setup.text());
    let ended = run(folder.path(), &["run"]);
    assert_ne!(ended.status, 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), "data");
}
