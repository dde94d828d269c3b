//! Who is believed, what is resumed and what is not: a client and a server of ours, without sockets between them.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::UnixTime;

use super::*;
use crate::connection::Opened;
use crate::outgoing::Outgoing;
use crate::server::{ServerTls, Terms, TicketKeys};

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// One with a name that no other has.
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut params = CertificateParams::default();
        let name = format!("Authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    fn roots(&self) -> Roots {
        Roots::from_pem(self.pem.as_bytes()).unwrap()
    }

    /// An identity of that name until the end of that year.
    fn certify(&self, name: &str, until: i32) -> Identity {
        let until = date_time_ymd(until, 12, 31).unix_timestamp();
        self.certify_until(name, u64::try_from(until).unwrap())
    }

    /// The same until so many seconds after the beginning of 1970.
    fn certify_until(&self, name: &str, until: u64) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(until);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity::parse(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }
}

/// One that certifies itself with the mark of an authority, as OpenSSL does it, and those who trust it.
fn itself(until: i32) -> (Identity, Roots) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(until, 12, 31);
    let pem = params.self_signed(&key).unwrap().pem();
    let identity = Identity::parse(pem.as_bytes(), key.serialize_pem().as_bytes());
    (identity.unwrap(), Roots::from_pem(pem.as_bytes()).unwrap())
}

fn server(identity: &Identity, protocols: &[&str]) -> ServerTls {
    let terms = Terms {
        identities: std::slice::from_ref(identity),
        least: Version::Tls12,
        protocols,
        clients: None,
        tickets: &TicketKeys::new().unwrap(),
    };
    ServerTls::new(&terms).unwrap()
}

fn terms(roots: Option<Roots>) -> ClientTerms {
    ClientTerms {
        roots,
        identity: None,
        min_version: Version::Tls12,
        alpn: Alpn::Either,
    }
}

fn client(roots: Option<Roots>) -> ClientTls {
    ClientTls::new(&terms(roots)).unwrap()
}

/// Lets a connection hear what was said to it.
fn hear(
    connection: &mut Connection,
    said: &mut Outgoing,
    answer: &mut Outgoing,
) -> Result<Opened, Failure> {
    let mut incoming = connection.held().to_vec();
    incoming.extend_from_slice(said.bytes());
    said.clear();
    connection.open(&mut incoming, &mut [0; 16], answer)
}

/// Shakes hands, up to the tickets.
fn shake(endpoint: &EndpointTls, server: &ServerTls) -> Result<Connection, Failure> {
    let (mut near, mut far) = (endpoint.connect()?, server.accept().unwrap());
    let (mut up, mut down) = (Outgoing::default(), Outgoing::default());
    near.begin(&mut up)?;
    while !(up.is_empty() && down.is_empty()) {
        hear(&mut far, &mut up, &mut down)?;
        hear(&mut near, &mut down, &mut up)?;
    }
    endpoint.check(&near)?;
    Ok(near)
}

#[test]
fn who_is_believed() {
    let (ours, stranger) = (Authority::new(), Authority::new());
    let good = ours.certify("a.example", 2090);
    let ((own, own_roots), (old, old_roots)) = (itself(2090), itself(2025));
    for (what, identity, roots, name, why) in [
        ("good", &good, Some(ours.roots()), "a.example", None),
        (
            "other name",
            &good,
            Some(ours.roots()),
            "b.example",
            Some("not valid for name"),
        ),
        (
            "no name",
            &good,
            Some(ours.roots()),
            "no name",
            Some("not valid for name"),
        ),
        (
            "stranger",
            &good,
            Some(stranger.roots()),
            "a.example",
            Some("UnknownIssuer"),
        ),
        (
            "old",
            &ours.certify("a.example", 2025),
            Some(ours.roots()),
            "a.example",
            Some("expired"),
        ),
        ("itself", &own, Some(own_roots.clone()), "a.example", None),
        (
            "itself, other name",
            &own,
            Some(own_roots),
            "b.example",
            Some("not valid for name"),
        ),
        (
            "itself, old",
            &old,
            Some(old_roots),
            "a.example",
            Some("expired"),
        ),
        (
            "itself, not named",
            &own,
            Some(ours.roots()),
            "a.example",
            Some("invalid peer certificate"),
        ),
        ("anybody", &old, None, "b.example", None),
    ] {
        let server = server(identity, &["http/1.1"]);
        let shaken = shake(&client(roots).towards(name), &server);
        match (why, shaken) {
            (None, shaken) => assert!(shaken.is_ok(), "{what}: {shaken:?}"),
            (Some(why), shaken) => {
                let failure = shaken.unwrap_err();
                assert!(failure.to_string().contains(why), "{what}: {failure}");
                assert_eq!(failure.reason(), Reason::BadCertificate, "{what}");
            }
        }
    }
}

