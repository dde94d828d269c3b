//! `[trace]`: which requests are traced, and where their spans go.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_base::{Address, Known, Scheme, trace};
use evenkeel_tls::Version;
use evenkeel_tls::client::{Alpn, ClientTerms, ClientTls, Roots};
use serde_json::{Value as Json, json};

use crate::knob::{Branch, Knob, Lines, Section, Shape, Table};
use crate::model::{Collector, Trace, TraceTarget};
use crate::raw::{At, Cx, Node};
use crate::section::cluster::probe::http::check_path;
use crate::section::cluster::tls::read_ca;
use crate::value::field::Pairs;
use crate::value::label::Label;
use crate::value::percent::Percent;
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, FilePath, Value};

static TO: Knob<At<To>> = Knob {
    key: "to",
    about: "The collector that spans are sent to, by OTLP over HTTP: `http://` or `https://`, with `/v1/traces` where no path is given; or \"off\".",
    default: At {
        value: To::Off,
        span: 0..0,
    },
    why: "nobody collects them; a client's `traceparent` then passes as it is",
    bounds: None,
    required: false,
    example: "\"http://127.0.0.1:4318\"",
};

static SAMPLE: Knob<Percent> = Knob {
    key: "sample",
    about: "How many of the requests are traced that come without a decision, or with one that is not believed (see `trust`).",
    default: Percent::ONE,
    why: "enough to see what is usual, at a cost that nobody sees",
    bounds: Some(Bounds {
        least: Percent(0),
        greatest: Percent::ALL,
    }),
    required: false,
    example: "\"0.1%\"",
};

static TRUST: Knob<bool> = Knob {
    key: "trust",
    about: "Whether any client decides by its `traceparent` whether its request is traced. Without it only those do whose address is in the listener's `trusted_proxies`.",
    default: false,
    why: "the id of a stranger's trace is kept, which costs nothing; its decision would let it fill the collector",
    bounds: None,
    required: false,
    example: "true",
};

static SERVICE_NAME: Knob<Label> = Knob {
    key: "service_name",
    about: "What evenkeel is called in traces (`service.name`).",
    default: Label(String::new()),
    why: "`evenkeel`",
    bounds: None,
    required: false,
    example: "\"edge\"",
};

static HEADERS: Knob<Pairs> = Knob {
    key: "headers",
    about: "Fields that the collector wants to see, such as a key. A value may be `{ env = … }` or `{ file = … }`; the log shows none.",
    default: Pairs(Vec::new()),
    why: "none",
    bounds: None,
    required: false,
    example: "{ authorization = \"Basic b3RlbDpzZWNyZXQ=\" }",
};

static TIMEOUT: Knob<Duration> = Knob {
    key: "timeout",
    about: "How long one export may take, with its connect.",
    default: Duration::from_secs(10),
    why: "what the OpenTelemetry specification says; no request waits for it",
    bounds: Some(Bounds {
        least: Duration::from_millis(10),
        greatest: Duration::from_mins(1),
    }),
    required: false,
    example: "\"5s\"",
};

static CA: Knob<Option<At<FilePath>>> = Knob {
    key: "ca",
    about: "A file with the certificates (PEM) of the authorities that vouch for the collector. Only with `https://`.",
    default: None,
    why: "the authorities that this system trusts",
    bounds: None,
    required: false,
    example: "\"ca.pem\"",
};

/// `[trace]`.
pub(crate) static TRACE: Section = Section {
    name: "trace",
    about: "Traces of requests, by W3C Trace Context: a client's `traceparent` is kept, or one begins here; endpoints are told of our span as their parent; spans go to a collector by OTLP. Nothing waits for the collector: what it does not take in time is dropped and counted.",
    knobs: &[&TO, &SAMPLE, &TRUST, &SERVICE_NAME, &HEADERS, &TIMEOUT, &CA],
    sample: "version = 1\n[trace]\nUNLESS to: to = \"https://otel.internal:4318\"\nKNOB\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n",
};

