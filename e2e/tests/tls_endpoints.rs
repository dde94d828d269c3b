//! TLS to endpoints: who is believed, who is not and what is said of it, what is shown of us, and that everything else goes on
//! as over TCP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evenkeel_testkit::pki::{Authority, Leaf};
use evenkeel_testkit::tls::TlsOrigin;
use evenkeel_testkit::{
    Conn, Evenkeel, Folder, Gate, Origin, Reply, Setup, Speech, Start, eventually, run,
};

/// The name of whoever is on this host, as addresses of origins have it.
const HERE: &str = "127.0.0.1";

/// An origin that has this certificate.
fn with(leaf: &Leaf) -> Origin {
    over(&TlsOrigin::with(leaf))
}

fn over(tls: &TlsOrigin) -> Origin {
    Speech::h1().over(tls).saying("ok")
}

/// TLS that trusts this authority, with more of its keys.
fn trusting(folder: &Folder, authority: &Authority, more: &str) -> String {
    let ca = authority.write(folder, "ca");
    format!("tls = {{ ca = {ca:?}{more} }}")
}

/// Which of an origin's requests came over a resumed session.
fn resumed(origin: &Origin) -> Vec<bool> {
    let requests = origin.requests();
    let handshakes = requests.into_iter().map(|request| request.tls);
    handshakes.map(|tls| tls.unwrap().resumed).collect()
}

/// What an origin does with a connection.
type Script = fn(&mut Conn);

/// Reads what begins a handshake.
fn hello(conn: &mut Conn) {
    let header = conn.exactly(5);
    let length = u16::from_be_bytes([header[3], header[4]]);
    conn.exactly(length.into());
}

#[test]
fn an_endpoint_proves_its_address_or_its_name() {
    let (folder, authority) = (Folder::new(), Authority::new());
    for (names, more, address, sni) in [
        (&[HERE][..], "", HERE, None),
        (&["localhost"], "", "localhost", Some("localhost")),
        (
            &["api.internal"],
            ", server_name = \"API.internal\"",
            HERE,
            Some("api.internal"),
        ),
        (
            &["*.api.internal"],
            ", server_name = \"a.api.internal\"",
            HERE,
            Some("a.api.internal"),
        ),
    ] {
        let origin = with(&authority.certify(names));
        let port = origin.socket_address().port();
        let setup = Setup::to_addresses([format!("https://{address}:{port}")])
            .cluster(&trusting(&folder, &authority, more));
        let proxy = Evenkeel::start(&setup);
        let mut client = proxy.client();
        client.get("/").status(200).body("ok");
        client.post("/", "a body").status(200).body("ok");
        let requests = origin.requests();
        assert_eq!(requests[1].text(), "a body");
        let shaken = requests[0].tls.clone().unwrap();
        assert_eq!(shaken.sni.as_deref(), sni, "{names:?}");
        assert_eq!(shaken.version, "1.3");
        assert_eq!(shaken.certificate, None);
    }
}

#[test]
fn who_proves_nothing_gets_no_request() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let stranger = Authority::new();
    for (leaf, reason) in [
        (stranger.certify(&[HERE]), "UnknownIssuer"),
        (authority.order(&[HERE]).expired().issue(), "expired"),
        (
            authority.order(&[HERE]).days(2, 30).issue(),
            "not valid yet",
        ),
        (authority.certify(&["127.0.0.2"]), "not valid for name"),
        (authority.certify(&["localhost"]), "not valid for name"),
    ] {
        let origin = with(&leaf);
        let setup = Setup::to([&origin]).cluster(&trusting(&folder, &authority, ""));
        let proxy = Evenkeel::start(&setup);
        let response = proxy.client().get("/").status(502);
        response.fault("tls-certificate-refused");
        let line = proxy.log().wait_for(reason, |line| line.contains(reason));
        assert!(!line.is_empty());
        assert_eq!(proxy.record()["fault"], "tls-certificate-refused");
        assert_eq!(origin.requests().len(), 0);
    }
}

