//! Methods, targets and bodies, both ways.

use evenkeel_testkit::message::{Field, values};
use evenkeel_testkit::{Evenkeel, Gate, Length, Pattern, Reply};

use super::each;

#[test]
fn methods_targets_and_bodies_arrive() {
    each(|pair| {
        let origin = pair.http(|request| Reply::echo(request).header("X-Way", "back"));
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        for (method, target, body) in [
            ("GET", "/", ""),
            ("GET", "/a%2Fb//c;d=e/%7Euser/?x=1&x=2&%20=?/..", ""),
            ("OPTIONS", "/", ""),
            ("DELETE", "/one", ""),
            ("PROPFIND", "/", ""),
            ("POST", "/", "hello"),
            ("PUT", "/", "x"),
            ("PATCH", "/", "{}"),
        ] {
            let length = match body {
                "" => String::new(),
                body => format!("Content-Length: {}\r\n", body.len()),
            };
            caller
                .ask(method, target, &length, body)
                .status(200)
                .header("x-way", "back")
                .header("content-length", &body.len().to_string())
                .body(body);
            let request = origin.requests().pop().unwrap();
            assert_eq!((request.method(), request.target()), (method, target));
            assert_eq!(request.text(), body);
            assert_eq!(request.host().as_deref(), Some("a.example"));
            let length = request.field("content-length");
            let expected = (!body.is_empty()).then(|| body.len().to_string());
            assert_eq!(length, expected, "{}", request.head);
            assert_eq!(request.field("transfer-encoding"), None);
        }
        assert_eq!(origin.connections(), 1, "all on one connection");
    });
}

#[test]
fn responses_without_a_body_have_none() {
    each(|pair| {
        let origin = pair.http(|request| match request.target() {
            "/204" => Reply::new(204, ""),
            "/304" => Reply::new(304, "").header("ETag", "\"a\""),
            _ => Reply::ok("never seen"),
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        for _ in 0..2 {
            caller
                .ask("HEAD", "/", "", "")
                .status(200)
                .header("content-length", "10")
                .body("");
            caller
                .get("/204")
                .status(204)
                .without("content-length")
                .body("");
            caller
                .get("/304")
                .status(304)
                .header("etag", "\"a\"")
                .body("");
            caller.get("/").status(200).body("never seen");
        }
    });
}

#[test]
fn bodies_of_unknown_length_arrive() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            let request = exchange.request().unwrap();
            exchange.respond(200, "", Length::Unknown);
            for piece in request.body.chunks(2) {
                exchange.data(piece);
            }
            exchange.end();
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        for body in ["hello", "", "you"] {
            let mut call = caller.begin("POST", "/", "", Length::Unknown);
            for piece in body.as_bytes().chunks(1) {
                call.data(piece);
            }
            call.end();
            call.response()
                .status(200)
                .without("content-length")
                .body(body);
        }
        let requests = origin.requests();
        assert_eq!(requests.len(), 3);
        for request in requests {
            assert_eq!(request.field("content-length"), None, "{}", request.head);
            let coding = (!pair.up.h2).then_some("chunked");
            assert_eq!(request.field("transfer-encoding").as_deref(), coding);
        }
        assert_eq!(origin.connections(), 1);
    });
}

#[test]
fn an_empty_body_is_said_to_be_empty() {
    each(|pair| {
        let origin = pair.http(Reply::echo);
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("POST", "/", "", Length::Known(0));
        call.end();
        call.response().status(200).body("");
        assert_eq!(
            origin.request().field("content-length").as_deref(),
            Some("0")
        );
    });
}

