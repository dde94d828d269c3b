//! `respond` of a route: a fixed response.

use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section};
use crate::model::Respond;
use crate::raw::{Cx, Node};
use crate::section::action::{PLAIN, read_content_type};
use crate::value::{Body, Bounds, Value};

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
