//! Endpoints that are found while evenkeel runs: by names and services that name servers know, and in lists of their own.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_testkit::{Evenkeel, Folder, Mood, NameServer, Origin, Setup, eventually};

/// Requests to endpoints that were added just now at their full share.
const AT_ONCE: &str = "slow_start = \"off\"";

/// One cluster with these endpoints, whose names this server knows.
fn setup(server: &NameServer, endpoints: &[String]) -> Setup {
    Setup::to_addresses(endpoints)
        .cluster(AT_ONCE)
        .sections(&server.section())
}

/// Who answers so many requests.
fn answers(proxy: &Evenkeel, number: usize) -> BTreeSet<String> {
    let mut client = proxy.client();
    (0..number)
        .map(|_| client.get("/").status(200).text())
        .collect()
}

/// Waits until these, and no others, answer.
#[track_caller]
fn answered_by(proxy: &Evenkeel, names: &[&str]) {
    let names: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    eventually(&format!("answers of {names:?}"), || {
        (answers(proxy, 2 * names.len()) == names).then_some(())
    });
}

/// How many lines of the log say that.
fn told(proxy: &Evenkeel, text: &str) -> usize {
    let lines = proxy.log().lines();
    lines.iter().filter(|line| line.contains(text)).count()
}

#[test]
fn a_name_is_looked_up_again_when_its_time_to_live_is_over() {
    let server = NameServer::new();
    let old = Origin::saying("old");
    let new = old.beside([127, 0, 0, 2], "new");
    server.set("app.test", 2, &["127.0.0.1"]);
    let address = format!("app.test:{}", old.port());
    let proxy = Evenkeel::start(&setup(&server, &[address]));
    answered_by(&proxy, &["old"]);
    let changed = Instant::now();
    server.set("app.test", 2, &["127.0.0.2", "127.0.0.1"]);
    answered_by(&proxy, &["new", "old"]);
    // Far sooner than after the 30 s of `resolve_interval`.
    assert!(changed.elapsed() < Duration::from_secs(15), "{changed:?}");
    server.set("app.test", 2, &["127.0.0.2"]);
    answered_by(&proxy, &["new"]);
    assert_eq!(told(&proxy, "other endpoints were found"), 2);
    drop(new);
}

#[test]
fn the_order_of_an_answer_is_no_change() {
    let server = NameServer::new();
    let one = Origin::saying("one");
    let _two = one.beside([127, 0, 0, 2], "two");
    server.set("app.test", 0, &["127.0.0.1", "127.0.0.2"]);
    let proxy = Evenkeel::start(&setup(&server, &[format!("app.test:{}", one.port())]));
    server.set("app.test", 0, &["127.0.0.2", "127.0.0.1"]);
    // Both families are asked for, not more often than once a second.
    let (began, before) = (Instant::now(), server.asked("app.test"));
    eventually("two more looks", || {
        (server.asked("app.test") >= before + 4).then_some(())
    });
    assert!(began.elapsed() > Duration::from_millis(900));
    assert_eq!(told(&proxy, "other endpoints were found"), 0);
    answered_by(&proxy, &["one", "two"]);
}

#[test]
fn a_name_server_that_dies_changes_nothing() {
    let server = NameServer::new();
    let origin = Origin::saying("here");
    server.set("app.test", 1, &["127.0.0.1"]);
    let setup = setup(&server, &[format!("app.test:{}", origin.port())]);
    let proxy = Evenkeel::start(&setup.cluster("resolve_interval = \"1s\""));
    answered_by(&proxy, &["here"]);
    for mood in [Mood::Failing, Mood::Silent] {
        server.mood(mood);
        let before = server.asked("app.test");
        eventually("looks in vain", || {
            (server.asked("app.test") > before + 5).then_some(())
        });
        answered_by(&proxy, &["here"]);
    }
    server.mood(Mood::Well);
    server.remove("app.test");
    let before = server.asked("app.test");
    eventually("looks in vain", || {
        (server.asked("app.test") > before + 5).then_some(())
    });
    answered_by(&proxy, &["here"]);
    // Said once, and once that it is over.
    assert_eq!(told(&proxy, "a name does not resolve"), 1);
    server.set("app.test", 1, &["127.0.0.1"]);
    proxy
        .log()
        .wait_for("its end", |line| line.contains("a name resolves again"));
    assert_eq!(told(&proxy, "other endpoints were found"), 0);
}

