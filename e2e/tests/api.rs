//! The read pages of the API, and the examples of its guide.

use std::process::Command;

use evenkeel_testkit::{Evenkeel, Folder, Origin, Setup};
use serde_json::{Value, json};

/// What a page says.
fn page(proxy: &Evenkeel, path: &str) -> Value {
    let text = proxy.control().get(path).status(200).text();
    serde_json::from_str(&text).unwrap()
}

/// Why there is no such page, with that status.
fn refused(proxy: &Evenkeel, path: &str, status: u16) -> String {
    let text = proxy.control().get(path).status(status).text();
    let told: Value = serde_json::from_str(&text).unwrap();
    told["error"].as_str().unwrap().to_owned()
}

#[test]
fn lists_come_in_parts_that_make_up_the_whole() {
    let origin = Origin::saying("here");
    let more =
        (0..5).map(|at| format!("name = \"own-{at}\"\npath = \"/{at}\"\nrespond.body = \"x\""));
    let setup = more.fold(Setup::to([&origin]), |setup, route| setup.add_route(&route));
    let setup = setup.sections("[[route]]\npath = \"/many\"\ncluster = \"many\"\n[cluster.many]\nendpoints = \"127.0.0.1:9001-9007\"\n");
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/3").body("x");
    for (path, key, total) in [
        ("/api/v1/listeners", "listeners", 1),
        ("/api/v1/routes", "routes", 7),
        ("/api/v1/clusters", "clusters", 2),
        ("/api/v1/clusters/many/endpoints", "endpoints", 7),
    ] {
        let whole = page(&proxy, path);
        assert_eq!(
            (&whole["total"], &whole["next"]),
            (&total.into(), &Value::Null)
        );
        let (mut parts, mut after) = (Vec::new(), json!(0));
        while !after.is_null() {
            let part = page(&proxy, &format!("{path}?limit=3&after={after}"));
            assert_eq!(part["generation"], 1);
            parts.extend(part[key].as_array().unwrap().clone());
            after = part["next"].clone();
        }
        assert_eq!(parts.len(), total);
        let names = |all: &[Value]| -> Vec<String> {
            let name = |one: &Value| {
                one.get("name")
                    .or_else(|| one.get("id"))
                    .unwrap()
                    .to_string()
            };
            all.iter().map(name).collect()
        };
        assert_eq!(names(&parts), names(whole[key].as_array().unwrap()));
    }
    let many = page(&proxy, "/api/v1/clusters/many");
    assert_eq!(
        (&many["endpoints"]["total"], &many["endpoints"]["taking"]),
        (&7.into(), &7.into())
    );
    let one = page(&proxy, "/api/v1/clusters/many/endpoints/127.0.0.1:9003");
    assert_eq!(one["id"], "127.0.0.1:9003");
    for (path, status, part) in [
        ("/api/v1/routes?limit=0", 400, "limit is a number"),
        ("/api/v1/routes?before=1", 400, "after and limit"),
        ("/api/v1/clusters/mani", 404, "did you mean \"many\""),
        (
            "/api/v1/clusters/many/endpoints/x",
            404,
            "no endpoint is called",
        ),
        ("/api/v1/config?format=yaml", 400, "json or toml"),
    ] {
        let why = refused(&proxy, path, status);
        assert!(why.contains(part), "{path}: {why}");
    }
}

#[test]
fn the_configuration_in_force_is_shown_without_secrets_and_with_what_a_reload_changed() {
    let folder = Folder::new();
    folder.write("token", "a-token-from-a-file\n");
    let text = |route: &str| {
        format!(
            "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nname = \"{route}\"\ncluster = \"app\"\n\
             request_headers.set = {{ X-Token = {{ file = \"token\" }}, X-Api-Key = \"by-hand\", X-Plain = \"plain\" }}\n\
             [cluster.app]\nendpoints = \"127.0.0.1:9001\"\n"
        )
    };
    folder.write("evenkeel.toml", text("first"));
    let mut proxy = Evenkeel::start_in(folder, &["run"]);
    let shown = page(&proxy, "/api/v1/config");
    let fields = &shown["route"][0]["request_headers"]["set"];
    assert_eq!(fields["X-Token"], json!({ "file": "token" }));
    assert_eq!(fields["X-Plain"], "plain");
    let toml = proxy
        .control()
        .get("/api/v1/config?format=toml")
        .status(200);
    let toml = toml.text();
    for text in [&shown.to_string(), &toml] {
        assert!(
            !text.contains("a-token-from") && !text.contains("by-hand"),
            "{text}"
        );
    }
    assert_eq!(page(&proxy, "/api/v1/snapshot")["change"], Value::Null);
    proxy.reload(&text("second"));
    let change = &page(&proxy, "/api/v1/snapshot")["change"];
    assert_eq!(change["generation"], 2);
    assert_eq!(change["routes"]["added"]["first"], json!(["second"]));
    assert_eq!(change["routes"]["removed"]["first"], json!(["first"]));
    assert_eq!(change["clusters"]["changed"]["total"], 0);
}

#[test]
fn every_example_of_the_guide_does_what_it_says() {
    let has_curl = Command::new("curl").arg("--version").output().is_ok();
    if !has_curl {
        eprintln!("SKIPPED: curl is not installed; `cargo xtask setup` gets it");
        return;
    }
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    // The guide's endpoints are somebody's; by their ids these here are the same.
    let config = "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\ncluster = \"api\"\n[cluster.api]\n\
         endpoints = [{ address = \"127.0.0.1:9001\", id = \"10.0.0.7:8080\" }, { address = \"127.0.0.1:9002\", id = \"10.0.0.8:8080\" }]\n";
    let proxy = Evenkeel::start_text(config);
    let socket = proxy.control_path();
    let curl = format!(
        "curl -sS --fail-with-body --unix-socket '{}'",
        socket.display()
    );
    let mut examples = 0;
    for line in guide.lines() {
        let Some(rest) = line.strip_prefix("$ ek ") else {
            continue;
        };
        if rest.contains("trial") {
            // What is served already is no matter for one.
            proxy.write_config(&format!(
                "{config}[[route]]\npath = \"/new\"\ncluster = \"api\"\n"
            ));
        }
        // A trial takes as long as it is told to.
        let command = format!("{curl} {}", rest.replace("30s", "100ms"));
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{line}: {said}");
        serde_json::from_str::<Value>(&said).unwrap_or_else(|why| panic!("{line}: {why}: {said}"));
        examples += 1;
    }
    assert!(examples >= 12, "{examples}");
    // The last one drains it.
    assert_eq!(proxy.wait(), 0);
}
