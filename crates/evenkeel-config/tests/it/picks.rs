//! Any rules for picking an endpoint that a file can say: strategies for the properties in [`crate::properties`].

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_base::rules::{
    BalancerRules, Choices, HashRules, HashTable, KeyPart, PrequalRules, ReportedRules, Signals,
    TierRules,
};
use evenkeel_base::{BalancerKind, ByteSize, ClusterId};
use evenkeel_config::Source;
use evenkeel_config::model::{
    Admin, AdminTls, AdminToken, ClientFiles, ListenerCertificate, Mirror, SameSite, Split, Sticky,
    StickyCookie, StickyKey, UpstreamProtocol, UpstreamTls, UpstreamTlsRules,
};
use evenkeel_tls::client::{Alpn, ClientTerms, ClientTls, Roots};
use evenkeel_tls::{ClientCheck, Identity, Secret, Version};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};

use crate::source::Certificates;

fn millis(least: u64, greatest: u64) -> impl Strategy<Value = Duration> + Clone {
    (least..=greatest).prop_map(Duration::from_millis)
}

fn a_part() -> impl Strategy<Value = KeyPart> {
    prop_oneof![
        Just(KeyPart::Client),
        Just(KeyPart::Path),
        Just(KeyPart::Query),
        select(vec!["x-user", "host", "x.tenant"]).prop_map(|name| KeyPart::Header(name.into())),
        "[A-Za-z0-9_!-]{1,9}".prop_map(KeyPart::Cookie),
        "[A-Za-z0-9_%\"\\\\.-]{1,9}".prop_map(KeyPart::Parameter),
    ]
}

/// The parts of a key.
pub(crate) fn key() -> impl Strategy<Value = Vec<KeyPart>> {
    vec(a_part(), 1..=8).prop_map(|parts| {
        let mut different: Vec<KeyPart> = Vec::new();
        for part in parts {
            if !different.contains(&part) {
                different.push(part);
            }
        }
        different
    })
}

fn prequal() -> impl Strategy<Value = PrequalRules> {
    let signals = prop_oneof![
        Just(Signals::Own),
        Just(Signals::Header("x-load".into())),
        "/[a-z?=&%]{0,9}".prop_map(Signals::Probe),
    ];
    let rates = (0.125_f32..=16.0, 0.0_f32..0.999);
    (signals, rates, 2_u8..=16, millis(1, 60_000), 0_u16..=1000).prop_map(
        |(signals, rates, pool, max_age, hot_quantile)| PrequalRules {
            probe_rate: if matches!(signals, Signals::Header(_)) {
                PrequalRules::DEFAULT.probe_rate
            } else {
                rates.0
            },
            remove_rate: rates.0 * rates.1,
            signals,
            pool,
            max_age,
            hot_quantile,
        },
    )
}

fn a_cluster(count: usize) -> impl Strategy<Value = ClusterId> + Clone {
    (0..u32::try_from(count).unwrap()).prop_map(ClusterId::new)
}

/// Which of so many clusters share the requests of a route.
pub(crate) fn split(clusters: usize) -> impl Strategy<Value = Split> {
    let ids: Vec<u32> = (0..u32::try_from(clusters).unwrap()).collect();
    let ids = subsequence(ids, 1..=clusters);
    let by = prop_oneof![Just(Vec::new()), key()];
    (ids, vec(1_u16..=1000, clusters), any::<bool>(), by).prop_map(|(ids, weights, zero, by)| {
        let ids = ids.into_iter().map(ClusterId::new);
        let mut shares: Vec<(ClusterId, u16)> = ids.zip(weights).collect();
        if let [_, .., last] = shares.as_mut_slice()
            && zero
        {
            last.1 = 0;
        }
        let by = if shares.len() > 1 { by } else { Vec::new() };
        Split { shares, by }
    })
}

/// A mirror to one of so many clusters, or none.
pub(crate) fn mirror(clusters: usize) -> impl Strategy<Value = Mirror> {
    let to = (a_cluster(clusters), 1_u16..=1000, 0_u64..1 << 24);
    prop_oneof![
        Just(Mirror::Off),
        to.prop_map(|(cluster, per_mille, max_body)| Mirror::To {
            cluster,
            per_mille,
            max_body: ByteSize(max_body),
        }),
    ]
}

fn a_cookie() -> impl Strategy<Value = StickyCookie> {
    let secret = vec(any::<u8>(), 16..40).prop_map(|bytes| StickyKey(bytes.into()));
    let name = "[A-Za-z!.-][A-Za-z0-9_.-]{0,9}";
    let lifetime = prop_oneof![
        Just(Duration::ZERO),
        (1_u64..=400 * 86_400).prop_map(Duration::from_secs),
    ];
    let same_site = select(vec![SameSite::Strict, SameSite::Lax, SameSite::None]);
    let rest = (same_site, any::<bool>(), vec(secret, 0..=4));
    (name, "/[a-z\"%/]{0,9}", lifetime, rest).prop_map(|(name, path, lifetime, rest)| {
        let (same_site, secure, mut keys) = rest;
        keys.dedup();
        StickyCookie {
            name,
            path,
            lifetime,
            secure: secure || same_site == SameSite::None,
            same_site,
            keys,
        }
    })
}

pub(crate) fn sticky() -> impl Strategy<Value = Sticky> {
    prop_oneof![
        2 => Just(Sticky::Off),
        1 => key().prop_map(Sticky::Hashed),
        2 => a_cookie().prop_map(Sticky::Cookie),
    ]
}

