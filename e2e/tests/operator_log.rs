//! What of the logs changes while evenkeel runs.

use std::fs;

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::{Client, Evenkeel, Folder, Origin, Reply, Setup, eventually, run};
use serde_json::Value;

/// A file as target of the access log.
const FIRST: &str = "{ file = \"first.log\" }";

/// One listener that answers by itself, with these sections.
fn with(sections: &str) -> String {
    format!(
        "version = 1\n{sections}\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"here\"\n"
    )
}

#[test]
fn level_and_form_of_the_log_change_with_a_reload() {
    let mut proxy = Evenkeel::start_text(&with(""));
    let generation = |line: &&String| line.contains("a new configuration is served");
    proxy.reload(&with("[log]\nformat = \"json\""));
    proxy.log().wait_for("a line of JSON", |line| {
        line.starts_with('{') && line.contains("a new configuration is served")
    });
    let seen = proxy.log().lines().iter().filter(generation).count();
    proxy.write_config(&with("[log]\nlevel = \"error\""));
    proxy.order(&["reload"]);
    proxy.order(&["reload"]);
    assert_eq!(proxy.log().lines().iter().filter(generation).count(), seen);
    proxy.write_config(&with(""));
    proxy.order(&["reload"]);
    proxy.log().wait_for("a line of text", |line| {
        line.contains("INFO") && line.contains("generation=5")
    });
}

/// The lines of a stream of JSON.
#[track_caller]
fn events(stderr: &str) -> Vec<Value> {
    let event = |line: &str| {
        assert!(line.starts_with('{'), "{line}");
        serde_json::from_str(line).unwrap()
    };
    stderr.lines().map(event).collect()
}

#[test]
fn a_log_in_json_is_json_from_its_first_line_to_its_last() {
    let config = "[log]\nformat = \"json\"\nlevel = \"error\"\n[admin]\nbind = \"127.0.0.1:0\"\n\
                  [[route]]\nname = \"twice\"\nmethod = [\"GET\", \"GET\"]\ncluster = \"app\"\n\
                  [cluster.app]\nendpoints = [\"127.0.0.1:1\"]\n";
    let mut proxy = Evenkeel::start_text(&with(config));
    let address = proxy.address().to_string();
    proxy.write_config("version = 1\nlistner = 2\n");
    assert_eq!(proxy.ask(&["reload"]).status, 1);
    proxy.reload(&with(&config.replace("error", "info")));
    let log = proxy.log().clone();
    proxy.stop();
    let events = events(&log.stderr());
    let said = |message: &str| {
        let mut events = events.iter();
        let found = events.find(|event| event["message"] == message);
        found
            .unwrap_or_else(|| panic!("no {message} in {log}"))
            .clone()
    };
    let doubt = events[0]["message"].as_str().unwrap_or_default();
    assert!(doubt.contains("something stands here twice"), "{doubt}");
    assert_eq!(said("starting")["clusters"], 1);
    assert_eq!(said("listening")["listener"], "web");
    assert_eq!(said("listening")["address"], address);
    assert_eq!(said("route")["route"], "twice");
    assert_eq!(said("cluster")["endpoints"], "127.0.0.1:1");
    assert_eq!(said("listening for operators")["open"], true);
    assert!(said("control socket")["path"].is_string());
    assert_eq!(said("ready")["addresses"], address);
    let last = said("draining; a second signal stops at once");
    assert_eq!(last["level"], "INFO");
}

#[test]
fn a_start_that_fails_says_so_in_the_form_of_its_log() {
    let (folder, taken) = (
        Folder::new(),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let taken = taken.local_addr().unwrap().to_string();
    let config = with("[log]\nformat = \"json\"").replace("127.0.0.1:0", &taken);
    folder.write("evenkeel.toml", config);
    let ended = run(folder.path(), &["run", "--control", "none"]);
    assert_eq!(ended.status, 1, "{}", ended.stderr);
    let events = events(&ended.stderr);
    let [error] = events.as_slice() else {
        panic!("{}", ended.stderr);
    };
    assert_eq!(error["level"], "ERROR");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("is taken by another process"), "{error}");
}

