//! The control socket: what it shows, what may be ordered by it, and what does it no harm.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use evenkeel_testkit::evenkeel::Ended;
use evenkeel_testkit::{
    Client, Evenkeel, Folder, Gate, Origin, Reply, Setup, eventually, run, shell,
};
use serde_json::Value;

/// One listener, one route that answers this.
fn saying(word: &str) -> String {
    format!(
        "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"{word}\"\n"
    )
}

/// What the status says of the endpoint at that place of the first cluster.
fn endpoint(proxy: &Evenkeel, at: usize) -> Value {
    proxy.status()["clusters"][0]["endpoints"][at].clone()
}

/// Who answers so many requests.
fn answers(proxy: &Evenkeel, number: usize) -> Vec<String> {
    let mut client = proxy.client();
    (0..number)
        .map(|_| client.get("/").status(200).text())
        .collect()
}

/// What happened after that event, as far as a text is part of it: the number of each and what it is about.
fn events(proxy: &Evenkeel, after: u64, part: &str) -> Vec<(u64, Value)> {
    let page = proxy
        .control()
        .get(&format!("/api/v1/events?after={after}"));
    let page: Value = serde_json::from_str(&page.status(200).text()).unwrap();
    let events = page["events"].as_array().unwrap().iter();
    events
        .filter(|event| event["text"].as_str().unwrap().contains(part))
        .map(|event| (event["number"].as_u64().unwrap(), event["fields"].clone()))
        .collect()
}

#[test]
fn what_happens_is_an_event_whatever_the_log_leaves_out() {
    let (origin, other) = (Origin::saying("ok"), Origin::saying("other"));
    let setup = Setup::to([&origin, &other]).sections("[log]\nlevel = \"error\"\n");
    let proxy = Evenkeel::start(&setup);
    assert_eq!(events(&proxy, 0, "reload"), []);
    let changed = setup.listener("keepalive_timeout = \"5s\"");
    proxy.write_config(&changed.text());
    proxy.order(&["reload"]);
    let found = events(&proxy, 0, "configuration");
    let (number, _) = *found.first().unwrap();
    assert_eq!(events(&proxy, number, "configuration"), []);
    assert!(
        !proxy.log().stderr().contains("INFO"),
        "{}",
        proxy.log().stderr()
    );
    proxy.control().get("/api/v1/events?before=1").status(400);
    // An ejection names what it is about.
    drop(origin);
    eventually("an ejection", || {
        proxy.client().get("/");
        let found = events(&proxy, number, "ejected");
        let (_, about) = found.first()?;
        assert_eq!(about["cluster"], "app");
        Some(())
    });
}

#[test]
fn the_status_shows_what_is_served_and_how_it_goes() {
    let (origin, gate) = (Origin::saying("here"), Gate::new());
    let slow = Origin::http({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            Reply::ok("slow")
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin, &slow]));
    let mut client = proxy.client();
    client.get("/").body("here");
    client.send_request("GET", "/", "", "");
    slow.wait_requests(1);
    let status = proxy.status();
    assert_eq!(status["state"], "serving");
    assert_eq!(status["generation"], 1);
    assert_eq!(status["connections"], 1);
    assert_eq!(status["active"], 1);
    assert_eq!(status["config"]["error"], Value::Null);
    let file = status["config"]["file"].as_str().unwrap();
    assert!(
        file.starts_with('/') && file.ends_with("/evenkeel.toml"),
        "{file}"
    );
    assert_eq!(status["listeners"][0]["name"], "web");
    assert_eq!(
        status["listeners"][0]["address"],
        proxy.address().to_string()
    );
    assert_eq!(status["clusters"][0]["name"], "app");
    let (one, two) = (endpoint(&proxy, 0), endpoint(&proxy, 1));
    assert_eq!(one["id"], origin.address());
    assert_eq!(
        (&one["requests"], &one["in_flight"]),
        (&1.into(), &0.into())
    );
    assert_eq!(
        (&two["requests"], &two["in_flight"]),
        (&0.into(), &1.into())
    );
    for (key, expected) in [
        ("health", "unprobed"),
        ("phase", "admitting"),
        ("admin", "ready"),
    ] {
        assert_eq!(one[key], expected, "{one}");
    }
    let screen = proxy.order(&["status"]);
    for word in [
        "serving",
        "listener web",
        "cluster app (round-robin)",
        &origin.address(),
    ] {
        assert!(screen.contains(word), "{word}: {screen}");
    }
    gate.open();
    client.response("GET").body("slow");
}

