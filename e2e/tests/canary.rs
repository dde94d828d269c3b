//! Cross-talk: many clients at once, and endpoints that misbehave in every way they know. Each answer that arrives is the
//! answer to the request it stands for, and no POST is ever seen twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use evenkeel_testkit::{Broken, Conn, Evenkeel, Origin, Request, Setup};

const CLIENTS: usize = 8;
const REQUESTS: usize = 250;

/// What an endpoint does with its next request, in turn.
const HABITS: usize = 14;

fn whole(conn: &mut Conn, body: &str, more: &str) {
    conn.send(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    ));
}

/// Whether the connection goes on.
fn behave(conn: &mut Conn, request: &Request, habit: usize) -> bool {
    let id = request.field("x-id").unwrap();
    let length = id.len();
    match habit {
        0 => {
            whole(conn, &id, "Connection: close\r\n");
            return false;
        }
        1 => {
            whole(conn, &id, "");
            return false;
        }
        2 => {
            conn.send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{id}\r\n0\r\n\r\n"));
        }
        3 => {
            conn.send(format!("HTTP/1.1 200 OK\r\n\r\n{id}"));
            return false;
        }
        4 => return false,
        5 => {
            conn.reset();
            return false;
        }
        6 => {
            conn.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{id}",
                length + 1
            ));
            return false;
        }
        7 => {
            conn.send(format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{id}\r\n"
            ));
            return false;
        }
        8 => {
            // In one write: what comes after the next request was sent cannot be told from its response.
            conn.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{id}\
                 HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
            ));
            conn.until_closed();
            return false;
        }
        9 => {
            conn.send("complete nonsense\r\n\r\n");
            conn.until_closed();
            return false;
        }
        10 => {
            conn.send_bytewise(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{id}"
            ));
        }
        11 => {
            conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
            whole(conn, &id, "");
        }
        _ => whole(conn, &id, ""),
    }
    true
}

#[test]
fn every_answer_belongs_to_its_request_whatever_endpoints_do() {
    let turn = Arc::new(AtomicUsize::new(0));
    let origins = [(); 3].map(|()| {
        let turn = Arc::clone(&turn);
        Origin::script(move |conn| {
            while let Some(request) = conn.request() {
                let habit = turn.fetch_add(1, Ordering::Relaxed) % HABITS;
                if !behave(conn, &request, habit) {
                    return;
                }
            }
        })
    });
    let proxy = Evenkeel::start(&Setup::to(&origins));
    let good: usize = thread::scope(|scope| {
        let clients = (0..CLIENTS).map(|number| {
            let proxy = &proxy;
            scope.spawn(move || {
                (0..REQUESTS)
                    .filter(|i| exchange(proxy, number, *i))
                    .count()
            })
        });
        let clients: Vec<_> = clients.collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum()
    });
    // Of 14 habits 5 are fatal to a POST, and a GET survives most of these.
    assert!(good > CLIENTS * REQUESTS / 2, "only {good} answers");
    let mut posts: HashMap<String, usize> = HashMap::new();
    for request in origins
        .iter()
        .flat_map(Origin::requests)
        .filter(|request| request.method() == "POST")
    {
        *posts.entry(request.field("x-id").unwrap()).or_default() += 1;
        assert_eq!(
            Some(request.text()),
            request.field("x-id"),
            "a body stays with its head"
        );
    }
    let twice: Vec<_> = posts.iter().filter(|(_, seen)| **seen > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// One exchange on a connection of its own or a kept one; whether there was a good answer.
fn exchange(proxy: &Evenkeel, client: usize, number: usize) -> bool {
    let id = format!("{client}-{number}-{}", "x".repeat(number % 50));
    let mut client = proxy.client();
    let (method, fields, body) = match number % 3 {
        0 => (
            "POST",
            format!("X-Id: {id}\r\nContent-Length: {}\r\n", id.len()),
            id.clone(),
        ),
        1 => (
            "POST",
            format!("X-Id: {id}\r\nTransfer-Encoding: chunked\r\n"),
            format!("{:x}\r\n{id}\r\n0\r\n\r\n", id.len()),
        ),
        _ => ("GET", format!("X-Id: {id}\r\n"), String::new()),
    };
    client.send_request(method, "/", &fields, &body);
    match client.try_response(method) {
        Ok(response) if response.head.status() == 200 => {
            drop(response.body(&id));
            true
        }
        Ok(response) => {
            drop(response.status(502));
            false
        }
        Err(cut) => {
            assert!(matches!(cut.why, Broken::Closed | Broken::Reset), "{cut:?}");
            assert!(id.as_bytes().starts_with(&cut.body), "{cut:?}");
            false
        }
    }
}