#[test]
fn the_system_says_whom_to_trust_where_nobody_else_does() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let roots = authority.write(&folder, "roots");
    let origin = with(&authority.certify(&[HERE]));
    let stranger = with(&Authority::new().certify(&[HERE]));
    let setup = Setup::to([&origin])
        .sections(&format!(
            "[[route]]\npath = \"/stranger\"\ncluster = \"b\"\n[cluster.b]\nendpoints = [{:?}]\n",
            stranger.address()
        ))
        .text();
    let line = Start::default()
        .with("SSL_CERT_FILE", roots.to_str().unwrap())
        .start(&setup);
    let mut client = line.client();
    client.get("/").status(200).body("ok");
    client
        .get("/stranger")
        .status(502)
        .fault("tls-certificate-refused");
    line.end();
}

#[test]
fn a_client_certificate_is_shown_to_who_asks_for_it() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let files = authority.certify(&["evenkeel"]).write(&folder, "client");
    let asks = TlsOrigin::with(&authority.certify(&[HERE])).clients_of(&authority);
    for tls in [asks.clone().only_1_2(), asks.only_1_3()] {
        let origin = over(&tls);
        let keys = format!(", {}", files.toml_keys());
        let shows = trusting(&folder, &authority, &keys);
        let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(&shows));
        proxy.client().get("/").status(200).body("ok");
        let shaken = origin.requests()[0].tls.clone().unwrap();
        assert!(shaken.certificate.is_some());
        let shows_nothing = trusting(&folder, &authority, "");
        let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(&shows_nothing));
        proxy
            .client()
            .get("/")
            .status(502)
            .fault("tls-alert-received");
    }
}

#[test]
fn to_verify_nobody_is_loud() {
    let origin = with(&Authority::new().order(&["a.example"]).expired().issue());
    let setup = Setup::to([&origin]).cluster("tls = { verify = false }");
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/").status(200).body("ok");
    let said = proxy.log().stderr();
    assert!(said.contains("need not prove who they are"), "{said}");
    assert!(said.contains("TLS UNVERIFIED"), "{said}");
    let status = proxy.order(&["status"]);
    assert!(status.contains("TLS UNVERIFIED"), "{status}");
    assert_eq!(proxy.status()["clusters"][0]["tls"], "unverified");
}

#[test]
fn the_oldest_version_that_will_do_is_said() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let leaf = authority.certify(&[HERE]);
    for (more, status) in [("", 200), (", min_version = \"1.3\"", 502)] {
        let old = over(&TlsOrigin::with(&leaf).only_1_2());
        let setup = Setup::to([&old]).cluster(&trusting(&folder, &authority, more));
        let proxy = Evenkeel::start(&setup);
        let response = proxy.client().get("/").status(status);
        if status == 502 {
            response.fault("tls-alert-received");
        }
    }
}

#[test]
fn an_endpoint_without_tls_has_a_fault_of_its_own() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let cuts = |conn: &mut Conn| {
        hello(conn);
        conn.reset();
    };
    let plain = |conn: &mut Conn| {
        hello(conn);
        conn.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        conn.until_closed();
    };
    let cases: [(Script, &str); 3] = [
        (hello, "closed the connection during the TLS handshake"),
        (cuts, "during the TLS handshake"),
        (plain, "no TLS with it"),
    ];
    for (script, reason) in cases {
        let origin = Origin::script(script);
        let address = format!("https://{}", origin.socket_address());
        let setup = Setup::to_addresses([address]).cluster(&trusting(&folder, &authority, ""));
        let proxy = Evenkeel::start(&setup);
        let response = proxy.client().get("/").status(502);
        response.fault("tls-handshake-failed");
        proxy.log().wait_for(reason, |line| line.contains(reason));
    }
}

#[test]
fn a_handshake_is_part_of_connecting_and_of_its_time() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let gate = Gate::new();
    let stalls = Origin::script({
        let gate = gate.clone();
        move |conn| {
            hello(conn);
            gate.wait();
        }
    });
    let address = format!("https://{}", stalls.socket_address());
    let setup = Setup::to_addresses([address])
        .cluster(&trusting(&folder, &authority, ""))
        .cluster("connect_timeout = \"200ms\"\nretry.attempts = 0");
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/").status(504).fault("connect-timeout");
    gate.open();
}

