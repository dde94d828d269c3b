//! `evenkeel check` and what else ends by itself.

use std::fs;

use evenkeel_testkit::{Authority, Evenkeel, Folder, Origin, Setup, run};

#[test]
fn a_right_file_is_right() {
    let folder = Folder::new();
    folder.write("evenkeel.toml", Setup::to_addresses(["127.0.0.1:1"]).text());
    let ended = run(folder.path(), &["check"]);
    assert_eq!((ended.status, &*ended.stderr), (0, ""));
    assert!(
        ended
            .stdout
            .contains("1 listener, 1 route, 1 cluster, 1 endpoint"),
        "{}",
        ended.stdout
    );
}

#[test]
fn all_mistakes_are_told_in_one_go_with_their_place_and_a_remedy() {
    let folder = Folder::new();
    let file = folder.write(
        "wrong.toml",
        "version = 1\n\n[listener.web]\nbind = \"127.0.0.1:0\"\nmax_heed = \"1KiB\"\n\n[[route]]\ncluster = \"ap\"\n\n\
         [cluster.app]\nballancer = \"random\"\nendpoints = [\"127.0.0.1:99999\"]\nconnect_timeout = 2\n",
    );
    let ended = run(folder.path(), &["check", file.to_str().unwrap()]);
    assert_ne!(ended.status, 0);
    assert_eq!(ended.stdout, "");
    for part in [
        "wrong.toml:5:1",
        "max_head",
        "wrong.toml:8:11",
        "\"app\"",
        "wrong.toml:11:1",
        "balancer",
        "wrong.toml:12:14",
        "wrong.toml:13:19",
    ] {
        assert!(ended.stderr.contains(part), "{part} in\n{}", ended.stderr);
    }
}

#[test]
fn a_wrong_file_does_not_start_and_says_the_same() {
    let folder = Folder::new();
    folder.write("evenkeel.toml", "version = 1\n[listener.web]\nbind = 5\n");
    let (checked, started) = (run(folder.path(), &["check"]), run(folder.path(), &["run"]));
    assert_ne!(started.status, 0);
    assert_eq!(started.stderr, checked.stderr);
}

#[test]
fn a_missing_file_is_one_clear_sentence() {
    let folder = Folder::new();
    for command in ["check", "run"] {
        let ended = run(folder.path(), &[command]);
        assert_ne!(ended.status, 0);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("evenkeel.toml"), "{}", ended.stderr);
    }
}

#[test]
fn a_taken_address_is_one_clear_sentence() {
    let origin = Origin::saying("ok");
    let first = Evenkeel::start(&Setup::to([&origin]));
    let folder = Folder::new();
    let setup = Setup::to([&origin]).listener(&format!("bind = \"{}\"", first.address()));
    folder.write("evenkeel.toml", setup.text());
    let second = run(folder.path(), &["run"]);
    assert_ne!(second.status, 0);
    assert_eq!(second.stderr.lines().count(), 1, "{}", second.stderr);
    assert!(
        second.stderr.contains("web") && second.stderr.contains(&first.address().to_string()),
        "{}",
        second.stderr
    );
    // The first one gets every connection, not half of them.
    for _ in 0..20 {
        first.client().get("/").status(200).body("ok");
    }
}

#[test]
fn values_come_from_the_environment_or_a_file() {
    let origin = Origin::saying("ok");
    let folder = Folder::new();
    folder.write("address", format!("{}\n", origin.address()));
    folder.write("page.html", "<p>from a file");
    let setup = Setup::to_addresses(Vec::<String>::new())
        .cluster("endpoints = [{ file = \"address\" }]")
        .add_route("path = \"/page\"\nrespond = { status = 404, body = { file = \"page.html\" } }")
        .add_route("path = \"/env\"\nrespond = { body = { env = \"CARGO_PKG_NAME\" } }");
    folder.write("evenkeel.toml", setup.text());
    let proxy = Evenkeel::start_in(folder, &["run"]);
    let mut client = proxy.client();
    client.get("/").status(200).body("ok");
    client.get("/page").status(404).body("<p>from a file");
    // Cargo tells every test the name of its package, and the test hands its environment on.
    client.get("/env").status(200).body("e2e");
}

