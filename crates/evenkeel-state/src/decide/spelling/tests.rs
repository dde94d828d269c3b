//! What becomes of every spelling of a guarded path, as a table.

use std::sync::Arc;

use evenkeel_base::{Fault, ListenerId};
use evenkeel_config::{Nowhere, check};

use super::refused;
use crate::compile::{Registry, Resolved};
use crate::decide::admit::{Asks, Door, admit};
use crate::decide::client::Client;
use crate::decide::{rig, spelling};
use crate::snapshot::Snapshot;

/// The routes that most tests are about; whoever asks is not in `allow`.
const GUARDED: &str = "
[[route]]
cluster = \"app\"
[[route]]
path = \"/admin\"
cluster = \"app\"
allow = [\"10.0.0.0/8\"]
[[route]]
path = \"/api\"
cluster = \"app\"
timeouts_of_its_own = 1
";

fn snapshot(routes: &str) -> Arc<Snapshot> {
    let routes = routes.replace("timeouts_of_its_own = 1", "total_timeout = \"9s\"");
    let text = format!(
        "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[cluster.app]\nendpoints = [\"127.0.0.1:1\"]\n[cluster.other]\nendpoints = [\"127.0.0.1:2\"]\n{routes}"
    );
    let checked = check(&text, "test", &Nowhere);
    let config = checked.config.unwrap_or_else(|| panic!("{text}"));
    Arc::new(Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1))
}

/// The name of the route that a GET of this path takes, or of the fault.
fn outcome(snapshot: &Snapshot, path: &str) -> String {
    let bytes = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = rig::parse(bytes.as_bytes()).unwrap();
    let id = ListenerId::new(0);
    let door = Door {
        id,
        listener: snapshot.listener(id).unwrap(),
        proof: None,
        expired: false,
    };
    let client = Client {
        ip: Some("192.0.2.1".parse().unwrap()),
        behind_proxy: false,
    };
    let asks = Asks {
        expects_unknown: false,
        length: None,
    };
    match admit(snapshot, door, &head.view(bytes.as_bytes()), client, asks) {
        Ok((_, route)) => route.name.clone(),
        Err((_, fault)) => fault.name().to_owned(),
    }
}

#[test]
fn no_spelling_leads_around_the_route_of_a_guarded_path() {
    let snapshot = snapshot(GUARDED);
    let denied = Fault::RequestDenied.name();
    let refused = Fault::RequestPathRefused.name();
    for (path, expected) in [
        // One path, whatever it is spelt like.
        ("/admin", denied),
        ("/admin/", denied),
        ("/admin/x", denied),
        ("//admin", denied),
        ("///admin//x", denied),
        ("/%61dmin", denied),
        ("/%61%64%6d%69%6E/x", denied),
        ("/admin%2e/x", "/"),
        ("/x//admin", "/"),
        // Endpoints disagree, and for some of them it is /admin.
        ("/admin%2fx", refused),
        ("/admin%2Fx", refused),
        ("/%2fadmin", refused),
        ("/%2Fadmin/x", refused),
        ("/admin\\x", refused),
        ("/\\admin", refused),
        ("/admin%5cx", refused),
        ("/admin;x", refused),
        ("/admin;x=1/y", refused),
        ("/admin%3bx", refused),
        ("/;x/admin", refused),
        ("/;/admin;y", refused),
        ("/%2f;x\\admin", refused),
        // Dots are refused wherever they are a segment for somebody.
        ("/x/../admin", refused),
        ("/x/%2e%2e/admin", refused),
        ("/x/..;y/admin", refused),
        ("/x/..%2fadmin", refused),
        ("/x%2f..%2fadmin", refused),
        ("/x/..%5cadmin", refused),
        ("/x/..\\admin", refused),
        ("/admin%00", refused),
        ("/admin%00.png", refused),
        ("/x%00", refused),
        // The guarded one takes all of these itself.
        ("/admin/a%2fb;c\\d", denied),
        // What makes no difference passes as ever.
        ("/x%2fy", "/"),
        ("/x;v=1/y", "/"),
        ("/x\\y", "/"),
        ("/x%20y%25", "/"),
        ("/administer;x", "/"),
        ("/api/projects/group%2fname;v=1", "/api"),
        ("/api;v=1", "/"),
        ("/api%2fx", "/"),
        ("//api", "/api"),
        ("/%61pi", "/api"),
        ("/.well-known/x", "/"),
        // Another case, and what is encoded twice, are other paths.
        ("/Admin", "/"),
        ("/%2561dmin", "/"),
    ] {
        assert_eq!(outcome(&snapshot, path), expected, "{path}");
    }
}