#[test]
fn what_found_no_tls_goes_to_another_endpoint() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let stranger = with(&Authority::new().certify(&[HERE]));
    let closes = Origin::script(hello);
    let good = with(&authority.certify(&[HERE]));
    let addresses = [
        stranger.address(),
        format!("https://{}", closes.socket_address()),
        good.address(),
    ];
    let setup = Setup::to_addresses(addresses).cluster(&trusting(&folder, &authority, ""));
    let proxy = Evenkeel::start(&setup);
    for number in 0..6 {
        let mut client = proxy.client();
        // Nothing of it was sent, so that it may go elsewhere whatever its method.
        let response = client.post("/", &format!("number {number}"));
        response.status(200).body("ok");
    }
    assert_eq!(good.requests().len(), 6);
    let ejected = |line: &str| line.contains("ejected") && line.contains("connect");
    proxy.log().wait_for("an ejection", ejected);
}

#[test]
fn connections_are_kept_although_tickets_come_after_their_handshake() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let leaf = authority.certify(&[HERE]);
    for tls in [
        TlsOrigin::with(&leaf).only_1_3(),
        TlsOrigin::with(&leaf).only_1_2(),
    ] {
        let origin = over(&tls);
        let setup = Setup::to([&origin]).cluster(&trusting(&folder, &authority, ""));
        let proxy = Evenkeel::start(&setup.top("workers = 1"));
        for _ in 0..4 {
            proxy.client().get("/").status(200).body("ok");
            // For one that must not be sent twice the system is asked whether the connection is quiet.
            proxy.client().post("/", "x").status(200).body("ok");
        }
        assert_eq!(origin.connections(), 1);
    }
}

#[test]
fn a_kept_connection_that_ended_is_replaced_at_no_price() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let tls = TlsOrigin::with(&authority.certify(&[HERE]));
    for says_goodbye in [true, false] {
        // Each connection takes a second request, and then ends without an answer to it.
        let origin = Speech::h1().over(&tls).script(move |conn| {
            if let Some(request) = conn.request() {
                conn.reply(&request, &Reply::ok("ok"));
                conn.head();
                if !says_goodbye {
                    conn.no_goodbye();
                }
            }
        });
        let setup = Setup::to([&origin]).cluster(&trusting(&folder, &authority, ""));
        let proxy = Evenkeel::start(&setup.top("workers = 1").cluster("retry.attempts = 0"));
        for _ in 0..3 {
            proxy.client().get("/").status(200).body("ok");
        }
        assert_eq!(origin.connections(), 3);
    }
}

#[test]
fn tickets_are_used_also_after_a_reload() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let leaf = authority.certify(&[HERE]);
    for tls in [
        TlsOrigin::with(&leaf).only_1_3(),
        TlsOrigin::with(&leaf).only_1_2(),
    ] {
        let origin = over(&tls);
        let setup = Setup::to([&origin])
            .top("workers = 1")
            .cluster(&trusting(&folder, &authority, ""))
            .cluster("max_idle_connections = 0");
        let mut proxy = Evenkeel::start(&setup);
        proxy.client().get("/").status(200);
        proxy.client().get("/").status(200);
        proxy.reload(&setup.cluster("idle_timeout = \"1m\"").text());
        proxy.client().get("/").status(200);
        // The start has connected too, to see who is there: the first request may find its session.
        assert_eq!(resumed(&origin)[1..], [true, true]);
    }
}

#[test]
fn endpoints_with_names_of_their_own_share_no_ticket() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let leaf = authority.certify(&[HERE, "localhost"]);
    let origin = with(&leaf);
    let port = origin.socket_address().port();
    let by_name = format!("https://localhost:{port}");
    let setup = Setup::to([&origin])
        .top("workers = 1")
        .cluster(&trusting(&folder, &authority, ""))
        .cluster("max_idle_connections = 0")
        .add_route("path = \"/b\"\ncluster = \"b\"")
        .sections(&format!(
            "[cluster.b]\nendpoints = [{by_name:?}]\n{}\nmax_idle_connections = 0\n",
            trusting(&folder, &authority, "")
        ));
    let proxy = Evenkeel::start(&setup);
    for path in ["/", "/b", "/", "/b"] {
        proxy.client().get(path).status(200);
    }
    // The first of each name may find the session of the start, which connected to see who is there.
    assert_eq!(resumed(&origin)[2..], [true, true]);
    for request in origin.requests() {
        let sni = request.tls.as_ref().unwrap().sni.as_ref();
        assert_eq!(sni.is_some(), request.target() == "/b");
    }
}