#[test]
fn the_socket_is_for_its_owner_alone_and_goes_with_the_process() {
    let folder = Folder::new();
    folder.write("evenkeel.toml", saying("x"));
    let proxy = Evenkeel::start_in(folder, &["run", "--control", "other.sock"]);
    let path = proxy.folder().join("other.sock");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The usual place is not asked without its name: a command looks in /run as well, where another evenkeel may be.
    let usual = proxy.control_path();
    assert!(!usual.exists());
    proxy.order(&["status", "--control", "other.sock"]);
    let usual = usual.display().to_string();
    assert_eq!(proxy.ask(&["status", "--control", &usual]).status, 3);
    proxy.order(&["drain", "--control", "other.sock"]);
    eventually("the socket to be gone", || (!path.exists()).then_some(()));
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn nobody_there_is_an_exit_code_of_its_own_that_says_where_it_was_tried() {
    let folder = Folder::new();
    for args in [
        &["status", "--control", "none.sock"][..],
        &["reload", "--control", "none.sock"],
        &["endpoint", "drain", "a/b", "--control", "none.sock"],
    ] {
        let Ended { status, stderr, .. } = run(folder.path(), args);
        assert_eq!(status, 3, "{stderr}");
        assert!(
            stderr.contains("none.sock") && stderr.contains("--control"),
            "{stderr}"
        );
    }
    let json = run(folder.path(), &["stop", "--json", "--control", "none.sock"]);
    let told: Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(told["error"].as_str().unwrap().contains("none.sock"));
    assert_eq!(json.status, 3);
}

#[test]
fn the_socket_of_one_that_was_killed_does_not_hide_the_one_that_runs() {
    let folder = Folder::new();
    folder.write("evenkeel.toml", saying("x"));
    for name in ["killed", "runs"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    // Its file stays behind, as after a SIGKILL.
    drop(UnixListener::bind(folder.join("killed/evenkeel.sock")).unwrap());
    let proxy = Evenkeel::start_in(folder, &["run", "--control", "runs/evenkeel.sock"]);
    let by = |user: &str, command: &str| {
        let script = format!(
            "export RUNTIME_DIRECTORY=\"$PWD/killed\" XDG_RUNTIME_DIR=\"$PWD/{user}\"\nevenkeel {command}"
        );
        shell(proxy.folder(), &script)
    };
    let ended = by("runs", "status --json");
    assert_eq!(ended.status, 0, "{ended:?}");
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    let meant = proxy.order(&["status", "--json", "--control", "runs/evenkeel.sock"]);
    let meant: Value = serde_json::from_str(&meant).unwrap();
    assert_eq!(told["pid"], meant["pid"]);
    assert_eq!(by("runs", "endpoint drain a/b").status, 1, "it answers");
    assert_eq!(by("runs", "drain").status, 0);
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn reading_the_same_again_keeps_the_way_back() {
    let proxy = Evenkeel::start_text(&saying("good"));
    proxy.write_config(&saying("bad"));
    proxy.order(&["reload"]);
    // By habit, by a unit's ExecReload, by a hook of a renewal; with a remark to make sure.
    for again in [
        saying("bad"),
        format!("# it says the same\n{}", saying("bad")),
    ] {
        proxy.write_config(&again);
        let told = proxy.order(&["reload"]);
        assert!(told.contains("is what it was"), "{told}");
    }
    proxy.client().get("/").body("bad");
    proxy.order(&["rollback"]);
    proxy.client().get("/").body("good");
    proxy.order(&["rollback"]);
    proxy.client().get("/").body("bad");
}

#[test]
fn reload_and_rollback_by_command() {
    let proxy = Evenkeel::start_text(&saying("one"));
    let mut client = proxy.client();
    assert_eq!(proxy.ask(&["rollback"]).status, 1, "there is none before");
    let told = |line: &str| line.contains("is not rolled back: there is no configuration before");
    proxy.log().wait_for("the same in the log", told);
    proxy.write_config(&saying("two"));
    assert!(proxy.order(&["reload"]).contains("generation 2"));
    client.get("/").body("two");
    let done: Value = serde_json::from_str(&proxy.order(&["rollback", "--json"])).unwrap();
    assert_eq!(
        (&done["ok"], &done["generation"]),
        (&true.into(), &3.into())
    );
    client.get("/").body("one");
    proxy.order(&["rollback"]);
    client.get("/").body("two");
}

#[test]
fn a_rollback_leaves_a_failed_reload_told() {
    let proxy = Evenkeel::start_text(&saying("one"));
    proxy.write_config(&saying("two"));
    proxy.order(&["reload"]);
    proxy.write_config("version = 1\nlistner = 2\n");
    assert_eq!(proxy.ask(&["reload"]).status, 1);
    let failed = || proxy.status()["config"]["error"]["text"].to_string();
    let told = failed();
    assert!(told.contains("listner"), "{told}");
    // Back and forth: the file is as wrong as it was.
    for word in ["one", "two"] {
        proxy.order(&["rollback"]);
        proxy.client().get("/").body(word);
        assert_eq!(failed(), told);
    }
    proxy.write_config(&saying("three"));
    proxy.order(&["reload"]);
    assert_eq!(failed(), "null");
}

#[test]
fn a_file_with_a_mistake_is_told_by_the_command_and_by_the_status() {
    let proxy = Evenkeel::start_text(&saying("good"));
    proxy.write_config("version = 1\nlistner = 2\n");
    let Ended { status, stderr, .. } = proxy.ask(&["reload"]);
    assert_eq!(status, 1);
    assert!(stderr.contains("evenkeel.toml:2:1"), "{stderr}");
    assert!(!stderr.contains('\x1b'), "no colors: {stderr}");
    let status = proxy.status();
    assert_eq!(status["generation"], 1);
    let error = status["config"]["error"]["text"].as_str().unwrap();
    assert!(error.contains("evenkeel.toml:2:1"), "{error}");
    assert!(proxy.order(&["status"]).contains("LAST RELOAD FAILED"));
    proxy.client().get("/").body("good");
    proxy.write_config(&saying("better"));
    proxy.order(&["reload"]);
    assert_eq!(proxy.status()["config"]["error"], Value::Null);
}

#[test]
fn a_drained_endpoint_finishes_what_it_has_and_gets_no_more_until_it_is_ready() {
    let gate = Gate::new();
    let one = Origin::http({
        let gate = gate.clone();
        move |request| {
            if request.target() == "/slow" {
                gate.wait();
            }
            Reply::ok("one")
        }
    });
    let two = Origin::saying("two");
    let proxy = Evenkeel::start(&Setup::to([&one, &two]));
    let mut early = proxy.client();
    early.send_request("GET", "/slow", "", "");
    one.wait_requests(1);
    let name = format!("app/{}", one.address());
    assert!(
        proxy
            .order(&["endpoint", "drain", &name])
            .contains("is in drain now")
    );
    assert_eq!(answers(&proxy, 4), ["two", "two", "two", "two"]);
    let seen = endpoint(&proxy, 0);
    assert_eq!(
        (&seen["admin"], &seen["weight"]),
        (&"drain".into(), &0.into())
    );
    assert_eq!(seen["configured"]["admin"], "ready");
    assert_eq!(seen["ordered"]["admin"], "drain");
    gate.open();
    early.response("GET").status(200).body("one");
    proxy.order(&["endpoint", "ready", &name]);
    assert!(answers(&proxy, 4).contains(&"one".to_owned()));
    proxy.order(&["endpoint", "weight", &name, "3"]);
    let ones = answers(&proxy, 8);
    assert_eq!(ones.iter().filter(|name| *name == "one").count(), 6);
    proxy.order(&["endpoint", "reset", &name]);
    assert_eq!(endpoint(&proxy, 0)["ordered"], Value::Null);
    let ones = answers(&proxy, 8);
    assert_eq!(ones.iter().filter(|name| *name == "one").count(), 4);
}

#[test]
fn what_is_ordered_stays_over_a_reload() {
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let setup = Setup::to([&one, &two]);
    let mut proxy = Evenkeel::start(&setup);
    let name = format!("app/{}", one.address());
    proxy.order(&["endpoint", "maint", &name]);
    for lines in ["idle_timeout = \"50s\"", ""] {
        proxy.reload(&setup.clone().cluster(lines).text());
        assert_eq!(answers(&proxy, 2), ["two", "two"]);
        assert_eq!(endpoint(&proxy, 0)["admin"], "maint");
    }
}

#[test]
fn an_endpoint_in_drain_is_probed_and_one_in_maint_is_not() {
    let origins = [Origin::saying("one"), Origin::saying("two")];
    let probed = "probe.http.path = \"/healthz\"\nprobe.interval = \"100ms\"";
    let proxy = Evenkeel::start(&Setup::to(&origins).cluster(probed));
    let name = format!("app/{}", origins[0].address());
    let [first, second] = [0, 1].map(|at| {
        let origins = &origins;
        move || origins[at].requests().len()
    });
    proxy.order(&["endpoint", "drain", &name]);
    let before = first();
    eventually("more probes", || (first() > before + 3).then_some(()));
    proxy.order(&["endpoint", "maint", &name]);
    assert_eq!(endpoint(&proxy, 0)["health"], "waiting");
    let (before, of_other) = (first(), second());
    eventually("probes of the other", || {
        (second() > of_other + 5).then_some(())
    });
    // One may have been on its way.
    assert!(first() <= before + 1);
    proxy.order(&["endpoint", "reset", &name]);
    eventually("to be up again", || {
        (endpoint(&proxy, 0)["health"] == "up").then_some(())
    });
}

#[test]
fn an_endpoint_that_is_not_there_is_answered_with_those_that_are() {
    let origin = Origin::saying("here");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for (name, expected) in [
        ("ap/x:1", "did you mean \"app\""),
        ("app/nothing", origin.address().as_str()),
    ] {
        let Ended { status, stderr, .. } = proxy.ask(&["endpoint", "drain", name]);
        assert_eq!(status, 1);
        assert!(stderr.contains(expected), "{stderr}");
    }
    for args in [
        &["endpoint", "drain", "app"][..],
        &["endpoint", "weight", "app/x", "1001"],
    ] {
        assert_eq!(proxy.ask(args).status, 2, "the grammar says no");
    }
}

#[test]
fn drain_finishes_and_stop_does_not() {
    for (order, is_finished) in [("drain", true), ("stop", false)] {
        let gate = Gate::new();
        let origin = Origin::http({
            let gate = gate.clone();
            move |_| {
                gate.wait();
                Reply::ok("finished")
            }
        });
        let proxy = Evenkeel::start(&Setup::to([&origin]));
        let mut client = proxy.client();
        client.send_request("GET", "/", "", "");
        origin.wait_requests(1);
        proxy.order(&[order]);
        if is_finished {
            let address = proxy.address();
            eventually("connections to be refused", || {
                TcpStream::connect(address).is_err().then_some(())
            });
            assert_eq!(proxy.status()["state"], "draining");
            assert_eq!(proxy.ask(&["reload"]).status, 1);
            gate.open();
            client.response("GET").status(200).body("finished");
        }
        assert_eq!(proxy.wait(), 0);
        gate.open();
    }
}

#[test]
fn live_and_ready_tell_a_drain_from_the_end() {
    let slow = saying("on").replacen("[listener", "shutdown_delay = \"10m\"\n[listener", 1);
    let proxy = Evenkeel::start_text(&slow);
    proxy.control().get("/live").status(200);
    proxy.control().get("/ready").status(200);
    proxy.order(&["drain"]);
    eventually("not to be ready", || {
        let mut control = proxy.control();
        control.send_request("GET", "/ready", "", "");
        let ready = control.response("GET");
        (ready.head.status() == 503).then_some(())
    });
    proxy.control().get("/live").status(200);
    // It goes on serving: those that ask whether it is ready have time to notice.
    proxy.client().get("/").status(200).body("on");
    proxy.order(&["stop"]);
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn a_socket_that_is_taken_is_a_mistake_only_when_it_was_asked_for() {
    let proxy = Evenkeel::start_text(&saying("first"));
    let path = proxy.control_path();
    let path = path.to_str().unwrap();
    let folder = Folder::new();
    folder.write("evenkeel.toml", saying("second"));
    let Ended { status, stderr, .. } = run(folder.path(), &["run", "--control", path]);
    assert_eq!(status, 1);
    assert!(
        stderr.contains(path) && stderr.contains("--control"),
        "{stderr}"
    );
    let folder = Folder::new();
    folder.write("evenkeel.toml", saying("third"));
    drop(UnixListener::bind(folder.join("evenkeel.sock")).unwrap());
    let stale = Evenkeel::start_in(folder, &["run"]);
    assert_eq!(
        stale.status()["generation"],
        1,
        "nobody listens there: it is taken over"
    );
    assert_eq!(proxy.status()["generation"], 1);
}

#[test]
fn what_is_no_order_is_answered_and_harms_nobody() {
    let proxy = Evenkeel::start_text(&saying("still here"));
    let large = "x".repeat(70_000);
    for (method, path, body, status) in [
        ("GET", "/nowhere", "", 404),
        ("GET", "/api/v1/reload", "", 405),
        ("POST", "/live", "", 405),
        ("POST", "/api/v1/reload", "{", 400),
        ("POST", "/api/v1/reload", "{\"trail\": \"1s\"}", 400),
        ("POST", "/api/v1/reload", "{\"trial\": \"1h\"}", 409),
        ("POST", "/api/v1/reload", &large, 413),
        (
            "POST",
            "/api/v1/clusters/a/endpoints/b",
            "{\"weight\": 1}",
            404,
        ),
        (
            "POST",
            "/api/v1/clusters/a/endpoints/b",
            "{\"weight\": -1}",
            400,
        ),
    ] {
        let mut control = proxy.control();
        let fields = format!("Content-Length: {}\r\n", body.len());
        control.send_request(method, path, if body.is_empty() { "" } else { &fields }, "");
        control.try_send(body);
        let response = control.response(method).status(status);
        let told: Value = serde_json::from_str(&response.text()).unwrap();
        assert!(told["error"].is_string(), "{path}: {told}");
    }
    for (garbage, answer) in [
        ("\x16\x03\x01\x02\0\x01\0\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nBad Field\r\n\r\n", 400),
        (&format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000)), 431),
    ] {
        let mut control = proxy.control();
        control.try_send(garbage);
        assert_eq!(control.head().status(), answer, "{garbage:.20}");
    }
    proxy.client().get("/").body("still here");
    assert_eq!(proxy.status()["state"], "serving");
}

#[test]
fn a_hundred_connections_that_say_nothing_keep_nobody_from_asking() {
    let proxy = Evenkeel::start_text(&saying("here"));
    let mut silent: Vec<Client> = (0..100).map(|_| proxy.control()).collect();
    for half in silent.iter_mut().step_by(2) {
        half.try_send("GET /live HTTP/1.1\r\nHost: x");
    }
    let began = std::time::Instant::now();
    assert_eq!(proxy.status()["state"], "serving");
    proxy.client().get("/").body("here");
    // They would have their places for ten seconds each.
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    for mut one in silent.drain(..).take(60) {
        one.expect_closed();
    }
}