#[test]
fn a_name_that_nobody_knows_at_the_start_is_found_later() {
    let server = NameServer::new();
    let origin = Origin::saying("here");
    let setup = setup(&server, &[format!("app.test:{}", origin.port())]);
    let proxy = Evenkeel::start(&setup.cluster("resolve_interval = \"1s\""));
    proxy.client().get("/").status(503).fault("no-endpoint");
    server.set("app.test", 60, &["127.0.0.1"]);
    eventually("an answer", || {
        let response = proxy.client().get("/");
        (response.head.status() == 200).then_some(())
    });
}

#[test]
fn a_name_that_is_not_found_is_told_wherever_operators_look() {
    let server = NameServer::new();
    let proxy = Evenkeel::start(&setup(&server, &["app.test:9001".to_owned()]));
    proxy.client().get("/").status(503).fault("no-endpoint");
    let why = "the name has no address";
    let screen = proxy.order(&["status"]);
    assert!(screen.contains("app.test:9001"), "{screen}");
    assert!(screen.contains(why), "{screen}");
    let top = proxy.order(&["top", "--once"]);
    let said = format!("app.test:9001 is not found ({why})");
    assert!(top.contains(&said), "{top}");
    for page in ["/api/v1/status", "/api/v1/clusters/app", "/api/v1/events"] {
        let text = proxy.control().get(page).status(200).text();
        assert!(
            text.contains("app.test") && text.contains(why),
            "{page}: {text}"
        );
    }
    let unresolved =
        |number| format!("\nevenkeel_cluster_unresolved{{cluster=\"app\"}} {number}\n");
    let metrics = || proxy.control().get("/metrics").text();
    assert!(metrics().contains(&unresolved(1)));
    // One that was added is there as well.
    let told = proxy.order(&["endpoint", "add", "app", "other.test:80"]);
    assert!(told.contains("does not resolve"), "{told}");
    let screen = proxy.order(&["status"]);
    assert!(screen.contains("other.test:80"), "{screen}");
    assert!(metrics().contains(&unresolved(2)));
    proxy.order(&["endpoint", "remove", "app/other.test:80"]);
    assert!(metrics().contains(&unresolved(1)));
    // Found, it is no word any more.
    server.set("app.test", 60, &["127.0.0.1"]);
    proxy.order(&["reload"]);
    eventually("the name", || {
        metrics().contains(&unresolved(0)).then_some(())
    });
}

#[test]
fn a_name_server_that_is_silent_at_the_start_does_not_stop_it() {
    let server = NameServer::new();
    let [other, origin] = ["other", "here"].map(Origin::saying);
    server.set("app.test", 60, &["127.0.0.1"]);
    server.mood(Mood::Silent);
    let name = format!("app.test:{}", origin.port());
    let setup = setup(&server, &[name, other.address()]);
    let proxy = Evenkeel::start(&setup.cluster("resolve_interval = \"1s\""));
    answered_by(&proxy, &["other"]);
    server.mood(Mood::Well);
    answered_by(&proxy, &["here", "other"]);
}

#[test]
fn a_place_of_a_service_without_an_address_is_left_out_until_it_has_one() {
    let server = NameServer::new();
    let [a, b] = ["a", "b"].map(Origin::saying);
    server.set("a.test", 60, &["127.0.0.1"]);
    let records = [(0, 0, a.port(), "a.test"), (0, 0, b.port(), "b.test")];
    server.set_service("_http._tcp.app.test", 1, &records);
    let endpoints = ["srv:_http._tcp.app.test".to_owned()];
    let proxy = Evenkeel::start(&setup(&server, &endpoints));
    answered_by(&proxy, &["a"]);
    server.set("b.test", 60, &["127.0.0.1"]);
    answered_by(&proxy, &["a", "b"]);
    // Its name is lost, and what it was is not.
    server.remove("b.test");
    let before = server.asked("b.test");
    eventually("two more looks", || {
        (server.asked("b.test") >= before + 4).then_some(())
    });
    answered_by(&proxy, &["a", "b"]);
}

