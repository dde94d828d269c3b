//! What a route does besides forwarding: a redirect, a fixed response, and the pages for faults.

use evenkeel_base::field::is_field_value;
use serde_json::{Value as Json, json};

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{Config, ErrorPage, HostRewrite, Redirect, Respond};
use crate::raw::{At, Cx, Entry, Node};
use crate::section::matching::check_path;
use crate::value::net::is_authority;
use crate::value::text::{quote, read_text};
use crate::value::{Body, Bounds, Value};

static REDIRECT_STATUS: Knob<u64> = Knob {
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

static REDIRECT_HOST: Knob<Option<String>> = Knob {
    key: "host",
    about: "The host, with a port when it needs one.",
    default: None,
    why: "that of the request",
    bounds: None,
    required: false,
    example: "\"www.example.com\"",
};

static REDIRECT_PATH: Knob<Option<String>> = Knob {
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
    knobs: &[&REDIRECT_STATUS, &SCHEME, &REDIRECT_HOST, &REDIRECT_PATH],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\n[route.redirect]\npath = \"/moved\"\nKNOB\n",
};

static STATUS: Knob<u64> = Knob {
    key: "status",
    about: "The status code.",
    default: 200,
    why: "the usual one",
    bounds: Some(Bounds {
        least: 200,
        greatest: 599,
    }),
    required: false,
    example: "503",
};

static BODY: Knob<Body> = Knob {
    key: "body",
    about: "The body.",
    default: Body(Vec::new()),
    why: "empty",
    bounds: None,
    required: false,
    example: "\"Closed for today.\"",
};

static CONTENT_TYPE: Knob<Option<String>> = Knob {
    key: "content_type",
    about: "The `Content-Type` of `body`; empty sends none.",
    default: None,
    why: "`text/plain; charset=utf-8`, or none for an empty body",
    bounds: None,
    required: false,
    example: "\"application/json\"",
};

static HTML: Knob<Body> = Knob {
    key: "html",
    about: "Another body, of type `text/html`, for clients whose `Accept` names it: a page for browsers beside the plain text for scripts.",
    default: Body(Vec::new()),
    why: "everyone gets `body`",
    bounds: None,
    required: false,
    example: "\"<p>Closed for today.</p>\"",
};

/// `respond` of a route.
pub(crate) static RESPOND: Section = Section {
    name: "route.respond",
    about: "Answers with a fixed response.",
    knobs: &[&STATUS, &BODY, &CONTENT_TYPE, &HTML],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\n[route.respond]\nKNOB\n",
};

static PAGE_BODY: Knob<Option<Body>> = Knob {
    key: "body",
    about: "The page.",
    default: None,
    why: "give this or `file`",
    bounds: None,
    required: false,
    example: "\"Back in a minute.\"",
};

static PAGE_FILE: Knob<Option<At<String>>> = Knob {
    key: "file",
    about: "A file that holds the page, read at start.",
    default: None,
    why: "give this or `body`",
    bounds: None,
    required: false,
    example: "\"503.html\"",
};

static PAGE_TYPE: Knob<Option<String>> = Knob {
    key: "content_type",
    about: "Its `Content-Type`.",
    default: None,
    why: "by the ending of the file's name: `text/html` for .html, `application/json` for .json, else `text/plain`, in UTF-8",
    bounds: None,
    required: false,
    example: "\"text/html; charset=utf-8\"",
};

/// `error_page.STATUS` of a route.
pub(crate) static ERROR_PAGE: Section = Section {
    name: "route.error_page.STATUS",
    about: "What a reply of evenkeel's own says instead of its own text. Responses of endpoints are never replaced.",
    knobs: &[&PAGE_BODY, &PAGE_FILE, &PAGE_TYPE],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n[route.error_page.503]\nUNLESS body file: body = \"b\"\nKNOB\n",
};

const PLAIN: &str = "text/plain; charset=utf-8";

impl Value for Redirect {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = REDIRECT.open(node, cx)?;
        let before = cx.count();
        let status = REDIRECT_STATUS.read(&table, cx);
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            cx.error(
                REDIRECT_STATUS.span(&table),
                format!("{status} is not a redirect"),
            )
            .help("use 308 or 301 for permanent, 307, 302 or 303 for temporary");
        }
        let redirect = Self {
            status: u16::try_from(status).unwrap_or(308),
            scheme: SCHEME.read(&table, cx),
            host: REDIRECT_HOST.read(&table, cx),
            path: REDIRECT_PATH.read(&table, cx),
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
            cx.error(REDIRECT_HOST.span(&table), "this is not a host")
                .help("write a name or address, with `:port` when it needs one, and nothing else");
        }
        if let Some(path) = &redirect.path {
            check_redirect_path(path, &table, cx);
        }
        let parts = [
            SCHEME.given(&table),
            REDIRECT_HOST.given(&table),
            REDIRECT_PATH.given(&table),
        ];
        if cx.count() == before && !parts.contains(&true) {
            cx.error(node.span.clone(), "this redirects every request to itself")
                .help("give at least one of scheme, host and path");
        }
        (cx.count() == before).then_some(redirect)
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.knob(&REDIRECT_STATUS, &u64::from(self.status));
        lines.knob(&SCHEME, &self.scheme);
        lines.knob(&REDIRECT_HOST, &self.host);
        lines.knob(&REDIRECT_PATH, &self.path);
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
    let span = REDIRECT_PATH.span(table);
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

impl Value for Respond {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = RESPOND.open(node, cx)?;
        let before = cx.count();
        let status = STATUS.read(&table, cx);
        let body = BODY.read(&table, cx).0;
        let html = HTML.read(&table, cx).0;
        let content_type = read_content_type(&CONTENT_TYPE, &table, cx);
        if matches!(status, 204 | 205 | 304) && !(body.is_empty() && html.is_empty()) {
            cx.error(
                STATUS.span(&table),
                format!("a response with status {status} has no body"),
            )
            .help("leave out the body, or use another status");
        }
        (cx.count() == before).then(|| Self {
            status: u16::try_from(status).unwrap_or(200),
            content_type: content_type.unwrap_or_else(|| default_type(&body).to_owned()),
            body,
            html,
        })
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.knob(&STATUS, &u64::from(self.status));
        lines.knob(&BODY, &Body(self.body.clone()));
        if self.content_type != default_type(&self.body) {
            lines.knob(&CONTENT_TYPE, &Some(self.content_type.clone()));
        }
        lines.knob(&HTML, &Body(self.html.clone()));
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        RESPOND.reference()
    }
}

