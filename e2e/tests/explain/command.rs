//! The command: on a file and on a process, its exit codes, and what people read.

use std::path::Path;

use evenkeel_testkit::{Evenkeel, Folder, Origin, Setup, run};

const CONFIG: &str = r#"version = 1

[listener.web]
bind = "127.0.0.1:8080"

[[route]]
name = "api"
host = "shop.example"
path = "/api"
cluster = "api"

[[route]]
name = "orders"
host = "shop.example"
path = "/api/orders"
method = ["POST"]
cluster = "api"

[cluster.api]
balancer = "round-robin"
endpoints = ["api-1.internal:80", "api-2.internal:80", { address = "10.0.0.9:80", admin = "drain" }]
probe.http.path = "/healthz"
"#;

#[test]
fn a_file_is_explained_without_anything_running() {
    let folder = Folder::new();
    folder.write("a.toml", CONFIG);
    let ask = |args: &[&str]| {
        run(
            folder.path(),
            &[&["explain"], args, &["--config", "a.toml"]].concat(),
        )
    };
    let told = ask(&["GET", "http://shop.example:8080/api/orders/7?x=1"]);
    assert_eq!((told.status, told.stderr.as_str()), (0, ""));
    for part in [
        "=> forwarded: sent to api-1.internal:80 of cluster api: next in the rotation",
        "web at 127.0.0.1:8080: it speaks http at port 8080",
        "orders  host, path match; method is GET, not POST",
        "> api-1.internal:80 50 %",
        "x 10.0.0.9:80",
        "draining by the configuration",
        "supposed: nothing runs",
        "connect_timeout",
    ] {
        assert!(told.stdout.contains(part), "{part} in\n{}", told.stdout);
    }
    let refused = ask(&["GET", "http://other.example:8080/"]);
    assert_eq!(refused.status, 1, "{}", refused.stdout);
    for part in [
        "=> refused 404",
        "`evenkeel why no-route`",
        "docs/faults/no-route.md",
    ] {
        assert!(
            refused.stdout.contains(part),
            "{part} in\n{}",
            refused.stdout
        );
    }
    let json = ask(&["GET", "http://shop.example:8080/api", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&json["live"], &json["verdict"]["endpoint"]),
        (&false.into(), &"api-1.internal:80".into())
    );
}

#[test]
fn a_wrong_question_is_no_fault() {
    let folder = Folder::new();
    folder.write("a.toml", CONFIG);
    folder.write("wrong.toml", "version = 1\n[listener.web]\nbind = 5\n");
    for (args, said) in [
        (
            &["GET", "shop.example", "--config", "a.toml"][..],
            "is no address",
        ),
        (
            &[
                "GET",
                "http://shop.example/",
                "-H",
                "x",
                "--config",
                "a.toml",
            ],
            "is no field",
        ),
        (
            &[
                "GET",
                "http://shop.example/",
                "--from",
                "x",
                "--config",
                "a.toml",
            ],
            "is no IP address",
        ),
        (
            &[
                "GET",
                "http://shop.example/",
                "--listener",
                "wob",
                "--config",
                "a.toml",
            ],
            "did you mean \"web\"?",
        ),
        (
            &["GET", "http://shop.example/", "--config", "wrong.toml"],
            "wrong.toml:3",
        ),
        (
            &["GET", "http://shop.example/", "--config", "none.toml"],
            "none.toml",
        ),
        (&["GET"], "URL"),
    ] {
        let ended = run(folder.path(), &[&["explain"], args].concat());
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{args:?}");
        assert!(ended.stderr.contains(said), "{said} in {}", ended.stderr);
    }
    let nobody = run(
        folder.path(),
        &[
            "explain",
            "GET",
            "http://shop.example/",
            "--control",
            "none.sock",
        ],
    );
    assert_eq!(nobody.status, 3, "{}", nobody.stderr);
}

/// Scripts read stdout, and the mistake stands there once.
#[test]
fn a_wrong_question_is_an_object_where_json_is_asked_for() {
    let folder = Folder::new();
    folder.write("a.toml", CONFIG);
    folder.write("wrong.toml", "version = 1\n[listener.web]\nbind = 5\n");
    for (url, listener, file, said) in [
        ("shop.example", "web", "a.toml", "is no address"),
        ("http://a/", "wob", "a.toml", "did you mean \"web\"?"),
        ("http://a/", "web", "wrong.toml", "wrong.toml:3"),
        ("http://a/", "web", "none.toml", "none.toml"),
    ] {
        let args = [
            "explain",
            "GET",
            url,
            "--listener",
            listener,
            "--config",
            file,
            "--json",
        ];
        let ended = run(folder.path(), &args);
        assert_eq!((ended.status, ended.stderr.as_str()), (2, ""), "{args:?}");
        let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let error = told["error"].as_str().unwrap_or_default();
        assert!(error.contains(said), "{said} in {told}");
    }
}

#[test]
fn what_runs_is_explained_by_what_it_knows() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let url = format!("http://a.example:{}/", proxy.address().port());
    let told = proxy.ask(&["explain", "GET", &url]);
    assert_eq!(told.status, 0, "{}", told.stderr);
    for part in [
        "as it runs, generation",
        "it speaks http at port",
        "not probed, and nothing is known against it",
    ] {
        assert!(told.stdout.contains(part), "{part} in\n{}", told.stdout);
    }
    proxy.order(&["endpoint", "maint", &format!("app/{}", origin.address())]);
    let told = proxy.ask(&["explain", "GET", &url]);
    assert_eq!(told.status, 1, "{}", told.stdout);
    assert!(
        told.stdout.contains("in maintenance by order"),
        "{}",
        told.stdout
    );
    let wrong = proxy.ask(&["explain", "GET", "ftp://a/"]);
    assert_eq!(wrong.status, 2, "{}", wrong.stderr);
    let wrong = proxy.ask(&["explain", "GET", "ftp://a/", "--json"]);
    assert_eq!((wrong.status, wrong.stderr.as_str()), (2, ""));
    assert!(wrong.stdout.contains("\"error\": "), "{}", wrong.stdout);
}

/// What the page for operators shows is what the commands print: each block begins with a command, and `…` stands for lines that are
/// left out.
#[test]
fn the_page_shows_what_is_printed() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/explain.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = |kind: &str| -> Vec<String> {
        let fence = format!("```{kind}\n");
        let all = page.split(&fence).skip(1);
        all.map(|rest| rest.split("```").next().unwrap().to_owned())
            .collect()
    };
    let folder = Folder::new();
    folder.write("evenkeel.toml", &blocks("toml")[0]);
    let shown = blocks("console");
    assert!(shown.len() > 1, "the page has examples");
    for block in shown {
        let (command, shown) = block.split_once('\n').unwrap();
        let args = command.strip_prefix("$ evenkeel ").unwrap();
        let args: Vec<&str> = args.split_whitespace().collect();
        let ended = run(folder.path(), &args);
        let mut printed = ended.stdout.lines();
        let mut skips = false;
        for line in shown.lines() {
            if line.trim() == "…" {
                skips = true;
                continue;
            }
            let next = if skips {
                printed.by_ref().find(|one| *one == line)
            } else {
                printed.next()
            };
            assert_eq!(
                next,
                Some(line),
                "{command}\n{}{}",
                ended.stdout,
                ended.stderr
            );
            skips = false;
        }
    }
}
