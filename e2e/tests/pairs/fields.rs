//! What evenkeel adds to heads, takes out of them, and does not believe in them.

use evenkeel_testkit::{Evenkeel, Length, Reply, Request, Setup};

use super::{Pair, each, each_where};

/// What the endpoint gets of a GET with these fields.
fn arrives(pair: Pair, setup: impl FnOnce(Setup) -> Setup, fields: &str) -> Request {
    let origin = pair.http(Reply::echo);
    let proxy = Evenkeel::start(&setup(pair.setup([&origin])));
    pair.caller(&proxy).get_with("/x?y", fields).status(200);
    origin.request()
}

const NONE: [String; 0] = [];

#[test]
fn the_client_is_named_to_the_endpoint() {
    each(|pair| {
        let request = arrives(pair, |setup| setup, "");
        let head = &request.head;
        assert_eq!(head.all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(head.all("x-forwarded-proto"), [pair.scheme()]);
        assert_eq!(head.all("x-forwarded-host"), ["a.example"]);
        assert_eq!(request.host().as_deref(), Some("a.example"));
        if pair.up.h2 {
            let scheme = if pair.up.tls { "https" } else { "http" };
            assert_eq!(head.all(":scheme"), [scheme]);
            assert_eq!(head.all("host"), NONE, ":authority says it");
        }
    });
}

#[test]
fn what_a_client_says_of_itself_is_not_believed() {
    each(|pair| {
        let request = arrives(
            pair,
            |setup| setup,
            "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Host: evil\r\n\
             X-Forwarded-Port: 443\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n\
             Content_Length: 99\r\nX_Request_Id: evil\r\nMy_Field: stays\r\n",
        );
        let head = &request.head;
        assert_eq!(head.all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(head.all("x-forwarded-proto"), [pair.scheme()]);
        assert_eq!(head.all("x-forwarded-host"), ["a.example"]);
        for name in [
            "x-forwarded-port",
            "forwarded",
            "x-real-ip",
            "x_forwarded_for",
            "content_length",
            "x_request_id",
        ] {
            assert_eq!(head.all(name), NONE, "{name}");
        }
        assert_eq!(head.all("my_field"), ["stays"]);
    });
}

#[test]
fn a_trusted_proxy_is_believed() {
    each(|pair| {
        let trust = "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]";
        let request = arrives(
            pair,
            |setup| setup.listener(trust),
            "X-Forwarded-For: 6.6.6.6, 9.9.9.9, 10.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\n",
        );
        let hops = request.head.all("x-forwarded-for").join(", ");
        assert!(hops.ends_with("9.9.9.9, 10.1.1.1, 127.0.0.1"), "{hops}");
        assert_eq!(request.head.all("x-forwarded-proto"), ["https"]);
        assert_eq!(request.head.all("x-forwarded-host"), ["b.example"]);
    });
}

#[test]
fn a_request_id_is_kept_or_made() {
    each(|pair| {
        let origin = pair.http(Reply::echo);
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        caller.get_with("/", "X-Request-Id: mine-1\r\n").status(200);
        caller.get("/").status(200);
        caller.get("/").status(200);
        let requests = origin.requests();
        let ids: Vec<String> = requests
            .iter()
            .map(|request| request.field("x-request-id").unwrap())
            .collect();
        assert_eq!(ids[0], "mine-1");
        assert!(ids[1].len() >= 16 && ids[1] != ids[2], "{ids:?}");
        let records = proxy.records(3);
        // A client may ask again before the record of what it has got is written.
        for id in &ids {
            let same = |record: &serde_json::Value| record["request_id"] == id.as_str();
            assert!(records.iter().any(same), "{id} in {records:?}");
        }
    });
}

#[test]
fn fields_about_the_connection_end_here() {
    each_where(
        // A client of HTTP/2 that sends such a field sends no request.
        |pair| !pair.down.h2,
        |pair| {
            let request = arrives(
                pair,
                |setup| setup,
                "Connection: keep-alive, X-Own, x-forwarded-for, Cookie\r\nX-Own: 1\r\nCookie: a\r\nKeep-Alive: timeout=5\r\n\
                 Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: foo\r\nX-Stays: 1\r\n",
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
                assert_eq!(request.head.all(name), NONE, "{name}");
            }
            assert_eq!(request.head.all("x-stays"), ["1"]);
            assert_eq!(request.head.all("x-forwarded-for"), ["127.0.0.1"]);
        },
    );
}

#[test]
fn fields_about_the_endpoint_s_connection_end_here_too() {
    each_where(
        // An endpoint of HTTP/2 that sends such a field sends no response.
        |pair| !pair.up.h2,
        |pair| {
            let origin = pair.http(|_| {
                Reply::ok("ok")
                    .header("Connection", "X-Own, keep-alive")
                    .header("X-Own", "1")
                    .header("Keep-Alive", "timeout=5")
                    .header("Proxy-Connection", "close")
                    .header("X-Stays", "1")
            });
            let proxy = pair.start([&origin]);
            let response = pair
                .caller(&proxy)
                .get("/")
                .status(200)
                .header("x-stays", "1");
            for name in ["connection", "x-own", "keep-alive", "proxy-connection"] {
                assert_eq!(response.field(name), None, "{name}");
            }
        },
    );
}

#[test]
fn a_client_that_takes_trailers_says_so_to_the_endpoint() {
    each(|pair| {
        let te = match pair.down.h2 {
            true => "te: trailers\r\n",
            false => "TE: trailers\r\nConnection: TE\r\n",
        };
        let grpc = format!("{te}Content-Type: application/grpc\r\n");
        let request = arrives(pair, |setup| setup, &grpc);
        // It is about the connection; only HTTP/2 has nothing else to say there (RFC 9113 section 8.2.2), and gRPC asks for it.
        let expected: &[&str] = if pair.up.h2 { &["trailers"] } else { &[] };
        assert_eq!(request.head.all("te"), expected, "{}", request.head);
    });
}

#[test]
fn several_fields_of_one_name_stay_in_order() {
    each(|pair| {
        let request = arrives(
            pair,
            |setup| setup,
            "X-B: 2\r\nX-A: 1\r\nX-B: 3\r\nX-Empty:\r\nX-Spaces: a  b\r\n",
        );
        let head = &request.head;
        assert_eq!(head.all("x-b"), ["2", "3"]);
        assert_eq!(head.all("x-a"), ["1"]);
        assert_eq!(head.all("x-empty"), [""]);
        assert_eq!(head.all("x-spaces"), ["a  b"]);
        // Names of HTTP/2 are in lower case (RFC 9113 section 8.2.1).
        let lower = |name: &str| name.bytes().all(|byte| !byte.is_ascii_uppercase());
        let mut names = head.fields.iter().map(|field| &field.name);
        assert!(!pair.up.h2 || names.all(|name| lower(name)), "{head}");
    });
}

#[test]
fn cookies_arrive_as_one_field_where_http_1_1_wants_one() {
    each(|pair| {
        let request = arrives(
            pair,
            |setup| setup,
            "Cookie: a=b\r\nCookie: c=d\r\nCookie: e\r\n",
        );
        let cookies = request.head.all("cookie");
        // Clients of HTTP/2 split the field to compress it better (RFC 9113 section 8.2.3); those of HTTP/1.1 do not.
        if pair.down.h2 && !pair.up.h2 {
            assert_eq!(cookies, ["a=b; c=d; e"]);
        } else {
            assert_eq!(cookies.join("; "), "a=b; c=d; e");
        }
    });
}

#[test]
fn several_cookies_of_a_response_stay_several() {
    each(|pair| {
        let origin = pair.http(|_| {
            Reply::ok("ok")
                .header("Set-Cookie", "a=b")
                .header("Set-Cookie", "c=d")
        });
        let proxy = pair.start([&origin]);
        let response = pair.caller(&proxy).get("/").status(200);
        assert_eq!(response.head.all("set-cookie"), ["a=b", "c=d"]);
    });
}

#[test]
fn fields_are_edited_both_ways() {
    each(|pair| {
        let origin = pair.http(|_| {
            Reply::ok("ok")
                .header("Server", "own")
                .header("X-More", "0")
        });
        let setup = pair.setup([&origin])
            .route("request_headers = { set = { X-Env = \"blue\" }, add = { X-More = [\"1\", \"2\"] }, remove = [\"Cookie\"] }")
            .route("response_headers = { set = { X-Env = \"green\" }, add = { X-More = \"1\" }, remove = [\"Server\"] }");
        let proxy = Evenkeel::start(&setup);
        let fields = "X-Env: red\r\nX-More: 0\r\nCookie: a\r\nCookie: b\r\n";
        let response = pair.caller(&proxy).get_with("/", fields);
        let response = response
            .status(200)
            .header("x-env", "green")
            .without("server");
        assert_eq!(response.head.all("x-more"), ["0", "1"]);
        let head = origin.request().head;
        assert_eq!(head.all("x-env"), ["blue"]);
        assert_eq!(head.all("x-more"), ["0", "1", "2"]);
        assert_eq!(head.all("cookie"), NONE);
    });
}

#[test]
fn the_host_is_kept_or_set() {
    each(|pair| {
        let origin = pair.http(Reply::echo);
        let setup = pair
            .setup([&origin])
            .add_route("path = \"/set\"\nhost_header = \"b.example\"\ncluster = \"app\"")
            .add_route("path = \"/endpoint\"\nhost_header = \"endpoint\"\ncluster = \"app\"");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy).host("a.example:8443");
        for target in ["/", "/set", "/endpoint"] {
            caller.get(target).status(200);
        }
        let hosts: Vec<String> = origin
            .requests()
            .iter()
            .map(|request| request.host().unwrap())
            .collect();
        let own = origin.socket_address().to_string();
        assert_eq!(hosts, ["a.example:8443", "b.example", &own]);
        for request in origin.requests() {
            assert_eq!(request.head.all("x-forwarded-host"), ["a.example:8443"]);
        }
    });
}

#[test]
fn a_record_tells_the_whole_exchange() {
    each(|pair| {
        let origin = pair.http(|_| Reply::ok("0123456789"));
        let setup = pair
            .setup([&origin])
            .add_route("name = \"named\"\npath = \"/named\"\ncluster = \"app\"");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin(
            "POST",
            "/named/x?y=z",
            "User-Agent: me/1\r\n",
            Length::Known(3),
        );
        call.data("abc").end();
        call.response().status(200);
        let record = proxy.record();
        let version = if pair.down.h2 { "2" } else { "1.1" };
        let endpoint = origin.socket_address().to_string();
        for (key, value) in [
            ("listener", "web"),
            ("client", "127.0.0.1"),
            ("method", "POST"),
            ("host", "a.example"),
            ("target", "/named/x?y=z"),
            ("version", version),
            ("route", "named"),
            ("cluster", "app"),
            ("endpoint", &endpoint),
            ("user_agent", "me/1"),
        ] {
            assert_eq!(record[key], value, "{key} of {record}");
        }
        for (key, value) in [
            ("status", 200),
            ("attempts", 1),
            ("bytes_in", 3),
            ("bytes_out", 10),
        ] {
            assert_eq!(record[key], value, "{key} of {record}");
        }
        assert_eq!(record.get("fault"), None, "{record}");
        let millis = |key: &str| {
            record[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{key} of {record}"))
        };
        assert!(millis("connect_ms") > 0.0, "{record}");
        assert!(millis("first_byte_ms") <= millis("total_ms"), "{record}");
    });
}
