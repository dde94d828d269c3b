//! `tls` of a listener: the certificates that clients are shown, and what is spoken with them.
//!
//! The files are read and checked here, so that a pair that does not fit is found before anything runs.

use std::path::Path;
use std::time::Duration;

use evenkeel_tls::certificate::date;
use evenkeel_tls::identity::Part;
use evenkeel_tls::{Identity, Version};
use serde_json::Value as Json;

use crate::diagnostic::Severity;
use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{ListenerCertificate, ListenerTls};
use crate::raw::{At, Cx, Node, Span};
use crate::section::TIMEOUT;
use crate::section::listener::client::CLIENT_KNOB;
use crate::section::listener::file::read_file;
use crate::value::scalar::Choice;
use crate::value::{Bounds, FilePath, Value};

/// `tls` of a listener.
pub(crate) static TLS_KNOB: Knob<Option<ListenerTls>> = Knob {
    key: "tls",
    about: "The certificates of a listener that speaks TLS; see `docs/tls.md`.",
    default: None,
    why: "nothing is encrypted",
    bounds: None,
    required: false,
    example: "{ certificates = { certificate = \"web.pem\", key = \"web.key\" } }",
};

static CERTIFICATES: Knob<Vec<ListenerCertificate>> = Knob {
    key: "certificates",
    about: "The certificates, each with its key. A client is shown one for the name that it asks for (SNI): of the same name, or else of the wildcard that stands for it; of several such the first ECDSA one that the client can check, then RSA. Who asks for no name, or for one that none is for, is shown the first.",
    default: Vec::new(),
    why: "they must be given",
    bounds: None,
    required: true,
    example: "[{ certificate = \"web.pem\", key = \"web.key\" }]",
};

static MIN_VERSION: Knob<Version> = Knob {
    key: "min_version",
    about: "The oldest version of TLS that is spoken: \"1.2\" or \"1.3\". The versions before these are broken.",
    default: Version::Tls12,
    why: "TLS 1.2 with the ciphers that are offered is sound, and some clients have nothing newer",
    bounds: None,
    required: false,
    example: "\"1.3\"",
};

static HANDSHAKE_TIMEOUT: Knob<Duration> = Knob {
    key: "handshake_timeout",
    about: "A new connection must be through its handshake in this time, or it is closed.",
    default: Duration::from_secs(10),
    why: "a few round trips of a bad mobile network, and no client holds a connection for nothing",
    bounds: TIMEOUT,
    required: false,
    example: "\"5s\"",
};

/// `[listener.NAME.tls]`.
pub(crate) static TLS: Section = Section {
    name: "listener.NAME.tls",
    about: "TLS of a listener. Files are PEM, and a relative path counts from the folder of the configuration file. They are looked at every few seconds and read again when one has changed; a pair that does not fit is not taken, and `evenkeel status` says so.",
    knobs: &[
        &CERTIFICATES,
        &MIN_VERSION,
        &HANDSHAKE_TIMEOUT,
        &CLIENT_KNOB,
    ],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[listener.a.tls]\nUNLESS certificates: certificates = { certificate = \"web.pem\", key = \"web.key\" }\nKNOB\n[[route]]\nrespond.body = \"a\"\n",
};

/// `certificate`, beside a `key`.
pub(crate) static CERTIFICATE: Knob<Option<At<FilePath>>> = Knob {
    key: "certificate",
    about: "The file with the certificate and, behind it, those that lead to its authority.",
    default: None,
    why: "it must be given",
    bounds: None,
    required: true,
    example: "\"web.pem\"",
};

/// `key`, beside a `certificate`.
pub(crate) static KEY: Knob<Option<At<FilePath>>> = Knob {
    key: "key",
    about: "The file with the key of the certificate, without a passphrase.",
    default: None,
    why: "it must be given",
    bounds: None,
    required: true,
    example: "\"web.key\"",
};

/// An item of `certificates`.
pub(crate) static CERTIFICATE_OF: Section = Section {
    name: "listener.NAME.tls.certificates",
    about: "A certificate and its key. Both may stand in one file.",
    knobs: &[&CERTIFICATE, &KEY],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[listener.a.tls.certificates]]\nUNLESS certificate: certificate = \"web.pem\"\nUNLESS key: key = \"web.key\"\nKNOB\n[[route]]\nrespond.body = \"a\"\n",
};

