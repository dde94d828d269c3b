//! Method, target, fields and body arrive as they were sent, and so does what comes back.

use std::fmt::Write;

use evenkeel_testkit::{Evenkeel, Origin, Reply, Setup};

#[test]
fn every_method_arrives() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    let methods = [
        "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "get", "M-SEARCH",
    ];
    for method in methods {
        client.ask(method, "/", "", "").status(200);
    }
    let seen: Vec<String> = origin
        .requests()
        .iter()
        .map(|r| r.method().to_owned())
        .collect();
    assert_eq!(seen, methods);
}

#[test]
fn the_whole_target_arrives_unchanged() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    let targets = [
        "/",
        "/?",
        "/a%2Fb//c;d=e/%7Euser/?x=1&x=2&%20=?/..",
        "//a",
        "/a/...",
        "/.hidden/a..b",
        "/\"<>\\^`{|}?\"<>\\^`{|}",
        "/%0d%0aX:%20y",
        "/%01",
    ];
    for target in targets {
        client.get(target).status(200);
    }
    let seen: Vec<String> = origin
        .requests()
        .iter()
        .map(|r| r.target().to_owned())
        .collect();
    assert_eq!(seen, targets);
}

#[test]
fn an_absolute_target_arrives_as_a_path_with_its_host() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client().host("b.example:81");
    client.get("http://b.example:81/x?y=z").status(200);
    let request = origin.request();
    assert_eq!(request.target(), "/x?y=z");
    assert_eq!(request.field("host").as_deref(), Some("b.example:81"));
}

#[test]
fn fields_of_a_request_keep_their_order_number_and_spelling() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    proxy
        .client()
        .get_with("/", "x-B: 2\r\nX-a: 1\r\nx-B: 3\r\nX-Empty:\r\nX-Spaces: \t a  b \t\r\nCookie: a=b\r\nCookie: c\r\n")
        .status(200);
    let head = origin.request().head;
    let sent: Vec<String> = head
        .fields
        .iter()
        .filter(|field| field.name.starts_with(['x', 'X', 'C']) && !is_ours(&field.name))
        .map(|field| format!("{field:?}"))
        .collect();
    assert_eq!(
        sent,
        [
            "x-B: 2",
            "X-a: 1",
            "x-B: 3",
            "X-Empty: ",
            "X-Spaces: a  b",
            "Cookie: a=b",
            "Cookie: c"
        ]
    );
}

/// Whether evenkeel itself sets the field.
fn is_ours(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("x-forwarded-") || name == "x-request-id"
}

#[test]
fn a_response_comes_back_as_the_origin_sent_it() {
    let origin = Origin::http(|_| {
        Reply::raw(
            "HTTP/1.1 299 Odd but  fine\r\nx-B: 2\r\nX-a: 1\r\nSet-Cookie: a=1\r\nServer: own\r\n\
             Set-Cookie: b=2\r\nDate: then\r\nContent-Length: 2\r\nx-B: \r\n\r\nok",
        )
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let response = proxy.client().get("/").status(299).body("ok");
    assert_eq!(response.head.start, ["HTTP/1.1", "299", "Odd but  fine"]);
    let fields: Vec<String> = response
        .head
        .fields
        .iter()
        .filter(|field| {
            !["content-length", "x-request-id"].contains(&&*field.name.to_ascii_lowercase())
        })
        .map(|field| format!("{field:?}"))
        .collect();
    assert_eq!(
        fields,
        [
            "x-B: 2",
            "X-a: 1",
            "Set-Cookie: a=1",
            "Server: own",
            "Set-Cookie: b=2",
            "Date: then",
            "x-B: "
        ]
    );
    assert_eq!(response.field("content-length").as_deref(), Some("2"));
}

#[test]
fn bytes_that_are_no_text_pass_in_bodies_and_values() {
    let origin = Origin::http(|request| {
        Reply::raw(
            [
                &b"HTTP/1.1 200 OK\r\nX: \xe9\xff\x80\r\nContent-Length: 256\r\n\r\n"[..],
                &request.body,
            ]
            .concat(),
        )
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let body: Vec<u8> = (0..=255).collect();
    let mut client = proxy.client();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nX-Raw: \xfe\x80\r\nContent-Length: 256\r\n\r\n");
    client.send(&body);
    let response = client.response("POST").status(200).body(&body);
    let value = |fields: &[evenkeel_testkit::message::Field], name: &str| {
        fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.value.clone())
    };
    assert_eq!(
        value(&response.head.fields, "X").as_deref(),
        Some(&b"\xe9\xff\x80"[..])
    );
    assert_eq!(
        value(&origin.request().head.fields, "X-Raw").as_deref(),
        Some(&b"\xfe\x80"[..])
    );
}

#[test]
fn a_post_without_a_length_arrives_with_length_0() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    proxy.client().ask("POST", "/", "", "").status(200);
    assert_eq!(
        origin.request().field("content-length").as_deref(),
        Some("0")
    );
}

#[test]
fn a_get_with_a_body_is_one_request_with_its_body() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = proxy.client();
    let length = format!("Content-Length: {}\r\n", hidden.len());
    for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
        client.ask(method, "/", &length, hidden).status(200);
    }
    client.get("/after").status(200);
    let requests = origin.requests();
    let targets: Vec<&str> = requests.iter().map(|r| r.target()).collect();
    assert_eq!(targets, ["/", "/", "/", "/", "/after"]);
    assert!(requests[..4].iter().all(|r| r.text() == hidden));
}

#[test]
fn heads_that_come_byte_by_byte_are_whole() {
    let origin = Origin::script(|conn| {
        while let Some(request) = conn.request() {
            let reply = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
                request.body.len(),
                request.text()
            );
            conn.send_bytewise(reply);
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    for body in ["", "hello"] {
        client.send_bytewise(format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        client.response("POST").status(200).body(body);
    }
}

#[test]
fn a_head_just_within_the_limits_passes_both_ways() {
    let many: String = (0..80).fold(String::new(), |mut fields, i| {
        write!(fields, "X-{i}: {}\r\n", "v".repeat(350)).unwrap();
        fields
    });
    let reply = format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 0\r\n\r\n");
    let origin = Origin::http(move |_| Reply::raw(&reply));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let response = proxy.client().get_with("/", &many).status(200);
    let own = |fields: &[evenkeel_testkit::message::Field]| {
        fields
            .iter()
            .filter(|field| field.value.len() == 350)
            .count()
    };
    assert_eq!(own(&response.head.fields), 80);
    assert_eq!(own(&origin.request().head.fields), 80);
}

#[test]
fn many_exchanges_on_many_connections_keep_their_own_answers() {
    let origin =
        Origin::http(|request| Reply::ok(format!("{} {}", request.target(), request.text())));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let proxy = &proxy;
            scope.spawn(move || {
                let mut client = proxy.client();
                for i in 0..100 {
                    let body = "b".repeat(i * 37 % 5000);
                    let target = format!("/{thread}/{i}");
                    client
                        .post(&target, &body)
                        .status(200)
                        .body(format!("{target} {body}"));
                }
            });
        }
    });
    assert_eq!(origin.requests().len(), 800);
}