#[test]
fn every_guard_is_one() {
    let refused = Fault::RequestPathRefused.name();
    for (guard, expected) in [
        ("cluster = \"app\"\nallow = [\"10.0.0.0/8\"]", refused),
        ("cluster = \"app\"\ndeny = [\"10.0.0.0/8\"]", refused),
        (
            "cluster = \"app\"\nrate_limit = { requests = 1, per = \"1s\" }",
            refused,
        ),
        ("cluster = \"app\"\nmax_request_body = \"1KiB\"", refused),
        (
            "cluster = \"app\"\nrequest_headers.remove = [\"X-User\"]",
            refused,
        ),
        ("cluster = \"other\"", refused),
        ("respond = { status = 403 }", refused),
        ("redirect = { path = \"/login\" }", refused),
        ("cluster = \"app\"\ntotal_timeout = \"1s\"", "/"),
        (
            "cluster = \"app\"\nresponse_headers.remove = [\"Server\"]",
            "/",
        ),
    ] {
        let snapshot = snapshot(&format!(
            "[[route]]\ncluster = \"app\"\n[[route]]\npath = \"/a\"\n{guard}\n"
        ));
        for path in ["/a;x", "/a%2fx", "/\\a"] {
            assert_eq!(outcome(&snapshot, path), expected, "{guard}: {path}");
        }
    }
}

#[test]
fn who_has_the_same_guard_and_who_is_answered_by_evenkeel_passes() {
    let both = snapshot(
        "[[route]]\ncluster = \"app\"\ndeny = [\"10.0.0.0/8\"]\n[[route]]\npath = \"/a\"\ncluster = \"app\"\ndeny = [\"10.0.0.0/8\"]\n",
    );
    assert_eq!(outcome(&both, "/a;x"), "/");
    let fixed = snapshot(
        "[[route]]\nrespond.body = \"x\"\n[[route]]\npath = \"/a\"\ncluster = \"app\"\ndeny = [\"10.0.0.0/8\"]\n",
    );
    assert_eq!(outcome(&fixed, "/a;x"), "/");
    // Where dots pass, they are read in both ways as well.
    let dots = snapshot(
        "[[route]]\ncluster = \"app\"\nallow_dot_segments = true\n[[route]]\npath = \"/a\"\ncluster = \"app\"\ndeny = [\"10.0.0.0/8\"]\n",
    );
    assert_eq!(outcome(&dots, "/x/../y"), "/");
    assert_eq!(
        outcome(&dots, "/x/../a/y"),
        Fault::RequestPathRefused.name()
    );
}

#[test]
fn a_pattern_in_another_spelling_is_the_same_pattern() {
    let snapshot = snapshot("[[route]]\npath = \"//%61/caf%c3%a9/\"\ncluster = \"app\"\n");
    for path in ["/a/caf%C3%A9", "/a//caf%c3%a9/x", "/%61/c%61f%C3%a9"] {
        assert_eq!(outcome(&snapshot, path), "/a/caf%C3%A9", "{path}");
    }
    assert_eq!(outcome(&snapshot, "/a/cafe"), Fault::NoRoute.name());
}

#[test]
fn the_reading_that_is_refused_is_told() {
    let snapshot = snapshot(GUARDED);
    let bytes = b"GET /admin;x/y HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = rig::parse(bytes).unwrap();
    let (view, id) = (head.view(bytes), ListenerId::new(0));
    let taken = snapshot.route(id, b"/admin;x/y", &view).unwrap();
    let Some(spelling::Refused::Reading { path, route }) =
        refused(&snapshot, id, &view, b"/admin;x/y", taken)
    else {
        panic!("not refused");
    };
    assert_eq!(path, b"/admin/y");
    assert_eq!(snapshot.config.routes[route.index()].name, "/admin");
}
