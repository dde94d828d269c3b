//! Which route a request takes, and what routes do beside sending it to a cluster.

use evenkeel_testkit::{Evenkeel, Origin, Reply, Setup};

/// A configuration whose routes answer with their own name.
fn naming(routes: &[(&str, &str)]) -> Setup {
    let mut setup = Setup::to_addresses(["127.0.0.1:9"])
        .no_route()
        .add_route("path = \"/unused\"\ncluster = \"app\"");
    for (name, lines) in routes {
        setup = setup.add_route(&format!("{lines}\nrespond = {{ body = \"{name}\" }}"));
    }
    setup
}

#[test]
fn the_most_specific_path_wins_whatever_the_order() {
    let proxy = Evenkeel::start(&naming(&[
        ("all", "path = \"/\""),
        ("deep", "path = \"/api/v1\""),
        ("api", "path = \"/api\""),
        ("exact", "path.exact = \"/api\""),
    ]));
    let mut client = proxy.client();
    for (target, name) in [
        ("/", "all"),
        ("/apix", "all"),
        ("/API", "all"),
        ("/api", "exact"),
        ("/api?x=1", "exact"),
        ("/api/", "api"),
        ("/api/v10", "api"),
        ("/api/v1", "deep"),
        ("/api/v1/x", "deep"),
        ("/api%2Fv1", "all"),
        ("//api", "exact"),
        ("/%61pi/", "api"),
        ("/%2561pi", "all"),
    ] {
        let body = client.get(target).status(200).text();
        assert_eq!(body, name, "{target}");
    }
}

#[test]
fn hosts_come_before_paths() {
    let proxy = Evenkeel::start(&naming(&[
        ("any", "path = \"/long/path\""),
        ("exact", "host = \"a.example\""),
        ("suffix", "host = \"*.example\""),
        ("longer", "host = \"*.b.example\""),
        ("other", "path = \"/\""),
    ]));
    for (host, target, name) in [
        ("a.example", "/long/path", "exact"),
        ("A.Example:8080", "/", "exact"),
        ("a.example.", "/", "exact"),
        ("c.example", "/", "suffix"),
        ("x.b.example", "/", "longer"),
        ("y.x.b.example", "/", "longer"),
        ("b.example", "/", "suffix"),
        ("example", "/", "other"),
        ("example", "/long/path/x", "any"),
        ("[::1]:80", "/", "other"),
    ] {
        let body = proxy.client().host(host).get(target).status(200).text();
        assert_eq!(body, name, "{host} {target}");
    }
}

#[test]
fn methods_headers_and_parameters_narrow_a_route() {
    let proxy = Evenkeel::start(&naming(&[
        ("all", "path = \"/\""),
        ("post", "method = [\"POST\", \"PUT\"]"),
        ("beta", "header.X-Beta = { present = true }"),
        ("two", "header.X-Beta = \"2\"\nheader.X-Extra = \"y\""),
        ("query", "query.v = \"2\""),
    ]));
    let mut client = proxy.client();
    for (method, target, fields, name) in [
        ("GET", "/", "", "all"),
        ("PUT", "/", "", "post"),
        ("put", "/", "", "all"),
        ("GET", "/", "x-beta: 1\r\n", "beta"),
        ("GET", "/", "x-beta:\r\n", "beta"),
        ("GET", "/", "X-Beta: 2\r\nX-Extra: y\r\n", "two"),
        (
            "GET",
            "/",
            "X-Beta: 1\r\nX-Beta: 2\r\nX-Extra: y\r\n",
            "two",
        ),
        ("GET", "/?v=2", "", "query"),
        ("GET", "/?a&v=2&b=3", "", "query"),
        ("GET", "/?v=22", "", "all"),
        ("GET", "/?xv=2", "", "all"),
    ] {
        let body = client.ask(method, target, fields, "").status(200).text();
        assert_eq!(body, name, "{method} {target} {fields}");
    }
}