/// One of each kind of file that a configuration names.
const NAMES_FILES: &str = r#"
version = 1
[admin]
bind = "127.0.0.1:0"
token_file = "admin.token"
tls = { certificate = "web.pem", key = "web.key", client_ca = "ca.pem" }
[trace]
to = "https://127.0.0.1:1"
ca = "ca.pem"
[access_log]
to = { file = "access.log" }
[listener.web]
bind = "127.0.0.1:0"
tls.certificates = [{ certificate = "web.pem", key = "web.key" }]
tls.client = { ca = "ca.pem", crl = ["ca.crl"] }
[listener.socket]
bind = "unix:web.sock"
[[route]]
cluster = "app"
error_page.503 = { file = "page.html" }
[cluster.app]
endpoints_file = "endpoints.toml"
tls = { ca = "ca.pem", certificate = "web.pem", key = "web.key" }
sticky = { cookie = "at", keys = [{ file = "sticky.key" }] }
"#;

#[test]
fn files_beside_a_relative_configuration_count_from_its_folder_once() {
    let (files, authority) = (Folder::new(), Authority::new());
    authority.certify(&["a.example"]).write(&files, "web");
    authority.write(&files, "ca");
    authority.revoke(&files, "ca", &[]);
    files.write("admin.token", "0123456789abcdef0123456789abcdef");
    files.write("page.html", "<p>a moment");
    files.write("sticky.key", "0123456789abcdef");
    files.write("endpoints.toml", "endpoints = [\"127.0.0.1:1\"]");
    files.write("e.toml", NAMES_FILES);
    let folder = Folder::new();
    fs::rename(files.path(), folder.join("sub")).unwrap();
    for path in ["sub/e.toml", "./sub/e.toml"] {
        let checked = run(folder.path(), &["check", path]);
        assert_eq!(checked.status, 0, "{}", checked.stderr);
    }
    // Where it is run as well, which opens what `check` does not.
    let proxy = Evenkeel::start_in(folder, &["run", "--config", "sub/e.toml"]);
    assert!(proxy.folder().join("sub/access.log").exists());
    assert!(proxy.folder().join("sub/web.sock").exists());
    proxy.stop();
}

#[test]
fn what_the_host_does_not_have_is_told_before_it_is_run() {
    let folder = Folder::new();
    let text = |more: &str| {
        format!(
            "version = 1\n{more}\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"a\"\n"
        )
    };
    let nobody = "user = \"no-such-user\"\ngroup = \"no-such-group\"";
    folder.write("user.toml", text(nobody));
    for command in [
        &["check", "user.toml"][..],
        &["run", "--config", "user.toml"],
    ] {
        let ended = run(folder.path(), command);
        assert_eq!(ended.status, 1, "{ended:?}");
        for name in ["no user \"no-such-user\"", "no group \"no-such-group\""] {
            assert!(ended.stderr.contains(name), "{}", ended.stderr);
        }
    }
    let log = "access_log.to = { file = \"nowhere/a.log\" }";
    folder.write("log.toml", text(log));
    // A service manager may make the folder before the start.
    let checked = run(folder.path(), &["check", "log.toml"]);
    assert_eq!(checked.status, 0, "{checked:?}");
    let nowhere = folder.join("nowhere").display().to_string();
    assert!(checked.stderr.contains("warning: ") && checked.stderr.contains(&nowhere));
    let started = run(folder.path(), &["run", "--config", "log.toml"]);
    assert_eq!(started.status, 1, "{started:?}");
    let last = started.stderr.lines().last().unwrap();
    let said = format!("cannot open the access log {nowhere}/a.log: ");
    assert!(last.contains(&said), "{last}");
}

#[test]
fn the_schema_is_json_and_names_the_knobs() {
    let folder = Folder::new();
    let ended = run(folder.path(), &["schema"]);
    assert_eq!(ended.status, 0);
    let schema: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(schema["properties"]["listener"].is_object(), "{schema}");
}

#[test]
fn version_help_and_completions_are_there() {
    let folder = Folder::new();
    let version = run(folder.path(), &["--version"]);
    assert_eq!(
        (version.status, version.stdout.starts_with("evenkeel ")),
        (0, true)
    );
    let help = run(folder.path(), &["--help"]);
    for command in ["run", "check", "demo", "proxy", "schema", "completions"] {
        assert!(help.stdout.contains(command), "{}", help.stdout);
    }
    for shell in ["bash", "zsh", "fish"] {
        let completions = run(folder.path(), &["completions", shell]);
        assert_eq!(completions.status, 0);
        assert!(completions.stdout.contains("evenkeel"), "{shell}");
    }
}
