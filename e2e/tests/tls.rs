//! Listeners that speak TLS: who is shown what, what is agreed on, and how connections begin and end.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use evenkeel_testkit::pki::Files;
use evenkeel_testkit::{
    Authority, Broken, Client, Evenkeel, Folder, Leaf, Line, Origin, Reply, Setup, TlsClient,
    eventually, run,
};

/// A listener `web` with these certificates, which answers by itself.
pub(crate) fn saying(files: &[&Files], more: &str) -> String {
    let mut text =
        String::from("version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[listener.web.tls]\n");
    let certificates: Vec<String> = files.iter().map(|files| files.toml()).collect();
    let _ = writeln!(text, "certificates = [{}]", certificates.join(", "));
    text.push_str(more);
    text.push_str("\n[[route]]\nrespond.body = \"here\"\n");
    text
}

/// Lines for the listener of a [`Setup`].
pub(crate) fn tls_of(files: &Files) -> String {
    format!("tls.certificates = {}", files.toml())
}

/// An authority, a certificate of it for `a.example`, and its files.
fn web() -> (Folder, Authority, Leaf, Files) {
    let (folder, authority) = (Folder::new(), Authority::new());
    let leaf = authority.certify(&["a.example"]);
    let files = leaf.write(&folder, "web");
    (folder, authority, leaf, files)
}

#[test]
fn both_versions_are_spoken_and_a_listener_may_speak_the_newer_alone() {
    let (_folder, authority, _, files) = web();
    let proxy = Evenkeel::start_text(&saying(&[&files], ""));
    let client = TlsClient::trusting(&authority);
    for (tls, version) in [
        (client.clone(), "1.3"),
        (client.clone().only_1_3(), "1.3"),
        (client.clone().only_1_2(), "1.2"),
    ] {
        let mut client = proxy.tls(&tls);
        assert_eq!(client.handshake().version, version);
        client.get("/").status(200).body("here");
        client.get("/").status(200).body("here");
    }
    let proxy = Evenkeel::start_text(&saying(&[&files], "min_version = \"1.3\""));
    proxy.tls(&client).get("/").body("here");
    let refused = Client::try_tls(proxy.address(), &client.only_1_2());
    assert!(matches!(refused, Err(Broken::Tls(_))), "{refused:?}");
}

#[test]
fn each_client_is_shown_the_certificate_for_its_name() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let leaves = [
        authority.certify(&["a.example"]),
        authority.certify(&["b.example", "*.b.example"]),
        authority.certify(&["exact.b.example"]),
    ];
    let files: Vec<_> = leaves
        .iter()
        .zip(["a", "b", "c"])
        .map(|(leaf, name)| leaf.write(&folder, name))
        .collect();
    let all: Vec<&Files> = files.iter().collect();
    let proxy = Evenkeel::start_text(&saying(&all, ""));
    let client = TlsClient::trusting(&authority);
    for (name, which) in [
        ("a.example", 0),
        ("b.example", 1),
        ("B.Example", 1),
        ("any.b.example", 1),
        ("exact.b.example", 2),
    ] {
        let mut client = proxy.tls(&client.clone().name(name)).host(name);
        let shown = client.handshake().certificate;
        assert_eq!(shown.as_deref(), Some(leaves[which].der()), "{name}");
        client.get("/").status(200).body("here");
    }
    // Nobody's name, one label too many, no name: the first.
    let client = client.name("a.example");
    let shown = proxy
        .tls(&client.clone().without_sni())
        .handshake()
        .certificate;
    assert_eq!(shown.as_deref(), Some(leaves[0].der()));
    for name in ["c.example", "x.y.b.example"] {
        let refused = Client::try_tls(proxy.address(), &client.clone().name(name));
        let Err(Broken::Tls(why)) = refused else {
            panic!("{name}: {refused:?}");
        };
        assert!(why.contains("not valid for name"), "{why}");
    }
}

