//! What evenkeel adds to heads, takes out of them, and does not believe in them.

use evenkeel_testkit::{Evenkeel, Origin, Reply, Request, Setup};

const TRUST: &str = "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]";

/// What the origin gets of a GET with these fields.
fn arrives(setup: impl FnOnce(Setup) -> Setup, fields: &str) -> Request {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&setup(Setup::to([&origin])));
    proxy.client().get_with("/x?y", fields).status(200);
    origin.request()
}

#[test]
fn the_client_is_named_to_the_endpoint() {
    let request = arrives(|setup| setup, "");
    assert_eq!(request.head.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(request.head.all("x-forwarded-proto"), ["http"]);
    assert_eq!(request.head.all("x-forwarded-host"), ["a.example"]);
    assert_eq!(request.head.all("host"), ["a.example"]);
}

#[test]
fn what_a_client_says_of_itself_is_not_believed() {
    let request = arrives(
        |setup| setup,
        "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\
         X-Forwarded-Port: 443\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n",
    );
    assert_eq!(request.head.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(request.head.all("x-forwarded-proto"), ["http"]);
    assert_eq!(request.head.all("x-forwarded-host"), ["a.example"]);
    for name in ["x-forwarded-port", "forwarded", "x-real-ip"] {
        assert_eq!(request.head.all(name), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_trusted_proxy_is_believed_and_the_client_is_the_rightmost_untrusted_hop() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener(TRUST));
    proxy
        .client()
        .get_with(
            "/",
            "X-Forwarded-For: 6.6.6.6, 9.9.9.9, 10.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\n",
        )
        .status(200);
    let request = origin.request();
    let hops = request.head.all("x-forwarded-for").join(", ");
    assert!(hops.ends_with("127.0.0.1"), "{hops}");
    assert!(hops.contains("9.9.9.9, 10.1.1.1"), "{hops}");
    assert_eq!(request.head.all("x-forwarded-proto"), ["https"]);
    assert_eq!(request.head.all("x-forwarded-host"), ["b.example"]);
    assert_eq!(proxy.record()["client"], "9.9.9.9");
}

#[test]
fn routes_for_client_networks_see_the_client_behind_a_trusted_proxy() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(
        &Setup::to([&origin])
            .listener(TRUST)
            .route("allow = [\"9.0.0.0/8\"]"),
    );
    let mut client = proxy.client();
    client
        .get_with("/", "X-Forwarded-For: 9.9.9.9\r\n")
        .status(200);
    client
        .get_with("/", "X-Forwarded-For: 9.9.9.9, 8.8.8.8\r\n")
        .status(403)
        .fault("request-denied");
    client.get("/").status(403);
}

#[test]
fn garbage_among_the_hops_is_no_client() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener(TRUST));
    let mut client = proxy.client();
    for hops in [
        "garbage",
        "9.9.9.9, garbage",
        ",",
        "9.9.9.9,,10.0.0.1",
        &"1.1.1.1, ".repeat(200),
    ] {
        client
            .get_with("/", &format!("X-Forwarded-For: {hops}\r\n"))
            .status(200);
    }
    for record in proxy.records(5) {
        let client = record["client"].as_str().unwrap().to_owned();
        assert!(client.parse::<std::net::IpAddr>().is_ok(), "{record}");
    }
}

#[test]
fn a_request_id_is_kept_or_made() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.get_with("/", "X-Request-Id: mine-1\r\n").status(200);
    client.get("/").status(200);
    client.get("/").status(200);
    client
        .get_with("/", &format!("X-Request-Id: {}\r\n", "x".repeat(5000)))
        .status(200);
    let ids: Vec<String> = origin
        .requests()
        .iter()
        .map(|r| r.field("x-request-id").unwrap())
        .collect();
    assert_eq!(ids[0], "mine-1");
    assert!(ids[1].len() >= 16 && ids[1] != ids[2], "{ids:?}");
    assert!(
        ids[3].len() < 1000,
        "what a client sent of an id is bounded"
    );
    let records = proxy.records(4);
    assert!(
        records
            .iter()
            .zip(&ids)
            .all(|(record, id)| record["request_id"] == id.as_str()),
        "{records:?}"
    );
}

