//! A request on its way into the codec: from a line and fields to pseudo-fields and a header map.

use bytes::{Bytes, BytesMut};
use evenkeel_base::head::{FieldSpan, MAX_HEAD_BYTES, Span};
use evenkeel_base::{Fault, FieldSink, Known, ResponseHead};
use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{Method, Request, Uri};

use crate::body::Length;
use crate::upstream::Line;

/// Fields that most requests have room for.
const USUAL_FIELDS: usize = 16;

/// Bytes of target, authority and values that most requests have room for: they are pieces of one buffer, for an allocation each
/// is what costs most of putting a request together.
const USUAL_TEXT: usize = 1_024;

/// A request that is being put together.
#[derive(Debug)]
pub(super) struct Draft {
    text: BytesMut,
    method: Option<Method>,
    target: Bytes,
    authority: Bytes,
    fields: HeaderMap,
    /// It asks for a WebSocket.
    upgrade: bool,
    /// By this key, which stays here.
    pub(super) key: Option<Vec<u8>>,
    /// There is something that the codec does not take.
    is_broken: bool,
}

impl Draft {
    /// A request with that line and no fields yet; with `upgrade` it asks for a WebSocket.
    pub(super) fn new((method, path, query): Line<'_>, upgrade: bool) -> Self {
        let mut text = BytesMut::with_capacity(USUAL_TEXT);
        text.extend_from_slice(path);
        if let Some(query) = query {
            text.extend_from_slice(b"?");
            text.extend_from_slice(query);
        }
        Self {
            method: if upgrade {
                Some(Method::CONNECT)
            } else {
                Method::from_bytes(method).ok()
            },
            target: text.split().freeze(),
            text,
            authority: Bytes::new(),
            fields: HeaderMap::with_capacity(USUAL_FIELDS),
            upgrade,
            key: None,
            is_broken: false,
        }
    }

    /// A piece of the buffer.
    fn put(&mut self, bytes: &[u8]) -> Bytes {
        self.text.extend_from_slice(bytes);
        self.text.split().freeze()
    }