/// Its key at the top of the file.
pub(crate) static BRANCH: Branch = Branch {
    key: "trace",
    about: "Traces of requests.",
    shape: Shape::Once,
    section: || &TRACE,
};

/// What evenkeel is called when nothing is said.
const NAME: &str = "evenkeel";

/// Where spans go when no path is said (OTLP 1.x, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

/// More fields than a collector could want.
const MOST_HEADERS: usize = 16;

/// What holds when nothing is said.
pub(crate) fn defaults() -> Trace {
    Trace {
        to: TraceTarget::Off,
        sample: SAMPLE.default.0,
        trust: TRUST.default,
        service_name: NAME.to_owned(),
        headers: Vec::new(),
        timeout: TIMEOUT.default,
    }
}

/// Reads it.
pub(crate) fn read(top: &Table<'_>, cx: &mut Cx<'_>) -> Trace {
    let Some(table) = BRANCH.once(top, cx) else {
        return defaults();
    };
    let name = SERVICE_NAME.read(&table, cx).0;
    Trace {
        to: read_target(&table, cx),
        sample: SAMPLE.read(&table, cx).0,
        trust: TRUST.read(&table, cx),
        service_name: if name.is_empty() {
            NAME.to_owned()
        } else {
            name
        },
        headers: read_headers(&table, cx),
        timeout: TIMEOUT.read(&table, cx),
    }
}

/// Writes it.
pub(crate) fn print(trace: &Trace) -> String {
    let mut lines = Lines::default();
    let mut ca = None;
    if let TraceTarget::Collector(collector) = &trace.to {
        let value = To::Url {
            text: collector.url.clone(),
        };
        lines.given(&TO, Some(&At { value, span: 0..0 }));
        ca = collector.ca.as_ref().map(|(path, _)| At {
            value: FilePath(path.clone()),
            span: 0..0,
        });
    }
    lines.knob(&SAMPLE, &Percent(trace.sample));
    lines.knob(&TRUST, &trace.trust);
    let name = if trace.service_name == NAME {
        ""
    } else {
        &trace.service_name
    };
    lines.knob(&SERVICE_NAME, &Label(name.to_owned()));
    lines.knob(&HEADERS, &Pairs(trace.headers.clone()));
    lines.knob(&TIMEOUT, &trace.timeout);
    lines.knob(&CA, &ca);
    lines.table("[trace]", false)
}

/// `to` as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Off,
    Url { text: String },
}

