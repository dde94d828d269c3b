//! Feature by feature: what is told of a request is what happens to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evenkeel_testkit::faults::DeadAddress;
use evenkeel_testkit::{Authority, Evenkeel, Folder, Origin, Reply, Setup, TlsClient, eventually};
use serde_json::{Value, json};

use super::{Sent, World, origins};
use crate::tls::saying;

/// Names of the other routes with what they are: `less-specific all`, `near post`.
fn others(told: &Value) -> Vec<String> {
    let all = told["others"].as_array().unwrap().iter();
    all.map(|one| {
        format!(
            "{} {}",
            one["place"].as_str().unwrap(),
            one["name"].as_str().unwrap()
        )
    })
    .collect()
}

#[test]
fn routes_by_host_path_method_fields_and_query() {
    let setup = Setup::to_addresses(["127.0.0.1:9"])
        .no_route()
        .add_route("name = \"unused\"\nhost = \"unused.example\"\ncluster = \"app\"")
        .add_route("name = \"all\"\nrespond = { body = \"\" }")
        .add_route("name = \"shop\"\nhost = [\"shop.example\", \"*.shop.example\"]\nrespond = { status = 418 }")
        .add_route("name = \"api\"\nhost = \"shop.example\"\npath = \"/api\"\nrespond = { status = 201 }")
        .add_route("name = \"exact\"\nhost = \"shop.example\"\npath.exact = \"/api\"\nrespond = { status = 202 }")
        .add_route("name = \"post\"\nhost = \"shop.example\"\npath = \"/api\"\nmethod = [\"POST\", \"PUT\"]\nrespond = { status = 203 }")
        .add_route("name = \"beta\"\nhost = \"shop.example\"\npath = \"/api\"\nheader.X-Beta = \"2\"\nrespond = { status = 206 }")
        .add_route("name = \"v2\"\nhost = \"shop.example\"\npath = \"/api\"\nquery.v = \"2\"\nrespond = { status = 207 }");
    let world = World::of(Vec::new(), &setup);
    for (sent, route) in [
        (Sent("GET", "x.example", "/", ""), "all"),
        (Sent("GET", "x.example", "/api", ""), "all"),
        (Sent("GET", "SHOP.example", "/apix", ""), "shop"),
        (Sent("GET", "a.shop.example", "/api", ""), "shop"),
        (Sent("GET", "shop.example", "/api", ""), "exact"),
        (Sent("GET", "shop.example", "/api/x?y=1", ""), "api"),
        (Sent("PUT", "shop.example", "/api/x", ""), "post"),
        (
            Sent("GET", "shop.example", "/api/x", "X-Beta: 1 | x-beta: 2"),
            "beta",
        ),
        (Sent("POST", "shop.example", "/api/x", "X-Beta: 2"), "beta"),
        (Sent("GET", "shop.example", "/api/x?a&v=2", ""), "v2"),
    ] {
        let told = world.agrees(sent);
        assert_eq!(told["route"]["name"], route, "{sent:?}");
    }
    let told = world.told(Sent("GET", "shop.example", "/api/x", "X-Beta: 1"));
    assert_eq!(
        others(&told)[..4],
        [
            "less-specific shop",
            "less-specific all",
            "near post",
            "near beta"
        ],
        "{told:#}"
    );
    let near = &told["others"][2]["why"];
    assert_eq!(near, "host, path match; method is GET, not POST or PUT");
    assert_eq!(
        told["others"][3]["why"],
        "host, path match; header x-beta is \"1\", not \"2\""
    );
}

