//! What must hold of every input, whatever it is: the entry of the fuzz target, replayed by plain tests. A failure is a panic.
//! Nothing here is used by a running proxy.
//!
//! The table of trees is held to a scan of all routes, which is the rule as a sentence and knows no tree.

use std::cmp::Reverse;

use evenkeel_base::field::Known;
use evenkeel_base::head::{FieldSpan, MAX_HEAD_BYTES, RequestHead, Span};
use evenkeel_base::matching::{HostPattern, PathPattern, RouteMatch, ValuePattern};
use evenkeel_base::method::Method;
use evenkeel_base::path::canonical;
use evenkeel_base::{ListenerId, RequestView, RouteId};

use crate::asked;
use crate::table::RouteTable;

/// So many routes of an input are compiled: enough for nodes of every shape, and a scan of them stays cheap.
const MOST_ROUTES: usize = 80;

/// So many of its requests are looked for.
const MOST_REQUESTS: usize = 20;

/// Compiles the routes of an input and looks for its requests: by the table, by a scan, and as people are told.
///
/// A line is a route, or a request when it begins with `>`. Its words may stand in any order: of a route `@1` (a listener),
/// `a.example` or `*.example` (hosts), `/x` (a prefix) or `=/x` (a whole path), `+GET`, `#name`, `#name=value`, `#!name` (fields), `?name`
/// (a parameter, likewise); of a request the target `a.example/x?y=1`, and listener, method and fields likewise.
pub fn table(data: &[u8]) {
    if data.len() >= MAX_HEAD_BYTES / 2 {
        // A head is no longer.
        return;
    }
    let (mut routes, mut requests) = (Vec::new(), Vec::new());
    for line in data.split(|byte| *byte == b'\n') {
        match line.strip_prefix(b">") {
            Some(request) if requests.len() < MOST_REQUESTS => {
                requests.push(Request::read(request));
            }
            None if routes.len() < MOST_ROUTES => routes.push(read_route(line)),
            _ => {}
        }
    }
    let ids = (0..).map(RouteId::new);
    let table = RouteTable::compile(ids.zip(routes.iter().cloned()));
    for request in &requests {
        check(&routes, &table, request);
    }
}

/// What the table says of a request, against the scan and against what people are told.
pub(crate) fn check(routes: &[RouteMatch], table: &RouteTable, request: &Request) {
    let view = request.view();
    let found = request.find(table);
    assert_eq!(found, scan(routes, request), "{routes:#?} {request:?}");
    let considered = table.considered(request.listener, &view);
    let first = considered.iter().find(|one| one.holds);
    assert_eq!(first.map(|one| one.route.index()), found, "{request:?}");
    for (at, route) in routes.iter().enumerate() {
        let told = asked(route).all(|one| one.holds(request.listener, &view));
        let one = considered.iter().find(|one| one.route.index() == at);
        assert_eq!(
            one.is_some_and(|one| one.holds),
            told,
            "{route:?} {request:?}"
        );
    }
}

/// A request that no codec has touched, so that it can also be one that a codec would refuse.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    block: Vec<u8>,
    pub(crate) head: RequestHead,
    pub(crate) listener: ListenerId,
}

impl Request {
    /// A GET on listener 0.
    pub(crate) fn of(authority: &[u8], path: &[u8], query: Option<&[u8]>) -> Self {
        let mut request = Self {
            block: Vec::new(),
            head: RequestHead::default(),
            listener: ListenerId::new(0),
        };
        request.head.authority = request.span(authority);
        request.head.path = request.span(path);
        request.head.query = query.map(|query| request.span(query));
        request.method("GET")
    }

    /// `get("a.example/x?y")`: a GET of that target on listener 0.
    pub(crate) fn get(target: &str) -> Self {
        Self::of(b"", b"", None).at(target.as_bytes())
    }

    /// The words of a line.
    fn read(line: &[u8]) -> Self {
        let mut request = Self::get("/");
        for word in line.split(|byte| *byte == b' ') {
            request = match word {
                [] => request,
                [b'@', listener @ ..] => request.on(number(listener)),
                [b'+', method @ ..] => request.method(method),
                [b'#', field @ ..] => {
                    let (name, value) = split(field, b'=');
                    request.header(name, value.unwrap_or_default())
                }
                target => request.at(target),
            };
        }
        request
    }

    /// The same at another target.
    fn at(mut self, target: &[u8]) -> Self {
        let (rest, query) = split(target, b'?');
        let slash = rest.iter().position(|byte| *byte == b'/');
        let (authority, path) = rest.split_at(slash.unwrap_or(rest.len()));
        self.head.authority = self.span(authority);
        self.head.path = self.span(path);
        self.head.query = query.map(|query| self.span(query));
        self
    }

    /// The same with another method.
    pub(crate) fn method(mut self, name: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        self.head.method = Method::from_bytes(name);
        self.head.method_span = self.span(name);
        self
    }

    /// The same with one field more.
    pub(crate) fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = (name.as_ref(), value.as_ref());
        let field = FieldSpan {
            name: self.span(name),
            value: self.span(value),
            known: Known::of(name),
            verbatim: false,
        };
        self.head.fields.push(field);
        self
    }

    /// The same on another listener.
    pub(crate) fn on(mut self, listener: u32) -> Self {
        self.listener = ListenerId::new(listener);
        self
    }

    fn span(&mut self, bytes: &[u8]) -> Span {
        let start = self.block.len();
        self.block.extend_from_slice(bytes);
        Span::new(start, self.block.len())
    }

    pub(crate) fn view(&self) -> RequestView<'_> {
        self.head.view(&self.block)
    }

    pub(crate) fn find(&self, table: &RouteTable) -> Option<usize> {
        let view = self.view();
        let path = canonical(view.path());
        table.find(self.listener, &path, &view).map(RouteId::index)
    }
}