#[test]
fn a_client_that_cannot_check_ecdsa_is_shown_rsa() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let rsa = authority.order(&["a.example"]).rsa().issue();
    let ecdsa = authority.certify(&["a.example"]);
    let files = [rsa.write(&folder, "rsa"), ecdsa.write(&folder, "ecdsa")];
    let proxy = Evenkeel::start_text(&saying(&[&files[0], &files[1]], ""));
    let shown = proxy
        .tls(&TlsClient::trusting(&authority))
        .handshake()
        .certificate;
    assert_eq!(
        shown.as_deref(),
        Some(ecdsa.der()),
        "the cheap one comes first"
    );
    for (schemes, kind) in [
        ("RSA-PSS+SHA256:RSA+SHA256", "RSA"),
        ("ECDSA+SHA256", "id-ecPublicKey"),
    ] {
        let said = s_client(
            proxy.address().port(),
            &["-sigalgs", schemes, "-servername", "a.example"],
        );
        assert!(
            said.contains(&format!("a:PKEY: {kind}")) || said.contains(kind),
            "{schemes}: {said}"
        );
    }
}

#[test]
fn who_cannot_check_ecdsa_gets_what_covers_the_name_or_the_same_names() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let identities = [
        authority.certify(&["a.example", "b.example"]),
        authority.order(&["b.example", "a.example"]).rsa().issue(),
        authority.certify(&["x.w.example"]),
        authority.order(&["*.w.example"]).rsa().issue(),
    ];
    let files: Vec<_> = (0..)
        .zip(&identities)
        .map(|(at, one)| one.write(&folder, &format!("c{at}")))
        .collect();
    let proxy = Evenkeel::start_text(&saying(&files.iter().collect::<Vec<_>>(), ""));
    for asked in [
        &["-noservername"][..],
        &["-servername", "other.example"],
        &["-servername", "x.w.example"],
    ] {
        let arguments = [asked, &["-sigalgs", "RSA-PSS+SHA256"]].concat();
        let said = s_client(proxy.address().port(), &arguments);
        assert!(said.contains("PKEY: rsaEncryption"), "{asked:?}: {said}");
    }
}

#[test]
fn tickets_open_for_all_workers_and_across_a_reload() {
    let (_folder, authority, _, files) = web();
    let config = |word: &str| {
        format!(
            "workers = 2\n{}",
            saying(&[&files], "").replace("here", word)
        )
        .replacen(
            "workers = 2\nversion = 1\n",
            "version = 1\nworkers = 2\n",
            1,
        )
    };
    let mut proxy = Evenkeel::start_text(&config("one"));
    for tls in [
        TlsClient::trusting(&authority).only_1_3(),
        TlsClient::trusting(&authority).only_1_2(),
    ] {
        let mut first = proxy.tls(&tls);
        first.get("/").status(200);
        assert!(!first.handshake().resumed);
        for _ in 0..12 {
            // Whichever worker takes it.
            let mut next = proxy.tls(&tls);
            next.get("/").status(200);
            assert!(next.handshake().resumed);
        }
    }
    let tls = TlsClient::trusting(&authority);
    proxy.tls(&tls).get("/").body("one");
    proxy.reload(&config("two"));
    let mut after = proxy.tls(&tls);
    after.get("/").body("two");
    assert!(after.handshake().resumed);
}

#[test]
fn everything_of_http_1_1_goes_over_tls() {
    let (_folder, authority, _, files) = web();
    let origin = Origin::http(|request| Reply::ok(&request.body));
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener(&tls_of(&files)));
    for tls in [
        TlsClient::trusting(&authority),
        TlsClient::trusting(&authority).only_1_2(),
    ] {
        let mut client = proxy.tls(&tls);
        for size in [
            0, 1, 100, 16_383, 16_384, 16_385, 70_000, 300_000, 2_000_000,
        ] {
            let body: String = "0123456789abcdef".chars().cycle().take(size).collect();
            client.post("/", &body).status(200).body(&body);
        }
        // Two at once, in one record.
        let two =
            "GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.example\r\n\r\n";
        client.send(two);
        client.response("GET").status(200);
        client.response("GET").status(200);
        // And one in many records.
        for byte in "GET /3 HTTP/1.1\r\nHost: a.example\r\n\r\n".bytes() {
            client.send([byte]);
        }
        client.response("GET").status(200);
        let chunked = "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        client.send(chunked);
        client.response("POST").status(200).body("hello");
        // The whole address as the target, which is `https` here and nothing else.
        client.send("GET https://a.example/4 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");
        client.response("GET").status(200);
        client.send("GET http://a.example/5 HTTP/1.1\r\nHost: a.example\r\n\r\n");
        client
            .response("GET")
            .status(400)
            .fault("request-malformed");
    }
}