#[test]
fn a_service_has_tiers_weights_and_ports() {
    let server = NameServer::new();
    let [first, second, reserve] = ["first", "second", "reserve"].map(Origin::saying);
    let names = ["a.test", "b.test"];
    for name in names {
        server.set(name, 60, &["127.0.0.1"]);
    }
    let records = [
        (10, 1, first.port(), names[0]),
        (10, 3, second.port(), names[1]),
        (20, 1, reserve.port(), names[0]),
    ];
    server.set_service("_http._tcp.app.test", 1, &records);
    let endpoints = ["srv:_http._tcp.app.test".to_owned()];
    let proxy = Evenkeel::start(&setup(&server, &endpoints));
    let mut client = proxy.client();
    let texts: Vec<String> = (0..8).map(|_| client.get("/").status(200).text()).collect();
    let count = |name: &str| texts.iter().filter(|text| *text == name).count();
    assert_eq!(
        [count("first"), count("second"), count("reserve")],
        [2, 6, 0]
    );
    let endpoint = proxy.records(8)[0]["endpoint"].clone();
    assert!(
        endpoint
            .as_str()
            .unwrap()
            .starts_with("srv:_http._tcp.app.test/"),
        "{endpoint}"
    );
    // Nobody of the first tier answers any more.
    let _dead = [first.stop(), second.stop()];
    answered_by(&proxy, &["reserve"]);
    // It goes away, and what was the reserve is the only one.
    server.set_service("_http._tcp.app.test", 1, &records[2..]);
    answered_by(&proxy, &["reserve"]);
    server.remove("_http._tcp.app.test");
    proxy.log().wait_for("a word", |line| {
        line.contains("srv:_http._tcp.app.test") && line.contains("does not resolve")
    });
    answered_by(&proxy, &["reserve"]);
}

#[test]
fn another_configuration_brings_other_names() {
    let (server, other) = (NameServer::new(), NameServer::new());
    let old = Origin::saying("old");
    let _new = old.beside([127, 0, 0, 2], "new");
    let _newer = old.beside([127, 0, 0, 3], "newer");
    server.set("old.test", 1, &["127.0.0.1"]);
    other.set("new.test", 1, &["127.0.0.2"]);
    let with = |server: &NameServer, name: &str| setup(server, &[format!("{name}:{}", old.port())]);
    let mut proxy = Evenkeel::start(&with(&server, "old.test"));
    answered_by(&proxy, &["old"]);
    proxy.reload(&with(&other, "new.test").text());
    answered_by(&proxy, &["new"]);
    other.set("new.test", 1, &["127.0.0.3"]);
    answered_by(&proxy, &["newer"]);
    let before = server.asked("old.test");
    let more = other.asked("new.test") + 4;
    eventually("two more looks", || {
        (other.asked("new.test") >= more).then_some(())
    });
    assert_eq!(server.asked("old.test"), before, "nobody looks for it");
}

/// The text of a list.
fn list<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> String {
    let addresses: Vec<String> = origins.into_iter().map(Origin::address).collect();
    format!("endpoints = {addresses:?}\n")
}

/// A proxy whose endpoints stand in `list.toml` beside its configuration.
fn listed(text: &str) -> Evenkeel {
    let folder = Folder::new();
    folder.write("list.toml", text);
    let setup = Setup::to_addresses([""; 0]).cluster("endpoints_file = \"list.toml\"");
    folder.write("evenkeel.toml", setup.cluster(AT_ONCE).text());
    Evenkeel::start_in(folder, &["run", "--config", "evenkeel.toml"])
}