#[test]
fn big_bodies_pass_both_ways() {
    each(|pair| {
        // What comes is checked piece by piece, and as much goes back: neither side holds it.
        let origin = pair.serve(|exchange| {
            let mut pattern = Pattern::new();
            assert!(
                exchange.body(&mut |piece| pattern.check(piece)),
                "it was cut"
            );
            let size = pattern.offset();
            let length = match exchange.head().start[1].as_str() {
                "/known" => Length::Known(size),
                _ => Length::Unknown,
            };
            exchange.respond(200, "", length);
            let mut pattern = Pattern::new();
            while pattern.offset() < size {
                assert!(exchange.data(pattern.next(size - pattern.offset())));
            }
            exchange.end();
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        for (size, target) in [
            (1 << 20, "/known"),
            (1 << 20, "/unknown"),
            (10 << 20, "/known"),
            (10 << 20, "/unknown"),
        ] {
            let length = match target {
                "/known" => Length::Known(size),
                _ => Length::Unknown,
            };
            let mut call = caller.begin("PUT", target, "", length);
            let mut pattern = Pattern::new();
            while pattern.offset() < size {
                call.data(pattern.next(size - pattern.offset()));
            }
            call.end();
            assert_eq!(call.head().status(), 200);
            let mut pattern = Pattern::new();
            while let Some(piece) = call.piece().unwrap() {
                pattern.check(&piece);
            }
            assert_eq!(pattern.offset(), size, "{target}");
        }
    });
}

#[test]
fn both_bodies_may_stream_at_once() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.respond(200, "", Length::Unknown);
            while let Some(piece) = exchange.piece() {
                exchange.data(piece);
            }
            exchange.end();
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("POST", "/", "", Length::Unknown);
        assert_eq!(call.head().status(), 200);
        for word in ["one", "two", "three"] {
            call.data(word);
            assert_eq!(call.exactly(word.len()), word.as_bytes());
        }
        call.end();
        assert_eq!(call.piece(), Ok(None));
    });
}

#[test]
fn a_response_may_come_before_its_request_has_ended() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.reply(&Reply::ok("early"));
            let mut pattern = Pattern::new();
            let whole = exchange.body(&mut |piece| pattern.check(piece));
            if whole && exchange.head().start[0] == "POST" {
                assert_eq!(pattern.offset(), 100_000);
            }
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let mut pattern = Pattern::new();
        let mut call = caller.begin("POST", "/", "", Length::Known(100_000));
        call.data(pattern.next(50_000));
        call.response().status(200).body("early");
        if pair.down.h2 {
            // A stream whose response has ended may be reset with NO_ERROR (RFC 9113 section 8.1).
            call.try_data(pattern.next(50_000));
            drop(call);
        } else {
            call.data(pattern.next(50_000));
            call.end();
        }
        let record = proxy.record();
        assert_eq!(
            (&record["status"], record.get("fault")),
            (&200.into(), None)
        );
        caller.get("/").status(200).body("early");
    });
}

#[test]
fn trailers_of_a_response_are_kept() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.request();
            exchange.respond(200, "Trailer: X-Sum\r\n", Length::Unknown);
            exchange.data("abc");
            exchange.trailers("X-Sum: 6\r\n");
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let te = if pair.down.h2 {
            "TE: trailers\r\n"
        } else {
            "TE: trailers\r\nConnection: TE\r\n"
        };
        for _ in 0..2 {
            caller
                .get_with("/", te)
                .status(200)
                .without("x-sum")
                .body("abc")
                .trailer("x-sum", "6");
        }
        assert_eq!(origin.connections(), 1);
    });
}

#[test]
fn trailers_of_a_request_are_dropped_unless_they_are_wanted() {
    each(|pair| {
        for (route, fields, passes) in [
            ("", "", false),
            ("request_trailers = true", "", true),
            ("", "Content-Type: application/grpc\r\n", true),
        ] {
            let origin = pair.http(Reply::echo);
            let proxy = pair.setup([&origin]).route(route);
            let proxy = Evenkeel::start(&proxy);
            let mut caller = pair.caller(&proxy);
            let mut call = caller.begin("POST", "/", fields, Length::Unknown);
            call.data("a").trailers("X-Sum: 1\r\n");
            call.response().status(200).body("a");
            let request = origin.request();
            assert_eq!(request.text(), "a");
            assert_eq!(request.field("x-sum"), None);
            let seen = values(&request.trailers, "x-sum");
            assert_eq!(seen == ["1"], passes, "{route:?} {fields:?}: {seen:?}");
        }
    });
}

