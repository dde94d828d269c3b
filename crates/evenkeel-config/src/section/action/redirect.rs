//! `redirect` of a route: sends the client elsewhere.

use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::Redirect;
use crate::raw::{Cx, Node};
use crate::section::matching::path::check_path;
use crate::value::net::is_authority;
use crate::value::{Bounds, Value};

static STATUS: Knob<u64> = Knob {
    key: "status",
    about: "301, 302, 303, 307 or 308.",
    default: 308,
    why: "permanent, and it keeps the method and the body",
    bounds: Some(Bounds {
        least: 301,
        greatest: 308,
    }),
    required: false,
    example: "302",
};

static SCHEME: Knob<Option<String>> = Knob {
    key: "scheme",
    about: "`http` or `https`.",
    default: None,
    why: "that of the request",
    bounds: None,
    required: false,
    example: "\"https\"",
};

static HOST: Knob<Option<String>> = Knob {
    key: "host",
    about: "The host, with a port when it needs one.",
    default: None,
    why: "that of the request",
    bounds: None,
    required: false,
    example: "\"www.example.com\"",
};

static PATH: Knob<Option<String>> = Knob {
    key: "path",
    about: "The path, with a query when it needs one.",
    default: None,
    why: "path and query of the request",
    bounds: None,
    required: false,
    example: "\"/moved\"",
};

/// `redirect` of a route.
pub(crate) static REDIRECT: Section = Section {
    name: "route.redirect",
    about: "Sends the client elsewhere. What is not given stays as it is in the request; at least one part must be given.",
    knobs: &[&STATUS, &SCHEME, &HOST, &PATH],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\n[route.redirect]\npath = \"/moved\"\nKNOB\n",
};

impl Value for Redirect {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = REDIRECT.open(node, cx)?;
        let before = cx.count();
        let status = STATUS.read(&table, cx);
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            cx.error(STATUS.span(&table), format!("{status} is not a redirect"))
                .help("use 308 or 301 for permanent, 307, 302 or 303 for temporary");
        }
        let redirect = Self {
            status: u16::try_from(status).unwrap_or(308),
            scheme: SCHEME.read(&table, cx),
            host: HOST.read(&table, cx),
            path: PATH.read(&table, cx),
        };
        if redirect
            .scheme
            .as_ref()
            .is_some_and(|s| s != "http" && s != "https")
        {
            cx.error(SCHEME.span(&table), "the scheme is \"http\" or \"https\"");
        }
        if redirect
            .host
            .as_ref()
            .is_some_and(|host| !is_authority(host))
        {
            cx.error(HOST.span(&table), "this is not a host")
                .help("write a name or address, with `:port` when it needs one, and nothing else");
        }
        if let Some(path) = &redirect.path {
            check_redirect_path(path, &table, cx);
        }
        let parts = [SCHEME.given(&table), HOST.given(&table), PATH.given(&table)];
        if cx.count() == before && !parts.contains(&true) {
            cx.error(node.span.clone(), "this redirects every request to itself")
                .help("give at least one of scheme, host and path");
        }
        (cx.count() == before).then_some(redirect)
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.knob(&STATUS, &u64::from(self.status));
        lines.knob(&SCHEME, &self.scheme);
        lines.knob(&HOST, &self.host);
        lines.knob(&PATH, &self.path);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        REDIRECT.reference()
    }
}

fn check_redirect_path(path: &str, table: &Table<'_>, cx: &mut Cx<'_>) {
    let (path, query) = path.split_once('?').map_or((path, ""), |(p, q)| (p, q));
    let span = PATH.span(table);
    if path.starts_with("//") {
        cx.error(span, "a path that begins with `//` leads to another host")
            .help("use `host` for another host");
    } else if check_path(path, span.clone(), cx)
        && query
            .bytes()
            .any(|b| !(0x21..0x7f).contains(&b) || b == b'#')
    {
        cx.error(span, "this query cannot be sent as it is")
            .help("write what is not visible ASCII, and `#`, as %XX");
    }
}