#[test]
fn access_records_go_where_the_newest_configuration_says() {
    let to =
        |to: &str, format: &str| with(&format!("[access_log]\nto = {to}\nformat = \"{format}\""));
    let mut proxy = Evenkeel::start_text(&to(FIRST, "text"));
    let written = |name: &str, records: usize| {
        let path = proxy.folder().join(name);
        eventually(&format!("{records} records in {name}"), || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            (text.lines().count() >= records).then_some(text)
        })
    };
    let mut client = proxy.client();
    client.get("/one");
    assert!(written("first.log", 1).contains("/one"));
    client.get("/two");
    proxy.write_config(&to("\"stdout\"", "json"));
    proxy.order(&["reload"]);
    assert!(
        written("first.log", 2).contains("/two"),
        "what came before goes where it belongs"
    );
    client.get("/three");
    assert_eq!(proxy.record()["target"], "/three");
    proxy.write_config(&to("\"off\"", "json"));
    proxy.order(&["reload"]);
    client.get("/four");
    proxy.write_config(&to("{ file = \"nowhere/at/all.log\" }", "text"));
    assert_eq!(
        proxy.ask(&["reload"]).status,
        1,
        "a log that cannot be opened changes nothing"
    );
    proxy.write_config(&to(FIRST, "text"));
    proxy.order(&["reload"]);
    client.get("/five");
    let all = written("first.log", 3);
    assert!(
        all.contains("/five") && !all.contains("/three") && !all.contains("/four"),
        "{all}"
    );
    proxy.reload(&to(FIRST, "json"));
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew() {
    let setup = Setup::to_addresses(["127.0.0.1:9"])
        .no_route()
        .add_route("respond.body = \"here\"")
        .sections("[access_log]\nto = { file = \"access.log\" }\nformat = \"json\"");
    let proxy = Evenkeel::start(&setup);
    let path = |name: &str| proxy.folder().join(name);
    let mut client = proxy.client();
    client.get("/before");
    fs::rename(path("access.log"), path("access.log.1")).unwrap();
    proxy.signal(Signal::User1);
    proxy
        .log()
        .wait_for("the new log", |line| line.contains("opened anew"));
    client.get("/after");
    let text = |name: &str, word: &str| {
        eventually(&format!("{word} in {name}"), || {
            let text = fs::read_to_string(path(name)).unwrap_or_default();
            text.contains(word).then_some(text)
        })
    };
    assert!(!text("access.log", "/after").contains("/before"));
    assert!(!text("access.log.1", "/before").contains("/after"));
}

#[test]
fn at_debug_each_attempt_is_told_with_its_verdict_and_at_info_nothing() {
    let (well, sick) = (
        Origin::saying("well"),
        Origin::http(|_| Reply::new(503, "not now")),
    );
    let setup = Setup::to([&sick, &well])
        .cluster("balancer = \"first-available\"")
        .route("name = \"pages\"\nretry = { attempts = 1, statuses = [503] }")
        .sections("[log]\nformat = \"json\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let ask = |client: &mut Client, id: &str| {
        let fields = format!("X-Request-Id: {id}\r\n");
        client
            .get_with("/a?secret=1", &fields)
            .status(200)
            .body("well");
    };
    ask(&mut client, "quiet");
    proxy.order(&["log-level", "debug"]);
    ask(&mut client, "loud");
    proxy.log().wait_for("the end of the exchange", |line| {
        line.contains("\"message\":\"exchange\"")
    });
    let stderr = proxy.log().stderr();
    assert!(
        !stderr.contains("quiet") && !stderr.contains("secret"),
        "{stderr}"
    );
    let told: Vec<Value> = events(&stderr);
    let told: Vec<&Value> = told
        .iter()
        .filter(|one| one["request_id"] == "loud")
        .collect();
    let [first, failed, second, end] = told.as_slice() else {
        panic!("{told:#?}");
    };
    let (sick, well) = (sick.address(), well.address());
    for (event, message, endpoint) in [
        (first, "attempt", &sick),
        (failed, "attempt failed", &sick),
        (second, "attempt", &well),
        (end, "exchange", &well),
    ] {
        assert_eq!(event["level"], "DEBUG");
        assert_eq!(event["message"], message);
        assert_eq!(event["endpoint"], **endpoint, "{event}");
        assert_eq!(
            (&event["listener"], &event["route"]),
            (&"web".into(), &"pages".into())
        );
        assert_eq!(event["cluster"], "app");
    }
    assert_eq!(first["pick"], "first-available");
    assert_eq!(
        (&failed["why"], &failed["verdict"]),
        (&"503".into(), &"retry".into())
    );
    assert_eq!(second["connection"], "reused");
    assert_eq!(second["passed_over"], format!("{sick} tried"));
    assert_eq!(
        (&end["status"], &end["attempts"], &end["path"]),
        (&200.into(), &2.into(), &"/a".into())
    );
    assert!(end["total_ms"].as_f64().unwrap() > 0.0, "{end}");
}
