//! `evenkeel upgrade` and SIGUSR2: another process takes the place of the one that runs, and nobody notices.

mod load;
mod rolled_back;
mod started;

use std::os::unix::net::UnixStream;
use std::path::Path;

use evenkeel_testkit::{Client, Line, Origin, Setup, eventually};
use rustix::process::Signal;

use self::load::Load;

/// One listener, one route that answers this, so many workers.
fn saying(word: &str, workers: usize) -> String {
    format!(
        "version = 1\nworkers = {workers}\n[access_log]\nto = \"off\"\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"{word}\"\n"
    )
}

/// Upgrades under load, to those numbers of workers, one after the other.
fn upgraded_under_load(first: usize, next: impl IntoIterator<Item = usize>) {
    let origin = Origin::saying("ok");
    let config = |workers: usize| {
        Setup::to([&origin])
            .top(&format!("workers = {workers}\nshutdown_timeout = \"10s\""))
            .text()
    };
    let mut line = Line::start(&config(first));
    let address = line.listener("web");
    let load = Load::start(address, 16);
    for workers in next {
        load.let_pass(50);
        line.configure(&config(workers));
        line.upgrade();
        assert_eq!(line.status()["workers"], workers);
    }
    load.let_pass(50);
    load.end();
    line.wait_predecessors();
    assert_eq!(line.listener("web"), address);
    line.end();
}

#[test]
fn twenty_upgrades_of_one_worker_lose_no_request() {
    upgraded_under_load(1, [1; 20]);
}

#[test]
fn twenty_upgrades_of_two_workers_lose_no_request() {
    upgraded_under_load(2, [2; 20]);
}

#[test]
fn twenty_upgrades_of_four_workers_lose_no_request() {
    upgraded_under_load(4, [4; 20]);
}

#[test]
fn another_number_of_workers_loses_no_request() {
    upgraded_under_load(2, [1, 4, 3, 1, 5, 2]);
}

#[test]
fn a_program_that_does_not_serve_changes_nothing_and_it_is_said_why() {
    let mut line = Line::start(&saying("here", 2));
    let mut client = line.client();
    client.get("/").body("here");
    line.script("garbage", "echo what is this >&0; exec sleep 9");
    line.script("dies", "exit 7");
    line.script("silent", "exec <&-; exit 0");
    for (program, why) in [
        ("/nowhere/evenkeel", "cannot start /nowhere/evenkeel"),
        ("/etc/hostname", "cannot start /etc/hostname"),
        ("./dies", "it ended (exit status: 7) before it was ready"),
        ("./silent", "it ended (exit status: 0) before it was ready"),
        ("./garbage", "what came is no answer"),
    ] {
        let said = line.upgrade_in_vain(program);
        assert!(said.contains("everything stays as it was"), "{said}");
        assert!(said.contains(why), "{program}: {said}");
        client.get("/").without("connection").body("here");
        line.client().get("/").body("here");
    }
    line.log().wait_for("why", |line| {
        line.contains("ERROR") && line.contains("exit status: 7")
    });
    line.upgrade();
    line.end();
}

#[test]
fn a_configuration_that_is_refused_changes_nothing_and_its_report_is_the_answer() {
    let mut line = Line::start(&saying("here", 1));
    line.configure("version = 1\nlistner = 2\n");
    let said = line.command(&["upgrade"]).stderr;
    assert!(
        said.contains("evenkeel.toml:2:1") && said.contains("listner"),
        "{said}"
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!(
        "[listener.more]\nbind = \"{}\"\n",
        taken.local_addr().unwrap()
    );
    line.configure(&format!("{}{more}", saying("there", 1)));
    let said = line.command(&["upgrade"]).stderr;
    assert!(said.contains("is taken by another process"), "{said}");
    line.client().get("/").body("here");
    drop(taken);
    line.upgrade();
    line.client().get("/").body("there");
    Client::connect(line.listener("more"))
        .get("/")
        .body("there");
    line.end();
}

/// Orders an upgrade to a program that takes what it is offered and says nothing; gives who waits for the answer.
fn upgrade_that_hangs(line: &Line) -> Client {
    line.script("hangs", "exec sleep 60");
    let program = line.file("hangs");
    let body = format!("{{\"program\":\"{}\"}}", program.display());
    let mut client = Client::unix(&line.file("control.sock"));
    let length = format!("Content-Length: {}\r\n", body.len());
    client.send_request("POST", "/api/v1/upgrade", &length, &body);
    line.log()
        .wait_for("the upgrade", |line| line.contains("upgrading"));
    client
}

#[test]
fn one_upgrade_at_a_time_and_nothing_else_beside_it() {
    let line = Line::start(&saying("here", 1));
    let _waits = upgrade_that_hangs(&line);
    for command in [&["upgrade"][..], &["reload"], &["rollback"]] {
        let ended = line.command(command);
        assert_eq!(ended.status, 1, "{ended:?}");
        assert!(
            ended.stderr.contains("an upgrade is under way"),
            "{ended:?}"
        );
    }
    line.client().get("/").body("here");
    // An end is an end, also of the program that hangs.
    line.signal(Signal::TERM);
    assert_eq!(line.wait(), 0);
}

#[test]
fn a_program_that_hangs_is_killed_after_half_a_minute() {
    let mut line = Line::start(&saying("here", 1));
    let mut waits = upgrade_that_hangs(&line);
    // It has longer than a test has patience, three times.
    let mut answer = waits.try_response("POST");
    for _ in 0..3 {
        if answer.is_err() {
            line.client().get("/").body("here");
            answer = waits.try_response("POST");
        }
    }
    let said = answer.unwrap().status(409).text();
    assert!(
        said.contains("it was not ready within 30 seconds"),
        "{said}"
    );
    line.upgrade();
    line.end();
}

#[test]
fn kept_connections_move_over_and_tunnels_stay_until_their_deadline() {
    let tunnel = Origin::script(|conn| {
        conn.head();
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n",
        );
        let word = conn.exactly(4);
        conn.send(word);
        conn.until_closed();
    });
    let config = Setup::to([&tunnel])
        .top("shutdown_timeout = \"2s\"")
        .add_route("path = \"/word\"\nrespond.body = \"word\"")
        .text();
    let mut line = Line::start(&config);
    let mut kept = line.client();
    kept.get("/word").without("connection");
    let mut chat = line.client();
    chat.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n");
    assert_eq!(chat.head().status(), 101);
    line.upgrade();
    kept.get("/word").header("connection", "close").body("word");
    kept.expect_closed();
    line.client()
        .get("/word")
        .without("connection")
        .body("word");
    chat.send("ping");
    assert_eq!(chat.exactly(4), b"ping");
    line.wait_predecessors();
    chat.rest();
    line.end();
}

