//! Clients of rustls's usual kind that show certificates and come again: how long they are believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::*;
use crate::outgoing::Outgoing;

const HOUR: u64 = 3600;

/// A clock that stands still until it is moved.
#[derive(Debug)]
struct Clock(AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = Duration::from_secs(self.0.load(Ordering::Relaxed));
        Some(UnixTime::since_unix_epoch(now))
    }
}

/// A server that believes an authority, and how its clients are made.
struct Scene {
    clock: Arc<Clock>,
    tls: ServerTls,
    issuer: Issuer<'static, KeyPair>,
    roots: RootCertStore,
}

impl Scene {
    /// Its tickets end by a clock that stands at `began`; certificates are verified by the usual one.
    fn new(began: u64) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        let shown = params.signed_by(&key, &issuer).unwrap().pem();
        let check = ClientCheck::new(authority.pem().as_bytes(), &[], false).unwrap();
        let clock = Arc::new(Clock(AtomicU64::new(began)));
        let tls = ServerTls::new(&Terms {
            identities: &[
                Identity::parse(shown.as_bytes(), key.serialize_pem().as_bytes()).unwrap(),
            ],
            least: Version::Tls12,
            protocols: &[],
            clients: Some(&check),
            tickets: &TicketKeys::by(Arc::clone(&clock) as _).unwrap(),
        })
        .unwrap();
        Self {
            clock,
            tls,
            issuer,
            roots,
        }
    }

    /// A client with a certificate until then, or without one.
    fn client(
        &self,
        version: &'static SupportedProtocolVersion,
        until: Option<u64>,
    ) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(self.roots.clone());
        Arc::new(match until {
            None => builder.with_no_client_auth(),
            Some(until) => {
                let key = KeyPair::generate().unwrap();
                let mut params = CertificateParams::new(["client.example".to_owned()]).unwrap();
                params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(until);
                let certificate = params.signed_by(&key, &self.issuer).unwrap();
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder
                    .with_client_auth_cert(vec![certificate.der().clone()], key)
                    .unwrap()
            }
        })
    }

    /// Shakes hands at that time, and says whether a session went on.
    fn is_resumed(&self, client: &Arc<ClientConfig>, now: u64) -> bool {
        self.clock.0.store(now, Ordering::Relaxed);
        let name = ServerName::try_from("a.example").unwrap();
        let mut far = ClientConnection::new(Arc::clone(client), name).unwrap();
        let (mut near, mut outgoing) = (self.tls.accept().unwrap(), Outgoing::default());
        while far.wants_write() {
            while far.wants_write() {
                let mut incoming = near.held().to_vec();
                // Cut anywhere, so that what was learned has to be carried from one call to the next.
                far.write_tls(&mut incoming).unwrap();
                let behind = incoming.split_off(incoming.len() / 2);
                near.open(&mut incoming, &mut [], &mut outgoing).unwrap();
                let mut incoming = [near.held(), &behind].concat();
                near.open(&mut incoming, &mut [], &mut outgoing).unwrap();
            }
            let mut said = outgoing.bytes();
            while !said.is_empty() {
                far.read_tls(&mut said).unwrap();
                far.process_new_packets().unwrap();
            }
            outgoing.clear();
        }
        assert!(!near.is_handshaking() && !far.is_handshaking());
        let proof = self.tls.proof(&mut near).unwrap();
        assert_eq!(
            proof.certificate().is_some(),
            client.client_auth_cert_resolver.has_certs()
        );
        near.is_resumed()
    }
}

#[test]
fn tickets_end_with_the_clients_certificate() {
    let began = UnixTime::now().as_secs();
    for version in [&TLS12, &TLS13] {
        let scene = Scene::new(began);
        let short = scene.client(version, Some(began + HOUR));
        for (after, resumed) in [
            (0, false),
            (0, true),
            (HOUR, true),
            // Tickets that were had on the way end as the first did.
            (HOUR + 1, false),
            (HOUR + 1, false),
        ] {
            assert_eq!(scene.is_resumed(&short, began + after), resumed, "{after}");
        }
    }
}

#[test]
fn a_client_that_comes_often_is_verified_twice_a_day_all_the_same() {
    let began = UnixTime::now().as_secs();
    for version in [&TLS12, &TLS13] {
        let scene = Scene::new(began);
        let (long, nobody) = (
            scene.client(version, Some(began + 9_000 * HOUR)),
            scene.client(version, None),
        );
        for (after, resumed) in [(0, false), (6, true), (11, true), (13, false)] {
            assert_eq!(
                scene.is_resumed(&long, began + after * HOUR),
                resumed,
                "{after}"
            );
            let resumed = scene.is_resumed(&nobody, began + after * HOUR);
            assert_eq!(
                resumed,
                after > 0,
                "one who shows nothing has nothing that ends"
            );
        }
    }
}

#[test]
fn a_name_with_the_dot_of_the_root_is_the_same_name() {
    let identity = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Identity::parse(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    };
    let tls = ServerTls::new(&Terms {
        identities: &[identity("a.example"), identity("b.example")],
        least: Version::Tls12,
        protocols: &[],
        clients: None,
        tickets: &TicketKeys::new().unwrap(),
    })
    .unwrap();
    let proof = tls.supposed(Some("a.example"));
    for (host, expected) in [
        ("a.example", false),
        ("A.example.", false),
        ("b.example", true),
        ("B.example.", true),
        ("c.example.", false),
        (".", false),
        ("", false),
    ] {
        assert_eq!(proof.is_misdirected(host), expected, "{host}");
    }
}