impl Value for ListenerTls {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = TLS.open(node, cx)?;
        let before = cx.count();
        let certificates = CERTIFICATES.read(&table, cx);
        if certificates.is_empty() && CERTIFICATES.given(&table) && cx.count() == before {
            cx.error(
                CERTIFICATES.span(&table),
                "there is no certificate in this list",
            )
            .help("add one: { certificate = \"web.pem\", key = \"web.key\" }");
        }
        let tls = Self {
            certificates,
            min_version: MIN_VERSION.read(&table, cx),
            handshake_timeout: HANDSHAKE_TIMEOUT.read(&table, cx),
            client: CLIENT_KNOB.read(&table, cx),
        };
        (cx.count() == before).then_some(tls)
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.knob(&CERTIFICATES, &self.certificates);
        lines.knob(&MIN_VERSION, &self.min_version);
        lines.knob(&HANDSHAKE_TIMEOUT, &self.handshake_timeout);
        lines.knob(&CLIENT_KNOB, &self.client);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        TLS.reference()
    }
}

impl Value for ListenerCertificate {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = CERTIFICATE_OF.open(node, cx)?;
        read_pair(&table, cx)
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        let at = |path: &Path| {
            let value = FilePath(path.to_owned());
            Some(At { value, span: 0..0 })
        };
        lines.knob(&CERTIFICATE, &at(&self.certificate));
        lines.knob(&KEY, &at(&self.key));
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        CERTIFICATE_OF.reference()
    }
}

impl Choice for Version {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("1.2", Self::Tls12), ("1.3", Self::Tls13)]
    }
}

/// The `certificate` and the `key` of a table.
pub(crate) fn read_pair(table: &Table<'_>, cx: &mut Cx<'_>) -> Option<ListenerCertificate> {
    let (certificate, key) = (CERTIFICATE.read(table, cx), KEY.read(table, cx));
    let (certificate, key) = (certificate?, key?);
    let identity = read_identity(&certificate, &key, cx)?;
    if identity.certificate().hosts.is_empty() {
        let shown = certificate.value.0.display();
        cx.warning(
            certificate.span.clone(),
            format!(
                "{shown} is for no host: it has no alternative name, and clients look at no other"
            ),
        )
        .help("have it issued with the names of the hosts that it is for");
    }
    Some(ListenerCertificate {
        certificate: certificate.value.0,
        key: key.value.0,
        identity,
    })
}

/// The identity in two files, when they fit each other and time.
pub(crate) fn read_identity(
    certificate: &At<FilePath>,
    key: &At<FilePath>,
    cx: &mut Cx<'_>,
) -> Option<Identity> {
    // Both are read, so that both mistakes are told.
    let (chain, secret) = (read_file(certificate, cx), read_file(key, cx));
    let identity = match Identity::parse(&chain?, &secret?) {
        Ok(identity) => identity,
        Err(unfit) => {
            let of = match unfit.part {
                Part::Certificate => certificate,
                Part::Key => key,
            };
            let shown = of.value.0.display();
            let mut why = unfit.why;
            if why.ends_with("of the certificate") {
                why = format!("{why} in {}", certificate.value.0.display());
            }
            cx.error(of.span.clone(), format!("{shown} {why}"));
            return None;
        }
    };
    check_time(&identity, certificate, cx).then_some(identity)
}

/// Whether the identity can be used for all that its dates say; how grave they are is for the source to judge.
fn check_time(identity: &Identity, at: &At<FilePath>, cx: &mut Cx<'_>) -> bool {
    let certificate = identity.certificate();
    let Some(now) = cx.source.now().filter(|now| !certificate.is_in_time(*now)) else {
        return true;
    };
    let shown = at.value.0.display();
    let (wrong, help) = if now > certificate.not_after {
        (
            format!(
                "the certificate in {shown} expired on {}",
                date(certificate.not_after)
            ),
            "renew it, or leave it out: nobody accepts it",
        )
    } else {
        (
            format!(
                "the certificate in {shown} is not valid before {}",
                date(certificate.not_before)
            ),
            "wait until then, or look at the clock of this host",
        )
    };
    let span = Span::clone(&at.span);
    match cx.source.out_of_time(&at.value.0.to_string_lossy()) {
        Severity::Error => {
            cx.error(span, wrong).help(help);
            false
        }
        Severity::Warning => {
            let wrong = format!("{wrong}, and is used all the same");
            cx.warning(span, wrong).help(help);
            true
        }
    }
}

/// Warns of hosts that a listener's routes are for, and none of its certificates.
pub(crate) fn check_hosts(
    tls: &ListenerTls,
    name: &str,
    hosts: impl Iterator<Item = (String, Span)>,
    cx: &mut Cx<'_>,
) {
    let mut told = Vec::new();
    for (host, span) in hosts {
        // A wildcard of a route is covered by the same one of a certificate.
        let covered = |one: &ListenerCertificate| {
            let certificate = one.identity.certificate();
            certificate.is_for(&host) || certificate.hosts.contains(&host)
        };
        if !tls.certificates.iter().any(covered) && !told.contains(&host) {
            cx.warning(
                span,
                format!("listener \"{name}\" has no certificate for {host}"),
            )
            .help("add one, or name the listeners that this route is for");
            told.push(host);
        }
    }
}