#[test]
fn a_unix_socket_keeps_its_file_and_the_control_socket_its_commands() {
    let config = |word: &str| {
        format!(
            "version = 1\nworkers = 2\n[listener.web]\nbind = \"unix:web.sock\"\n[[route]]\nrespond.body = \"{word}\"\n"
        )
    };
    let mut line = Line::start(&config("0"));
    let path = line.file("web.sock");
    let ask = |path: &Path| Client::unix(path).get("/").text();
    assert_eq!(ask(&path), "0");
    for turn in ["1", "2", "3"] {
        line.configure(&config(turn));
        line.upgrade();
        line.wait_predecessors();
        assert_eq!(ask(&path), turn);
    }
    let control = line.file("control.sock");
    line.end();
    assert!(UnixStream::connect(&path).is_err() && !path.exists());
    assert!(!control.exists());
}

#[test]
fn listeners_that_the_new_one_does_not_have_are_closed_and_new_ones_opened() {
    let with = |name: &str| {
        format!(
            "{}[listener.{name}]\nbind = \"127.0.0.1:0\"\n",
            saying("here", 2)
        )
    };
    let mut line = Line::start(&with("old"));
    let (web, old) = (line.listener("web"), line.listener("old"));
    line.configure(&with("new"));
    line.upgrade();
    Client::connect(line.listener("new")).get("/").body("here");
    assert_eq!(line.listener("web"), web);
    eventually("the old port to be closed", || {
        std::net::TcpStream::connect(old).is_err().then_some(())
    });
    line.end();
}

#[test]
fn what_was_learnt_and_ordered_goes_on() {
    let (good, ordered) = (Origin::saying("good"), Origin::saying("ordered"));
    let dead = Origin::saying("never");
    let addresses = [good.address(), ordered.address(), dead.address()];
    let _dead = dead.stop();
    let config = Setup::to_addresses(addresses.clone())
        .cluster("outlier = { base_ejection = \"60s\", consecutive_faults = 1 }")
        .text();
    let mut line = Line::start(&config);
    let drained = line.command(&["endpoint", "drain", &format!("app/{}", addresses[1])]);
    assert_eq!(drained.status, 0, "{drained:?}");
    let mut client = line.client();
    let ejected = |line: &Line| line.status().to_string().contains("\"ejected\"");
    for _ in 0..6 {
        client.get("/").body("good");
    }
    assert!(ejected(&line), "{}", line.status());
    let generation = line.status()["generation"].as_u64();
    line.upgrade();
    assert!(line.status()["generation"].as_u64() > generation);
    assert!(ejected(&line), "{}", line.status());
    for _ in 0..6 {
        line.client().get("/").body("good");
    }
    line.end();
}

#[test]
fn a_signal_upgrades_as_well() {
    let mut line = Line::start(&saying("here", 1));
    line.signal(Signal::USR2);
    line.log()
        .wait_for("the upgrade", |line| line.contains("has taken the place"));
    line.follow();
    line.client().get("/").body("here");
    line.end();
}

#[test]
fn who_is_asked_whether_it_is_ready_says_so_until_it_ends() {
    let config = format!(
        "{}\n",
        saying("app", 1).replace("[[route]]", "health = true\n[[route]]")
    );
    let config = format!("shutdown_delay = \"5s\"\n{config}").replacen(
        "shutdown_delay = \"5s\"\nversion = 1",
        "version = 1\nshutdown_delay = \"5s\"",
        1,
    );
    let mut line = Line::start(&config);
    let mut client = line.client();
    for (path, status) in [("/live", 200), ("/ready", 200), ("/other", 200)] {
        client.get(path).status(status);
    }
    client.post("/ready", "x").body("app");
    client.ask("HEAD", "/ready", "", "").status(200);
    line.upgrade();
    client
        .get("/ready")
        .status(200)
        .header("connection", "close");
    let mut client = line.client();
    client.get("/ready").status(200);
    line.signal(Signal::TERM);
    eventually("it to be not ready", || {
        (line.client().get("/ready").text() == "ending\n").then_some(())
    });
    client.get("/ready").status(503);
    client.get("/live").status(200).body("ok\n");
    client.get("/other").status(200).body("app");
    line.signal(Signal::TERM);
    assert_eq!(line.wait(), 0);
}
