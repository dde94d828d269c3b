//! `[access_log]`: what becomes of each exchange's record.

mod format;
mod headers;

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::knob::{Branch, Knob, Lines, Section, Shape, Table};
use crate::model::{ALL_RECORDS, AccessFormat, AccessLog, AccessLogTarget};
use crate::raw::{Cx, Node};
use crate::section::access_log::headers::HeaderNames;
use crate::spelling::nearest;
use crate::value::percent::Percent;
use crate::value::text::{quote, read_text, single};
use crate::value::{Bounds, FilePath, Value};

static TO: Knob<AccessLogTarget> = Knob {
    key: "to",
    about: "Where a record for each exchange goes: \"off\", \"stdout\", \"stderr\", or appended to a file. Here `{ file = … }` is the file that is written, not one the value is read from.",
    default: AccessLogTarget::Stdout,
    why: "what containers and systemd collect, and apart from evenkeel's own log",
    bounds: None,
    required: false,
    example: "{ file = \"/var/log/evenkeel/access.log\" }",
};

static FORMAT: Knob<AccessFormat> = Knob {
    key: "format",
    about: "A line for people (\"text\"), a JSON object a line (\"json\"), the Common Log Format as Apache writes it (\"common\"), the same with referer and user agent (\"combined\"), or a line of your own: `{ template = \"{client} {status}\" }`. [The fields](access-log.md) are on a page of their own; `{request.NAME}` and `{response.NAME}` are header fields, `{{` is a brace, and what is not there is `-`.",
    default: AccessFormat::Text,
    why: "people read it first",
    bounds: None,
    required: false,
    example: "{ template = \"{client} {method} {target} {status} {tries.endpoint}\" }",
};

static MODE: Knob<Mode> = Knob {
    key: "mode",
    about: "The permissions of the log's file when evenkeel makes it, in octal; the process's umask takes from them.",
    default: Mode(0o640),
    why: "addresses of clients are not for everybody on the machine",
    bounds: None,
    required: false,
    example: "\"0600\"",
};

static REQUEST_HEADERS: Knob<HeaderNames> = Knob {
    key: "request_headers",
    about: "Header fields of the request that stand in the record as well, below `request_headers`, up to 512 bytes of each. For \"json\" and \"text\"; not those that are secrets.",
    default: HeaderNames(Vec::new()),
    why: "each makes every record longer",
    bounds: None,
    required: false,
    example: "[\"referer\", \"accept-language\"]",
};

static RESPONSE_HEADERS: Knob<HeaderNames> = Knob {
    key: "response_headers",
    about: "The same for the response, as the endpoint sent it.",
    default: HeaderNames(Vec::new()),
    why: "each makes every record longer",
    bounds: None,
    required: false,
    example: "[\"content-type\", \"x-cache\"]",
};

static SAMPLE: Knob<Percent> = Knob {
    key: "sample",
    about: "How many of the records are written, by chance. Those of exchanges that failed, with a failed attempt, with a status of 500 or above, or slow ones are written anyway. A record that stands for others says for how many, as `sampled`.",
    default: Percent::ALL,
    why: "whoever needs fewer knows it",
    bounds: Some(Bounds {
        least: Percent(0),
        greatest: Percent::ALL,
    }),
    required: false,
    example: "\"10%\"",
};

static SLOW: Knob<Duration> = Knob {
    key: "slow",
    about: "What takes so long is slow: its record is written whatever `sample` says.",
    default: Duration::from_secs(1),
    why: "what a person who waits begins to notice",
    bounds: Some(Bounds {
        least: Duration::ZERO,
        greatest: Duration::from_hours(1000),
    }),
    required: false,
    example: "\"250ms\"",
};

/// `[access_log]`.
pub(crate) static ACCESS_LOG: Section = Section {
    name: "access_log",
    about: "One record for each exchange: what was asked, where it went, how long each part took, and which fault ended it. What a client sent stands in it as UTF-8, at most 1,024 bytes of each text. Quotes, backslashes, control characters and what breaks lines or turns text around are escaped as in JSON, in all formats but \"common\" and \"combined\", which have Apache's rules; a byte NN that is no part of UTF-8 is written `\\uefNN`.",
    knobs: &[
        &TO,
        &FORMAT,
        &MODE,
        &REQUEST_HEADERS,
        &RESPONSE_HEADERS,
        &SAMPLE,
        &SLOW,
    ],
    sample: "version = 1\n[access_log]\nKNOB\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n",
};

/// Its key at the top of the file.
pub(crate) static BRANCH: Branch = Branch {
    key: "access_log",
    about: "The access log.",
    shape: Shape::Once,
    section: || &ACCESS_LOG,
};

/// So many header fields may be logged, of requests and responses together.
pub(crate) const MOST_HEADERS: usize = 16;

/// What holds when nothing is said.
pub(crate) fn defaults() -> AccessLog {
    AccessLog {
        to: TO.default.clone(),
        format: FORMAT.default.clone(),
        mode: MODE.default.0,
        request_headers: Vec::new(),
        response_headers: Vec::new(),
        sample: ALL_RECORDS,
        slow: SLOW.default,
    }
}

