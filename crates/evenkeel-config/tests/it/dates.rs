//! Certificates that have expired or are not valid yet: how grave that is, the source says.

use evenkeel_config::model::Holder;
use evenkeel_config::{Severity, Source, check};

use crate::source::{Certificates, Lent};

/// Like [`Lent`], for whoever has to serve what there is.
struct Serving;

impl Source for Serving {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        Certificates.file(path)
    }

    fn now(&self) -> Option<i64> {
        Lent.now()
    }

    fn out_of_time(&self, _: &str) -> Severity {
        Severity::Warning
    }
}

fn text(certificate: &str) -> String {
    format!(
        "version = 1
[listener.web]
bind = \":443\"
tls.certificates = [
  {{ certificate = \"{certificate}\", key = \"web.key\" }},
  {{ certificate = \"web.pem\", key = \"web.key\" }},
]
[[route]]
cluster = \"api\"
[cluster.api]
endpoints = [\"https://10.0.0.1\"]
tls = {{ ca = \"ca.pem\", certificate = \"{certificate}\", key = \"client.key\" }}
"
    )
}

#[test]
fn a_certificate_that_is_out_of_its_time_is_an_error_or_a_warning_as_the_source_says() {
    for (certificate, expected) in [
        ("old.pem", "expired on 2026-01-01"),
        ("young.pem", "is not valid before 2027-01-01"),
    ] {
        let text = text(certificate);
        for (source, severity) in [
            (&Lent as &dyn Source, Severity::Error),
            (&Serving, Severity::Warning),
        ] {
            let checked = check(&text, "test.toml", source);
            let told = &checked.diagnostics;
            assert_eq!(told.len(), 2, "{told:?}");
            for one in told {
                assert_eq!(one.severity, severity);
                assert!(one.message.contains(expected), "{}", one.message);
                assert!(one.message.contains(certificate), "{}", one.message);
            }
            assert_eq!(checked.config.is_some(), severity == Severity::Warning);
        }
    }
}

#[test]
fn every_pair_is_known_with_who_shows_it() {
    let config = check(&text("web.pem"), "test.toml", &Serving).config;
    let config = config.unwrap();
    let holders: Vec<_> = config.pairs().map(|pair| pair.holder).collect();
    let web = Holder::Listener("web");
    assert_eq!(holders, [web, web, Holder::Cluster("api")]);
    assert!(
        config
            .pairs()
            .all(|pair| pair.certificate.ends_with("web.pem"))
    );
}
