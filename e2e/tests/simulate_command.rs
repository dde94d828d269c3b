//! `evenkeel simulate`: scenarios by name and by file, with the cluster of a configuration, and the same bytes every time.

use evenkeel_testkit::{Folder, run};

/// A scenario that is over in no time.
const SMALL: &str = "duration = \"5s\"\nwarm_up = \"1s\"\nnodes = 2\n[endpoint.slow]\nspeed = 0.2\n[endpoint.app]\ncount = 4\n[clients.web]\nload = 0.5\n";

#[test]
fn what_there_is_is_listed_and_shown() {
    let folder = Folder::new();
    let list = run(folder.path(), &["simulate", "--list"]);
    assert_eq!((list.status, &*list.stderr), (0, ""));
    for name in ["steady-70", "antagonists", "retry-storm-no-budget"] {
        assert!(list.stdout.contains(name), "{}", list.stdout);
        let shown = run(folder.path(), &["simulate", "--show", name]);
        assert!(shown.stdout.contains("[clients."), "{}", shown.stdout);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = Folder::new();
    folder.write("small.toml", SMALL);
    let play = |seed: &str, more: &[&str]| {
        let mut args = vec!["simulate", "--scenario", "./small.toml", "--seed", seed];
        args.extend(more);
        let ended = run(folder.path(), &args);
        assert_eq!((ended.status, &*ended.stderr), (0, ""));
        ended.stdout
    };
    let compare = ["--compare", "round-robin,least-request,prequal"];
    let table = play("7", &compare);
    assert_eq!(table, play("7", &compare));
    assert_ne!(table, play("8", &compare));
    for part in ["p99.9", "round-robin", "least-request", "prequal"] {
        assert!(table.contains(part), "{part} in\n{table}");
    }
    let json = play("7", &["--json"]);
    assert_eq!(json, play("7", &["--json"]));
    assert!(json.contains("\"balancer\": \"least-request\""), "{json}");
    let few = play("7", &["--json", "--requests", "100"]);
    assert!(few.len() < json.len());
}

#[test]
fn the_report_is_one_page_that_needs_nothing_else() {
    let folder = Folder::new();
    folder.write("small.toml", SMALL);
    let page = |file: &str| {
        let args = [
            "simulate",
            "-s",
            "./small.toml",
            "--compare",
            "random,prequal",
        ];
        let ended = run(folder.path(), &[&args[..], &["--html", file]].concat());
        assert_eq!((ended.status, &*ended.stderr), (0, ""));
        std::fs::read_to_string(folder.path().join(file)).unwrap()
    };
    let (one, two) = (page("one.html"), page("two.html"));
    for part in ["<!doctype html>", "<svg", "random", "prequal"] {
        assert!(one.contains(part), "{part}");
    }
    for elsewhere in ["src=", "<link", "@import", "<script"] {
        assert!(!one.contains(elsewhere), "{elsewhere}");
    }
    // The command that made it stands in it, with the file's name.
    assert_eq!(one.replace("one.html", "two.html"), two);
    let ended = run(
        folder.path(),
        &["simulate", "-s", "./small.toml", "--html", "none/one.html"],
    );
    assert_ne!(ended.status, 0);
    assert!(ended.stderr.contains("none/one.html"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "", "before the run, and not after it");
}

#[test]
fn a_scenario_in_which_nobody_asks_is_a_mistake_and_no_run_without_end() {
    let folder = Folder::new();
    for (clients, place) in [
        ("count = 0", "count"),
        ("load = inf", "a number without end"),
        ("rate = nan", "no number"),
    ] {
        let text = format!("duration = \"1s\"\n[endpoint.a]\ncores = 2\n[clients.w]\n{clients}\n");
        folder.write("nobody.toml", &text);
        let args = ["simulate", "-s", "./nobody.toml", "--requests", "100"];
        let ended = run(folder.path(), &args);
        assert_eq!(ended.status, 1, "{clients}");
        assert!(ended.stderr.contains(place), "{}", ended.stderr);
    }
}

#[test]
fn a_cluster_of_a_configuration_takes_the_place_of_the_scenarios() {
    let folder = Folder::new();
    folder.write("small.toml", SMALL);
    folder.write(
        "evenkeel.toml",
        "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\ncluster = \"api\"\n[[route]]\npath = \"/b\"\ncluster = \"other\"\n\
         [cluster.api]\nbalancer = \"round-robin\"\nendpoints = [\"10.0.0.1:80\", { address = \"10.0.0.2:80\", weight = 3 }]\n\
         [cluster.other]\nendpoints = [\"10.0.0.3:80\"]\n",
    );
    let play = |more: &[&str]| {
        let mut args = vec!["simulate", "-s", "small.toml", "--config", "evenkeel.toml"];
        args.extend(more);
        run(folder.path(), &args)
    };
    let ended = play(&["--cluster", "api"]);
    assert!(
        ended.stdout.contains("2 endpoints") && ended.stdout.contains("round-robin"),
        "{}",
        ended.stdout
    );
    for (args, says) in [
        (&["--cluster", "app"][..], "it has: api, other"),
        (&[], "name one of the clusters with --cluster: api, other"),
    ] {
        let ended = play(args);
        assert_ne!(ended.status, 0);
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let folder = Folder::new();
    folder.write(
        "wrong.toml",
        "[endpoint.app]\nsped = 2\n[clients.web]\nload = 0.5\n",
    );
    let ended = run(folder.path(), &["simulate", "-s", "wrong.toml"]);
    assert_ne!(ended.status, 0);
    assert!(
        ended.stderr.contains("wrong.toml:2:1") && ended.stderr.contains("speed"),
        "{}",
        ended.stderr
    );
    for (args, says) in [
        (&["-s", "steady"][..], "steady-70"),
        (&["-s", "steady-70", "--balancer", "bogus"], "least-request"),
    ] {
        let all: Vec<&str> = std::iter::once("simulate")
            .chain(args.iter().copied())
            .collect();
        let ended = run(folder.path(), &all);
        assert_ne!(ended.status, 0);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
}