#[test]
fn a_close_is_said_and_one_that_is_not_said_is_a_cut() {
    let (_folder, authority, _, files) = web();
    let tls = TlsClient::trusting(&authority);
    let origin = Origin::http(|_| Reply::ok("whole"));
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener(&tls_of(&files)));
    let mut client = proxy.tls(&tls);
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    client.response("GET").status(200).body("whole");
    // An end without close_notify would be `Broken::Closed`, which this refuses.
    client.expect_closed();
    // The end of a request's body is what its length says, and no end of a connection: this one never was whole.
    let mut client = proxy.tls(&tls);
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\n12345");
    drop(client.no_goodbye());
    let records = proxy.records(2);
    // Each worker writes its own.
    let is_cut = |record: &serde_json::Value| record["fault"] == "client-gone";
    assert!(records.iter().any(is_cut), "{records:?}");
}

#[test]
fn http_without_tls_is_told_what_to_do() {
    let (_folder, _, _, files) = web();
    let proxy = Evenkeel::start_text(&saying(&[&files], ""));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let response = client
        .response("GET")
        .status(400)
        .header("connection", "close");
    assert!(response.text().contains("https://"), "{response}");
    client.expect_closed();
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    client
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .unwrap();
    let mut said = Vec::new();
    client.read_to_end(&mut said).unwrap();
    // SETTINGS, then GOAWAY with INADEQUATE_SECURITY.
    assert_eq!(said[..9], *b"\0\0\0\x04\0\0\0\0\0");
    assert_eq!((said[12], &said[22..26]), (7, &b"\0\0\0\x0c"[..]));
    // What is neither ends as well, and harms nobody.
    for garbage in [
        &b"\x16\x03\x01\xff\xff"[..],
        b"\0\0\0\0\0\0",
        b"\x80\x2e\x01\0\x02",
        b"\x15\x03\x03\0\x02\x02\x28",
    ] {
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        client.write_all(garbage).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = client.read_to_end(&mut Vec::new());
    }
}

#[test]
fn a_handshake_that_takes_too_long_is_cut() {
    let (_folder, authority, _, files) = web();
    let proxy = Evenkeel::start_text(&saying(&[&files], "handshake_timeout = \"2s\""));
    let begin = |begun: &[u8]| {
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        client.write_all(begun).unwrap();
        client
    };
    for mut client in [begin(b""), begin(b"\x16\x03\x01\x02\0\x01")] {
        let mut said = Vec::new();
        // It is evenkeel that ends it.
        client.read_to_end(&mut said).unwrap();
        assert!(said.is_empty(), "{said:?}");
    }
    proxy
        .tls(&TlsClient::trusting(&authority))
        .get("/")
        .body("here");
}

#[test]
fn half_a_message_of_the_handshake_holds_up_nobody() {
    let (_folder, authority, _, files) = web();
    let text = saying(&[&files], "").replace("version = 1", "version = 1\nworkers = 1");
    let timeouts = "[listener.web]\nrequest_header_timeout = \"1s\"\nkeepalive_timeout = \"1s\"";
    let proxy = Evenkeel::start_text(&text.replace("[listener.web]", timeouts));
    let tls = TlsClient::trusting(&authority);
    for requests in [0, 1] {
        let mut client = proxy.tls(&tls);
        for _ in 0..requests {
            client.get("/").status(200);
        }
        // The kind of a message about new keys; its length and content never follow. A worker that took this for a beginning
        // looked at it for ever, and served nobody else.
        assert!(client.try_send_as_handshake([24]));
        client.expect_closed();
        proxy.tls(&tls).get("/").status(200);
    }
}

