//! What one `find` costs in instructions: run it under callgrind and compare `find` between tables.
//!
//! ```text
//! cargo build --release -p evenkeel-route --example find
//! for table in 1 3 8 paths hosts; do
//!   valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no --toggle-collect='find::finds' \
//!     target/release/examples/find $table
//! done
//! ```
//!
//! It counts 10,000 finds. It is no benchmark of time, and no test: `table/tests/cost.rs` holds the bound.

use std::hint::black_box;

use evenkeel_base::matching::{HostPattern, PathPattern, RouteMatch};
use evenkeel_base::{ListenerId, RequestHead, RouteId, Span};
use evenkeel_route::RouteTable;

const FINDS: usize = 10_000;

fn main() {
    let table = std::env::args().nth(1).unwrap_or_default();
    let (count, hosts) = match table.as_str() {
        "paths" => (10_000, false),
        "hosts" => (10_000, true),
        count => (count.parse().unwrap_or(1), false),
    };
    let routes = (0..count).map(|n| (RouteId::new(n), route(n, hosts)));
    let table = RouteTable::compile(routes);
    let requests: Vec<_> = (0..64)
        .map(|n| request(n * (count / 64).max(1) % count))
        .collect();
    finds(&table, &requests);
}

/// The part that is counted.
#[inline(never)]
fn finds(table: &RouteTable, requests: &[(RequestHead, Vec<u8>)]) {
    for (head, block) in requests.iter().cycle().take(FINDS) {
        let request = head.view(black_box(block));
        let found = table.find(ListenerId::new(0), request.path(), &request);
        assert!(black_box(found).is_some());
    }
}

fn route(n: u32, hosts: bool) -> RouteMatch {
    RouteMatch {
        hosts: if hosts {
            vec![HostPattern::Exact(format!("tenant-{n}.example.com"))]
        } else {
            Vec::new()
        },
        path: PathPattern::Prefix(format!("/api/thing-{n}")),
        ..RouteMatch::default()
    }
}

fn request(n: u32) -> (RequestHead, Vec<u8>) {
    let (host, path) = (
        format!("tenant-{n}.example.com:80"),
        format!("/api/thing-{n}/parts"),
    );
    let head = RequestHead {
        authority: Span::new(0, host.len()),
        path: Span::new(host.len(), host.len() + path.len()),
        ..RequestHead::default()
    };
    (head, (host + &path).into_bytes())
}