#[test]
fn tickets_are_used_by_their_own_endpoint_alone() {
    let authority = Authority::new();
    let server = server(&authority.certify("*.a.example", 2090), &["http/1.1"]);
    let tls = client(Some(authority.roots()));
    let is_resumed = |endpoint: &EndpointTls| shake(endpoint, &server).unwrap().is_resumed();
    let (first, second) = (tls.towards("1.a.example"), tls.towards("2.a.example"));
    assert!(!is_resumed(&first));
    assert!(is_resumed(&first));
    assert!(!is_resumed(&second), "another name");
    assert!(
        !is_resumed(&tls.towards("1.a.example")),
        "another endpoint of that name"
    );
    assert!(is_resumed(&first.for_http1()), "the probes of the same one");
    let unverified = client(None).towards("1.a.example");
    assert!(!is_resumed(&unverified) && is_resumed(&unverified));
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
struct Clock(AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = Duration::from_secs(self.0.load(Ordering::Relaxed));
        Some(UnixTime::since_unix_epoch(now))
    }
}

#[test]
fn tickets_end_with_the_endpoints_certificate() {
    let (authority, hour) = (Authority::new(), 3600);
    let began = UnixTime::now().as_secs();
    let old = authority.certify_until("a.example", began + hour);
    let tickets = TicketKeys::new().unwrap();
    let showing = |identity: &Identity| {
        ServerTls::new(&Terms {
            identities: std::slice::from_ref(identity),
            least: Version::Tls12,
            protocols: &["http/1.1"],
            clients: None,
            tickets: &tickets,
        })
        .unwrap()
    };
    let (old, new) = (
        showing(&old),
        showing(&authority.certify("a.example", 2090)),
    );
    let clock = Arc::new(Clock(AtomicU64::new(began)));
    let by = |roots| ClientTls::by(&terms(roots), Arc::clone(&clock) as _).unwrap();
    let endpoint = by(Some(authority.roots())).towards("a.example");
    let unverified = by(None).towards("a.example");
    let is_resumed =
        |endpoint: &EndpointTls, server| Some(shake(endpoint, server).ok()?.is_resumed());
    // What it shows in a whole handshake, when, and whether the session went on; none: it was refused.
    for (server, after, expected) in [
        (&old, 0, Some(false)),
        (&old, 0, Some(true)),
        (&old, hour, Some(true)),
        // Tickets of a session that went on end as those before.
        (&old, hour + 1, None),
        (&old, hour + 1, None),
        (&new, hour + 1, Some(false)),
        (&new, 9 * hour, Some(true)),
    ] {
        clock.0.store(began + after, Ordering::Relaxed);
        assert_eq!(is_resumed(&endpoint, server), expected, "{after}");
        let resumed = is_resumed(&unverified, server);
        assert!(resumed == Some(true) || after == 0, "nothing ends for it");
    }
    // One that was renewed long ago: sessions that were begun with the old one lead to a whole handshake, and to no failure.
    clock.0.store(began, Ordering::Relaxed);
    let endpoint = by(Some(authority.roots())).towards("a.example");
    assert_eq!(is_resumed(&endpoint, &old), Some(false));
    assert_eq!(is_resumed(&endpoint, &new), Some(true));
    clock.0.store(began + hour + 1, Ordering::Relaxed);
    assert_eq!(is_resumed(&endpoint, &new), Some(false));
    assert_eq!(is_resumed(&endpoint, &new), Some(true));
}