/// Reads it.
pub(crate) fn read(top: &Table<'_>, cx: &mut Cx<'_>) -> AccessLog {
    let Some(table) = BRANCH.once(top, cx) else {
        return defaults();
    };
    let log = AccessLog {
        to: read_target(&table, cx),
        format: FORMAT.read(&table, cx),
        mode: MODE.read(&table, cx).0,
        request_headers: REQUEST_HEADERS.read(&table, cx).0,
        response_headers: RESPONSE_HEADERS.read(&table, cx).0,
        sample: SAMPLE.read(&table, cx).0,
        slow: SLOW.read(&table, cx),
    };
    check_headers(&log, &table, cx);
    log
}

fn check_headers(log: &AccessLog, table: &Table<'_>, cx: &mut Cx<'_>) {
    let count = log.request_headers.len() + log.response_headers.len();
    let knob = if log.request_headers.is_empty() {
        RESPONSE_HEADERS.span(table)
    } else {
        REQUEST_HEADERS.span(table)
    };
    if count > MOST_HEADERS {
        cx.error(knob, format!("{count} header fields are too many"))
            .help(format!("{MOST_HEADERS} may be logged, of both together"));
        return;
    }
    let (place, help) = match log.format {
        AccessFormat::Text | AccessFormat::Json => return,
        AccessFormat::Clf => ("\"common\"", "use \"json\", or a template"),
        AccessFormat::Combined => ("\"combined\"", "use \"json\", or a template"),
        AccessFormat::Template(_) => (
            "a template",
            "name it in the template: {request.NAME} or {response.NAME}",
        ),
    };
    if count > 0 {
        cx.error(knob, format!("{place} has no place for more header fields"))
            .help(help);
    }
}

/// A folder that is not there yet is no error: a service manager may make it at the start.
fn read_target(table: &Table<'_>, cx: &mut Cx<'_>) -> AccessLogTarget {
    let to = TO.read(table, cx);
    if let AccessLogTarget::File(path) = &to
        && let Err(why) = cx.source.place(path)
    {
        let message = format!("{} cannot be opened as things are: {why}", path.display());
        cx.warning(TO.span(table), message).help(
            "evenkeel does not start without its access log: make the folder, or have it made",
        );
    }
    to
}

/// Writes it.
pub(crate) fn print(log: &AccessLog) -> String {
    let mut lines = Lines::default();
    lines.knob(&TO, &log.to);
    lines.knob(&FORMAT, &log.format);
    lines.knob(&MODE, &Mode(log.mode));
    lines.knob(&REQUEST_HEADERS, &HeaderNames(log.request_headers.clone()));
    lines.knob(
        &RESPONSE_HEADERS,
        &HeaderNames(log.response_headers.clone()),
    );
    lines.knob(&SAMPLE, &Percent(log.sample));
    lines.knob(&SLOW, &log.slow);
    lines.table("[access_log]", false)
}

impl Value for AccessLogTarget {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        if let Some((_, path)) = single(node, &["file"]) {
            return FilePath::read(&path, None, cx).map(|path| Self::File(path.0));
        }
        let text = read_text(node, "a target like \"stdout\"", cx)?;
        let known = [
            ("off", Self::Off),
            ("stdout", Self::Stdout),
            ("stderr", Self::Stderr),
        ];
        if let Some((_, target)) = known.iter().find(|(name, _)| *name == text) {
            return Some(target.clone());
        }
        let help = match nearest(&text, known.iter().map(|(name, _)| *name)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!(
                "for a file write {{ file = {} }}; else it is \"off\", \"stdout\" or \"stderr\"",
                quote(&text)
            ),
        };
        cx.error(node.span.clone(), format!("\"{text}\" is not known here"))
            .help(help);
        None
    }

    fn toml(&self) -> String {
        match self {
            Self::Off => quote("off"),
            Self::Stdout => quote("stdout"),
            Self::Stderr => quote("stderr"),
            Self::File(path) => format!("{{ file = {} }}", quote(&path.to_string_lossy())),
        }
    }

    fn kind() -> String {
        "\"off\", \"stdout\", \"stderr\" or `{ file = … }`".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [
            { "enum": ["off", "stdout", "stderr"] },
            { "$ref": "#/$defs/elsewhere" },
        ] })
    }
}

/// Permissions of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mode(u32);

impl Value for Mode {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "permissions like \"0640\"", cx)?;
        let octal = text.len() <= 4 && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let mode = u32::from_str_radix(&text, 8).ok().filter(|_| octal);
        match mode {
            // A log that its own process cannot write is a slip, and so are special bits.
            Some(mode) if mode & 0o200 != 0 && mode <= 0o777 => Some(Self(mode)),
            _ => {
                cx.error(node.span.clone(), format!("\"{text}\" are no permissions"))
                    .help("write octal digits as for chmod, with leave for the owner to write: \"0640\"");
                None
            }
        }
    }

    fn toml(&self) -> String {
        format!("\"{:04o}\"", self.0)
    }

    fn kind() -> String {
        "permissions".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [
            { "type": "string", "pattern": "^0?[0-7]{3}$" },
            { "$ref": "#/$defs/elsewhere" },
        ] })
    }
}
