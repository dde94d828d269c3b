//! `client` of a listener's TLS: whose certificates are believed of clients, and what endpoints are told of them (mTLS).

use std::path::{Path, PathBuf};

use evenkeel_tls::ClientCheck;
use evenkeel_tls::server::Unusable;
use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section};
use crate::model::{ClientHeaders, ListenerClients, Verify};
use crate::raw::{At, Cx, Node};
use crate::section::listener::file::read_file;
use crate::value::field::FieldName;
use crate::value::scalar::Choice;
use crate::value::{Bounds, FilePath, Value};

/// `client` of a listener's TLS.
pub(crate) static CLIENT_KNOB: Knob<Option<ListenerClients>> = Knob {
    key: "client",
    about: "What clients have to show (mTLS).",
    default: None,
    why: "clients are asked for no certificate",
    bounds: None,
    required: false,
    example: "{ ca = \"ca.pem\" }",
};

static CA: Knob<Option<At<FilePath>>> = Knob {
    key: "ca",
    about: "The file with the authorities whose certificates are believed of clients.",
    default: None,
    why: "it must be given",
    bounds: None,
    required: true,
    example: "\"ca.pem\"",
};

static VERIFY: Knob<Verify> = Knob {
    key: "verify",
    about: "Whether a client has to show a certificate: \"required\", or \"optional\". One that is not believed is refused in both cases.",
    default: Verify::Required,
    why: "who names authorities wants to know who comes",
    bounds: None,
    required: false,
    example: "\"optional\"",
};

static CRL: Knob<Vec<At<FilePath>>> = Knob {
    key: "crl",
    about: "Files with revocation lists, PEM or DER. Once there is one, each authority of a client's chain needs a list, for who is not known to be good is refused. A list that is out of date still counts.",
    default: Vec::new(),
    why: "no certificate is revoked",
    bounds: None,
    required: false,
    example: "[\"revoked.crl\"]",
};

static HEADERS_KNOB: Knob<ClientHeaders> = Knob {
    key: "headers",
    about: "Fields by which endpoints are told of the client's certificate. What a client sends in a field of that name never passes, whether it showed a certificate or not.",
    default: ClientHeaders {
        subject: None,
        san: None,
        fingerprint: None,
    },
    why: "endpoints are told nothing",
    bounds: None,
    required: false,
    example: "{ subject = \"X-Client-Subject\" }",
};

/// `client` of a listener's TLS.
pub(crate) static CLIENT: Section = Section {
    name: "listener.NAME.tls.client",
    about: "Certificates of clients (mTLS).",
    knobs: &[&CA, &VERIFY, &CRL, &HEADERS_KNOB],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[listener.a.tls]\ncertificates = { certificate = \"web.pem\", key = \"web.key\" }\n[listener.a.tls.client]\nUNLESS ca: ca = \"ca.pem\"\nKNOB\n[[route]]\nrespond.body = \"a\"\n",
};

static SUBJECT: Knob<Option<FieldName>> = Knob {
    key: "subject",
    about: "Whom it is about, in one line, the common name first (RFC 4514).",
    default: None,
    why: "not told",
    bounds: None,
    required: false,
    example: "\"X-Client-Subject\"",
};

static SAN: Knob<Option<FieldName>> = Knob {
    key: "san",
    about: "Its alternative names, with their kinds: `DNS:a.example,URI:spiffe://example/app`.",
    default: None,
    why: "not told",
    bounds: None,
    required: false,
    example: "\"X-Client-San\"",
};

static FINGERPRINT: Knob<Option<FieldName>> = Knob {
    key: "fingerprint",
    about: "SHA-256 of the whole certificate, in lower-case hex.",
    default: None,
    why: "not told",
    bounds: None,
    required: false,
    example: "\"X-Client-Fingerprint\"",
};

/// `headers` of a listener's clients.
pub(crate) static HEADERS: Section = Section {
    name: "listener.NAME.tls.client.headers",
    about: "Names of the fields by which endpoints are told of a client's certificate.",
    knobs: &[&SUBJECT, &SAN, &FINGERPRINT],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[listener.a.tls]\ncertificates = { certificate = \"web.pem\", key = \"web.key\" }\n[listener.a.tls.client]\nca = \"ca.pem\"\n[listener.a.tls.client.headers]\nKNOB\n[[route]]\nrespond.body = \"a\"\n",
};

impl Value for ListenerClients {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = CLIENT.open(node, cx)?;
        let before = cx.count();
        let (ca, verify) = (CA.read(&table, cx), VERIFY.read(&table, cx));
        let (crl, headers) = (CRL.read(&table, cx), HEADERS_KNOB.read(&table, cx));
        let ca = ca?;
        let authorities = read_file(&ca, cx);
        let lists: Vec<_> = crl.iter().map(|path| read_file(path, cx)).collect();
        let lists: Option<Vec<_>> = lists.into_iter().collect();
        let check = ClientCheck::new(&authorities?, &lists?, verify == Verify::Required);
        let check = match check {
            Ok(check) => check,
            Err(unusable) => {
                let (at, why) = match unusable {
                    Unusable::Authorities(why) => (&ca, why),
                    Unusable::Revocations(place, why) => (crl.get(place).unwrap_or(&ca), why),
                };
                cx.error(at.span.clone(), format!("{} {why}", at.value.0.display()));
                return None;
            }
        };
        (cx.count() == before).then(|| Self {
            ca: ca.value.0,
            verify,
            crl: crl.into_iter().map(|path| path.value.0).collect(),
            headers,
            check,
        })
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        let at = |path: &Path| At {
            value: FilePath(path.to_owned()),
            span: 0..0,
        };
        lines.knob(&CA, &Some(at(&self.ca)));
        lines.knob(&VERIFY, &self.verify);
        let crl: Vec<_> = self.crl.iter().map(PathBuf::as_path).map(at).collect();
        lines.knob(&CRL, &crl);
        lines.knob(&HEADERS_KNOB, &self.headers);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        CLIENT.reference()
    }
}

impl Value for ClientHeaders {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = HEADERS.open(node, cx)?;
        let before = cx.count();
        let mut read = |knob: &Knob<Option<FieldName>>| knob.read(&table, cx).map(|name| name.0);
        let headers = Self {
            subject: read(&SUBJECT),
            san: read(&SAN),
            fingerprint: read(&FINGERPRINT),
        };
        let names: Vec<String> = headers.names().map(str::to_ascii_lowercase).collect();
        let twice = (1..names.len()).any(|at| names[..at].contains(&names[at]));
        if twice {
            cx.error(node.span.clone(), "two of these have the same name")
                .help("give each a name of its own");
        }
        (cx.count() == before).then_some(headers)
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        let name = |name: &Option<String>| name.clone().map(FieldName);
        lines.knob(&SUBJECT, &name(&self.subject));
        lines.knob(&SAN, &name(&self.san));
        lines.knob(&FINGERPRINT, &name(&self.fingerprint));
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        HEADERS.reference()
    }
}

impl Choice for Verify {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("required", Self::Required), ("optional", Self::Optional)]
    }
}
