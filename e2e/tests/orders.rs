//! What operators order beside the configuration: endpoints that are added and removed while evenkeel runs, and the level of its
//! log.

use std::time::Duration;

use evenkeel_testkit::evenkeel::Ended;
use evenkeel_testkit::{Evenkeel, Folder, Gate, Line, Origin, Reply, Setup, eventually};
use serde_json::Value;

/// Who answers so many requests, sorted and each once.
fn answering(proxy: &Evenkeel, number: usize) -> Vec<String> {
    let mut client = proxy.client();
    let mut names: Vec<String> = (0..number)
        .map(|_| client.get("/").status(200).text())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The endpoints of the first cluster, as the status has them.
fn endpoints(proxy: &Evenkeel) -> Vec<Value> {
    let status = proxy.status();
    status["clusters"][0]["endpoints"]
        .as_array()
        .unwrap()
        .clone()
}

#[test]
fn an_added_endpoint_takes_requests_until_it_is_removed_and_finishes_what_it_has() {
    let (gate, one) = (Gate::new(), Origin::saying("one"));
    let two = Origin::http({
        let gate = gate.clone();
        move |request| {
            if request.target() == "/slow" {
                gate.wait();
            }
            Reply::ok("two")
        }
    });
    let setup = Setup::to([&one]).cluster("slow_start = \"off\"");
    let mut proxy = Evenkeel::start(&setup);
    let file = std::fs::read_to_string(proxy.folder().join("evenkeel.toml")).unwrap();
    let add = ["endpoint", "add", "app", &two.address(), "--id", "blue"];
    assert!(proxy.order(&add).contains("app/blue was added"));
    assert_eq!(answering(&proxy, 4), ["one", "two"]);
    let seen = endpoints(&proxy)[1].clone();
    assert_eq!(
        (&seen["id"], &seen["added"]),
        (&"blue".into(), &true.into())
    );
    assert!(proxy.order(&["status"]).contains("added by order"));
    proxy.reload(&setup.cluster("idle_timeout = \"50s\"").text());
    assert_eq!(answering(&proxy, 4), ["one", "two"]);

    // So that the slow request is certain to be its own.
    let first = format!("app/{}", one.address());
    proxy.order(&["endpoint", "drain", &first]);
    let mut early = proxy.client();
    early.send_request("GET", "/slow", "", "");
    eventually("the request to be there", || {
        let mut requests = two.requests().into_iter();
        requests.find(|one| one.target() == "/slow").map(drop)
    });
    proxy.order(&["endpoint", "ready", &first]);
    let said = proxy.order(&["endpoint", "remove", "app/blue", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["ok"], true);
    assert_eq!(answering(&proxy, 4), ["one"]);
    assert_eq!(endpoints(&proxy).len(), 1);
    gate.open();
    early.response("GET").status(200).body("two");

    // What the configuration lists is not for orders to take away.
    let Ended { status, stderr, .. } = proxy.ask(&["endpoint", "remove", &first]);
    assert_eq!(status, 1);
    assert!(stderr.contains("drain or maint it instead"), "{stderr}");
    let now = std::fs::read_to_string(proxy.folder().join("evenkeel.toml")).unwrap();
    assert_ne!(now, file, "the test itself wrote another");
    assert!(!now.contains("blue"), "and nobody else");
}

#[test]
fn an_added_endpoint_waits_for_its_first_good_probe() {
    let (one, gate) = (Origin::saying("one"), Gate::new());
    let two = Origin::http({
        let gate = gate.clone();
        move |request| {
            if request.target() == "/healthz" {
                gate.wait();
            }
            Reply::ok("two")
        }
    });
    let probed = "slow_start = \"off\"\nprobe.interval = \"100ms\"\nprobe.timeout = \"60s\"\nprobe.http.path = \"/healthz\"";
    let proxy = Evenkeel::start(&Setup::to([&one]).cluster(probed));
    proxy.order(&["endpoint", "add", "app", &two.address()]);
    assert_eq!(endpoints(&proxy)[1]["health"], "waiting");
    assert_eq!(answering(&proxy, 4), ["one"]);
    gate.open();
    eventually("it to be up", || {
        (endpoints(&proxy)[1]["health"] == "up").then_some(())
    });
    assert_eq!(answering(&proxy, 4), ["one", "two"]);
}

#[test]
fn what_was_added_goes_over_to_the_process_that_takes_the_place() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let mut line = Line::start(&Setup::to([&one]).cluster("slow_start = \"off\"").text());
    let add = ["endpoint", "add", "app", &two.address(), "--weight", "3"];
    assert_eq!(line.command(&add).status, 0);
    for _ in 0..2 {
        line.upgrade();
        let status = line.status();
        let seen = &status["clusters"][0]["endpoints"][1];
        assert_eq!((&seen["added"], &seen["weight"]), (&true.into(), &3.into()));
        let mut client = line.client();
        let names = (0..8).map(|_| client.get("/").status(200).text());
        assert_eq!(names.filter(|name| name == "two").count(), 6);
    }
    line.wait_predecessors();
    line.end();
}

#[test]
fn a_list_in_a_file_of_its_own_may_have_more_beside_it() {
    let (one, two, three) = (
        Origin::saying("one"),
        Origin::saying("two"),
        Origin::saying("three"),
    );
    let list = |origin: &Origin| format!("endpoints = [\"{}\"]\n", origin.address());
    let folder = Folder::new();
    folder.write("list.toml", list(&one));
    folder.write(
        "evenkeel.toml",
        "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\ncluster = \"app\"\n\
         [cluster.app]\nbalancer = \"round-robin\"\nslow_start = \"off\"\nendpoints_file = \"list.toml\"\n",
    );
    let proxy = Evenkeel::start_in(folder, &["run"]);
    proxy.order(&["endpoint", "add", "app", &two.address()]);
    assert_eq!(answering(&proxy, 4), ["one", "two"]);
    std::fs::write(proxy.folder().join("list.toml"), list(&three)).unwrap();
    eventually("the list to be read again", || {
        (endpoints(&proxy)[0]["id"] == three.address().as_str()).then_some(())
    });
    assert_eq!(answering(&proxy, 4), ["three", "two"]);
}

#[test]
fn what_cannot_be_added_is_refused_with_an_exit_code() {
    let origin = Origin::saying("here");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for (args, status, part) in [
        (
            &["endpoint", "add", "ap", ":1"][..],
            1,
            "did you mean \"app\"",
        ),
        (&["endpoint", "add", "app", "nowhere"], 1, "not an address"),
        (
            &["endpoint", "add", "app", &origin.address()],
            1,
            "there already",
        ),
        (
            &["endpoint", "add", "app", ":1", "--weight", "1001"],
            2,
            "1000",
        ),
        (
            &["endpoint", "remove", "app/other:1"],
            1,
            "no endpoint is called",
        ),
        (
            &["endpoint", "add", "app", ":1", "--control", "none.sock"],
            3,
            "none.sock",
        ),
    ] {
        let ended = proxy.ask(args);
        assert_eq!(ended.status, status, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{args:?}: {}", ended.stderr);
    }
    assert_eq!(endpoints(&proxy).len(), 1);
}

#[test]
fn the_log_follows_an_ordered_level_until_the_configuration_is_read_again() {
    let origin = Origin::saying("here");
    let setup = Setup::to([&origin]).sections("[log]\nlevel = \"error\"\n");
    let proxy = Evenkeel::start(&setup);
    let level = |proxy: &Evenkeel| -> Value {
        serde_json::from_str(&proxy.order(&["log-level", "--json"])).unwrap()
    };
    assert_eq!(proxy.order(&["log-level"]), "error");
    assert!(proxy.order(&["log-level", "info"]).contains("down to info"));
    let seen = level(&proxy);
    assert_eq!(
        (&seen["level"], &seen["configured"]),
        (&"info".into(), &"error".into())
    );
    proxy
        .log()
        .wait_for("a line of info", |line| line.contains("down to info"));
    proxy.order(&["reload"]);
    assert_eq!(level(&proxy)["ordered"], Value::Null);
    // One that is ordered for a time goes by itself.
    proxy.order(&["log-level", "debug", "--for", "1h"]);
    assert!(level(&proxy)["left"].as_u64().unwrap() <= Duration::from_secs(3600).as_secs());
    proxy.order(&["log-level", "debug", "--for", "100ms"]);
    eventually("its time to be over", || {
        (level(&proxy)["level"] == "error").then_some(())
    });
    proxy.order(&["log-level", "warn"]);
    proxy.order(&["log-level", "as-configured"]);
    assert_eq!(proxy.order(&["log-level"]), "error");
    assert_eq!(proxy.ask(&["log-level", "loud"]).status, 2);
}
