//! `protocols` and `http2` of a listener: which versions of HTTP clients may speak, and what one connection of HTTP/2 may ask
//! for at a time.

use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{ListenerHttp2, Protocol, Protocols};
use crate::raw::{Cx, Node};
use crate::value::scalar::Choice;
use crate::value::{Bounds, Value};

/// `protocols` of a listener.
pub(crate) static PROTOCOLS: Knob<Protocols> = Knob {
    key: "protocols",
    about: "The versions of HTTP that are spoken here. Over TLS both sides agree on one (ALPN); without it a client that begins with the preface of HTTP/2 gets that (prior knowledge), and every other HTTP/1.1.",
    default: Protocols::ALL,
    why: "clients take what they know, and HTTP/1.1 pays nothing for the other",
    bounds: None,
    required: false,
    example: "[\"http/1.1\"]",
};

/// `http2` of a listener.
pub(crate) static HTTP2_KNOB: Knob<ListenerHttp2> = Knob {
    key: "http2",
    about: "What one connection of HTTP/2 may ask for at a time.",
    default: ListenerHttp2::DEFAULT,
    why: "as [listener.NAME.http2] says",
    bounds: None,
    required: false,
    example: "{ max_concurrent_streams = 50 }",
};

static MAX_CONCURRENT_STREAMS: Knob<u32> = Knob {
    key: "max_concurrent_streams",
    about: "How many requests a connection may have under way at once; one more is refused (REFUSED_STREAM), which clients repeat. One that the client has given up counts until the endpoint's work for it has ended.",
    default: ListenerHttp2::DEFAULT.max_concurrent_streams,
    why: "the least that RFC 9113 §6.5.2 recommends, and browsers ask for no more",
    bounds: Some(Bounds {
        least: 1,
        greatest: 10_000,
    }),
    required: false,
    example: "50",
};

/// `http2` of a listener.
pub(crate) static HTTP2: Section = Section {
    name: "listener.NAME.http2",
    about: "What one connection of HTTP/2 may ask for at a time. A stream holds at most 64 KiB of a body in each direction. Heads have the limits of the listener; what cannot be configured stands in `docs/limits.md`.",
    knobs: &[&MAX_CONCURRENT_STREAMS],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[listener.a.http2]\nKNOB\n[[route]]\nrespond.body = \"a\"\n",
};

/// Reads both.
pub(crate) fn read(table: &Table<'_>, cx: &mut Cx<'_>) -> (Protocols, ListenerHttp2) {
    let protocols = PROTOCOLS.read(table, cx);
    let http2 = HTTP2_KNOB.read(table, cx);
    if !protocols.http2 && HTTP2_KNOB.given(table) {
        cx.warning(
            HTTP2_KNOB.span(table),
            "this does nothing here: HTTP/2 is not spoken",
        )
        .help("add \"h2\" to `protocols`, or leave it out");
    }
    (protocols, http2)
}

impl Value for Protocols {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let list = Vec::<Protocol>::read(node, None, cx)?;
        if list.is_empty() {
            cx.error(node.span.clone(), "nothing would be spoken here")
                .help("name \"h2\", \"http/1.1\" or both");
            return None;
        }
        Some(Self {
            http1: list.contains(&Protocol::Http1),
            http2: list.contains(&Protocol::Http2),
        })
    }

    fn toml(&self) -> String {
        let spoken = [(self.http2, Protocol::Http2), (self.http1, Protocol::Http1)];
        let list = spoken.into_iter().filter(|(is, _)| *is);
        list.map(|(_, protocol)| protocol)
            .collect::<Vec<_>>()
            .toml()
    }

    fn kind() -> String {
        Vec::<Protocol>::kind()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        Vec::<Protocol>::schema(None)
    }
}

impl Choice for Protocol {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("h2", Self::Http2), ("http/1.1", Self::Http1)]
    }

    fn ours(name: &str) -> Option<&'static str> {
        match name.to_ascii_lowercase().as_str() {
            "http2" | "http/2" | "http/2.0" | "h2c" => {
                Some("HTTP/2 is called \"h2\" here, as in ALPN")
            }
            "http1" | "http" | "h1" | "http/1" => {
                Some("it is called \"http/1.1\" here, as in ALPN")
            }
            _ => None,
        }
    }
}

impl Value for ListenerHttp2 {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = HTTP2.open(node, cx)?;
        Some(Self {
            max_concurrent_streams: MAX_CONCURRENT_STREAMS.read(&table, cx),
        })
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.knob(&MAX_CONCURRENT_STREAMS, &self.max_concurrent_streams);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        HTTP2.reference()
    }
}