#[test]
fn neither_head_nor_trailers_say_what_the_route_sets_or_removes() {
    each(|pair| {
        let origin = pair.http(Reply::echo);
        let route =
            "request_headers = { set = { X-User = \"anonymous\" }, remove = [\"X-Admin\"] }";
        let proxy = Evenkeel::start(&pair.setup([&origin]).route(route));
        let mut caller = pair.caller(&proxy);
        let fields = "X_User: root\r\nx_admin: 1\r\nContent-Type: application/grpc\r\n";
        let mut call = caller.begin("POST", "/", fields, Length::Unknown);
        call.data("a")
            .trailers("X-Sum: 1\r\nX-User: root\r\nX_User: root\r\nx_admin: 1\r\n");
        call.response().status(200).body("a");
        let request = origin.request();
        let names = |fields: &[Field]| -> Vec<String> {
            let names = fields.iter();
            names.map(|field| field.name.to_lowercase()).collect()
        };
        assert_eq!(names(&request.trailers), ["x-sum"]);
        assert_eq!(request.head.all("x-user"), ["anonymous"]);
        let head = names(&request.head.fields);
        assert!(!head.iter().any(|name| name.contains('_')), "{head:?}");
    });
}

#[test]
fn no_spelling_of_a_path_leads_around_its_lists_and_what_passes_is_unchanged() {
    each(|pair| {
        let origin = pair.http(Reply::echo);
        let denied = "\n[[route]]\npath = \"/admin\"\ncluster = \"app\"\ndeny = [\"0.0.0.0/0\", \"::/0\"]\n[[route]]\npath = \"/api\"\ncluster = \"app\"\nreplace_prefix = \"/v2\"\n";
        let proxy = Evenkeel::start(&pair.setup([&origin]).route(denied));
        let mut caller = pair.caller(&proxy);
        for (target, status) in [
            ("/admin/x", 403),
            ("//admin", 403),
            ("/%61dmin", 403),
            ("/admin%2fx", 400),
            ("/admin;x", 400),
            ("/\\admin", 400),
            ("/x/..%2fadmin", 400),
            ("/x%00", 400),
        ] {
            caller.get(target).status(status);
        }
        assert_eq!(origin.requests().len(), 0);
        for (target, sent) in [
            ("/x%2Fy//%7Ez;v=1?a=/admin", "/x%2Fy//%7Ez;v=1?a=/admin"),
            ("//%61pi//x%2f", "/v2//x%2f"),
        ] {
            caller.get(target).status(200);
            let request = origin.requests().pop().unwrap();
            assert_eq!(request.target(), sent);
        }
    });
}

#[test]
fn trailers_of_a_response_lose_what_the_route_removes() {
    each(|pair| {
        let origin = pair.serve(|exchange| {
            exchange.request();
            exchange.respond(200, "", Length::Unknown);
            exchange.data("abc");
            exchange.trailers("X-Inner: 1\r\nX-Sum: 6\r\n");
        });
        let route = "response_headers.remove = [\"X-Inner\"]";
        let proxy = Evenkeel::start(&pair.setup([&origin]).route(route));
        let response = pair.caller(&proxy).get("/").status(200).body("abc");
        let response = response.trailer("x-sum", "6");
        assert_eq!(response.trailers.len(), 1, "{:?}", response.trailers);
    });
}

#[test]
fn a_response_is_passed_on_as_it_comes() {
    each(|pair| {
        let seen = Gate::new();
        let origin = pair.serve({
            let seen = seen.clone();
            move |exchange| {
                exchange.request();
                exchange.respond(200, "Content-Type: text/event-stream\r\n", Length::Unknown);
                exchange.data("data: 1\n\n");
                seen.wait();
                exchange.data("data: 2\n\n");
                exchange.end();
            }
        });
        let proxy = pair.start([&origin]);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin("GET", "/", "", Length::None);
        assert_eq!(call.head().status(), 200);
        assert_eq!(call.exactly(9), b"data: 1\n\n");
        seen.open();
        assert_eq!(call.exactly(9), b"data: 2\n\n");
        assert_eq!(call.piece(), Ok(None));
    });
}