#[test]
fn every_request_is_sent_to_https() {
    let text = |redirect: &str| {
        format!(
            "version = 1\n[listener.plain]\nbind = \"127.0.0.1:0\"\nredirect_to_https = {redirect}\n[[route]]\nrespond.body = \"here\"\n"
        )
    };
    let proxy = Evenkeel::start_text(&text("true"));
    for (target, host, location) in [
        ("/", "a.example", "https://a.example/"),
        ("/a/b?c=d&e", "a.example:80", "https://a.example/a/b?c=d&e"),
        ("/", "[::1]:8080", "https://[::1]/"),
        ("http://b.example/x", "b.example", "https://b.example/x"),
    ] {
        let mut client = proxy.client().host(host);
        client.get(target).status(308).header("location", location);
        client
            .post(target, "body")
            .status(308)
            .header("location", location);
    }
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    client.response("GET").status(400);
    let proxy = Evenkeel::start_text(&text("8443"));
    proxy
        .client()
        .get("/x")
        .status(308)
        .header("location", "https://a.example:8443/x");
}

#[test]
fn a_request_for_another_certificates_host_is_misdirected() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let a = authority
        .certify(&["a.example", "also.a.example"])
        .write(&folder, "a");
    let b = authority
        .certify(&["b.example", "*.b.example"])
        .write(&folder, "b");
    let proxy = Evenkeel::start_text(&saying(&[&a, &b], ""));
    let tls = TlsClient::trusting(&authority);
    for (name, host, status) in [
        ("a.example", "a.example", 200),
        ("a.example", "A.Example:443", 200),
        ("a.example", "also.a.example", 200),
        ("a.example", "b.example", 421),
        ("a.example", "x.b.example", 421),
        // With the dot of the root it is the same name.
        ("a.example", "b.example.", 421),
        ("b.example", "b.example.:443", 200),
        ("x.b.example", "b.example", 200),
        ("b.example", "a.example", 421),
        // Nobody has a certificate for it: another connection would show the same.
        ("a.example", "c.example", 200),
        ("a.example", "127.0.0.1", 200),
    ] {
        let mut client = proxy.tls(&tls.clone().name(name)).host(host);
        client.get("/").status(status);
    }
}

#[test]
fn endpoints_hear_that_it_was_https() {
    let (_folder, authority, _, files) = web();
    let origin = Origin::saying("here");
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener(&tls_of(&files)));
    proxy
        .tls(&TlsClient::trusting(&authority))
        .get("/")
        .body("here");
    assert_eq!(
        origin.request().field("x-forwarded-proto").as_deref(),
        Some("https")
    );
    let record = proxy.record();
    assert_eq!(
        (&record["tls"], &record["sni"]),
        (&"TLSv1.3".into(), &"a.example".into())
    );
}

#[test]
fn an_upgrade_loses_no_connection_and_the_tickets() {
    let (_folder, authority, _, files) = web();
    let mut line = Line::start(&saying(&[&files], ""));
    let tls = TlsClient::trusting(&authority);
    let address = line.listener("web");
    let mut before = Client::tls(address, &tls);
    before.get("/").body("here");
    line.upgrade();
    // The process before finishes what it has; the next one has keys of its own.
    before.get("/").status(200).body("here");
    let mut after = Client::tls(address, &tls);
    assert!(!after.handshake().resumed);
    after.get("/").body("here");
    drop((before, after));
    let mut again = Client::tls(address, &tls);
    again.get("/").body("here");
    assert!(again.handshake().resumed);
    drop(again);
    line.wait_predecessors();
    line.end();
}

/// What OpenSSL's client says of a connection.
pub(crate) fn s_client(port: u16, more: &[&str]) -> String {
    let output = std::process::Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}")])
        .args(more)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until the status says what `find` looks for.
fn status_says<T>(
    proxy: &Evenkeel,
    what: &str,
    find: impl Fn(&serde_json::Value) -> Option<T>,
) -> T {
    eventually(what, || find(&proxy.status()))
}

#[test]
fn a_new_certificate_is_shown_without_a_reload() {
    let (folder, authority, old, files) = web();
    let proxy = Evenkeel::start_text(&saying(&[&files], ""));
    let tls = TlsClient::trusting(&authority).forgetful();
    let mut early = proxy.tls(&tls);
    assert_eq!(early.handshake().certificate.as_deref(), Some(old.der()));
    // An edit that nobody has reloaded must not come with it.
    proxy.write_config("this is no configuration");
    let new = authority.certify(&["a.example"]);
    new.write(&folder, "web");
    eventually("the new certificate", || {
        let shown = proxy.tls(&tls).handshake().certificate;
        (shown.as_deref() == Some(new.der())).then_some(())
    });
    early.get("/").status(200).body("here");
    proxy.tls(&tls).get("/").body("here");
    let left = status_says(&proxy, "its days", |status| {
        status["listeners"][0]["certificates"][0]["days_left"].as_i64()
    });
    assert!((363..=365).contains(&left), "{left}");
    assert!(proxy.status()["config"]["certificates_error"].is_null());
}