/// A route as the words of a line say it, and as `check` of the configuration would let it pass: hosts and names of fields in lower
/// case, prefixes without a slash at their end, everything in order.
fn read_route(line: &[u8]) -> RouteMatch {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut route = RouteMatch::default();
    for word in line.split(|byte| *byte == b' ') {
        match word {
            [] => {}
            [b'@', listener @ ..] => route.listeners.push(ListenerId::new(number(listener))),
            [b'=', path @ ..] => route.path = PathPattern::Exact(text(path)),
            [b'/', ..] => {
                let prefix = text(word);
                route.path = PathPattern::Prefix(prefix.trim_end_matches('/').to_owned());
            }
            [b'+', method @ ..] => route.methods.push(text(method)),
            [b'#', field @ ..] => {
                let (name, pattern) = read_pattern(field);
                route.headers.push((name.to_ascii_lowercase(), pattern));
            }
            [b'?', parameter @ ..] => route.query.push(read_pattern(parameter)),
            [b'*', suffix @ ..] if suffix.first() == Some(&b'.') => {
                let suffix = text(&suffix.to_ascii_lowercase());
                route.hosts.push(HostPattern::Suffix(suffix));
            }
            host => {
                let host = text(&host.to_ascii_lowercase());
                route.hosts.push(HostPattern::Exact(host));
            }
        }
    }
    route.listeners.sort_unstable();
    route.hosts.sort_unstable();
    route.methods.sort_unstable();
    route
}

/// `name`, `name=value` or `!name`.
fn read_pattern(text: &[u8]) -> (String, ValuePattern) {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some(name) = text.strip_prefix(b"!") {
        return (lossy(name), ValuePattern::Absent);
    }
    match split(text, b'=') {
        (name, None) => (lossy(name), ValuePattern::Present),
        (name, Some(value)) => (lossy(name), ValuePattern::Exact(lossy(value))),
    }
}

/// What stands before the first byte of that kind, and what behind it.
fn split(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    let mut halves = text.splitn(2, |byte| *byte == at);
    (halves.next().unwrap_or_default(), halves.next())
}

/// A small number.
fn number(text: &[u8]) -> u32 {
    u32::from(text.first().copied().unwrap_or(b'0').wrapping_sub(b'0') % 8)
}

/// The rule as a sentence: of the routes that match, by the host that makes it the most specific, the greatest; of equal
/// ones the first.
pub(crate) fn scan(routes: &[RouteMatch], request: &Request) -> Option<usize> {
    routes
        .iter()
        .enumerate()
        .filter(|(_, route)| rest_matches(route, request))
        .filter_map(|(at, route)| {
            let host = host_text(request);
            let best = if route.hosts.is_empty() {
                Some(route.specificity(None))
            } else {
                let matching = route.hosts.iter().filter(|pattern| pattern.matches(&host));
                matching
                    .map(|pattern| route.specificity(Some(pattern)))
                    .max()
            };
            best.map(|best| (best, Reverse(at)))
        })
        .max()
        .map(|(_, Reverse(at))| at)
}

/// The host as a person would find it: up to the port, without one final dot.
fn host_text(request: &Request) -> Vec<u8> {
    let authority = request.view().authority().to_vec();
    let end = match authority.first() {
        Some(b'[') => authority.iter().position(|&b| b == b']').map(|at| at + 1),
        _ => authority
            .iter()
            .rposition(|&b| b == b':')
            .filter(|at| authority[at + 1..].iter().all(u8::is_ascii_digit)),
    };
    let mut host = authority[..end.unwrap_or(authority.len())].to_vec();
    if host.last() == Some(&b'.') {
        host.pop();
    }
    host
}

/// Whether everything but the host matches.
fn rest_matches(route: &RouteMatch, request: &Request) -> bool {
    let view = request.view();
    let query: Vec<(Vec<u8>, Vec<u8>)> = view
        .query()
        .unwrap_or_default()
        .split(|&b| b == b'&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = split(part, b'=');
            (name.to_vec(), value.unwrap_or_default().to_vec())
        })
        .collect();
    let fields: Vec<(Vec<u8>, Vec<u8>)> = view
        .fields()
        .map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()))
        .collect();
    let all = |patterns: &[(String, ValuePattern)], pairs: &[(Vec<u8>, Vec<u8>)]| {
        patterns.iter().all(|(name, pattern)| {
            let mut values = pairs
                .iter()
                .filter(|(n, _)| n == name.as_bytes())
                .map(|(_, v)| v);
            match pattern {
                ValuePattern::Present => values.count() > 0,
                ValuePattern::Absent => values.count() == 0,
                ValuePattern::Exact(wanted) => values.any(|value| value == wanted.as_bytes()),
            }
        })
    };
    route.path.matches(&canonical(view.path()))
        && (route.listeners.is_empty() || route.listeners.contains(&request.listener))
        && (route.methods.is_empty()
            || route
                .methods
                .iter()
                .any(|m| m.as_bytes() == view.method_name()))
        && all(&route.headers, &fields)
        && all(&route.query, &query)
}
