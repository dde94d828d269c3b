//! Fields between the lines of a test and the maps of the `h2` crate.
//!
//! A map keeps the order of values of one name, and not that of names among each other: a test of HTTP/2 cannot ask for it.

use h2::ext::Protocol;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use crate::length::Length;
use crate::message::{Field, Head};

/// The fields of lines (`"Name: value\r\n…"`), names in lower case; those that begin with a colon are given to `pseudo`.
///
/// # Panics
/// When a line is none, or has what no field can have: such frames are not made here.
fn map(lines: &str, mut pseudo: impl FnMut(&str, &str)) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines.split("\r\n").filter(|line| !line.is_empty()) {
        let split = line[1..].find(':').map(|at| line.split_at(at + 1));
        let (name, value) = split.unwrap_or_else(|| panic!("no field: {line:?}"));
        let value = value[1..].trim();
        if name.starts_with(':') {
            pseudo(name, value);
            continue;
        }
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        map.append(
            name.unwrap_or_else(|_| panic!("no field name: {line:?}")),
            value.unwrap_or_else(|_| panic!("no field value: {line:?}")),
        );
    }
    map
}

/// The fields of lines without pseudo-fields: trailers, and those of responses.
pub(super) fn plain(lines: &str) -> HeaderMap {
    map(lines, |name, _| panic!("{name} does not belong here"))
}

/// A request; lines such as `:scheme: https` say what else its pseudo-fields are to be.
pub(super) fn request(
    method: &str,
    target: &str,
    host: &str,
    secure: bool,
    lines: &str,
    length: Length,
) -> Request<()> {
    let mut authority = host.to_owned();
    let mut scheme = if secure { "https" } else { "http" }.to_owned();
    let mut protocol = None;
    let mut fields = map(lines, |name, value| match name {
        ":authority" => value.clone_into(&mut authority),
        ":scheme" => value.clone_into(&mut scheme),
        ":protocol" => protocol = Some(Protocol::from(value)),
        _ => panic!("{name} is said otherwise"),
    });
    if let Length::Known(length) = length {
        fields.insert("content-length", HeaderValue::from(length));
    }
    let mut parts = http::uri::Parts::default();
    parts.authority = Some(Authority::try_from(authority).expect("an authority"));
    if method != "CONNECT" || protocol.is_some() {
        parts.scheme = Some(Scheme::try_from(&*scheme).expect("a scheme"));
        parts.path_and_query = Some(PathAndQuery::try_from(target).expect("a path"));
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a method");
    *request.uri_mut() = Uri::from_parts(parts).expect("a target");
    *request.headers_mut() = fields;
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(protocol);
    }
    request
}

/// A response.
pub(super) fn response(status: u16, lines: &str, length: Length) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    *response.headers_mut() = plain(lines);
    if let Length::Known(length) = length {
        let length = HeaderValue::from(length);
        response.headers_mut().insert("content-length", length);
    }
    response
}

/// The head of a request that came; the pseudo-fields that its start line lacks stand first among the fields.
pub(super) fn request_head<B>(request: &Request<B>) -> Head {
    let uri = request.uri();
    let mut fields = Vec::new();
    let mut add = |name: &str, value: Option<&str>| {
        fields.extend(value.map(|value| Field {
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
        }));
    };
    add(":scheme", uri.scheme_str());
    add(":authority", uri.authority().map(Authority::as_str));
    let protocol = request.extensions().get::<Protocol>();
    add(":protocol", protocol.map(Protocol::as_str));
    fields.extend(self::fields(request.headers()));
    let target = uri.path_and_query().map_or("", PathAndQuery::as_str);
    let start = [
        request.method().to_string(),
        target.to_owned(),
        "HTTP/2".to_owned(),
    ];
    head(start, fields)
}

/// The head of a response that came.
pub(super) fn response_head<B>(response: &Response<B>) -> Head {
    let start = [
        "HTTP/2".to_owned(),
        response.status().as_u16().to_string(),
        String::new(),
    ];
    head(start, fields(response.headers()))
}

/// Fields as they came.
pub(super) fn fields(map: &HeaderMap) -> Vec<Field> {
    map.iter()
        .map(|(name, value)| Field {
            name: name.as_str().to_owned(),
            value: value.as_bytes().to_vec(),
        })
        .collect()
}

/// There are no bytes of it to show, so the text that HTTP/1.1 would have stands in for them.
fn head(start: [String; 3], fields: Vec<Field>) -> Head {
    let mut raw = start.join(" ").into_bytes();
    for field in &fields {
        raw.extend_from_slice(format!("\r\n{field:?}").as_bytes());
    }
    raw.extend_from_slice(b"\r\n\r\n");
    Head { start, fields, raw }
}
