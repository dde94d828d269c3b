//! `sticky` of a cluster: whether a client stays with its endpoint, and what it is known by.
//!
//! The secrets that cookies are sealed with stand in [`secret`].

pub(crate) mod secret;

use std::time::Duration;

use evenkeel_base::field::is_token;
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{SameSite, Sticky, StickyCookie};
use crate::raw::{At, Cx, Node};
use crate::section::cluster::sticky::secret::Secrets;
use crate::spelling::nearest;
use crate::value::key_part::KeyParts;
use crate::value::scalar::TURNS_OFF;
use crate::value::text::{quote, read_text, single};
use crate::value::{Bounds, Value};

/// `sticky` of a cluster.
pub(crate) static STICKY_KNOB: Knob<Sticky> = Knob {
    key: "sticky",
    about: "Whether a client stays with its endpoint: \"cookie\" by a cookie that evenkeel sets, a table by a cookie as it says, or by a hash of what the application sets. When the endpoint is down, ejected, gone or in maint, the balancer picks another one, and the client stays with that; an endpoint in drain keeps its clients and gets no new ones, and one at its limit is passed over for that request alone. The cookie comes with the first response, cacheable or not: a shared cache in front of evenkeel that keeps `Set-Cookie` gives one client's endpoint to all.",
    default: Sticky::Off,
    why: "endpoints that keep nothing to themselves balance better",
    bounds: None,
    required: false,
    example: "\"cookie\"",
};

static COOKIE: Knob<Option<At<String>>> = Knob {
    key: "cookie",
    about: "The name of the cookie. It says which endpoint it is to nobody but evenkeel, and scripts cannot read it (`HttpOnly`).",
    default: None,
    why: "`\"evenkeel\"`",
    bounds: None,
    required: false,
    example: "\"lb\"",
};

static PATH: Knob<Option<At<String>>> = Knob {
    key: "path",
    about: "Clients send the cookie with requests below this path.",
    default: None,
    why: "`\"/\"`: with all requests to the host",
    bounds: None,
    required: false,
    example: "\"/shop\"",
};

static LIFETIME: Knob<Option<Duration>> = Knob {
    key: "lifetime",
    about: "How long a browser keeps the cookie, from the response that set it: whole seconds, and at most 400 days, as browsers have it.",
    default: None,
    why: "until the browser is closed",
    bounds: Some(Bounds {
        least: Duration::from_secs(1),
        greatest: Duration::from_hours(24 * 400),
    }),
    required: false,
    example: "\"1h\"",
};

static SAME_SITE: Knob<SameSite> = Knob {
    key: "same_site",
    about: "Whether a browser sends the cookie with requests that come from other sites: \"strict\" never, \"lax\" when a link is followed, \"none\" always (which needs `secure`).",
    default: SameSite::Lax,
    why: "what browsers do with a cookie that does not say, and a link from elsewhere leads to the client's endpoint",
    bounds: None,
    required: false,
    example: "\"strict\"",
};

static SECURE: Knob<bool> = Knob {
    key: "secure",
    about: "Whether browsers send the cookie over TLS only.",
    default: false,
    why: "evenkeel does not see whether TLS ends in front of it; the cookie gives access to nothing",
    bounds: None,
    required: false,
    example: "true",
};

static KEYS: Knob<Secrets> = Knob {
    key: "keys",
    about: "The secrets that cookies are sealed with, 16 to 1024 bytes each: the first seals, all of them open. All nodes need the same. To change one, add the new one behind it on every node, then put the new one first, and take the old one out once its cookies have expired; until then they are honoured, but not renewed. `head -c 32 /dev/urandom | base64 > sticky.key` makes one. The content of a file may be any bytes; a final line end does not count.",
    default: Secrets(Vec::new()),
    why: "one that is made at the start: other nodes do not know it, nor does evenkeel after a restart",
    bounds: None,
    required: false,
    example: "[{ file = \"sticky.key\" }]",
};

