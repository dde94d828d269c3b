//! `tls` of a cluster: whom its endpoints have to prove to be, and what they are shown of us.
//!
//! Whether there is TLS at all depends on the addresses of the endpoints as well: see [`crate::section::cluster::scheme`].

use std::path::{Path, PathBuf};

use evenkeel_tls::Version;
use evenkeel_tls::client::{Alpn, ClientTerms, ClientTls, Roots, is_name};
use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{ClientFiles, UpstreamProtocol, UpstreamTlsRules};
use crate::raw::{At, Cx, Node, Span};
use crate::section::listener::file::read_file;
use crate::section::listener::tls::read_identity;
use crate::source::Source;
use crate::value::{Bounds, FilePath, Value};

/// `tls` of a cluster.
pub(crate) static TLS_KNOB: Knob<Option<TlsKeys>> = Knob {
    key: "tls",
    about: "TLS to the endpoints, and how: `{}` with every default. It is on as well when their addresses begin with `https://`. Who has a certificate that cannot be trusted gets no request.",
    default: None,
    why: "off, unless the addresses say `https://`",
    bounds: None,
    required: false,
    example: "{ ca = \"ca.pem\" }",
};

static CA: Knob<Option<At<FilePath>>> = Knob {
    key: "ca",
    about: "A file with the certificates (PEM) of the authorities that vouch for the endpoints.",
    default: None,
    why: "the authorities that this system trusts, as its package `ca-certificates` has them; `SSL_CERT_FILE` and `SSL_CERT_DIR` say otherwise",
    bounds: None,
    required: false,
    example: "\"ca.pem\"",
};

static SERVER_NAME: Knob<Option<At<String>>> = Knob {
    key: "server_name",
    about: "The name that the endpoints have to prove, and that they are asked for (SNI): one for all of them.",
    default: None,
    why: "each its own: the name in its address, or in its SRV record, else its IP address, which then must stand in its certificate",
    bounds: None,
    required: false,
    example: "\"api.internal\"",
};

static CERTIFICATE: Knob<Option<At<FilePath>>> = Knob {
    key: "certificate",
    about: "A file with a certificate (PEM) that endpoints are shown when they ask who we are, and behind it those that lead to its authority. It needs a `key`.",
    default: None,
    why: "none is shown",
    bounds: None,
    required: false,
    example: "\"client.pem\"",
};

static KEY: Knob<Option<At<FilePath>>> = Knob {
    key: "key",
    about: "A file with the private key (PEM) of `certificate`.",
    default: None,
    why: "none",
    bounds: None,
    required: false,
    example: "\"client.key\"",
};

static VERIFY: Knob<bool> = Knob {
    key: "verify",
    about: "Whether endpoints have to prove who they are. With `false` any certificate will do, and whoever is in between can read and change everything; the log and the status say so.",
    default: true,
    why: "encryption for a stranger protects nothing",
    bounds: None,
    required: false,
    example: "false",
};

static MIN_VERSION: Knob<Version> = Knob {
    key: "min_version",
    about: "The oldest version of TLS that will do.",
    default: Version::Tls12,
    why: "what endpoints are likely to have; those before it are broken",
    bounds: None,
    required: false,
    example: "\"1.3\"",
};

/// `tls` of a cluster, as a table.
pub(crate) static TLS: Section = Section {
    name: "cluster.NAME.tls",
    about: "TLS to the endpoints of a cluster. Files are PEM, and a relative path counts from the folder of the configuration file. They are looked at every few seconds and read again when one has changed; what is not right is not taken, and `evenkeel status` says so. Connections that were made before are not used again.",
    knobs: &[&CA, &SERVER_NAME, &CERTIFICATE, &KEY, &VERIFY, &MIN_VERSION],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.tls]\nUNLESS certificate: certificate = \"client.pem\"\nUNLESS key: key = \"client.key\"\nKNOB\n",
};

/// `tls` of a cluster as it is written, with what stands in its files.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TlsKeys {
    /// The authorities; none: those of the system.
    ca: Option<(PathBuf, Roots)>,
    server_name: String,
    client: Option<ClientFiles>,
    verify: bool,
    min_version: Version,
}

impl TlsKeys {
    /// With every default.
    pub(crate) const DEFAULT: Self = Self {
        ca: None,
        server_name: String::new(),
        client: None,
        verify: VERIFY.default,
        min_version: MIN_VERSION.default,
    };

    /// What the rules of a cluster were read from.
    pub(crate) fn of(rules: &UpstreamTlsRules) -> Self {
        Self {
            ca: rules.ca.clone(),
            server_name: rules.server_name.clone(),
            client: rules.certificate.clone(),
            verify: rules.verify,
            min_version: rules.min_version,
        }
    }

    /// The rules of a cluster that speaks `protocol`; none after a report.
    pub(crate) fn rules(
        self,
        protocol: UpstreamProtocol,
        at: &Span,
        cx: &mut Cx<'_>,
    ) -> Option<Box<UpstreamTlsRules>> {
        let verifies = self.verify;
        let rules = match self.ready(protocol, cx.source) {
            Ok(rules) => rules,
            Err(why) => {
                cx.error(at.clone(), why).help(NO_ROOTS);
                return None;
            }
        };
        if !verifies {
            cx.warning(
                at.clone(),
                "the endpoints of this cluster need not prove who they are: whoever is in between can read and change everything",
            )
            .help("take out verify = false; for certificates of your own write tls = { ca = \"ca.pem\" }");
        }
        Some(Box::new(rules))
    }