#[test]
fn hop_by_hop_fields_end_here() {
    let request = arrives(
        |setup| setup,
        "Connection: keep-alive, X-Own, x-forwarded-for, Cookie\r\nX-Own: 1\r\nCookie: a\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: foo\r\nProxy-Authorization: me\r\nX-Stays: 1\r\n",
    );
    for name in [
        "connection",
        "x-own",
        "cookie",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
    ] {
        assert_eq!(request.head.all(name), Vec::<String>::new(), "{name}");
    }
    assert_eq!(request.head.all("x-stays"), ["1"]);
    assert_eq!(
        request.head.all("x-forwarded-for"),
        ["127.0.0.1"],
        "ours is added after"
    );
}

#[test]
fn a_client_cannot_have_host_or_framing_removed() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client
        .ask(
            "POST",
            "/",
            "Connection: host, content-length\r\nContent-Length: 5\r\n",
            "hello",
        )
        .status(200)
        .body("hello");
    client
        .ask(
            "POST",
            "/",
            "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
        )
        .status(200)
        .body("hello");
    assert!(
        origin
            .requests()
            .iter()
            .all(|request| request.field("host").is_some() && request.text() == "hello")
    );
}

#[test]
fn hop_by_hop_fields_of_a_response_end_here_too() {
    let origin = Origin::http(|_| {
        Reply::ok("ok")
            .header("Connection", "X-Own, keep-alive")
            .header("X-Own", "1")
            .header("Keep-Alive", "timeout=5")
            .header("Proxy-Connection", "close")
            .header("X-Stays", "1")
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let response = proxy.client().get("/").status(200).header("x-stays", "1");
    for name in ["connection", "x-own", "keep-alive", "proxy-connection"] {
        assert_eq!(response.field(name), None, "{name}");
    }
}

#[test]
fn underscore_twins_of_fields_that_matter_are_dropped() {
    let request = arrives(
        |setup| setup,
        "Content_Length: 99\r\nTransfer_Encoding: chunked\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded_Host: evil\r\n\
         X_Real_IP: 6.6.6.6\r\nX_Request_Id: evil\r\nMy_Field: stays\r\n",
    );
    for name in [
        "content_length",
        "transfer_encoding",
        "x_forwarded_for",
        "x-forwarded_host",
        "x_real_ip",
        "x_request_id",
    ] {
        assert_eq!(request.head.all(name), Vec::<String>::new(), "{name}");
    }
    assert_eq!(request.head.all("my_field"), ["stays"]);
}

#[test]
fn fields_are_edited_on_the_way_in() {
    let request = arrives(
        |setup| {
            setup.route(
                "request_headers = { set = { X-Env = \"blue\" }, add = { X-More = [\"1\", \"2\"] }, remove = [\"Cookie\"] }",
            )
        },
        "X-Env: red\r\nx-env: green\r\nX-More: 0\r\nCookie: a\r\ncookie: b\r\n",
    );
    assert_eq!(request.head.all("x-env"), ["blue"]);
    assert_eq!(request.head.all("x-more"), ["0", "1", "2"]);
    assert_eq!(request.head.all("cookie"), Vec::<String>::new());
}

#[test]
fn fields_are_edited_on_the_way_out() {
    let origin = Origin::http(|_| {
        Reply::ok("ok")
            .header("Server", "own")
            .header("X-More", "0")
    });
    let setup = Setup::to([&origin])
        .route("response_headers = { set = { X-Env = \"blue\" }, add = { X-More = \"1\" }, remove = [\"Server\"] }");
    let proxy = Evenkeel::start(&setup);
    let response = proxy
        .client()
        .get("/")
        .status(200)
        .header("x-env", "blue")
        .without("server");
    assert_eq!(response.head.all("x-more"), ["0", "1"]);
}

#[test]
fn the_host_is_kept_or_set() {
    let origin = Origin::http(Reply::echo);
    let setup = Setup::to([&origin])
        .add_route("path = \"/set\"\nhost_header = \"b.example\"\ncluster = \"app\"")
        .add_route("path = \"/endpoint\"\nhost_header = \"endpoint\"\ncluster = \"app\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for target in ["/", "/set", "/endpoint"] {
        client.get(target).status(200);
    }
    let hosts: Vec<String> = origin
        .requests()
        .iter()
        .map(|r| r.field("host").unwrap())
        .collect();
    assert_eq!(hosts, ["a.example", "b.example", &origin.address()]);
    assert!(
        origin
            .requests()
            .iter()
            .all(|r| r.field("x-forwarded-host").as_deref() == Some("a.example"))
    );
}