static BY: Knob<KeyParts> = Knob {
    key: "by",
    about: "Instead of a cookie of evenkeel's: the parts of a request that are hashed, so that requests that have them alike go to one endpoint. A request that has none of them goes where the balancer says. An endpoint that comes or goes moves a few clients.",
    default: KeyParts(Vec::new()),
    why: "a cookie of evenkeel's",
    bounds: None,
    required: false,
    example: "[\"cookie:JSESSIONID\"]",
};

/// `sticky` of a cluster, as a table.
pub(crate) static STICKY: Section = Section {
    name: "cluster.NAME.sticky",
    about: "Clients that stay with their endpoint, as a table instead of the word \"cookie\". Either `by`, or the keys of a cookie.",
    knobs: &[&COOKIE, &PATH, &LIFETIME, &SAME_SITE, &SECURE, &KEYS, &BY],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.sticky]\nKNOB\n",
};

/// The cookie's name when nothing is said.
const NAME: &str = "evenkeel";

/// The cookie's path when nothing is said.
const ROOT: &str = "/";

/// The longest name and the longest path of a cookie: it comes with every request.
const LONGEST: (usize, usize) = (64, 1024);

const OFF: &str = "off";
const BY_COOKIE: &str = "cookie";

impl Value for Sticky {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let is_table =
            matches!(node.value, DeValue::Table(_)) && single(node, &["env", "file"]).is_none();
        let sticky = if is_table {
            read_table(node, cx)?
        } else {
            read_word(node, cx)?
        };
        if let Self::Cookie(cookie) = &sticky
            && cookie.keys.is_empty()
        {
            cx.warning(
                node.span.clone(),
                "without keys these cookies are not known after a restart, nor to other nodes",
            )
            .help("make a secret by `head -c 32 /dev/urandom | base64 > sticky.key`, and write sticky = { keys = [{ file = \"sticky.key\" }] }");
        }
        Some(sticky)
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        match self {
            Self::Off => return quote(OFF),
            Self::Hashed(parts) => lines.knob(&BY, &KeyParts(parts.clone())),
            Self::Cookie(cookie) if *cookie == plain() => return quote(BY_COOKIE),
            Self::Cookie(cookie) => print(cookie, &mut lines),
        }
        lines.inline()
    }

    fn kind() -> String {
        "\"cookie\", table or \"off\"".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [
            { "enum": [OFF, BY_COOKIE] },
            { "$ref": "#/$defs/elsewhere" },
            STICKY.reference(),
        ] })
    }
}

/// The cookie of which nothing is said.
fn plain() -> StickyCookie {
    StickyCookie {
        name: NAME.to_owned(),
        path: ROOT.to_owned(),
        lifetime: Duration::ZERO,
        same_site: SAME_SITE.default,
        secure: SECURE.default,
        keys: Vec::new(),
    }
}

fn read_word(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<Sticky> {
    if let DeValue::Boolean(wanted) = node.value {
        let word = if *wanted { BY_COOKIE } else { OFF };
        cx.error(
            node.span.clone(),
            "expected a word or a table, found a boolean",
        )
        .help(format!("write \"{word}\""));
        return None;
    }
    let word = read_text(node, "\"cookie\", or a table", cx)?;
    match word.as_str() {
        OFF => return Some(Sticky::Off),
        BY_COOKIE => return Some(Sticky::Cookie(plain())),
        _ => {}
    }
    let help = match nearest(&word, [OFF, BY_COOKIE]) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!(
            "write \"cookie\", or {{ by = \"cookie:NAME\" }} for what the application sets; {TURNS_OFF}"
        ),
    };
    cx.error(node.span.clone(), format!("\"{word}\" is not known here"))
        .help(help);
    None
}

