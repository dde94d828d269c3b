//! Measures of the route table: one request finds its route among one and among ten thousand.

use std::hint::black_box;

use evenkeel_base::matching::{HostPattern, PathPattern, RouteMatch};
use evenkeel_base::{ListenerId, RequestHead, RouteId, Span};
use evenkeel_route::RouteTable;

use crate::{Measure, Work};

/// How many routes are many.
const MANY: u32 = 10_000;

/// So many requests take turns, spread over the table. A prime, so that every branch of the tree has its turn.
const REQUESTS: u32 = 61;

pub(crate) fn measures() -> Vec<Measure> {
    let unit = "request that finds its route";
    vec![
        Measure::new("find-1", unit, || find(1, by_path)),
        Measure::new("find-paths-10000", unit, || find(MANY, by_path)),
        Measure::new("find-hosts-10000", unit, || find(MANY, by_host)),
    ]
}

fn by_path(n: u32) -> RouteMatch {
    RouteMatch {
        path: PathPattern::Prefix(format!("/api/thing-{n}")),
        ..RouteMatch::default()
    }
}

fn by_host(n: u32) -> RouteMatch {
    RouteMatch {
        hosts: vec![HostPattern::Exact(format!("tenant-{n}.example.com"))],
        ..by_path(n)
    }
}

fn find(count: u32, route: fn(u32) -> RouteMatch) -> Work {
    let table = RouteTable::compile((0..count).map(|n| (RouteId::new(n), route(n))));
    let requests: Vec<_> = (0..REQUESTS)
        .map(|n| request(n * (count / REQUESTS) % count))
        .collect();
    let mut turn = (0..requests.len()).cycle();
    Box::new(move || {
        let (head, block) = &requests[turn.next().unwrap_or_default()];
        let request = head.view(black_box(block));
        let found = table.find(ListenerId::new(0), request.path(), &request);
        assert!(black_box(found).is_some(), "no route");
        block.len()
    })
}

fn request(n: u32) -> (RequestHead, Vec<u8>) {
    let host = format!("tenant-{n}.example.com:80");
    let path = format!("/api/thing-{n}/parts");
    let head = RequestHead {
        authority: Span::new(0, host.len()),
        path: Span::new(host.len(), host.len() + path.len()),
        ..RequestHead::default()
    };
    (head, (host + &path).into_bytes())
}