impl Value for To {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "a URL like \"http://127.0.0.1:4318\"", cx)?;
        Some(if text == "off" {
            Self::Off
        } else {
            Self::Url { text }
        })
    }

    fn toml(&self) -> String {
        match self {
            Self::Off => quote("off"),
            Self::Url { text } => quote(text),
        }
    }

    fn kind() -> String {
        "`http://` or `https://` with host, port and path, or \"off\"".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

/// Where a URL leads.
#[derive(Debug, PartialEq)]
struct Place {
    is_https: bool,
    address: Address,
    host: String,
    authority: String,
    path: String,
}

impl Place {
    fn parse(url: &str) -> Result<Self, String> {
        const HELP: &str =
            "write http://host:port or https://host:port, with a path when it is not /v1/traces";
        let is_https = url.starts_with("https://");
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"))
            .ok_or_else(|| HELP.to_owned())?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let scheme = if is_https {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let (_, mut all) = Address::parse_endpoints(&format!("{scheme}://{authority}"))?;
        let (Some(address), true) = (all.pop(), all.is_empty()) else {
            return Err(HELP.to_owned());
        };
        let host = match &address {
            Address::Ip(address) => address.ip().to_string(),
            Address::Name { host, .. } => host.clone(),
            Address::Service(_) | Address::Unix(_) => return Err(HELP.to_owned()),
        };
        let path = if matches!(path, "" | "/") { PATH } else { path };
        Ok(Self {
            is_https,
            address,
            host,
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    }
}

fn read_target(table: &Table<'_>, cx: &mut Cx<'_>) -> TraceTarget {
    let At { value, span } = TO.read(table, cx);
    let before = cx.count();
    let ca = CA.read(table, cx).and_then(|path| read_ca(&path, cx));
    let To::Url { text: url } = value else {
        return TraceTarget::Off;
    };
    let place = match Place::parse(&url) {
        Ok(place) => place,
        Err(why) => {
            cx.error(span, format!("\"{url}\" names no collector"))
                .help(why);
            return TraceTarget::Off;
        }
    };
    let path = At {
        value: place.path,
        span,
    };
    check_path(&path, cx);
    if !place.is_https && CA.given(table) {
        cx.error(
            CA.span(table),
            "nobody is asked for a certificate without TLS",
        )
        .help("write https:// in `to`, or leave `ca` out");
    }
    let tls = if place.is_https && cx.count() == before {
        secured(ca.as_ref(), &path.span, cx)
    } else {
        None
    };
    TraceTarget::Collector(Box::new(Collector {
        url,
        address: place.address,
        host: place.host,
        authority: place.authority,
        path: path.value,
        ca,
        tls,
    }))
}

fn secured(
    ca: Option<&(PathBuf, Roots)>,
    at: &crate::raw::Span,
    cx: &mut Cx<'_>,
) -> Option<ClientTls> {
    let roots = match ca {
        Some((_, roots)) => Ok(roots.clone()),
        None => cx.source.system_roots(),
    };
    let ready = roots.and_then(|roots| {
        ClientTls::new(&ClientTerms {
            roots: Some(roots),
            identity: None,
            min_version: Version::Tls12,
            alpn: Alpn::Http1,
        })
    });
    ready
        .map_err(|why| {
            cx.error(
                at.clone(),
                format!("nobody can vouch for this collector: {why}"),
            )
            .help("install the package ca-certificates, or name a file: ca = \"ca.pem\"");
        })
        .ok()
}

fn read_headers(table: &Table<'_>, cx: &mut Cx<'_>) -> Vec<(String, String)> {
    let headers = HEADERS.read(table, cx).0;
    if headers.len() > MOST_HEADERS {
        cx.error(
            HEADERS.span(table),
            format!("there are at most {MOST_HEADERS} fields for the collector"),
        );
    }
    let is_ours = |name: &str| {
        Known::of(name.as_bytes()) == Known::ContentType
            || name.eq_ignore_ascii_case(trace::TRACEPARENT)
            || name.eq_ignore_ascii_case("content-encoding")
            || name.eq_ignore_ascii_case("user-agent")
    };
    if let Some((name, _)) = headers.iter().find(|(name, _)| is_ours(name)) {
        cx.error(
            HEADERS.span(table),
            format!("`{name}` cannot be set: evenkeel says it itself"),
        );
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_where_a_collector_is() {
        for (url, address, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1:4318", "/v1/traces"),
            ("http://127.0.0.1:4318/", "127.0.0.1:4318", "/v1/traces"),
            ("http://otel.internal", "otel.internal:80", "/v1/traces"),
            ("https://otel.internal", "otel.internal:443", "/v1/traces"),
            ("https://[::1]:4318/a/b?c=d", "[::1]:4318", "/a/b?c=d"),
        ] {
            let place = Place::parse(url).expect(url);
            assert_eq!(place.address.to_string(), address, "{url}");
            assert_eq!(place.path, path, "{url}");
            assert_eq!(place.is_https, url.starts_with("https"), "{url}");
        }
        for url in [
            "",
            "off ",
            "127.0.0.1:4318",
            "http://",
            "http:///v1/traces",
            "grpc://a:4317",
            "http://a:1-2",
            "http://user:password@a:4318",
            "unix:/run/otel.sock",
            "srv:_otlp._tcp.a",
        ] {
            assert!(Place::parse(url).is_err(), "{url}");
        }
    }
}