fn read_table(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<Sticky> {
    let table = STICKY.open(node, cx)?;
    let before = cx.count();
    if BY.given(&table) {
        for knob in STICKY.knobs.iter().filter(|knob| knob.key() != BY.key) {
            if let Some(entry) = table.get(knob.key()) {
                cx.error(
                    entry.key.span.clone(),
                    format!(
                        "`{}` is about a cookie that evenkeel sets, and `by` about none",
                        knob.key()
                    ),
                )
                .help("keep one of the two");
            }
        }
        let by = BY.read(&table, cx).0;
        return (cx.count() == before && !by.is_empty()).then_some(Sticky::Hashed(by));
    }
    let cookie = StickyCookie {
        name: read_name(&table, cx),
        path: read_path(&table, cx),
        lifetime: read_lifetime(&table, cx),
        same_site: SAME_SITE.read(&table, cx),
        secure: SECURE.read(&table, cx),
        keys: KEYS.read(&table, cx).0,
    };
    if cx.count() == before {
        check_secure(&cookie, &table, cx);
    }
    (cx.count() == before).then_some(Sticky::Cookie(cookie))
}

fn read_name(table: &Table<'_>, cx: &mut Cx<'_>) -> String {
    let Some(At { value: name, span }) = COOKIE.read(table, cx) else {
        return NAME.to_owned();
    };
    if !is_token(name.as_bytes()) || name.len() > LONGEST.0 {
        cx.error(span, format!("\"{name}\" cannot be the name of a cookie"))
            .help(format!(
                "a name has 1 to {} letters, digits, `-`, `_` and a few other signs",
                LONGEST.0
            ));
    }
    name
}

fn read_path(table: &Table<'_>, cx: &mut Cx<'_>) -> String {
    let Some(At { value: path, span }) = PATH.read(table, cx) else {
        return ROOT.to_owned();
    };
    let unfit = |b: u8| !(0x21..0x7f).contains(&b) || b == b';';
    if !path.starts_with('/') {
        cx.error(span, "a path begins with `/`")
            .help(format!("write \"/{path}\""));
    } else if path.len() > LONGEST.1 || path.bytes().any(unfit) {
        cx.error(span, "this cannot be the path of a cookie")
            .help(format!(
                "it has at most {} bytes of visible ASCII, and no `;`",
                LONGEST.1
            ));
    }
    path
}

fn read_lifetime(table: &Table<'_>, cx: &mut Cx<'_>) -> Duration {
    let lifetime = LIFETIME.read(table, cx).unwrap_or(Duration::ZERO);
    if lifetime.subsec_nanos() > 0 {
        cx.error(
            LIFETIME.span(table),
            "the lifetime of a cookie is counted in whole seconds",
        )
        .help("leave out the part of a second");
    }
    lifetime
}

/// Reports what browsers refuse of a cookie that does not ask for TLS.
fn check_secure(cookie: &StickyCookie, table: &Table<'_>, cx: &mut Cx<'_>) {
    if cookie.same_site == SameSite::None && !cookie.secure {
        cx.error(
            SAME_SITE.span(table),
            "browsers refuse a cookie for all sites that is not for TLS only",
        )
        .help("add secure = true, or write same_site = \"lax\"");
    }
    let name = cookie.name.to_ascii_lowercase();
    let of_host = name.starts_with("__host-");
    if (of_host || name.starts_with("__secure-")) && !cookie.secure {
        cx.error(
            COOKIE.span(table),
            format!("browsers refuse the name \"{}\" without TLS", cookie.name),
        )
        .help("add secure = true, or give it another name");
    } else if of_host && cookie.path != ROOT {
        cx.error(
            PATH.span(table),
            format!("browsers refuse the name \"{}\" at this path", cookie.name),
        )
        .help("leave out `path`, or give the cookie another name");
    }
}

fn print(cookie: &StickyCookie, lines: &mut Lines) {
    let at = |text: &str, known: &str| {
        let value = text.to_owned();
        (text != known).then_some(At { value, span: 0..0 })
    };
    lines.knob(&COOKIE, &at(&cookie.name, NAME));
    lines.knob(&PATH, &at(&cookie.path, ROOT));
    let lifetime = Some(cookie.lifetime).filter(|lifetime| !lifetime.is_zero());
    lines.knob(&LIFETIME, &lifetime);
    lines.knob(&SAME_SITE, &cookie.same_site);
    lines.knob(&SECURE, &cookie.secure);
    lines.knob(&KEYS, &Secrets(cookie.keys.clone()));
}