#[test]
fn a_bad_new_pair_keeps_the_old_one_and_no_other() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let (a, b) = (
        authority.certify(&["a.example"]),
        authority.certify(&["b.example"]),
    );
    let files = [a.write(&folder, "a"), b.write(&folder, "b")];
    let proxy = Evenkeel::start_text(&saying(&[&files[0], &files[1]], ""));
    let tls = TlsClient::trusting(&authority).forgetful();
    let shown = |name: &str| proxy.tls(&tls.clone().name(name)).handshake().certificate;
    // The first is no certificate any more, the second is renewed.
    fs::write(&files[0].certificate, "nothing").unwrap();
    let new = authority.certify(&["b.example"]);
    new.write(&folder, "b");
    eventually("the second certificate", || {
        (shown("b.example").as_deref() == Some(new.der())).then_some(())
    });
    assert_eq!(shown("a.example").as_deref(), Some(a.der()));
    let why = status_says(&proxy, "what is wrong", |status| {
        status["config"]["certificates_error"]["text"]
            .as_str()
            .map(str::to_owned)
    });
    assert!(why.contains("a.pem has no certificate in it"), "{why}");
    let told = proxy
        .log()
        .lines()
        .iter()
        .filter(|line| line.contains("certificates stay as they were"))
        .count();
    assert_eq!(told, 1, "it is said once");
    assert!(
        proxy
            .order(&["status"])
            .contains("CERTIFICATES NOT RENEWED")
    );
    // Its certificate and its key come one after the other, with a renewal of the other pair between the two.
    let better = authority.certify(&["a.example"]);
    fs::write(&files[0].certificate, better.pem()).unwrap();
    let newer = authority.certify(&["b.example"]);
    newer.write(&folder, "b");
    eventually("the second certificate once more", || {
        (shown("b.example").as_deref() == Some(newer.der())).then_some(())
    });
    fs::write(&files[0].key, better.key_pem()).unwrap();
    eventually("the first certificate", || {
        (shown("a.example").as_deref() == Some(better.der())).then_some(())
    });
    status_says(&proxy, "that all is well", |status| {
        status["config"]["certificates_error"]
            .is_null()
            .then_some(())
    });
}

#[test]
fn check_names_the_file_that_is_wrong() {
    let (folder, authority, _, files) = web();
    let other = authority.certify(&["b.example"]).write(&folder, "other");
    let old = authority
        .order(&["a.example"])
        .expired()
        .issue()
        .write(&folder, "old");
    let young = authority
        .order(&["a.example"])
        .days(2, 9)
        .issue()
        .write(&folder, "young");
    let of = |certificate: &Path, key: &Path| Files {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    };
    let elsewhere = Folder::new();
    for (files, expected) in [
        (
            of(Path::new("none.pem"), &files.key),
            "none.pem: No such file",
        ),
        (
            of(&files.key, &files.key),
            "web.key has no certificate in it",
        ),
        (
            of(&files.certificate, &other.key),
            "other.key is not the key of the certificate in",
        ),
        (
            of(&files.certificate, &files.certificate),
            "web.pem has a certificate in it and no key",
        ),
        (old, "old.pem expired on 20"),
        (young, "young.pem is not valid before 20"),
    ] {
        let path = folder.write("evenkeel.toml", saying(&[&files], ""));
        let ended = run(elsewhere.path(), &["check", &path.display().to_string()]);
        assert_eq!(ended.status, 1, "{expected}");
        assert!(
            ended.stderr.contains(expected),
            "{expected}: {}",
            ended.stderr
        );
    }
    // Relative paths count from the file that names them, wherever the command runs.
    let path = folder.write(
        "evenkeel.toml",
        saying(&[&of(Path::new("web.pem"), Path::new("web.key"))], ""),
    );
    let ended = run(elsewhere.path(), &["check", &path.display().to_string()]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
}