/// Puts another list in the place of the first, whole.
fn replace(proxy: &Evenkeel, text: &str) {
    let (new, path) = ["list.new", "list.toml"]
        .map(|name| proxy.folder().join(name))
        .into();
    fs::write(&new, text).unwrap();
    fs::rename(&new, &path).unwrap();
}

#[test]
fn a_list_changes_under_load_without_a_failed_request() {
    let [a, b, c] = ["a", "b", "c"].map(Origin::saying);
    let proxy = listed(&list([&a, &b]));
    let over = Arc::new(AtomicBool::new(false));
    let address = proxy.address();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let over = Arc::clone(&over);
            thread::spawn(move || {
                let mut client = evenkeel_testkit::Client::connect(address);
                let mut answered = 0;
                while !over.load(Ordering::Relaxed) {
                    client.get("/").status(200);
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for (origins, names) in [
        ([&b, &c], ["b", "c"]),
        ([&c, &a], ["a", "c"]),
        ([&a, &b], ["a", "b"]),
    ] {
        replace(&proxy, &list(origins));
        answered_by(&proxy, &names);
    }
    over.store(true, Ordering::Relaxed);
    let answered: usize = clients.into_iter().map(|one| one.join().unwrap()).sum();
    assert!(answered > 100, "{answered} requests");
    assert_eq!(told(&proxy, "other endpoints were found"), 3);
}

#[test]
fn a_mistake_in_a_list_changes_nothing_and_is_told_with_its_place() {
    let [a, b] = ["a", "b"].map(Origin::saying);
    let proxy = listed(&list([&a]));
    replace(&proxy, "endpoints = [\n  \"10.0.0.1\",\n]\n");
    proxy
        .log()
        .wait_for("the place", |line| line.contains("list.toml:2:3"));
    proxy
        .log()
        .wait_for("the line", |line| line.contains("2 |   \"10.0.0.1\","));
    answered_by(&proxy, &["a"]);
    fs::remove_file(proxy.folder().join("list.toml")).unwrap();
    proxy
        .log()
        .wait_for("a word", |line| line.contains("No such file"));
    answered_by(&proxy, &["a"]);
    replace(&proxy, &list([&b]));
    answered_by(&proxy, &["b"]);
    assert_eq!(told(&proxy, "the list of endpoints stays as it was"), 2);
}

#[test]
fn a_mistake_in_a_list_stops_the_start() {
    let folder = Folder::new();
    let setup = Setup::to_addresses([""; 0]).cluster("endpoints_file = \"list.toml\"");
    folder.write("evenkeel.toml", setup.text());
    folder.write("list.toml", "endpoints = []\n");
    for command in [&["check", "evenkeel.toml"][..], &["run"]] {
        let ended = evenkeel_testkit::run(folder.path(), command);
        assert_eq!(ended.status, 1);
        let shown = &ended.stderr;
        assert!(shown.contains("list.toml:1:1"), "{shown}");
        assert!(shown.contains("1 | endpoints = []"), "{shown}");
    }
}

#[test]
fn an_endpoint_that_is_found_is_probed_first() {
    let server = NameServer::new();
    let old = Origin::saying("old");
    server.set("app.test", 1, &["127.0.0.1"]);
    let setup = setup(&server, &[format!("app.test:{}", old.port())]);
    let proxy = Evenkeel::start(&setup.cluster("probe.tcp = {}\nprobe.interval = \"200ms\""));
    // Nobody listens there yet: no request is lost on it.
    server.set("app.test", 1, &["127.0.0.1", "127.0.0.2"]);
    proxy.log().wait_for("the endpoint", |line| {
        line.contains("other endpoints were found")
    });
    assert_eq!(answers(&proxy, 20), BTreeSet::from(["old".to_owned()]));
    let records = proxy.records(20);
    assert!(
        records.iter().all(|record| record["attempts"] == 1),
        "{records:?}"
    );
    let _new = old.beside([127, 0, 0, 2], "new");
    answered_by(&proxy, &["new", "old"]);
}