    /// Says how long its body is.
    pub(super) fn length(&mut self, length: Length) {
        if let Length::Known(length) = length {
            self.fields
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
    }

    /// Says that trailers are read.
    pub(super) fn take_trailers(&mut self) {
        self.fields.insert(TE, HeaderValue::from_static("trailers"));
    }

    /// The request, as the codec wants it.
    pub(super) fn finish(self, https: bool) -> Result<Request<()>, Fault> {
        let method = self
            .method
            .filter(|_| !self.is_broken)
            .ok_or(Fault::Internal)?;
        let mut parts = Parts::default();
        parts.scheme = Some(if https { Scheme::HTTPS } else { Scheme::HTTP });
        let authority = Authority::from_maybe_shared(self.authority);
        parts.authority = Some(authority.map_err(|_| Fault::RequestTargetRefused)?);
        let length = self.target.len();
        let target = PathAndQuery::from_maybe_shared(self.target);
        // What follows a `#` would be left out without a word.
        let target = target.ok().filter(|target| target.as_str().len() == length);
        parts.path_and_query = Some(target.ok_or(Fault::RequestTargetRefused)?);
        let uri = Uri::from_parts(parts).map_err(|_| Fault::RequestTargetRefused)?;
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.fields;
        if self.upgrade {
            request
                .extensions_mut()
                .insert(Protocol::from_static("websocket"));
        }
        Ok(request)
    }
}

impl FieldSink for Draft {
    fn field(&mut self, name: &[u8], value: &[u8]) {
        match Known::of(name) {
            Known::Host => self.authority = self.put(value),
            // They concern a connection of HTTP/1.1, and none may be sent here (RFC 9113 §8.2.2).
            Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade
            | Known::Te => {}
            _ if self.upgrade && name.eq_ignore_ascii_case(b"sec-websocket-key") => {
                self.key = Some(value.to_vec());
            }
            _ => {
                let name = HeaderName::from_bytes(name);
                let value = HeaderValue::from_maybe_shared(self.put(value));
                let added = match (name, value) {
                    (Ok(name), Ok(value)) => self.fields.try_append(name, value).is_ok(),
                    _ => false,
                };
                self.is_broken |= !added;
            }
        }
    }
}

/// Adds a field of ours to a head that was read, where there is room.
pub(super) fn add_field(block: &mut Vec<u8>, head: &mut ResponseHead, name: &[u8], value: &[u8]) {
    let start = block.len();
    let value_start = start + name.len() + 2;
    let end = value_start + value.len();
    if end + 2 > MAX_HEAD_BYTES {
        return;
    }
    for piece in [name, b": ", value, b"\r\n"] {
        block.extend_from_slice(piece);
    }
    head.fields.push(FieldSpan {
        name: Span::new(start, start + name.len()),
        value: Span::new(value_start, end),
        known: Known::of(name),
        verbatim: false,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(line: Line<'_>, upgrade: bool, fields: &[(&str, &str)]) -> Draft {
        let mut draft = Draft::new(line, upgrade);
        for (name, value) in fields {
            draft.field(name.as_bytes(), value.as_bytes());
        }
        draft
    }

    #[test]
    fn line_and_host_become_pseudo_fields() {
        for (method, path, query, uri) in [
            ("GET", "/", None, "https://a.example:81/"),
            (
                "PURGE",
                "/a//\"b\";c",
                Some("d={e}"),
                "https://a.example:81/a//\"b\";c?d={e}",
            ),
            ("GET", "/", Some(""), "https://a.example:81/?"),
        ] {
            let line = (method.as_bytes(), path.as_bytes(), query.map(str::as_bytes));
            let request = draft(line, false, &[("Host", "a.example:81")]).finish(true);
            let request = request.unwrap();
            assert_eq!(
                (request.method().as_str(), &*request.uri().to_string()),
                (method, uri)
            );
            assert!(request.headers().is_empty());
        }
    }

    #[test]
    fn fields_of_the_connection_stay_behind_and_others_keep_their_order() {
        let mut draft = draft(
            (b"GET", b"/", None),
            false,
            &[
                ("Host", "a"),
                ("X-A", "1"),
                ("Connection", "close"),
                ("TE", "gzip"),
                ("Keep-Alive", "timeout=1"),
                ("Upgrade", "h2c"),
                ("Transfer-Encoding", "chunked"),
                ("Proxy-Connection", "close"),
                ("x-a", "2"),
            ],
        );
        draft.length(Length::Known(7));
        draft.take_trailers();
        let request = draft.finish(false).unwrap();
        let mut fields: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        fields.sort_by_key(|(name, _)| *name);
        let expected = [
            ("content-length", "7"),
            ("te", "trailers"),
            ("x-a", "1"),
            ("x-a", "2"),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn what_the_codec_does_not_carry_is_refused() {
        for path in ["/a<b", "/a`b", "/a b", "/a#b", "/?\"a\""] {
            let draft = draft((b"GET", path.as_bytes(), None), false, &[("Host", "a")]);
            assert_eq!(
                draft.finish(false).err(),
                Some(Fault::RequestTargetRefused),
                "{path}"
            );
        }
        let mut field = draft((b"GET", b"/", None), false, &[("Host", "a")]);
        field.field(b"x", b"a\r\nb");
        assert_eq!(field.finish(false).err(), Some(Fault::Internal));
    }

    #[test]
    fn a_websocket_is_a_connect_that_keeps_its_key_here() {
        let fields = [
            ("Host", "a"),
            ("Sec-WebSocket-Key", "k"),
            ("Sec-WebSocket-Version", "13"),
        ];
        let draft = draft((b"GET", b"/chat", None), true, &fields);
        assert_eq!(draft.key.as_deref(), Some(&b"k"[..]));
        let request = draft.finish(false).unwrap();
        assert_eq!(
            (request.method(), request.uri().path()),
            (&Method::CONNECT, "/chat")
        );
        let protocol = request.extensions().get::<Protocol>().unwrap();
        assert_eq!(protocol.as_str(), "websocket");
        assert_eq!(request.headers().len(), 1);
    }
}