const fn default_type(body: &[u8]) -> &'static str {
    if body.is_empty() { "" } else { PLAIN }
}

fn read_content_type(
    knob: &Knob<Option<String>>,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) -> Option<String> {
    let text = knob.read(table, cx)?;
    if !is_field_value(text.as_bytes()) {
        cx.error(knob.span(table), "this is not a content type")
            .help(format!("write one like \"{PLAIN}\""));
    }
    Some(text)
}

/// The pages by status, sorted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ErrorPages(pub(crate) Vec<ErrorPage>);

impl Value for ErrorPages {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let Some(entries) = node.entries() else {
            cx.error(
                node.span.clone(),
                format!("expected a table of pages, found {}", node.found()),
            )
            .help("write error_page.503 = { file = \"503.html\" }");
            return None;
        };
        let before = cx.count();
        let mut pages: Vec<ErrorPage> = entries
            .iter()
            .filter_map(|entry| read_page(entry, cx))
            .collect();
        pages.sort_by_key(|page| page.status);
        (cx.count() == before).then_some(Self(pages))
    }

    fn toml(&self) -> String {
        let pages: Vec<String> = self
            .0
            .iter()
            .map(|page| {
                let mut lines = Lines::default();
                lines.knob(&PAGE_BODY, &Some(Body(page.body.clone())));
                if page.content_type != PLAIN {
                    lines.knob(&PAGE_TYPE, &Some(page.content_type.clone()));
                }
                format!("{} = {}", page.status, lines.inline())
            })
            .collect();
        if pages.is_empty() {
            return "{}".to_owned();
        }
        format!("{{ {} }}", pages.join(", "))
    }

    fn kind() -> String {
        "table of pages by status".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        let properties: serde_json::Map<String, Json> = Config::error_page_statuses()
            .iter()
            .map(|status| (status.to_string(), ERROR_PAGE.reference()))
            .collect();
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

fn read_page(entry: &Entry<'_>, cx: &mut Cx<'_>) -> Option<ErrorPage> {
    let statuses = Config::error_page_statuses();
    let word = entry.key.value;
    let Some(status) = statuses
        .iter()
        .copied()
        .find(|status| status.to_string() == word)
    else {
        let all: Vec<String> = statuses.iter().map(u16::to_string).collect();
        cx.error(
            entry.key.span.clone(),
            format!("evenkeel makes no reply with status {word}"),
        )
        .help(format!("it makes these: {}", all.join(", ")));
        return None;
    };
    let table = ERROR_PAGE.open(&entry.node, cx)?;
    let content_type = read_content_type(&PAGE_TYPE, &table, cx);
    let (body, by_name) = match (PAGE_BODY.read(&table, cx), PAGE_FILE.read(&table, cx)) {
        (Some(body), None) => (body.0, PLAIN),
        (None, Some(path)) => match cx.source.file(&path.value) {
            Ok(bytes) => (bytes, type_by_name(&path.value)),
            Err(why) => {
                cx.error(path.span, format!("cannot read {}: {why}", path.value));
                return None;
            }
        },
        (Some(_), Some(_)) => {
            cx.error(
                PAGE_FILE.span(&table),
                "a page is its body or a file, not both",
            );
            return None;
        }
        (None, None) => {
            if !PAGE_BODY.given(&table) && !PAGE_FILE.given(&table) {
                cx.error(
                    entry.key.span.clone(),
                    "this page has neither `body` nor `file`",
                );
            }
            return None;
        }
    };
    let content_type = content_type.unwrap_or_else(|| by_name.to_owned());
    Some(ErrorPage {
        status,
        content_type,
        body,
    })
}

fn type_by_name(path: &str) -> &'static str {
    match path
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase())
        .as_deref()
    {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        _ => PLAIN,
    }
}

impl Value for HostRewrite {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "\"keep\", \"endpoint\" or a host", cx)?;
        match text.as_str() {
            "keep" => Some(Self::Keep),
            "endpoint" => Some(Self::Endpoint),
            host if is_authority(host) => Some(Self::Set(text)),
            _ => {
                cx.error(node.span.clone(), format!("\"{text}\" is not a host"))
                    .help("write \"keep\", \"endpoint\", or a name or address, with `:port` when it needs one");
                None
            }
        }
    }

    fn toml(&self) -> String {
        match self {
            Self::Keep => quote("keep"),
            Self::Endpoint => quote("endpoint"),
            Self::Set(host) => quote(host),
        }
    }

    fn kind() -> String {
        "\"keep\", \"endpoint\" or a host".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}