#[test]
fn nobody_is_reached_over_a_connection_of_another_identity() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let origin = with(&authority.certify(&[HERE]));
    let good = trusting(&folder, &authority, "");
    let other = Authority::new().write(&folder, "other");
    let other = format!("tls = {{ ca = {other:?} }}");
    let setup = || Setup::to([&origin]).top("workers = 1");
    let mut proxy = Evenkeel::start(&setup().cluster(&good));
    proxy.client().get("/").status(200);
    proxy.client().get("/").status(200);
    assert_eq!(origin.connections(), 1);
    proxy.reload(&setup().cluster(&other).text());
    let response = proxy.client().get("/").status(502);
    response.fault("tls-certificate-refused");
    proxy.reload(&setup().cluster("tls = { verify = false }").text());
    proxy.client().get("/").status(200);
    // What nobody verified is not used by those who verify.
    let before = origin.connections();
    proxy.reload(&setup().cluster(&good).text());
    proxy.client().get("/").status(200);
    assert_eq!(origin.connections(), before + 1);
}

#[test]
fn a_file_of_authorities_is_read_again_when_it_changes() {
    let (old, new) = (Authority::new(), Authority::new());
    let origin = with(&new.certify(&[HERE]));
    let folder = Folder::new();
    old.write(&folder, "ca");
    let setup = Setup::to([&origin])
        .top("workers = 1")
        .cluster("tls = { ca = \"ca.pem\" }\noutlier = \"off\"");
    folder.write("evenkeel.toml", setup.text());
    let proxy = Evenkeel::start_in(folder, &["run"]);
    proxy
        .client()
        .get("/")
        .status(502)
        .fault("tls-certificate-refused");
    std::fs::write(proxy.folder().join("ca.pem"), new.pem()).unwrap();
    eventually("the new authority is believed", || {
        let response = proxy.client().get("/");
        (response.head.status() == 200).then_some(())
    });
}

#[test]
fn probes_go_through_tls_and_say_why_it_fails() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let well = Arc::new(AtomicBool::new(true));
    let tls = TlsOrigin::with(&authority.certify(&[HERE]));
    let origin = Speech::h1().over(&tls).http({
        let well = Arc::clone(&well);
        move |request| match request.target() {
            "/healthz" if !well.load(Ordering::Relaxed) => Reply::new(500, "sick"),
            _ => Reply::ok("ok"),
        }
    });
    let http = "probe.http.path = \"/healthz\"\nprobe.interval = \"100ms\"\nprobe.timeout = \"5s\"";
    let tcp = "probe.tcp = {}\nprobe.interval = \"100ms\"\nprobe.timeout = \"5s\"";
    let good = trusting(&folder, &authority, "");
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(&good).cluster(http));
    proxy.client().get("/").status(200).body("ok");
    assert_eq!(
        proxy.status()["clusters"][0]["endpoints"][0]["health"],
        "up"
    );
    well.store(false, Ordering::Relaxed);
    proxy
        .log()
        .wait_for("the bad status", |line| line.contains("status 500"));
    let other = Authority::new().write(&folder, "other");
    let other = format!("tls = {{ ca = {other:?} }}");
    for probe in [http, tcp] {
        let origin = over(&tls);
        let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(&other).cluster(probe));
        let down = |line: &str| line.contains("no TLS: ") && line.contains("UnknownIssuer");
        proxy.log().wait_for("the endpoint is down", down);
        let status = proxy.status();
        assert_eq!(status["clusters"][0]["endpoints"][0]["health"], "down");
    }
    let origin = over(&tls);
    let tcp = format!("{good}\n{tcp}");
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(&tcp));
    assert_eq!(
        proxy.status()["clusters"][0]["endpoints"][0]["health"],
        "up"
    );
}

#[test]
fn a_proxy_without_a_file_takes_endpoints_with_tls() {
    let shown = run(
        Folder::new().path(),
        &[
            "proxy",
            "--listen",
            ":0",
            "--to",
            "h2c://10.0.0.1:50051",
            "--print-config",
        ],
    );
    assert_eq!(shown.status, 0, "{}", shown.stderr);
    assert!(
        shown.stdout.contains("protocol = \"h2\""),
        "{}",
        shown.stdout
    );
    let mixed = run(
        Folder::new().path(),
        &[
            "proxy",
            "--listen",
            ":0",
            "--to",
            "https://a",
            "--to",
            "b:80",
        ],
    );
    assert_ne!(mixed.status, 0);
    assert!(mixed.stderr.contains("spoken to alike"), "{}", mixed.stderr);
}
