//! `error_page.STATUS` of a route: what a reply of evenkeel's own says.

use evenkeel_base::Fault;
use serde_json::{Value as Json, json};

use crate::knob::{Knob, Lines, Section};
use crate::model::{Config, ErrorPage};
use crate::raw::{At, Cx, Entry, Node};
use crate::section::action::{PLAIN, read_content_type};
use crate::value::{Body, Bounds, Value};

static PAGE_BODY: Knob<Option<Body>> = Knob {
    key: "body",
    about: "The page.",
    default: None,
    why: "none; this or `file` is given",
    bounds: None,
    required: false,
    example: "\"Back in a minute.\"",
};

static PAGE_FILE: Knob<Option<At<String>>> = Knob {
    key: "file",
    about: "A file that holds the page, read at start.",
    default: None,
    why: "none; this or `body` is given",
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
    if !may_have_route(status) {
        let said = cx.warning(
            entry.key.span.clone(),
            format!(
                "no route is chosen yet when evenkeel answers {status}, so this page is never shown"
            ),
        );
        if status == 404 {
            said.help("write a route without conditions: respond = { status = 404, body = … }");
        } else {
            said.help("leave it out");
        }
    }
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

/// Whether a fault with this status can occur once a route is chosen; only then there is a page to take.
fn may_have_route(status: u16) -> bool {
    Fault::ALL
        .iter()
        .filter(|fault| fault.status() == status)
        .any(|fault| !BEFORE_ROUTING.contains(fault))
}

/// The faults found while the head is read or because no route matches.
const BEFORE_ROUTING: [Fault; 8] = [
    Fault::RequestMalformed,
    Fault::RequestHeaderTimeout,
    Fault::RequestLineTooLong,
    Fault::RequestHeadTooLarge,
    Fault::CodingUnsupported,
    Fault::VersionUnsupported,
    Fault::MethodRefused,
    Fault::NoRoute,
];

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