#[test]
fn what_is_refused_is_named() {
    let one = origins(1);
    let setup = Setup::to(&one)
        .listener("trusted_proxies = [\"127.0.0.0/8\"]")
        .no_route()
        .add_route("name = \"lists\"\npath = \"/lists\"\nallow = [\"203.0.113.0/24\"]\ndeny = [\"203.0.113.7\"]\ncluster = \"app\"")
        .add_route("name = \"small\"\npath = \"/small\"\nmax_request_body = \"10B\"\ncluster = \"app\"")
        .add_route("name = \"dots\"\npath = \"/dots\"\nallow_dot_segments = true\ncluster = \"app\"");
    let world = World::of(one, &setup);
    for (sent, fault) in [
        (
            Sent("GET", "a", "/nothing", "X-Forwarded-For: 203.0.113.1"),
            "no-route",
        ),
        (
            Sent("GET", "a", "/lists", "X-Forwarded-For: 203.0.113.1"),
            "",
        ),
        (
            Sent("GET", "a", "/lists", "X-Forwarded-For: 203.0.113.7"),
            "request-denied",
        ),
        (
            Sent(
                "GET",
                "a",
                "/lists",
                "X-Forwarded-For: 203.0.113.1, 198.51.100.1",
            ),
            "request-denied",
        ),
        (
            Sent("GET", "a", "/lists/../x", "X-Forwarded-For: 203.0.113.1"),
            "request-path-refused",
        ),
        (
            Sent("GET", "a", "/dots/../x", "X-Forwarded-For: 203.0.113.1"),
            "",
        ),
        (
            Sent("TRACE", "a", "/dots", "X-Forwarded-For: 203.0.113.1"),
            "method-refused",
        ),
    ] {
        // Who is not told by the listener cannot be compared.
        let told = if sent.3.contains("198.51") {
            world.told(sent)
        } else {
            world.agrees(sent)
        };
        let seen = told["verdict"]["fault"]["name"]
            .as_str()
            .unwrap_or_default();
        assert_eq!(seen, fault, "{sent:?}");
    }
    let told = world.told(Sent("GET", "a", "/lists", "X-Forwarded-For: 203.0.113.7"));
    let refused = told["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(refused["why"], "203.0.113.7 is in `deny` 203.0.113.7/32");
    let told = world.told(Sent("POST", "a", "/small", "Content-Length: 11"));
    assert_eq!(told["verdict"]["fault"]["name"], "request-body-too-large");
}

#[test]
fn redirects_and_paths_and_fields_that_are_rewritten() {
    let one = origins(1);
    let setup = Setup::to(&one)
        .listener("trusted_proxies = [\"10.0.0.0/8\"]")
        .route("name = \"all\"")
        .add_route("name = \"away\"\npath = \"/away\"\nredirect = { scheme = \"https\", host = \"b.example\", status = 302 }")
        .add_route("name = \"strip\"\npath = \"/strip\"\nstrip_prefix = true\ncluster = \"app\"")
        .add_route(
            "name = \"put\"\npath = \"/put\"\nreplace_prefix = \"/there\"\nhost_header = \"endpoint\"\ncluster = \"app\"\n\
             request_headers = { set = { X-Env = \"prod\" }, add = { X-Also = \"1\" }, remove = [\"Cookie\"] }\n\
             response_headers = { set = { X-Frame-Options = \"DENY\" }, remove = [\"Server\"] }",
        );
    let world = World::of(one, &setup);
    for sent in [
        Sent("GET", "a.example", "/away/x?y=1", ""),
        Sent("GET", "a.example", "/strip", ""),
        Sent("GET", "a.example", "/strip//x?y", ""),
        Sent(
            "GET",
            "a.example",
            "/put/x",
            "Cookie: a=1 | X-Env: test | X_Env: test | X-Also: 0",
        ),
        Sent("GET", "a.example", "//put//x%2Fy", ""),
        Sent("GET", "a.example", "/%70ut/x;v=1", ""),
        Sent("GET", "a.example", "/put;x", ""),
        Sent("GET", "a.example", "/x%2f..%2fput", ""),
        Sent(
            "GET",
            "a.example",
            "/",
            "Connection: X-Hop | X-Hop: 1 | TE: trailers | X-Stays: 1",
        ),
        Sent(
            "GET",
            "a.example",
            "/",
            "X-Forwarded-For: 9.9.9.9 | Forwarded: for=9.9.9.9 | X-Real-IP: 9.9.9.9 | X_Real_IP: 9.9.9.9",
        ),
        Sent("GET", "a.example", "/", "X-Request-Id: mine"),
        Sent("GET", "a.example", "/", "X-Request-Id: mi ne"),
    ] {
        world.agrees(sent);
    }
    let told = world.told(Sent("GET", "a.example", "/", "X-Forwarded-For: 9.9.9.9"));
    let fields = told["request"]["fields"].as_array().unwrap();
    let hops = fields
        .iter()
        .find(|one| one["name"] == "X-Forwarded-For")
        .unwrap();
    assert_eq!(
        (&hops["came"], &hops["sent"]),
        (&"9.9.9.9".into(), &"127.0.0.1".into())
    );
    assert_eq!(hops["why"], "the client is no trusted proxy");
}

#[test]
fn what_is_sent_twice_at_once_and_what_is_not() {
    let one = origins(1);
    let setup = Setup::to(&one)
        .add_route("path = \"/hedge\"\ncluster = \"app\"\nretry = { hedge = { percentile = 50 }, non_idempotent = true }")
        .add_route("path = \"/mirror\"\ncluster = \"app\"\nmirror = { cluster = \"shadow\", max_body = \"1KiB\" }")
        .sections(&format!(
            "[cluster.shadow]\nendpoints = [\"{}\"]\n",
            one[0].address()
        ));
    let world = World::of(one, &setup);
    for (method, fields, raced, mirrored) in [
        ("GET", "", true, true),
        ("GET", "Content-Length: 0", false, true),
        ("PUT", "Content-Length: 3", false, true),
        ("POST", "", false, true),
        ("PUT", "Content-Length: 2000", false, false),
        (
            "PUT",
            "Content-Length: 3 | Expect: 100-continue",
            false,
            false,
        ),
        (
            "GET",
            "Connection: upgrade | Upgrade: websocket",
            false,
            false,
        ),
    ] {
        let about = |path, name: &str| {
            let told = world.told(Sent(method, "a.example", path, fields));
            let terms = told["terms"].as_array().unwrap();
            let term = terms.iter().find(|one| one["name"] == name).unwrap();
            term["about"].as_str().unwrap().to_owned()
        };
        let (hedge, mirror) = (about("/hedge", "hedge"), about("/mirror", "mirror"));
        let said = (!hedge.starts_with("not"), !mirror.starts_with("not"));
        assert_eq!(
            said,
            (raced, mirrored),
            "{method} {fields}: {hedge}; {mirror}"
        );
    }
}

#[test]
fn rotations_hashes_and_chance() {
    let all = origins(3);
    let list: Vec<String> = all
        .iter()
        .map(|one| format!("\"{}\"", one.address()))
        .collect();
    let list = list.join(", ");
    let cluster =
        |name: &str, lines: &str| format!("[cluster.{name}]\nendpoints = [{list}]\n{lines}\n");
    let route = |name: &str| format!("path = \"/{name}\"\ncluster = \"{name}\"");
    let kinds = [
        ("turn", "balancer = \"round-robin\""),
        ("maglev", "balancer = { kind = \"maglev\", key = \"path\" }"),
        (
            "ring",
            "balancer = { kind = \"ring-hash\", key = [\"header:x-user\", \"client\"] }",
        ),
        (
            "rendezvous",
            "balancer = { kind = \"rendezvous\", key = \"cookie:sid\" }",
        ),
        (
            "keyed",
            "balancer = \"random\"\nsticky = { by = \"header:x-user\" }",
        ),
        ("least", "balancer = \"least-request\""),
        ("random", "balancer = \"random\""),
        ("first", "balancer = \"first-available\""),
    ];
    let setup = kinds.iter().fold(Setup::to(&all), |setup, (name, lines)| {
        setup
            .add_route(&route(name))
            .sections(&cluster(name, lines))
    });
    let world = World::of(all, &setup);
    for (name, _) in kinds {
        for n in 0..6 {
            let fields = format!("X-User: u{n} | Cookie: sid=s{n}");
            let told = world.agrees(Sent("GET", "a", &format!("/{name}/{n}"), &fields));
            let certain = told["verdict"]["endpoint"].is_string();
            assert_eq!(
                certain,
                !matches!(name, "least" | "random"),
                "{name}: {told:#}"
            );
        }
    }
}

#[test]
fn clients_that_stay_and_clusters_that_share() {
    let (stable, canary) = (origins(2), origins(1));
    let list: Vec<String> = stable
        .iter()
        .map(|one| format!("\"{}\"", one.address()))
        .collect();
    let setup = Setup::to(&stable)
        .cluster("sticky.cookie = \"at\"")
        .add_route("name = \"turns\"\npath = \"/turns\"\ncluster = { stable = 3, canary = 1 }")
        .add_route("name = \"keys\"\npath = \"/keys\"\ncluster = { stable = 1, canary = 1 }\nsplit_by = \"header:x-user\"")
        .sections(&format!("[cluster.stable]\nendpoints = [{}]\n[cluster.canary]\nendpoints = [\"{}\"]", list.join(", "), canary[0].address()));
    let world = World::of(stable.into_iter().chain(canary).collect(), &setup);
    for n in 0..8 {
        world.agrees(Sent("GET", "a", "/turns", ""));
        let told = world.agrees(Sent("GET", "a", "/keys", &format!("X-User: u{n}")));
        assert_eq!(told["split"].as_array().unwrap().len(), 2);
    }
    let first = world.proxy.client().get("/");
    let cookie = first.field("Set-Cookie").unwrap();
    let own = format!("Cookie: {}", cookie.split(';').next().unwrap());
    for _ in 0..3 {
        let told = world.agrees(Sent("GET", "a", "/", &own));
        assert_eq!(told["cluster"]["pick"], "own");
        assert_eq!(
            told["response"].as_array().unwrap().len(),
            0,
            "it has its cookie: {told:#}"
        );
    }
    let told = world.agrees(Sent("GET", "a", "/", ""));
    assert_eq!(told["response"][0]["name"], "Set-Cookie");
}

/// Why the endpoint at that address is none to be picked; empty: it is one.
fn why(told: &Value, address: &str) -> String {
    let all = told["cluster"]["endpoints"].as_array().unwrap();
    let one = all.iter().find(|one| one["address"] == address).unwrap();
    if one["candidate"] == true {
        return String::new();
    }
    one["why"].as_str().unwrap().to_owned()
}

#[test]
fn endpoints_that_drain_are_down_or_ejected() {
    let well = Arc::new(AtomicBool::new(true));
    let probed = Origin::http({
        let well = Arc::clone(&well);
        move |request| match request.target() {
            "/healthz" if !well.load(Ordering::Relaxed) => Reply::new(500, "sick"),
            _ => Reply::ok("probed"),
        }
    });
    let all = origins(2);
    let dead = DeadAddress::new();
    let (one, two) = (all[0].address(), all[1].address());
    let sick = probed.address();
    let setup = Setup::to_addresses([one.clone(), two.clone()])
        .add_route("path = \"/probed\"\ncluster = \"probed\"")
        .add_route("path = \"/dead\"\ncluster = \"dead\"")
        .add_route("path = \"/none\"\ncluster = \"none\"")
        .sections(&format!(
            "[cluster.probed]\nbalancer = \"round-robin\"\nendpoints = [\"{sick}\", \"{one}\"]\nprobe.http.path = \"/healthz\"\nprobe.interval = \"100ms\"\nprobe.down_interval = \"100ms\"\n\
             [cluster.dead]\nbalancer = \"round-robin\"\nendpoints = [\"{}\", \"{one}\"]\noutlier = {{ base_ejection = \"5m\" }}\n\
             [cluster.none]\nendpoints = [\"{one}\"]",
            dead.address()
        ));
    let world = World::of(all, &setup);
    world
        .proxy
        .order(&["endpoint", "drain", &format!("app/{one}")]);
    for _ in 0..2 {
        let told = world.agrees(Sent("GET", "a", "/", ""));
        assert_eq!(why(&told, &one), "draining by order");
    }
    world
        .proxy
        .order(&["endpoint", "reset", &format!("app/{one}")]);
    world
        .proxy
        .order(&["endpoint", "weight", &format!("app/{two}"), "0"]);
    let told = world.agrees(Sent("GET", "a", "/", ""));
    assert_eq!(
        (why(&told, &one), why(&told, &two)),
        (String::new(), "weight 0 by order".to_owned())
    );
    well.store(false, Ordering::Relaxed);
    eventually("the probe's verdict is told", || {
        let told = world.told(Sent("GET", "a", "/probed", ""));
        why(&told, &sick).starts_with("down: ").then_some(())
    });
    let mut client = world.proxy.client();
    for _ in 0..10 {
        client.get("/dead").status(200);
    }
    let told = world.told(Sent("GET", "a", "/dead", ""));
    assert!(
        why(&told, &dead.address()).starts_with("ejected for connect ("),
        "{told:#}"
    );
    world
        .proxy
        .order(&["endpoint", "drain", &format!("none/{one}")]);
    let told = world.agrees(Sent("GET", "a", "/none", ""));
    assert_eq!(told["verdict"]["fault"]["name"], "no-endpoint");
}

#[test]
fn rate_limits_that_have_room_and_none() {
    let one = origins(1);
    let setup = Setup::to(&one)
        .route("rate_limit = { requests = 2, per = \"1h\", burst = 2, key = \"header:x-key\" }");
    let world = World::of(one, &setup);
    let limit = |told: &Value| {
        let steps = told["steps"].as_array().unwrap();
        let one = steps
            .iter()
            .find(|one| one["what"] == "rate_limit")
            .unwrap();
        one["why"].as_str().unwrap().to_owned()
    };
    // Questions use nothing up.
    for _ in 0..5 {
        world.told(Sent("GET", "a", "/", "X-Key: k"));
    }
    for left in [1, 0] {
        let told = world.agrees(Sent("GET", "a", "/", "X-Key: k"));
        assert_eq!(
            limit(&told),
            format!("header x-key \"k\": 2 per 1h, 2 at once; {left} more after this one")
        );
    }
    let told = world.agrees(Sent("GET", "a", "/", "X-Key: k"));
    assert_eq!(told["verdict"]["fault"]["name"], "rate-limited");
    assert!(limit(&told).contains("used up"), "{told:#}");
    world.agrees(Sent("GET", "a", "/", "X-Key: other"));
}

#[test]
fn https_leads_to_the_certificate_of_the_name_and_no_other_host() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let files = [&["a.example"][..], &["b.example", "*.b.example"]]
        .map(|names| authority.certify(names).write(&folder, &names[0][..1]));
    let proxy = Evenkeel::start_text(&saying(&[&files[0], &files[1]], ""));
    let tls = TlsClient::trusting(&authority);
    let port = proxy.address().port();
    for (name, host) in [
        ("a.example", "a.example"),
        ("a.example", "b.example"),
        ("x.b.example", "b.example"),
        ("b.example", "a.example"),
        ("a.example", "c.example"),
    ] {
        let ask = json!({ "url": format!("https://{name}:{port}/"), "headers": [format!("Host: {host}")] });
        let told = super::told(&proxy, &ask);
        let mut client = proxy.tls(&tls.clone().name(name)).host(host);
        let seen = client.get("/").head.status();
        assert_eq!(told["verdict"]["status"], seen, "{name} {host}: {told:#}");
        let shown = told["listener"]["certificate"].as_str().unwrap();
        assert!(shown.contains(&name[name.len() - 9..]), "{name}: {shown}");
    }
    let ask = json!({ "url": format!("http://a.example:{port}/") });
    let told = super::told(&proxy, &ask);
    let why = told["listener"]["why"].as_str().unwrap();
    assert!(why.contains("where it speaks TLS"), "{why}");
    assert_eq!(told["verdict"]["kind"], "refused", "{told:#}");
    assert_eq!(told["verdict"]["status"], 400, "{told:#}");
    assert_eq!(told["listener"]["certificate"], Value::Null);
    let url = ask["url"].as_str().unwrap();
    assert_eq!(proxy.ask(&["explain", "GET", url]).status, 1);
    proxy.client().get("/").status(400);
}

#[test]
fn https_at_a_listener_without_tls_is_no_request() {
    let one = origins(1);
    let setup = Setup::to(&one);
    let world = World::of(one, &setup);
    let port = world.proxy.address().port();
    let ask = json!({ "url": format!("https://a.example:{port}/") });
    let told = super::told(&world.proxy, &ask);
    let fault = told["verdict"]["fault"]["name"].as_str().unwrap();
    // The record of a handshake, of which a client hello is the beginning.
    let mut client = world.proxy.client();
    client.send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03");
    let answer = client.response("GET").status(400);
    let seen = answer.field("Proxy-Status").unwrap_or_default();
    assert!(seen.contains(fault), "{seen}; {told:#}");
}