    /// The same without a place to report to.
    ///
    /// # Errors
    /// When nobody can vouch for the endpoints, in words for the operator.
    pub(crate) fn ready(
        self,
        protocol: UpstreamProtocol,
        source: &dyn Source,
    ) -> Result<UpstreamTlsRules, String> {
        let roots = match &self.ca {
            _ if !self.verify => None,
            Some((_, roots)) => Some(roots.clone()),
            None => {
                let found = source.system_roots();
                Some(found.map_err(|why| format!("nobody can vouch for these endpoints: {why}"))?)
            }
        };
        let client = ClientTls::new(&ClientTerms {
            roots,
            identity: self.client.as_ref().map(|files| files.identity.clone()),
            min_version: self.min_version,
            alpn: match protocol {
                UpstreamProtocol::Auto => Alpn::Either,
                UpstreamProtocol::Http1 => Alpn::Http1,
                UpstreamProtocol::Http2 => Alpn::Http2,
            },
        })?;
        Ok(UpstreamTlsRules {
            ca: self.ca,
            server_name: self.server_name,
            certificate: self.client,
            verify: self.verify,
            min_version: self.min_version,
            client,
        })
    }
}

/// What to do when the system trusts nobody.
pub(crate) const NO_ROOTS: &str =
    "install the package ca-certificates, or name a file: tls = { ca = \"ca.pem\" }";

impl Value for TlsKeys {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = TLS.open(node, cx)?;
        let before = cx.count();
        let keys = Self {
            ca: CA.read(&table, cx).and_then(|path| read_ca(&path, cx)),
            server_name: read_name(&table, cx),
            client: read_client(&table, cx),
            verify: VERIFY.read(&table, cx),
            min_version: MIN_VERSION.read(&table, cx),
        };
        (cx.count() == before).then_some(keys)
    }

    fn toml(&self) -> String {
        let path = |path: &Path| {
            let value = FilePath(path.to_owned());
            Some(At { value, span: 0..0 })
        };
        let mut lines = Lines::default();
        let ca = self.ca.as_ref().and_then(|(ca, _)| path(ca));
        lines.knob(&CA, &ca);
        let name = At {
            value: self.server_name.clone(),
            span: 0..0,
        };
        lines.knob(
            &SERVER_NAME,
            &Some(name).filter(|name| !name.value.is_empty()),
        );
        if let Some(files) = &self.client {
            lines.knob(&CERTIFICATE, &path(&files.certificate));
            lines.knob(&KEY, &path(&files.key));
        }
        lines.knob(&VERIFY, &self.verify);
        lines.knob(&MIN_VERSION, &self.min_version);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        TLS.reference()
    }
}

pub(crate) fn read_ca(path: &At<FilePath>, cx: &mut Cx<'_>) -> Option<(PathBuf, Roots)> {
    let pem = read_file(path, cx)?;
    let file = &path.value.0;
    let roots = Roots::from_pem(&pem)
        .map_err(|why| {
            cx.error(path.span.clone(), format!("{} {why}", file.display()))
                .help("it holds the certificates of authorities, in PEM");
        })
        .ok()?;
    Some((file.clone(), roots))
}

fn read_name(table: &Table<'_>, cx: &mut Cx<'_>) -> String {
    let Some(At { value: name, span }) = SERVER_NAME.read(table, cx) else {
        return String::new();
    };
    if !is_name(&name) {
        cx.error(
            span,
            format!("\"{name}\" cannot be a name in a certificate"),
        )
        .help("write a host name like \"api.internal\", or an IP address, without a port");
    }
    name.to_ascii_lowercase()
}

/// What endpoints are shown of us, unless it is wrong or not wanted.
fn read_client(table: &Table<'_>, cx: &mut Cx<'_>) -> Option<ClientFiles> {
    let both = (CERTIFICATE.read(table, cx), KEY.read(table, cx));
    let (certificate, key) = match both {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return None,
        (Some(_), None) => {
            if !KEY.given(table) {
                report_half(&CERTIFICATE, &KEY, table, cx);
            }
            return None;
        }
        (None, Some(_)) => {
            if !CERTIFICATE.given(table) {
                report_half(&KEY, &CERTIFICATE, table, cx);
            }
            return None;
        }
    };
    let identity = read_identity(&certificate, &key, cx)?;
    Some(ClientFiles {
        certificate: certificate.value.0,
        key: key.value.0,
        identity,
    })
}

fn report_half(
    given: &Knob<Option<At<FilePath>>>,
    missing: &Knob<Option<At<FilePath>>>,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) {
    cx.error(
        given.span(table),
        format!("`{}` is of no use without `{}`", given.key, missing.key),
    )
    .help(format!("add {} = {}", missing.key, missing.example));
}