#[test]
fn what_differs_has_another_fingerprint() {
    let authority = Authority::new();
    let usual = || terms(Some(authority.roots()));
    let all = [
        usual(),
        terms(None),
        terms(Some(Authority::new().roots())),
        ClientTerms {
            identity: Some(authority.certify("a.example", 2090)),
            ..usual()
        },
        ClientTerms {
            min_version: Version::Tls13,
            ..usual()
        },
        ClientTerms {
            alpn: Alpn::Http1,
            ..usual()
        },
        ClientTerms {
            alpn: Alpn::Http2,
            ..usual()
        },
    ];
    for (i, one) in all.iter().enumerate() {
        for (j, other) in all.iter().enumerate() {
            let made = [one, other].map(|terms| ClientTls::new(terms).unwrap());
            assert_eq!(made[0] == made[1], i == j, "{one:?} {other:?}");
        }
    }
}

#[test]
fn who_speaks_only_http2_wants_to_hear_that() {
    let authority = Authority::new();
    let identity = authority.certify("a.example", 2090);
    let roots = Some(authority.roots());
    for (alpn, offered, chosen) in [
        (Alpn::Either, &["h2", "http/1.1"][..], Some(Some("h2"))),
        (Alpn::Either, &["http/1.1"], Some(Some("http/1.1"))),
        (Alpn::Either, &[], Some(None)),
        (Alpn::Http1, &["h2", "http/1.1"], Some(Some("http/1.1"))),
        (Alpn::Http1, &[], Some(None)),
        (Alpn::Http2, &["h2", "http/1.1"], Some(Some("h2"))),
        (Alpn::Http2, &[], None),
    ] {
        let terms = ClientTerms {
            alpn,
            ..terms(roots.clone())
        };
        let endpoint = ClientTls::new(&terms).unwrap().towards("a.example");
        let shaken = shake(&endpoint, &server(&identity, offered));
        let Some(chosen) = chosen else {
            assert_eq!(shaken.unwrap_err().reason(), Reason::NoAgreement);
            continue;
        };
        let shaken = shaken.unwrap();
        assert_eq!(
            shaken.alpn(),
            chosen.map(str::as_bytes),
            "{alpn:?} {offered:?}"
        );
    }
}

#[test]
fn a_failure_is_told_once_in_a_while() {
    let endpoint = client(None).towards("a.example");
    for (now_ms, expected) in [
        (5, true),
        (6, false),
        (10_004, false),
        (10_005, true),
        (10_006, false),
    ] {
        assert_eq!(endpoint.may_tell(now_ms), expected, "{now_ms}");
    }
}

#[test]
fn authorities_are_read_whole_or_not_at_all() {
    let (one, two) = (Authority::new(), Authority::new());
    let both = format!("a comment\n{}{}", one.pem, two.pem);
    let turned = format!("{}{}{}", two.pem, one.pem, two.pem);
    let roots = Roots::from_pem(both.as_bytes()).unwrap();
    assert_eq!(roots.count(), 2);
    assert_eq!(
        Roots::from_pem(turned.as_bytes()).unwrap(),
        roots,
        "in any order"
    );
    assert_ne!(one.roots(), roots);
    let cut = both.replace("-----END CERTIFICATE-----\n-----BEGIN", "-----BEGIN");
    for text in [
        "",
        "nothing",
        cut.as_str(),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(Roots::from_pem(text.as_bytes()).is_err(), "{text}");
    }
}