#[test]
fn a_route_may_belong_to_a_listener() {
    let setup = naming(&[
        ("both", "path = \"/\""),
        ("own", "path = \"/\"\nlistener = \"other\""),
    ])
    .sections("[listener.other]\nbind = \"127.0.0.1:0\"");
    let proxy = Evenkeel::start(&setup);
    proxy.client_of("web").get("/").status(200).body("both");
    proxy.client_of("other").get("/").status(200).body("own");
}

#[test]
fn listeners_on_ipv6_serve_too() {
    let setup = naming(&[("six", "path = \"/\"")]).sections("[listener.six]\nbind = \"[::1]:0\"");
    let proxy = Evenkeel::start(&setup);
    assert!(proxy.listener("six").is_ipv6());
    proxy.client_of("six").get("/").status(200).body("six");
}

#[test]
fn no_route_is_a_404() {
    let proxy = Evenkeel::start(&naming(&[("only", "path = \"/only\"")]));
    let mut client = proxy.client();
    client.get("/other").status(404).fault("no-route");
    client.get("/only").status(200);
    assert_eq!(proxy.records(2)[0]["fault"], "no-route");
}

#[test]
fn a_redirect_keeps_what_it_does_not_change() {
    let setup = Setup::to_addresses(["127.0.0.1:9"])
        .add_route("path = \"/secure\"\nredirect = { scheme = \"https\" }")
        .add_route("path = \"/host\"\nredirect = { host = \"b.example\", status = 302 }")
        .add_route("path = \"/path\"\nredirect = { path = \"/there?x=y\", status = 301 }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client
        .get("/secure/a?b=c")
        .status(308)
        .header("location", "https://a.example/secure/a?b=c");
    client
        .get("/host/%0d%0aX:y")
        .status(302)
        .header("location", "http://b.example/host/%0d%0aX:y");
    client
        .get("/path/a?b")
        .status(301)
        .header("location", "/there?x=y");
    client.post("/secure", "x").status(308);
    client.get("/secure").status(308);
}

#[test]
fn a_fixed_response_is_plain_or_a_page() {
    let setup = Setup::to_addresses(["127.0.0.1:9"]).add_route(
        "path.exact = \"/fixed\"\nrespond = { status = 203, body = \"plain\", html = \"<p>page\" }",
    );
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client
        .get("/fixed")
        .status(203)
        .header("content-type", "text/plain; charset=utf-8")
        .body("plain");
    client
        .get_with(
            "/fixed",
            "Accept: text/html,application/xhtml+xml;q=0.9\r\n",
        )
        .status(203)
        .header("content-type", "text/html; charset=utf-8")
        .body("<p>page");
    client
        .ask("HEAD", "/fixed", "", "")
        .status(203)
        .header("content-length", "5");
    client.get_with("/fixed", "Accept: */*\r\n").body("plain");
    client.post("/fixed", "some body").status(203).body("plain");
    client.get("/fixed").status(203);
}

#[test]
fn a_prefix_is_stripped_or_replaced() {
    let origin = Origin::http(|request| Reply::ok(request.target()));
    let setup = Setup::to([&origin])
        .add_route("path = \"/strip\"\nstrip_prefix = true\ncluster = \"app\"")
        .add_route("path = \"/old\"\nreplace_prefix = \"/new\"\ncluster = \"app\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for (target, arrives) in [
        ("/strip", "/"),
        ("/strip/", "/"),
        ("/strip?a=b", "/?a=b"),
        ("/strip/x/strip?a", "/x/strip?a"),
        ("/strip//x", "/x"),
        ("/old/x?y", "/new/x?y"),
        ("/old", "/new"),
        ("/older", "/older"),
    ] {
        client.get(target).status(200).body(arrives);
    }
}

#[test]
fn client_networks_are_allowed_and_denied() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin])
        .add_route("path = \"/allowed\"\nallow = [\"127.0.0.0/8\"]\ncluster = \"app\"")
        .add_route("path = \"/foreign\"\nallow = [\"10.0.0.0/8\"]\ncluster = \"app\"")
        .add_route("path = \"/denied\"\nallow = [\"127.0.0.0/8\"]\ndeny = [\"127.0.0.1/32\"]\ncluster = \"app\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.get("/allowed").status(200);
    client.get("/foreign").status(403).fault("request-denied");
    client.get("/denied").status(403).fault("request-denied");
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_body_over_its_limit_is_a_413() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]).route("max_request_body = \"10B\""));
    let mut client = proxy.client();
    client
        .post("/", "0123456789")
        .status(200)
        .body("0123456789");
    client
        .post("/", "0123456789a")
        .status(413)
        .fault("request-body-too-large");
    assert_eq!(origin.requests().len(), 1);

    let mut client = proxy.client();
    let chunked = "Transfer-Encoding: chunked\r\n";
    client
        .ask(
            "POST",
            "/",
            chunked,
            "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n",
        )
        .status(200)
        .body("0123456789");
    client
        .ask(
            "POST",
            "/",
            chunked,
            "5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n",
        )
        .status(413)
        .fault("request-body-too-large");
    assert_eq!(origin.requests().len(), 2);
    // A body without an end in sight is not read to its end.
    let mut client = proxy.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n6789a",
    );
    client
        .response("POST")
        .status(413)
        .header("connection", "close");
    client.expect_closed();
    assert_eq!(origin.requests().len(), 2);

    // The client that asks first is told before it sends.
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    let response = client.response("POST").status(413);
    assert_eq!(response.interim, []);
}

