//! The admin address: who may come by it, how it lives through reloads and upgrades, and what does it no harm.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use evenkeel_testkit::{
    Authority, Client, Evenkeel, Folder, Line, Origin, Response, Setup, TlsClient, eventually, run,
};
use serde_json::Value;

/// What an order has that no form of a browser can send.
const MARK: &str = "X-Evenkeel: 1\r\n";

/// One listener, a route to these origins, and `[admin]` with these lines.
fn with_admin<'a>(origins: impl IntoIterator<Item = &'a Origin>, lines: &str) -> Setup {
    Setup::to(origins).sections(&admin(lines))
}

fn admin(lines: &str) -> String {
    format!("[admin]\nbind = \"127.0.0.1:0\"\n{lines}\n")
}

/// A folder with a token in `admin.token`.
fn token(text: &str) -> (Folder, String) {
    let folder = Folder::new();
    write_token(&folder, text);
    let line = format!("token_file = {:?}", folder.join("admin.token"));
    (folder, line)
}

fn write_token(folder: &Folder, text: &str) {
    let path = folder.join("admin.token");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// The name of what refused it.
fn refusal(response: &Response) -> String {
    let told: Value = serde_json::from_str(&response.text()).unwrap();
    assert!(told["error"].is_string(), "{told}");
    told["refusal"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_the_control_socket_answers_is_answered_at_the_address() {
    let origin = Origin::saying("here");
    let proxy = Evenkeel::start(&with_admin([&origin], ""));
    let status = proxy.operator().get("/api/v1/status").status(200);
    let status: Value = serde_json::from_str(&status.text()).unwrap();
    assert_eq!(status["clusters"][0]["name"], "app");
    let page = proxy.operator().get("/metrics").status(200);
    assert!(page.text().contains("evenkeel_info"), "{page}");
    page.header("x-content-type-options", "nosniff")
        .header("cache-control", "no-store")
        .header("x-frame-options", "DENY")
        .header("cross-origin-resource-policy", "same-origin")
        .header(
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        )
        .without("access-control-allow-origin");
    let order = format!(
        "/api/v1/clusters/app/endpoints/{}",
        origin.address().replace(':', "%3A")
    );
    let drain = r#"{"admin": "drain"}"#;
    let fields = format!("Content-Length: {}\r\n", drain.len());
    let json = format!("Content-Type: application/json\r\n{fields}");
    proxy
        .operator()
        .ask("POST", &order, &json, drain)
        .status(200);
    assert_eq!(
        proxy.status()["clusters"][0]["endpoints"][0]["admin"],
        "drain"
    );
}

#[test]
fn what_a_browser_may_be_made_to_ask_is_refused_and_changes_nothing() {
    let origin = Origin::saying("here");
    let proxy = Evenkeel::start(&with_admin([&origin], "hosts = [\"lb.internal\"]"));
    let own = proxy.admin();
    let before = proxy.status()["generation"].clone();
    for (host, fields, status, expected) in [
        ("evil.example", MARK, 421, "foreign-name"),
        ("lb.internal:80", "", 403, "unmarked-order"),
        (
            "localhost",
            "Content-Type: text/plain\r\n",
            403,
            "unmarked-order",
        ),
        (
            "localhost",
            "Origin: https://evil.example\r\nX-Evenkeel: 1\r\n",
            403,
            "foreign-origin",
        ),
        (
            "localhost",
            "Sec-Fetch-Site: cross-site\r\nX-Evenkeel: 1\r\n",
            403,
            "foreign-site",
        ),
    ] {
        let mut client = Client::connect(own).host(host);
        let response = client
            .ask("POST", "/api/v1/reload", fields, "")
            .status(status);
        assert_eq!(refusal(&response), expected, "{fields}");
    }
    // A page of another site may link to what is shown, and orchestrators ask by whatever name.
    Client::connect(own)
        .host("10.9.8.7")
        .get("/live")
        .status(200);
    Client::connect(own)
        .host("evil.example")
        .get("/ready")
        .status(200);
    // Leave to ask otherwise is asked for first, and given to nobody.
    let preflight = "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n";
    let mut client = Client::connect(own).host("localhost");
    client
        .ask("OPTIONS", "/api/v1/reload", preflight, "")
        .status(403)
        .without("access-control-allow-origin");
    // What program runs is nobody's to say by the network.
    let program = r#"{"program": "/bin/true"}"#;
    let fields = format!("{MARK}Content-Length: {}\r\n", program.len());
    let mut client = proxy.operator();
    let response = client
        .ask("POST", "/api/v1/upgrade", &fields, program)
        .status(403);
    assert_eq!(refusal(&response), "program-by-network");
    assert_eq!(proxy.status()["generation"], before);
    let page = proxy.control().get("/metrics").status(200);
    for (reason, count) in [
        ("foreign-name", 1),
        ("unmarked-order", 2),
        ("foreign-origin", 2),
        ("foreign-site", 1),
        ("program-by-network", 1),
        ("read-only", 0),
    ] {
        let line = format!("evenkeel_admin_refused_total{{reason=\"{reason}\"}} {count}\n");
        assert!(page.text().contains(&line), "{line}{page}");
    }
}

#[test]
fn the_token_is_asked_for_and_another_one_counts_at_once() {
    let origin = Origin::saying("here");
    let (folder, line) = token("0123456789abcdef\n");
    let setup = with_admin([&origin], &line);
    let mut proxy = Evenkeel::start(&setup);
    let (old, new) = (bearer("0123456789abcdef"), bearer("fedcba9876543210"));
    let seen = |proxy: &Evenkeel, fields: &str| {
        let response = proxy.operator().get_with("/api/v1/status", fields);
        (
            response.head.status(),
            response.head.one("www-authenticate").is_some(),
        )
    };
    assert_eq!(seen(&proxy, ""), (401, true));
    assert_eq!(seen(&proxy, &new), (401, true));
    assert_eq!(seen(&proxy, &old), (200, false));
    // Who has no token is told of no page.
    proxy.operator().get("/nowhere").status(401);
    proxy.operator().get("/ready").status(200);
    write_token(&folder, "fedcba9876543210\n");
    let mut early = proxy.operator();
    proxy.reload(&setup.text());
    early.get_with("/api/v1/status", &old).status(401);
    assert_eq!(seen(&proxy, &old), (401, true));
    assert_eq!(seen(&proxy, &new), (200, false));
    // One that could be guessed changes nothing.
    write_token(&folder, "short\n");
    let said = proxy.reload_in_vain(&setup.text());
    assert!(said.contains("could be guessed"), "{said}");
    assert_eq!(seen(&proxy, &new), (200, false));
}

#[test]
fn an_address_of_the_network_is_served_to_nobody_who_proves_nothing() {
    let folder = Folder::new();
    let text = |lines: &str| {
        format!(
            "version = 1\n[admin]\nbind = \"0.0.0.0:0\"\n{lines}\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"a\"\n"
        )
    };
    folder.write("evenkeel.toml", text(""));
    let ended = run(folder.path(), &["check", "evenkeel.toml"]);
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(
        ended.stderr.contains("add token_file = "),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("ssh -L"), "{}", ended.stderr);
    write_token(&folder, "0123456789abcdef0123456789abcdef");
    folder.write("evenkeel.toml", text("token_file = \"admin.token\""));
    let ended = run(folder.path(), &["check", "evenkeel.toml"]);
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.stderr.contains("gets the token"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("chmod"), "{}", ended.stderr);
    let path = folder.join("admin.token");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let ended = run(folder.path(), &["check", "evenkeel.toml"]);
    assert!(ended.stderr.contains("chmod 600"), "{}", ended.stderr);
    assert!(
        !ended.stderr.contains("0123456789abcdef"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_certificate_is_asked_for_and_tls_is_spoken() {
    let (origin, folder) = (Origin::saying("here"), Folder::new());
    let (ours, theirs) = (Authority::new(), Authority::new());
    theirs.write(&folder, "clients");
    let web = ours.certify(&["lb.example"]).write(&folder, "web");
    let pair = web.toml();
    let pair = pair.trim_matches(|c| "{}".contains(c));
    let ca = folder.join("clients.pem").display().to_string();
    let proxy = Evenkeel::start(&with_admin(
        [&origin],
        &format!("tls = {{ {pair}, client_ca = {ca:?} }}"),
    ));
    let own = proxy.admin();
    let nobody = || TlsClient::trusting(&ours).name("lb.example").forgetful();
    let operator = nobody().identity(&theirs.certify(&["operator"]));
    Client::tls(own, &operator)
        .host("lb.example")
        .get("/api/v1/status")
        .status(200);
    let mut client = Client::tls(own, &operator).host("evil.example");
    assert_eq!(
        refusal(&client.get("/api/v1/status").status(421)),
        "foreign-name"
    );
    for stranger in [
        nobody(),
        nobody().identity(&Authority::new().certify(&["operator"])),
    ] {
        // Of TLS 1.3 a refusal comes after the client's own handshake is done.
        let answered = Client::try_tls(own, &stranger).is_ok_and(|mut client| {
            client.try_send("GET /live HTTP/1.1\r\nHost: lb.example\r\n\r\n")
                && client.try_response("GET").is_ok()
        });
        assert!(!answered);
    }
    let plain = Client::connect(own).get("/live").status(400);
    assert!(plain.text().contains("https://"), "{plain}");
    // Files that change are read anew, as those of listeners are.
    let next = Authority::new();
    next.certify(&["lb.example"]).write(&folder, "web");
    let identity = theirs.certify(&["operator"]);
    eventually("the new certificate", || {
        let tls = TlsClient::trusting(&next).name("lb.example").forgetful();
        let mut client = Client::try_tls(own, &tls.identity(&identity))
            .ok()?
            .host("lb.example");
        client.get("/api/v1/status").status(200);
        Some(())
    });
}

#[test]
fn a_connection_from_before_a_certificate_was_asked_for_orders_nothing() {
    let (origin, folder) = (Origin::saying("here"), Folder::new());
    let (ours, theirs) = (Authority::new(), Authority::new());
    theirs.write(&folder, "clients");
    let web = ours.certify(&["lb.example"]).write(&folder, "web");
    let pair = web.toml();
    let pair = pair.trim_matches(|c| "{}".contains(c));
    let ca = folder.join("clients.pem").display().to_string();
    let mut proxy = Evenkeel::start(&with_admin([&origin], ""));
    let (mut early, mut slow) = (proxy.operator(), proxy.operator());
    let body = r#"{"trial": ""}"#;
    let fields = format!("{MARK}Content-Length: {}\r\n", body.len());
    slow.send_request("POST", "/api/v1/reload", &fields, "");
    // Connections are accepted in their order.
    proxy.operator().get("/live").status(200);
    let asks = with_admin(
        [&origin],
        &format!("tls = {{ {pair}, client_ca = {ca:?} }}"),
    );
    proxy.reload(&asks.text());
    let before = proxy.status()["generation"].clone();
    let response = early.ask("POST", "/api/v1/reload", MARK, "").status(421);
    assert_eq!(refusal(&response), "stale-connection");
    slow.send(body);
    let response = slow.response("POST").status(421);
    assert_eq!(refusal(&response), "stale-connection");
    assert_eq!(proxy.status()["generation"], before);
}

#[test]
fn the_control_socket_becomes_no_endpoint() {
    let (origin, folder) = (Origin::saying("here"), Folder::new());
    let proxy = Evenkeel::start(&with_admin([&origin], ""));
    let own = proxy.control_path();
    let link = folder.join("other.sock");
    std::os::unix::fs::symlink(&own, &link).unwrap();
    for path in [&own, &link] {
        let body = format!("{{\"address\": \"unix:{}\"}}", path.display());
        let fields = format!("{MARK}Content-Length: {}\r\n", body.len());
        let add = |mut client: Client| {
            client.ask("POST", "/api/v1/clusters/app/endpoints", &fields, &body)
        };
        assert_eq!(
            refusal(&add(proxy.operator()).status(403)),
            "socket-by-network"
        );
        // Its owner is not meant to either.
        let told = add(proxy.control()).status(409);
        assert!(told.text().contains("this is the control socket"), "{told}");
    }
    let status = proxy.status();
    let endpoints = status["clusters"][0]["endpoints"].as_array().unwrap();
    assert_eq!(endpoints.len(), 1, "{status}");
}

#[test]
fn it_comes_moves_and_goes_by_reloads_and_loses_no_answer() {
    let origin = Origin::saying("here");
    let setup = Setup::to([&origin]);
    let mut proxy = Evenkeel::start(&setup);
    proxy.reload(&setup.clone().sections(&admin("")).text());
    let first = proxy.admin();
    proxy.operator().get("/live").status(200);
    // One that is in the middle of its request when the address goes.
    let mut slow = proxy.operator();
    let body = r#"{"admin": "maint"}"#;
    let fields = format!("{MARK}Content-Length: {}\r\n", body.len());
    let order = format!("/api/v1/clusters/app/endpoints/{}", origin.address());
    slow.send_request("POST", &order, &fields, "");
    proxy.operator().get("/live").status(200);
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let moved = format!("[admin]\nbind = \"{free}\"\n");
    proxy.reload(&setup.clone().sections(&moved).text());
    assert_eq!(proxy.admin(), free);
    proxy.operator().get("/live").status(200);
    eventually("nobody listens at the old address", || {
        std::net::TcpStream::connect(first).is_err().then_some(())
    });
    slow.send(body);
    slow.response("POST").status(200);
    // One that is taken changes nothing, and it is said who to look for.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let said = proxy.reload_in_vain(
        &setup
            .clone()
            .sections(&format!("[admin]\nbind = \"127.0.0.1:{port}\"\n"))
            .text(),
    );
    assert!(
        said.contains(&format!("ss -ltnp 'sport = :{port}'")),
        "{said}"
    );
    proxy.operator().get("/live").status(200);
    proxy.reload(&setup.text());
    eventually("nobody listens at the new address", || {
        std::net::TcpStream::connect(free).is_err().then_some(())
    });
}

/// Begins to watch.
fn watch(mut client: Client, fields: &str) -> Client {
    client.send_request("GET", "/api/v1/live", fields, "");
    let head = client.head();
    assert_eq!(head.status(), 200, "{head}");
    assert_eq!(
        head.one("content-type").as_deref(),
        Some("text/event-stream")
    );
    client
}

/// Whether a stream came to its end, and was not just cut.
fn ends_well(mut client: Client) -> bool {
    client.rest().ends_with(b"\r\n0\r\n\r\n")
}

#[test]
fn watchers_have_places_of_their_own_and_show_what_has_to_be_shown_anew() {
    let origin = Origin::saying("here");
    let (folder, line) = token("0123456789abcdef");
    let setup = with_admin([&origin], &line);
    let mut proxy = Evenkeel::start(&setup);
    let (old, new) = (bearer("0123456789abcdef"), bearer("fedcba9876543210"));
    let watchers: Vec<Client> = (0..64).map(|_| watch(proxy.operator(), &old)).collect();
    let many = proxy.operator().get_with("/api/v1/live", &old).status(503);
    assert!(many.text().contains("64 are watching"), "{many}");
    proxy
        .operator()
        .get_with("/api/v1/status", &old)
        .status(200);
    let by_socket = watch(proxy.control(), "");
    write_token(&folder, "fedcba9876543210");
    proxy.reload(&setup.text());
    for watcher in watchers {
        assert!(ends_well(watcher));
    }
    eventually("room for another", || {
        let mut client = proxy.operator();
        client.send_request("GET", "/api/v1/live", &new, "");
        (client.head().status() == 200).then_some(())
    });
    drop(by_socket);
}

#[test]
fn an_upgrade_loses_no_answer_of_the_address() {
    let origin = Origin::saying("here");
    let setup = with_admin([&origin], "");
    let mut line = Line::start(&setup.text());
    let watcher = watch(line.operator(), "");
    let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let line = &line;
                while !over.load(Ordering::Relaxed) {
                    line.operator().get("/live").status(200);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let some = |number: usize| {
            let before = done.load(Ordering::Relaxed);
            eventually("some answers", || {
                (done.load(Ordering::Relaxed) > before + number).then_some(())
            });
        };
        for _ in 0..3 {
            some(20);
            let ended = line.command(&["upgrade"]);
            assert_eq!(ended.status, 0, "{ended:?}");
        }
        some(20);
        over.store(true, Ordering::Relaxed);
    });
    line.follow();
    assert!(ends_well(watcher));
    line.end();
}

#[test]
fn a_crowd_at_the_address_keeps_neither_operators_nor_traffic_from_their_answers() {
    let origin = Origin::saying("here");
    let proxy = Evenkeel::start(&with_admin([&origin], ""));
    let mut silent: Vec<Client> = (0..300).map(|_| proxy.operator()).collect();
    for (at, one) in silent.iter_mut().enumerate() {
        one.try_send(match at % 4 {
            0 => "",
            1 => "GET /live HTTP/1.1\r\nHost: x",
            2 => "\x16\x03\x01\x02\0\x01",
            _ => "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nX-Evenkeel: 1\r\nContent-Length: 60000\r\n\r\n{",
        });
    }
    proxy.client().get("/").body("here");
    proxy.operator().get("/api/v1/status").status(200);
    assert_eq!(proxy.status()["state"], "serving");
    drop(silent);
    // Ambiguous requests are no business of anybody's: there is one request for each connection.
    let mut client = proxy.operator();
    client.send(
        "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nX-Evenkeel: 1\r\nContent-Length: 2\r\n\r\n{}GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    client.response("POST").status(200);
    client.expect_closed();
    for (garbage, status) in [
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000)), 431),
        (
            format!("GET /live HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(200)),
            431,
        ),
        (
            "GET http://evil.example/api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            400,
        ),
        (
            "GET /api/v1/../../live HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            404,
        ),
        (
            "GET //live HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            404,
        ),
        (
            "GET /live%00 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            404,
        ),
        ("GET /api/v1/status HTTP/1.0\r\n\r\n".to_owned(), 400),
    ] {
        let mut client = proxy.operator();
        client.try_send(&garbage);
        assert_eq!(client.head().status(), status, "{garbage:.40}");
    }
}

/// The blocks of that kind on the page about it.
fn blocks(kind: &str) -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/admin.md");
    let page = fs::read_to_string(page).unwrap();
    let all = page.split("```").skip(1).step_by(2);
    all.filter_map(|block| block.strip_prefix(kind)?.strip_prefix('\n'))
        .map(str::to_owned)
        .collect()
}

/// What a command of the shell ends with, in that folder.
fn shell(folder: &Folder, command: &str) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder.path());
    shell.output().unwrap()
}

