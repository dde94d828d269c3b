//! `[admin]`: the address at which operators are answered beside the control socket, and who may come by it.

use std::net::SocketAddr;
use std::path::Path;

use evenkeel_tls::server::Unusable;
use evenkeel_tls::{ClientCheck, Secret};
use serde_json::Value as Json;

use crate::knob::{Branch, Knob, Lines, Section, Shape, Table};
use crate::model::{Admin, AdminTls, AdminToken, Bind, Listener};
use crate::raw::{At, Cx, Node};
use crate::section::listener::file::read_file;
use crate::section::listener::{self, tls};
use crate::value::net::format_bind;
use crate::value::{Bounds, FilePath, Value};

static BIND: Knob<Option<At<Bind>>> = Knob {
    key: "bind",
    about: "Where it listens: `ip:port`, `[ipv6]:port`, or `:port` for all addresses. One that others than this host can reach needs a `token_file`, or `tls` with a `client_ca`.",
    default: None,
    why: "it must be given",
    bounds: None,
    required: true,
    example: "\"127.0.0.1:9900\"",
};

static TOKEN_FILE: Knob<Option<At<FilePath>>> = Knob {
    key: "token_file",
    about: "A file with the token that requests carry (`Authorization: Bearer TOKEN`): one line of at least 16 bytes, such as `head -c 32 /dev/urandom | base64` makes. `/live` and `/ready` need none. It is read again by each reload, and counts at once: watchers with the old one are hung up on.",
    default: None,
    why: "none is asked for: on a loopback address, every user of this host may look and give orders",
    bounds: None,
    required: false,
    example: "\"admin.token\"",
};

static HOSTS: Knob<Vec<At<String>>> = Knob {
    key: "hosts",
    about: "Names by which this address is asked, beside `localhost`, IP addresses, and the names of the certificate. A request for any other is refused (421), for a page of a stranger could lead its own name here and have a browser ask.",
    default: Vec::new(),
    why: "only names that nobody else can give to this host",
    bounds: None,
    required: false,
    example: "[\"lb.internal\"]",
};

static READ_ONLY: Knob<bool> = Knob {
    key: "read_only",
    about: "Whether this address only shows, and takes no orders. The control socket takes them all the same.",
    default: false,
    why: "the dashboard drains endpoints",
    bounds: None,
    required: false,
    example: "true",
};

static TLS_KNOB: Knob<Option<AdminTls>> = Knob {
    key: "tls",
    about: "TLS of this address.",
    default: None,
    why: "nothing is encrypted, which on a loopback address nobody needs",
    bounds: None,
    required: false,
    example: "{ certificate = \"web.pem\", key = \"web.key\" }",
};

/// `[admin]`.
pub(crate) static ADMIN: Section = Section {
    name: "admin",
    about: "An address at which operators and their tools are answered, beside the control socket: `/metrics`, the API and the dashboard; see `docs/admin.md`. Without this table there is none.",
    knobs: &[&BIND, &TOKEN_FILE, &HOSTS, &READ_ONLY, &TLS_KNOB],
    sample: "version = 1\nlistener.a.bind = \":1\"\n[admin]\nbind = \"127.0.0.1:9900\"\nKNOB\n[[route]]\nrespond.body = \"a\"\n",
};

static CLIENT_CA: Knob<Option<At<FilePath>>> = Knob {
    key: "client_ca",
    about: "A file with the authorities (PEM) whose certificates are believed of clients (mTLS). Each client has to show one then, also those that ask for `/live`; with a `token_file` as well, both are asked for.",
    default: None,
    why: "clients are asked for no certificate",
    bounds: None,
    required: false,
    example: "\"ca.pem\"",
};

/// `tls` of `[admin]`.
pub(crate) static TLS: Section = Section {
    name: "admin.tls",
    about: "TLS of the admin address. Files are PEM; they are looked at and read again as those of listeners are.",
    knobs: &[&tls::CERTIFICATE, &tls::KEY, &CLIENT_CA],
    sample: "version = 1\n[admin]\nbind = \"127.0.0.1:9900\"\n[admin.tls]\nUNLESS certificate: certificate = \"web.pem\"\nUNLESS key: key = \"web.key\"\nKNOB\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n",
};

/// Its key at the top of the file.
pub(crate) static BRANCH: Branch = Branch {
    key: "admin",
    about: "The admin address.",
    shape: Shape::Once,
    section: || &ADMIN,
};

/// The least and the most bytes of a token: 128 bits cannot be guessed, and more than a page is no token but a slip.
const TOKEN_BYTES: (usize, usize) = (16, 1024);

/// Reads it; it must not want an address of a listener's.
pub(crate) fn read(top: &Table<'_>, listeners: &[Listener], cx: &mut Cx<'_>) -> Option<Admin> {
    let table = BRANCH.once(top, cx)?;
    let before = cx.count();
    let bind = BIND.read(&table, cx);
    let token = TOKEN_FILE.read(&table, cx);
    let hosts = HOSTS.read(&table, cx);
    let read_only = READ_ONLY.read(&table, cx);
    let tls = TLS_KNOB.read(&table, cx);
    let token = token.and_then(|file| read_token(&file, cx));
    hosts.iter().for_each(|host| check_host(host, cx));
    let bind = bind?;
    let span = bind.span.clone();
    let Bind::Ip(address) = bind.value else {
        cx.error(span, "the admin address is an IP address and a port")
            .help("on a Unix socket the control socket answers the same: `--control PATH` says where it is");
        return None;
    };
    let both = Bind::Ip(address);
    let mut all = listeners.iter();
    if let Some(other) = all.find(|other| listener::overlaps(&both, &other.bind)) {
        let shown = format_bind(&other.bind);
        cx.error(
            span,
            format!(
                "listener \"{}\" has {shown}: traffic and operators need an address each",
                other.name
            ),
        )
        .help("choose another port");
        return None;
    }
    let admin = Admin {
        bind: address,
        token,
        tls,
        hosts: hosts
            .iter()
            .map(|host| host.value.to_ascii_lowercase())
            .collect(),
        read_only,
    };
    if cx.count() == before {
        check_open(&admin, &table, cx);
    }
    (cx.count() == before).then_some(admin)
}