#[test]
fn error_pages_replace_evenkeels_own_text_only() {
    let origin = Origin::http(|_| Reply::new(503, "the endpoint's own"));
    let page = "error_page = { 502 = { body = \"<p>sorry\", content_type = \"text/html\" }, 503 = { body = \"no\" } }";
    let setup = Setup::to([&origin])
        .route(page)
        .add_route(&format!("path = \"/dead\"\ncluster = \"dead\"\n{page}"))
        .sections("[cluster.dead]\nendpoints = [\"127.0.0.1:1\"]");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client
        .get("/dead")
        .status(502)
        .header("content-type", "text/html")
        .body("<p>sorry")
        .fault("connect-refused");
    client.get("/").status(503).body("the endpoint's own");
    client
        .ask("HEAD", "/dead", "", "")
        .status(502)
        .header("content-length", "8");
    client.get("/").status(503);
}

#[test]
fn dot_segments_are_refused_unless_the_route_allows_them() {
    let origin = Origin::http(|request| Reply::ok(request.target()));
    let setup = Setup::to([&origin])
        .add_route("path = \"/dots\"\nallow_dot_segments = true\ncluster = \"app\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for target in [
        "/a/../b",
        "/..",
        "/./a",
        "/a/.",
        "/a/..",
        "/a/%2e%2e/b",
        "/a/%2E./b",
        "/a/.%2e",
        "/%2e",
        "/a/..?x",
        "/a/../dots",
    ] {
        client.get(target).status(400).fault("request-path-refused");
    }
    assert_eq!(origin.requests(), []);
    for target in [
        "/dots/../a",
        "/dots/%2e%2e/b",
        "/a%2fb",
        "/a/..b/.c/...",
        "/?a/../b",
    ] {
        client.get(target).status(200).body(target);
    }
}

#[test]
fn connect_and_trace_are_refused() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    // What follows a CONNECT was meant for a tunnel: it is no request.
    client.send(
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    client
        .response("GET")
        .status(405)
        .header("connection", "close")
        .fault("method-refused");
    client.expect_closed();
    proxy
        .client()
        .ask("TRACE", "/", "Max-Forwards: 0\r\n", "")
        .status(405)
        .fault("method-refused");
    assert_eq!(origin.requests(), []);
}

#[test]
fn options_of_the_whole_host_pass_as_an_asterisk() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    proxy.client().ask("OPTIONS", "*", "", "").status(200);
    assert_eq!(origin.request().target(), "*");
}
