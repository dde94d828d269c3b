//! Clients that stay with their endpoint.

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::{
    Client, Evenkeel, Folder, Gate, Origin, Reply, Response, Setup, eventually,
};

/// A client that sends back the cookies it is given, each request on a connection of its own.
pub(crate) struct Browser<'p> {
    proxy: &'p Evenkeel,
    cookies: Vec<(String, String)>,
    /// The `Set-Cookie` fields of the last response.
    set: Vec<String>,
}

impl<'p> Browser<'p> {
    /// One that has no cookies.
    pub(crate) fn of(proxy: &'p Evenkeel) -> Self {
        Self {
            proxy,
            cookies: Vec::new(),
            set: Vec::new(),
        }
    }

    /// One that has these, as `Cookie` says them.
    pub(crate) fn with(proxy: &'p Evenkeel, jar: &str) -> Self {
        let mut browser = Self::of(proxy);
        for pair in jar.split("; ").filter(|pair| !pair.is_empty()) {
            browser.keep(pair);
        }
        browser
    }

    /// What it sends.
    pub(crate) fn jar(&self) -> String {
        let pairs = self.cookies.iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// Who answers.
    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> String {
        let mut client = self.proxy.client();
        self.ask(&mut client, target).text()
    }

    #[track_caller]
    fn ask(&mut self, client: &mut Client, target: &str) -> Response {
        let response = client.get_with(target, &self.field()).status(200);
        self.set = response.head.all("set-cookie");
        for field in self.set.clone() {
            let pair = field.split(';').next().unwrap_or_default();
            self.keep(pair);
        }
        response
    }

    /// The field line it sends.
    pub(crate) fn field(&self) -> String {
        match self.jar() {
            jar if jar.is_empty() => jar,
            jar => format!("Cookie: {jar}\r\n"),
        }
    }

    fn keep(&mut self, pair: &str) {
        let (name, value) = pair.split_once('=').unwrap();
        self.cookies.retain(|(known, _)| known != name);
        self.cookies.push((name.to_owned(), value.to_owned()));
    }
}

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "another key that is long enough";

/// A cookie `at`, with no key of its own.
const COOKIE: &str = "sticky = { cookie = \"at\" }";

/// The same with a key.
fn keyed(key: &str) -> String {
    format!("sticky = {{ cookie = \"at\", keys = [{key:?}] }}")
}

fn three() -> [Origin; 3] {
    ["1", "2", "3"].map(Origin::saying)
}

#[test]
fn a_cookie_is_set_once_and_honoured_by_every_worker() {
    for workers in [1, 2, 4] {
        let origins = three();
        let setup = Setup::to(&origins).cluster(COOKIE);
        let proxy = Evenkeel::start(&setup.top(&format!("workers = {workers}")));
        let mut browsers: Vec<Browser<'_>> = (0..6).map(|_| Browser::of(&proxy)).collect();
        let first: Vec<String> = browsers.iter_mut().map(|one| one.get("/")).collect();
        assert_eq!(first, ["1", "2", "3", "1", "2", "3"]);
        assert!(browsers.iter().all(|browser| browser.set.len() == 1));
        for _ in 0..5 {
            for (browser, first) in browsers.iter_mut().zip(&first) {
                assert_eq!(browser.get("/x"), *first, "with {workers} workers");
                assert!(browser.set.is_empty(), "{:?}", browser.set);
            }
        }
        // Turns are for those who have no endpoint.
        assert_eq!(Browser::of(&proxy).get("/"), "1");
    }
}

#[test]
fn attributes_are_those_of_the_configuration_to_the_byte() {
    let token = |field: &str| {
        let (_, rest) = field.split_once('=').unwrap();
        rest.split(';').next().unwrap().to_owned()
    };
    for (knobs, expected) in [
        (
            "cookie = \"at\"",
            "at=TOKEN; Path=/; SameSite=Lax; HttpOnly",
        ),
        (
            "cookie = \"at\", path = \"/shop\", lifetime = \"1h\", same_site = \"strict\", secure = true",
            "at=TOKEN; Path=/shop; Max-Age=3600; SameSite=Strict; Secure; HttpOnly",
        ),
    ] {
        let origin = Origin::http(|_| Reply::ok("").header("Set-Cookie", "own=1; Path=/x"));
        let setup = Setup::to([&origin]).cluster(&format!("sticky = {{ {knobs} }}"));
        let proxy = Evenkeel::start(&setup);
        let response = proxy.client().get("/").status(200);
        let fields = response.head.all("set-cookie");
        let [own, ours] = fields.as_slice() else {
            panic!("two cookies, not {fields:?}");
        };
        assert_eq!(own, "own=1; Path=/x");
        let token = token(ours);
        assert_eq!(ours.replace(&token, "TOKEN"), expected);
        let digits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(token.len() == 22 && token.bytes().all(digits), "{token}");
    }
}

#[test]
fn a_cookie_outlives_its_process_with_its_key_and_is_unknown_to_another() {
    let origins = three();
    let new = Origin::saying("new");
    // The order of the endpoints is no matter, nor is that one of them is new.
    let others = [&origins[2], &new, &origins[0], &origins[1]];
    let rotated = format!("sticky = {{ cookie = \"at\", keys = [{OTHER_KEY:?}, {KEY:?}] }}");
    let processes = [
        (keyed(KEY), true),
        (rotated, true),
        (keyed(OTHER_KEY), false),
        (COOKIE.to_owned(), false),
    ]
    .map(|(sticky, known)| {
        let proxy = Evenkeel::start(&Setup::to(others).cluster(&sticky));
        (proxy, known)
    });
    let proxy = Evenkeel::start(&Setup::to(&origins).cluster(&keyed(KEY)));
    let mut browsers: Vec<Browser<'_>> = (0..3).map(|_| Browser::of(&proxy)).collect();
    let first: Vec<String> = browsers.iter_mut().map(|one| one.get("/")).collect();
    let jars: Vec<String> = browsers.iter().map(Browser::jar).collect();
    proxy.signal(Signal::Terminate);
    assert_eq!(proxy.wait(), 0);
    for (proxy, known) in &processes {
        let again = |jar: &String| {
            let mut browser = Browser::with(proxy, jar);
            let answer = browser.get("/");
            assert_eq!(browser.set.is_empty(), *known);
            answer
        };
        let again: Vec<String> = jars.iter().map(again).collect();
        if *known {
            assert_eq!(again, first);
        } else {
            assert_eq!(again, ["3", "new", "1"], "by turns");
        }
    }
}

#[test]
fn nodes_with_the_same_key_file_know_each_other_s_cookies() {
    let origins = three();
    let text = Setup::to(&origins)
        .cluster("sticky = { cookie = \"at\", keys = [{ file = \"sticky.key\" }] }")
        .text();
    let node = |key: &[u8]| {
        let folder = Folder::new();
        folder.write("evenkeel.toml", &text);
        folder.write("sticky.key", key);
        Evenkeel::start_in(folder, &["run", "--config", "evenkeel.toml"])
    };
    let [one, same, other] = [KEY.as_bytes(), KEY.as_bytes(), &[0xff; 32]].map(node);
    let mut browser = Browser::of(&one);
    assert_eq!(browser.get("/"), "1");
    let jar = browser.jar();
    // Turns that would lead elsewhere.
    for proxy in [&same, &other] {
        assert_eq!(Browser::of(proxy).get("/"), "1");
    }
    assert_eq!(Browser::with(&same, &jar).get("/"), "1");
    assert_eq!(Browser::with(&other, &jar).get("/"), "2");
}

#[test]
fn who_loses_an_endpoint_gets_another_and_keeps_that() {
    let [a, b] = ["a", "b"].map(Origin::saying);
    let proxy = Evenkeel::start(&Setup::to([&a, &b]).cluster(COOKIE));
    let mut browser = Browser::of(&proxy);
    assert_eq!(browser.get("/"), "a");
    let dead = a.stop();
    assert_eq!(browser.get("/"), "b");
    assert_eq!(browser.set.len(), 1, "a new cookie");
    let _back = Origin::revive(
        dead,
        evenkeel_testkit::origin::answering(|_| Reply::ok("back")),
    );
    for _ in 0..4 {
        assert_eq!(browser.get("/"), "b");
        assert!(browser.set.is_empty());
    }
}

#[test]
fn an_endpoint_that_drains_keeps_its_clients_and_one_in_maintenance_does_not() {
    let origins = three();
    let ordered = |admin: &str| {
        let [a, b, c] = origins.each_ref().map(Origin::address);
        let endpoints =
            format!("endpoints = [{{ address = {a:?}, admin = {admin:?} }}, {b:?}, {c:?}]");
        let setup = Setup::to_addresses(Vec::<String>::new());
        Evenkeel::start(&setup.cluster(&endpoints).cluster(&keyed(KEY)))
    };
    let [ready, drains, maint] = ["ready", "drain", "maint"].map(ordered);
    let mut browser = Browser::of(&ready);
    assert_eq!(browser.get("/"), "1");
    let jar = browser.jar();
    for (proxy, expected, stays) in [(&drains, "1", true), (&maint, "2", false)] {
        let mut browser = Browser::with(proxy, &jar);
        assert_eq!(browser.get("/"), expected);
        assert_eq!(browser.set.is_empty(), stays);
        assert_eq!(browser.get("/"), expected);
        assert!(browser.set.is_empty());
        let new: Vec<String> = (0..6).map(|_| Browser::of(proxy).get("/")).collect();
        assert!(!new.contains(&"1".to_owned()), "{new:?}");
    }
}

/// An origin that fails what asks for `/fail`.
fn failing(name: &'static str) -> Origin {
    Origin::http(move |request| match request.target() {
        "/fail" => Reply::new(503, "no"),
        _ => Reply::ok(name),
    })
}

/// The client asks five times for what its endpoint fails.
fn fail(browser: &Browser<'_>) {
    let mut client = browser.proxy.client();
    for _ in 0..5 {
        client.get_with("/fail", &browser.field()).status(503);
    }
}

#[test]
fn a_client_s_own_endpoint_is_not_tried_out_with_its_posts() {
    let (own, other) = (failing("own"), Origin::saying("other"));
    let setup = Setup::to([&own, &other])
        .cluster(COOKIE)
        .cluster("outlier = { base_ejection = \"100ms\" }");
    let proxy = Evenkeel::start(&setup);
    let mut browser = Browser::of(&proxy);
    assert_eq!(browser.get("/"), "own");
    fail(&browser);
    let trial = "endpoint on trial: its ejection is over";
    proxy.log().wait_for(trial, |line| line.contains(trial));
    for _ in 0..20 {
        let mut client = proxy.client();
        let fields = format!("{}Content-Length: 5\r\n", browser.field());
        client.send_request("POST", "/", &fields, "order");
        let response = client.response("POST").status(200).body("other");
        // It is to come back when the trial is over.
        assert!(response.head.all("set-cookie").is_empty(), "{response}");
    }
    eventually("the end of the trial", || {
        (browser.get("/") == "own").then_some(())
    });
}

#[test]
fn an_endpoint_that_drains_and_fails_lets_its_clients_go() {
    let (own, other) = (failing("own"), Origin::saying("other"));
    let proxy_with = |admin: &str| {
        let [a, b] = [&own, &other].map(Origin::address);
        let endpoints = format!("endpoints = [{{ address = {a:?}, admin = {admin:?} }}, {b:?}]");
        let setup = Setup::to_addresses(Vec::<String>::new());
        Evenkeel::start(&setup.cluster(&endpoints).cluster(&keyed(KEY)))
    };
    let [ready, drains] = ["ready", "drain"].map(proxy_with);
    let mut browser = Browser::of(&ready);
    assert_eq!(browser.get("/"), "own");
    let mut browser = Browser::with(&drains, &browser.jar());
    assert_eq!(browser.get("/"), "own");
    fail(&browser);
    assert_eq!(browser.get("/"), "other");
    assert_eq!(browser.set.len(), 1, "it has a new endpoint");
}

#[test]
fn a_full_endpoint_lends_its_client_for_one_request() {
    let gate = Gate::new();
    let slow = Origin::http({
        let gate = gate.clone();
        move |request| {
            if request.target() == "/slow" {
                gate.wait();
            }
            Reply::ok("slow")
        }
    });
    let other = Origin::saying("other");
    let setup = Setup::to([&slow, &other])
        .cluster(COOKIE)
        .cluster("limits = { endpoint_requests = 1 }");
    let proxy = Evenkeel::start(&setup);
    let mut browser = Browser::of(&proxy);
    // On one connection, where an exchange is counted out before the next one begins.
    let mut waiting = proxy.client();
    assert_eq!(browser.ask(&mut waiting, "/").text(), "slow");
    waiting.send_request("GET", "/slow", &browser.field(), "");
    eventually("the request at its endpoint", || {
        let text = String::from_utf8_lossy(&slow.bytes().concat()).into_owned();
        text.contains("/slow").then_some(())
    });
    assert_eq!(browser.get("/"), "other");
    assert!(browser.set.is_empty(), "{:?}", browser.set);
    gate.open();
    waiting.response("GET").status(200).without("set-cookie");
    assert_eq!(browser.ask(&mut waiting, "/").text(), "slow");
}

#[test]
fn forged_and_broken_cookies_are_ignored() {
    let origins = three();
    let proxy = Evenkeel::start(&Setup::to(&origins).cluster(COOKIE));
    let mut browser = Browser::of(&proxy);
    assert_eq!(browser.get("/"), "1");
    let good = browser.jar();
    let token = good.strip_prefix("at=").unwrap();
    let (mut forged, last) = (token.to_owned(), token.ends_with('A'));
    forged.pop();
    forged.push(if last { 'Q' } else { 'A' });
    let forged = [
        forged.as_str(),
        "",
        "1",
        &origins[0].address(),
        &"A".repeat(22),
        &"=".repeat(22),
        &format!("{token}A"),
        &token[1..],
        &format!("\"{token}\""),
        &"x".repeat(8_000),
        "%00",
    ]
    .map(|value| format!("Cookie: at={value}\r\n"));
    let others = [
        "Cookie: at\r\n".to_owned(),
        format!("Cookie: AT={token}\r\n"),
        format!("Cookie: xat={token}\r\n"),
        format!("X-Cookie: at={token}\r\n"),
    ];
    for (number, fields) in forged.iter().chain(&others).enumerate() {
        let response = proxy.client().get_with("/", fields).status(200);
        let by_turns = ["2", "3", "1"][number % 3];
        let shown = &fields[..fields.len().min(80)];
        assert_eq!(response.text(), by_turns, "{shown:?}");
        assert_eq!(response.head.all("set-cookie").len(), 1, "{shown:?}");
    }
    // Among others of its name the real one counts.
    let fields = format!("Cookie: at=1; b=2; at={token}\r\nCookie: at=3\r\n");
    let response = proxy.client().get_with("/", &fields).status(200);
    response.without("set-cookie").body("1");
    // Behind more of them than are looked at it does not.
    let fields = format!("Cookie: {}at={token}\r\n", "at=x; ".repeat(32));
    let response = proxy.client().get_with("/", &fields).status(200);
    assert_eq!(response.head.all("set-cookie").len(), 1);
}

/// Two clusters of three endpoints each, `app` and, below `/other`, `other`, with cookies of the same name.
fn two_clusters() -> ([Origin; 3], [Origin; 3], Setup) {
    let (one, other) = (three(), three());
    let endpoints: Vec<String> = other.iter().map(Origin::address).collect();
    let setup = Setup::to(&one)
        .cluster(&keyed(KEY))
        .add_route("path = \"/other\"\ncluster = \"other\"")
        .sections(&format!(
            "[cluster.other]\nbalancer = \"round-robin\"\nendpoints = {endpoints:?}\n{}",
            keyed(KEY)
        ));
    (one, other, setup)
}

#[test]
fn a_cluster_does_not_take_the_cookie_of_another_for_its_own() {
    let (_one, _other, setup) = two_clusters();
    let proxy = Evenkeel::start(&setup);
    let mut browser = Browser::of(&proxy);
    assert_eq!(browser.get("/"), "1");
    let jar = browser.jar();
    for expected in ["1", "2", "3"] {
        let mut browser = Browser::with(&proxy, &jar);
        assert_eq!(browser.get("/other"), expected);
        assert_eq!(browser.set.len(), 1);
    }
    assert_eq!(Browser::with(&proxy, &jar).get("/"), "1");
}

#[test]
fn clusters_that_share_a_cookie_name_leave_each_other_s_clients_alone() {
    let (_one, _other, setup) = two_clusters();
    let proxy = Evenkeel::start(&setup);
    let _moves_the_turn = Browser::of(&proxy).get("/other");
    let mut browser = Browser::of(&proxy);
    assert_eq!(
        (browser.get("/"), browser.get("/other")),
        ("1".into(), "2".into())
    );
    let [field] = browser.set.as_slice() else {
        panic!("one cookie, not {:?}", browser.set);
    };
    assert!(
        field.ends_with("; Path=/; SameSite=Lax; HttpOnly"),
        "{field}"
    );
    for _ in 0..3 {
        assert_eq!(
            (browser.get("/"), browser.get("/other")),
            ("1".into(), "2".into())
        );
        assert!(browser.set.is_empty());
    }
    // What nobody knows is not kept.
    let jar = format!("{}.{}", browser.jar(), "A".repeat(22));
    let mut padded = Browser::with(&proxy, &jar);
    assert_eq!(padded.get("/"), "1");
    let stranger = format!("at={0}.{0}", "A".repeat(22));
    let mut stranger = Browser::with(&proxy, &stranger);
    stranger.get("/");
    assert_eq!(stranger.jar().len(), "at=".len() + 22);
}

#[test]
fn a_tunnel_begins_with_its_cookie() {
    let origin = Origin::script(|conn| {
        conn.head();
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n",
        );
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(COOKIE));
    let mut client = proxy.client();
    client.send_request("GET", "/", "Connection: Upgrade\r\nUpgrade: foo\r\n", "");
    let head = client.head();
    assert_eq!(head.status(), 101);
    assert_eq!(head.all("set-cookie").len(), 1, "{head}");
}

#[test]
fn the_endpoint_sees_the_cookie_as_it_came() {
    let origin = Origin::saying("1");
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(COOKIE));
    let mut browser = Browser::of(&proxy);
    browser.get("/");
    let jar = format!("a=1; {}; b=2", browser.jar());
    proxy
        .client()
        .get_with("/", &format!("Cookie: {jar}\r\n"))
        .status(200);
    assert_eq!(origin.wait_requests(2)[1].field("cookie"), Some(jar));
}

#[test]
fn what_is_hashed_keeps_clients_whatever_the_balancer() {
    let origins = three();
    let setup = Setup::to(&origins).cluster("sticky.by = [\"cookie:user\"]");
    let ask = |proxy: &Evenkeel, user: u32| {
        let fields = format!("Cookie: user={user}\r\n");
        let response = proxy.client().get_with("/", &fields).status(200);
        response.without("set-cookie").text()
    };
    let proxy = Evenkeel::start(&setup.clone().top("workers = 2"));
    let first: Vec<String> = (0..30).map(|user| ask(&proxy, user)).collect();
    let again: Vec<String> = (0..30).map(|user| ask(&proxy, user)).collect();
    assert_eq!(first, again);
    assert!(
        ["1", "2", "3"]
            .iter()
            .all(|name| first.iter().any(|one| one == name))
    );
    let turns: String = (0..6)
        .map(|_| proxy.client().get("/").status(200).text())
        .collect();
    assert_eq!(turns, "123123", "without a cookie by the balancer");
    let other = Evenkeel::start(&setup);
    let there: Vec<String> = (0..30).map(|user| ask(&other, user)).collect();
    assert_eq!(there, first);
}