/// Makes sure that nobody comes by the network who is not asked who they are.
fn check_open(admin: &Admin, table: &Table<'_>, cx: &mut Cx<'_>) {
    let bind = admin.bind;
    if bind.ip().to_canonical().is_loopback() {
        return;
    }
    let proven = admin.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    if admin.token.is_none() && !proven {
        let local = SocketAddr::from(([127, 0, 0, 1], bind.port()));
        cx.error(
            BIND.span(table),
            format!("{bind} can be reached over the network, and nobody who comes is asked for anything"),
        )
        .help(format!(
            "add token_file = \"admin.token\", made by `head -c 32 /dev/urandom | base64 > admin.token`, or tls with a client_ca; or bind \
             \"{local}\" and reach it by ssh -L {0}:{local} HOST",
            bind.port()
        ));
    } else if admin.tls.is_none() {
        cx.warning(
            BIND.span(table),
            format!("whoever can listen in on the way to {bind} gets the token, and can give orders by it from then on"),
        )
        .help("add tls = { certificate = \"admin.pem\", key = \"admin.key\" }, or read_only = true where others need to look and nobody to act");
    }
}

/// The token in a file, which only who may give orders should be able to read.
fn read_token(file: &At<FilePath>, cx: &mut Cx<'_>) -> Option<AdminToken> {
    let path = file.value.0.to_string_lossy();
    let read = cx.source.file(&path);
    let text = read
        .map_err(|why| cx.error(file.span.clone(), format!("cannot read {path}: {why}")))
        .ok()?;
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (least, most) = TOKEN_BYTES;
    let plain = line.iter().all(u8::is_ascii_graphic);
    let wrong = if !plain {
        "a token is one line of letters, digits and signs, without spaces".to_owned()
    } else if line.len() < least {
        format!(
            "this token could be guessed: it has {} bytes, and {least} are the least",
            line.len()
        )
    } else if line.len() > most {
        format!(
            "this is no token: it has {} bytes, and {most} are the most",
            line.len()
        )
    } else {
        if cx.source.may_others_read(&path) {
            cx.warning(
                file.span.clone(),
                format!("every user of this host may read {path}, and so give orders"),
            )
            .help(format!("chmod 600 {path}"));
        }
        return Some(AdminToken {
            file: file.value.0.clone(),
            secret: Secret::of(line),
        });
    };
    cx.error(file.span.clone(), format!("{path}: {wrong}"))
        .help(format!(
            "make one by `head -c 32 /dev/urandom | base64 > {path}`"
        ));
    None
}

fn check_host(host: &At<String>, cx: &mut Cx<'_>) {
    let text = &host.value;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_name = !text.is_empty() && text.len() <= 253 && text.bytes().all(plain);
    if !is_name || text.ends_with('.') {
        cx.error(
            host.span.clone(),
            format!("\"{text}\" is not the name of a host"),
        )
        .help("write the name alone, without scheme, port or wildcard: \"lb.internal\"");
    }
}

/// Writes it.
pub(crate) fn print(admin: &Admin) -> String {
    let mut lines = Lines::default();
    let at = |value| Some(At { value, span: 0..0 });
    lines.knob(&BIND, &at(Bind::Ip(admin.bind)));
    let token = admin.token.as_ref();
    lines.knob(&TOKEN_FILE, &token.and_then(|token| path(&token.file)));
    let host = |host: &String| At {
        value: host.clone(),
        span: 0..0,
    };
    let hosts: Vec<At<String>> = admin.hosts.iter().map(host).collect();
    lines.knob(&HOSTS, &hosts);
    lines.knob(&READ_ONLY, &admin.read_only);
    lines.knob(&TLS_KNOB, &admin.tls);
    lines.table("[admin]", true)
}

fn path(path: &Path) -> Option<At<FilePath>> {
    let value = FilePath(path.to_owned());
    Some(At { value, span: 0..0 })
}

impl Value for AdminTls {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = TLS.open(node, cx)?;
        let before = cx.count();
        let certificate = tls::read_pair(&table, cx);
        let clients = CLIENT_CA.read(&table, cx).and_then(|file| {
            let authorities = read_file(&file, cx)?;
            match ClientCheck::new(&authorities, &[], true) {
                Ok(check) => Some((file.value.0, check)),
                Err(Unusable::Authorities(why) | Unusable::Revocations(_, why)) => {
                    let shown = file.value.0.display();
                    cx.error(file.span.clone(), format!("{shown} {why}"));
                    None
                }
            }
        });
        (cx.count() == before).then_some(Self {
            certificate: certificate?,
            clients,
        })
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.knob(&tls::CERTIFICATE, &path(&self.certificate.certificate));
        lines.knob(&tls::KEY, &path(&self.certificate.key));
        let ca = self.clients.as_ref().and_then(|(file, _)| path(file));
        lines.knob(&CLIENT_CA, &ca);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        TLS.reference()
    }
}