/// A zone, or none.
pub(crate) fn zone() -> impl Strategy<Value = String> {
    select(vec!["", "eu-1a", "eu-1b", "\u{e9} \"b\""]).prop_map(str::to_owned)
}

pub(crate) fn tiers() -> impl Strategy<Value = TierRules> {
    (1_u8..=100, any::<bool>()).prop_map(|(spill_below_percent, prefer_zone)| TierRules {
        spill_below_percent,
        prefer_zone,
    })
}

/// A balancer with its numbers.
pub(crate) fn balancer() -> impl Strategy<Value = BalancerRules> {
    let choices = prop_oneof![
        (2..=Choices::MOST).prop_map(Choices::Some),
        Just(Choices::All)
    ];
    let reported = (
        millis(100, 60_000),
        0.0_f32..=1000.0,
        millis(60_000, 90_000),
    )
        .prop_map(|(interval, error_penalty, expire)| ReportedRules {
            interval,
            error_penalty,
            expire,
        });
    let tables = vec![HashTable::Ring, HashTable::Maglev, HashTable::Rendezvous];
    let bound = prop_oneof![Just(0_u16), 101_u16..=1000];
    let hash = (select(tables), key(), bound).prop_map(|(table, key, bound_percent)| HashRules {
        table,
        key,
        bound_percent,
    });
    let decay = || millis(10, 3_600_000);
    prop_oneof![
        3 => select(BalancerKind::ALL.to_vec()).prop_map(BalancerRules::of),
        1 => choices.prop_map(|choices| BalancerRules::LeastRequest { choices }),
        1 => (decay(), any::<bool>()).prop_map(|(decay, peak)| if peak {
            BalancerRules::PeakEwma { decay }
        } else {
            BalancerRules::LeastTime { decay }
        }),
        1 => prequal().prop_map(BalancerRules::Prequal),
        1 => reported.prop_map(BalancerRules::ReportedLoad),
        2 => hash.prop_map(BalancerRules::Hash),
    ]
}

/// What is spoken with the endpoints of a cluster.
pub(crate) fn spoken() -> impl Strategy<Value = (UpstreamProtocol, UpstreamTls)> {
    let protocols = vec![
        (UpstreamProtocol::Auto, Alpn::Either),
        (UpstreamProtocol::Http1, Alpn::Http1),
        (UpstreamProtocol::Http2, Alpn::Http2),
    ];
    let names = select(vec!["", "api.internal", "10.0.0.1", "::1"]);
    (select(protocols), names, any::<[bool; 5]>()).prop_map(|((protocol, alpn), name, which)| {
        let [is_on, has_ca, has_client, verify, is_new] = which;
        let file = |name: &str| Certificates.file(name).unwrap();
        let ca = has_ca.then(|| Roots::from_pem(&file("ca.pem")).unwrap());
        let certificate = has_client.then(|| ClientFiles {
            certificate: Certificates.resolve("client.pem"),
            key: Certificates.resolve("client.key"),
            identity: Identity::parse(&file("client.pem"), &file("client.key")).unwrap(),
        });
        let min_version = if is_new {
            Version::Tls13
        } else {
            Version::Tls12
        };
        let roots = ca
            .clone()
            .unwrap_or_else(|| Certificates.system_roots().unwrap());
        let client = ClientTls::new(&ClientTerms {
            roots: verify.then_some(roots),
            identity: certificate.as_ref().map(|files| files.identity.clone()),
            min_version,
            alpn,
        });
        let rules = UpstreamTlsRules {
            ca: ca.map(|roots| (Certificates.resolve("ca.pem"), roots)),
            server_name: name.to_owned(),
            certificate,
            verify,
            min_version,
            client: client.unwrap(),
        };
        let tls = if is_on {
            UpstreamTls::On(Box::new(rules))
        } else {
            UpstreamTls::Off
        };
        (protocol, tls)
    })
}

/// The admin address, on ports that no listener has.
pub(crate) fn admin() -> impl Strategy<Value = Admin> {
    let addresses = select(vec![
        "127.0.0.1:9900",
        "[::1]:9901",
        "0.0.0.0:9902",
        "[::]:9903",
    ]);
    let hosts = select(vec![vec![], vec!["lb.internal"], vec!["a", "b.example"]]);
    (addresses, hosts, any::<[bool; 4]>()).prop_map(|(bind, hosts, which)| {
        let [has_token, has_tls, has_clients, read_only] = which;
        let file = |name: &str| Certificates.file(name).unwrap();
        let bind: SocketAddr = bind.parse().unwrap();
        let has_clients = has_tls && has_clients;
        // What others can reach has to ask for something.
        let has_token = has_token || !(bind.ip().is_loopback() || has_clients);
        Admin {
            bind,
            token: has_token.then(|| AdminToken {
                file: Certificates.resolve("admin.token"),
                secret: Secret::of(file("admin.token").trim_ascii()),
            }),
            tls: has_tls.then(|| AdminTls {
                certificate: ListenerCertificate {
                    certificate: Certificates.resolve("web.pem"),
                    key: Certificates.resolve("web.key"),
                    identity: Identity::parse(&file("web.pem"), &file("web.key")).unwrap(),
                },
                clients: has_clients.then(|| {
                    let check = ClientCheck::new(&file("ca.pem"), &[], true).unwrap();
                    (Certificates.resolve("ca.pem"), check)
                }),
            }),
            hosts: hosts.into_iter().map(str::to_owned).collect(),
            read_only,
        }
    })
}