#[test]
fn the_examples_of_its_page_do_what_they_say() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIPPED: curl is not installed; `cargo xtask setup` gets it");
        return;
    }
    let (one, two) = (Origin::saying("one"), Origin::saying("two"));
    let (configs, consoles) = (blocks("toml"), blocks("console"));
    let endpoint = |origin: &Origin, id: &str| {
        let address = origin.address();
        format!("{{ id = \"{id}\", address = \"{address}\" }}")
    };
    let config = configs[0]
        .replace("127.0.0.1:9900", "127.0.0.1:0")
        .replace("127.0.0.1:5000", "127.0.0.1:0")
        .replace("\"127.0.0.1:9001\"", &endpoint(&one, "127.0.0.1:9001"))
        .replace("\"127.0.0.1:9002\"", &endpoint(&two, "127.0.0.1:9002"));
    let proxy = Evenkeel::start_text(&config);
    let folder = Folder::new();
    let commands = |block: &str| -> Vec<String> {
        let lines = block.lines();
        lines
            .filter_map(|line| line.strip_prefix("$ ").map(str::to_owned))
            .collect()
    };
    let asked = commands(&consoles[0]);
    assert_eq!(asked.len(), 3);
    for command in asked {
        let command = command
            .replace("127.0.0.1:9900", &proxy.admin().to_string())
            .replacen("curl ", "curl -sS --fail-with-body ", 1);
        let ended = shell(&folder, &command);
        assert!(ended.status.success(), "{command}: {ended:?}");
    }
    assert_eq!(
        proxy.status()["clusters"][0]["endpoints"][0]["admin"],
        "drain"
    );
    for command in commands(&consoles[1]) {
        assert!(shell(&folder, &command).status.success(), "{command}");
    }
    let web = Authority::new()
        .certify(&["lb.example"])
        .write(&folder, "web");
    let pair = web.toml();
    let guarded = configs[1].replace("{ certificate = \"web.pem\", key = \"web.key\" }", &pair);
    assert_ne!(guarded, configs[1]);
    folder.write("evenkeel.toml", guarded);
    let ended = run(folder.path(), &["check", "evenkeel.toml"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{ended:?}");
}

#[test]
fn the_demo_has_one_and_its_page_leads_there() {
    let proxy = Evenkeel::start_args(&["demo", "--port", "0"]).with_own_endpoints();
    proxy.operator().get("/live").status(200);
    let page = proxy.client().get_with("/", "Accept: text/html\r\n").text();
    let link = format!("href=\"http://{}/\"", proxy.admin());
    assert!(page.contains(&link), "{page}");
}
