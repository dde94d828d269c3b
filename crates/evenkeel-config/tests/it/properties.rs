//! What holds for every configuration: printing loses nothing, the schema agrees, and no text makes checking panic.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_base::edits::Edits;
use evenkeel_base::matching::{HostPattern, PathPattern, RouteMatch, ValuePattern};
use evenkeel_base::path::canonical;
use evenkeel_base::rules::{AdminState, Priority, RetryRules};
use evenkeel_base::{Address, ByteSize, ClusterId, ListenerId, Network};
use evenkeel_config::model::{
    ALL_RECORDS, AccessFormat, AccessLog, AccessLogTarget, Action, Bind, Ceilings, Cluster, Config,
    Elsewhere, Endpoint, ErrorPage, HeadLimits, HostRewrite, Identity, Listed, Listener,
    ListenerHttp2, LogField, LogFormat, LogLevel, Mirror, OperatorLog, PathRewrite, Piece,
    Protocols, Redirect, Resolver, Respond, Route, Shutdown, Split, UpstreamTimeouts, Workers,
};
use evenkeel_config::{check, check_cluster, examples, fuzzing, print, render_all};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select, subsequence};
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::source::Certificates;
use crate::{json_schema, picks, rules, traces};

proptest! {
    #[test]
    fn what_is_printed_means_the_same(config in configs()) {
        let text = print(&config);
        let checked = check(&text, "printed.toml", &Certificates);
        let shown = render_all(&checked.diagnostics, &text, false);
        prop_assert!(checked.config.is_some(), "{shown}\n{text}");
        prop_assert_eq!(checked.config.unwrap(), config, "{}", text);
        if let Err(why) = json_schema::accepts(&text) {
            prop_assert!(false, "{why}\n{text}");
        }
    }

    #[test]
    fn a_cluster_alone_is_read_as_in_its_file(mut config in configs()) {
        let cluster = &mut config.clusters[0];
        cluster.endpoints.clear();
        let (name, expected) = (cluster.name.clone(), cluster.clone());
        let text = print(&config);
        let read = check_cluster(&text, "printed.toml", &["cluster", &name], &Certificates);
        prop_assert_eq!(read.cluster, Some(expected), "{}", text);
    }

    #[test]
    fn a_damaged_file_is_read_without_panic(
        config in configs(),
        cuts in vec((any::<Index>(), any::<Index>(), select(SNIPPETS.to_vec())), 1..6),
    ) {
        let mut text = print(&config).into_bytes();
        for (at, until, snippet) in cuts {
            let (at, until) = (at.index(text.len() + 1), until.index(text.len() + 1));
            // Mostly small cuts: a file that is mostly gone has only one mistake.
            let end = until.clamp(at, (at + 12).min(text.len()).max(at));
            text.splice(at..end, snippet.bytes());
        }
        fuzzing::check(&text);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..300)) {
        fuzzing::check(&bytes);
    }

    #[test]
    fn examples_in_any_mixture_are_read_without_panic(
        picked in vec((any::<Index>(), any::<Index>()), 1..8),
    ) {
        let examples = examples();
        let mut text = String::new();
        for (which, cut) in picked {
            let (_, example) = which.get(&examples);
            let lines: Vec<&str> = example.lines().collect();
            text.push_str(&lines[cut.index(lines.len())..].join("\n"));
            text.push('\n');
        }
        fuzzing::check(text.as_bytes());
    }
}

/// What a hand slips in.
const SNIPPETS: [&str; 24] = [
    "",
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\n",
    "#",
    "\\",
    "0",
    "-1",
    "1e999",
    "true",
    "\n[[route]]\n",
    "\n[cluster.x]\n",
    "\"\"\"",
    "\u{0}",
    "é",
    "1979-05-27",
];

fn configs() -> impl Strategy<Value = Config> {
    let parts = (1_usize..4, 1_usize..4).prop_flat_map(|(listeners, clusters)| {
        (
            vec(a_listener(), listeners),
            vec(a_route(listeners, clusters), clusters..5),
            vec(a_cluster(), clusters),
            vec(any::<[bool; 3]>(), 5),
        )
    });
    (
        process(),
        option::of(picks::admin()),
        traces::any_trace(),
        parts,
    )
        .prop_map(
            |(process, admin, trace, (mut listeners, mut routes, mut clusters, takes))| {
                for (i, listener) in listeners.iter_mut().enumerate() {
                    listener.name = format!("listener-{i}");
                    if let Bind::Ip(address) = &mut listener.bind {
                        address.set_port(u16::try_from(i).unwrap() + 1);
                    }
                }
                name(&mut clusters);
                let used = clusters.len();
                for (i, route) in routes.iter_mut().enumerate() {
                    tidy_route(i, used, route);
                    let mut bases = match &route.action {
                        Action::Forward { split, .. } => split
                            .clusters()
                            .map(|id| clusters[id.index()].retry)
                            .collect(),
                        _ => vec![RetryRules::DEFAULT],
                    };
                    let base = bases.pop().unwrap();
                    route.retry = rules::merged(base, route.retry, takes[i]);
                }
                let (
                    workers,
                    log,
                    access_log,
                    shutdown,
                    (mut zone, node, resolver, identity, ceilings),
                ) = process;
                let mut endpoints = clusters.iter().flat_map(|cluster| &cluster.endpoints);
                if !endpoints.any(|endpoint| endpoint.zone == zone) {
                    zone.clear();
                }
                if node.is_empty() {
                    clusters.iter_mut().for_each(|cluster| cluster.subset = 0);
                }
                Config {
                    workers,
                    log,
                    access_log,
                    trace,
                    shutdown,
                    identity,
                    resolver,
                    ceilings,
                    zone,
                    node,
                    admin,
                    listeners,
                    routes,
                    clusters,
                    elsewhere: Elsewhere::default(),
                }
            },
        )
}

fn name(clusters: &mut [Cluster]) {
    for (i, cluster) in clusters.iter_mut().enumerate() {
        cluster.name = format!("c{i}.x");
    }
}

/// Makes routes different from each other, and lets every cluster and listener have one.
fn tidy_route(index: usize, clusters: usize, route: &mut Route) {
    match &mut route.matching.path {
        PathPattern::Exact(path) => *path = format!("/{index}{path}"),
        PathPattern::Prefix(path) => *path = format!("/{index}{path}"),
    }
    if index == 0 {
        route.matching.listeners.clear();
    }
    if index < clusters {
        let forward = Action::Forward {
            split: Split::one(ClusterId::new(u32::try_from(index).unwrap())),
            rewrite: PathRewrite::Keep,
            host: HostRewrite::Keep,
        };
        match &mut route.action {
            Action::Forward { split, .. } => {
                let own = ClusterId::new(u32::try_from(index).unwrap());
                split.shares.retain(|(id, _)| *id != own);
                split.shares.insert(0, (own, 7));
            }
            other => *other = forward,
        }
    }
    if let Action::Forward { split, .. } = &mut route.action {
        if split.shares.len() == 1 {
            split.by.clear();
        }
        if let Mirror::To { cluster, .. } = route.mirror
            && split.clusters().any(|own| own == cluster)
        {
            route.mirror = Mirror::Off;
        }
    } else {
        route.mirror = Mirror::Off;
    }
    if let Action::Forward {
        rewrite: PathRewrite::ReplacePrefix { matched, .. },
        ..
    } = &mut route.action
    {
        match &route.matching.path {
            PathPattern::Prefix(path) => *matched = path.len(),
            PathPattern::Exact(path) => {
                let path = path.trim_end_matches('/').to_owned();
                *matched = path.len();
                route.matching.path = PathPattern::Prefix(path);
            }
        }
    }
    if !matches!(route.action, Action::Forward { .. }) {
        route.request_headers = Edits::default();
        route.request_trailers = false;
    }
    route.name = format!("route \"{index}\"");
}

/// What stands at the top, in the order of the model, and the rest of it.
type Process = (
    Workers,
    OperatorLog,
    AccessLog,
    Shutdown,
    (String, String, Resolver, Option<Identity>, Ceilings),
);

fn process() -> impl Strategy<Value = Process> {
    let workers = prop_oneof![
        Just(Workers::PerCore),
        (1_u16..1024).prop_map(|n| Workers::Count(NonZeroU16::new(n).unwrap())),
    ];
    let format = || select(vec![LogFormat::Text, LogFormat::Json]);
    let levels = vec![
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
    ];
    let log = (select(levels), format()).prop_map(|(level, format)| OperatorLog { level, format });
    let to = prop_oneof![
        Just(AccessLogTarget::Off),
        Just(AccessLogTarget::Stdout),
        Just(AccessLogTarget::Stderr),
        "[a-z/ \"\\\\.]{1,20}".prop_map(|path| AccessLogTarget::File(PathBuf::from(path))),
    ];
    let access = access_log(to);
    let seconds = |most: u64| (0..=most).prop_map(Duration::from_secs);
    let shutdown =
        (seconds(3600), seconds(86_400)).prop_map(|(delay, timeout)| Shutdown { delay, timeout });
    let name = || "[a-z0-9-]{1,12}";
    let identity =
        option::of((name(), option::of(name())).prop_map(|(user, group)| Identity { user, group }));
    let node = option::of("[a-z\"\\\\]{1,9}").prop_map(Option::unwrap_or_default);
    let server = (any::<std::net::IpAddr>(), 1_u16..).prop_map(SocketAddr::from);
    let resolver = (vec(server, 0..3), 10_u64..60_000).prop_map(|(servers, millis)| Resolver {
        servers,
        timeout: Duration::from_millis(millis),
    });
    let connections = prop_oneof![Just(0), 1..=100_000_000_u32];
    let memory = prop_oneof![Just(u64::MAX), 16_777_216..=1_u64 << 50].prop_map(ByteSize);
    let ceilings = (connections, memory).prop_map(|(connections, memory)| Ceilings {
        connections,
        memory,
    });
    (
        workers,
        log,
        access,
        shutdown,
        (picks::zone(), node, resolver, identity, ceilings),
    )
}

fn access_log(to: impl Strategy<Value = AccessLogTarget>) -> impl Strategy<Value = AccessLog> {
    let name = || "[a-z][a-z0-9-]{0,8}x";
    let piece = prop_oneof![
        select(LogField::ALL.to_vec()).prop_map(Piece::Field),
        name().prop_map(Piece::Request),
        name().prop_map(Piece::Response),
    ];
    // Text that follows text is one piece, so each piece but the last has text behind it or none.
    let template = vec((piece, option::of("[ -~äß\t]{1,5}")), 1..5).prop_filter_map(
        "not too many texts",
        |pieces| {
            let texts = pieces.iter().map(|(piece, _)| match piece {
                Piece::Field(field) => field.texts(),
                _ => 0,
            });
            if texts.sum::<usize>() > 16 {
                return None;
            }
            let both = pieces
                .into_iter()
                .flat_map(|(piece, text)| [Some(piece), text.map(Piece::Text)]);
            Some(AccessFormat::Template(both.flatten().collect()))
        },
    );
    let named = select(vec![
        AccessFormat::Text,
        AccessFormat::Json,
        AccessFormat::Clf,
        AccessFormat::Combined,
    ]);
    let format = prop_oneof![named, template];
    let names = || vec(name(), 0..4);
    let mode = select(vec![0o600, 0o640, 0o777, 0o200]);
    let slow = (0_u64..10_000).prop_map(Duration::from_millis);
    let rest = (mode, 0..=ALL_RECORDS, slow);
    (to, format, (names(), names()), rest).prop_map(|(to, format, headers, rest)| {
        let takes_headers = matches!(format, AccessFormat::Text | AccessFormat::Json);
        let only = |mut names: Vec<String>| {
            names.sort();
            names.dedup();
            names.retain(|_| takes_headers);
            names
        };
        AccessLog {
            to,
            format,
            mode: rest.0,
            request_headers: only(headers.0),
            response_headers: only(headers.1),
            sample: rest.1,
            slow: rest.2,
        }
    })
}

fn a_timeout() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (1_000_u64..10_000_000).prop_map(Duration::from_micros),
        (1_u64..3_600_000).prop_map(Duration::from_secs),
    ]
}

fn a_network() -> impl Strategy<Value = Network> {
    select(vec![
        "10.0.0.0/8",
        "192.168.1.7",
        "::1",
        "2001:db8::/32",
        "172.16.0.0/12",
    ])
    .prop_map(|text| Network::parse(text).unwrap())
}

fn a_listener() -> impl Strategy<Value = Listener> {
    let bind = prop_oneof![
        select(vec!["127.0.0.1:1", "0.0.0.0:1", "[::]:1", "[::1]:1"])
            .prop_map(|text| Bind::Ip(text.parse::<SocketAddr>().unwrap())),
        any::<u64>().prop_map(|n| Bind::Unix(PathBuf::from(format!("/run/{n}.sock")))),
    ];
    let limits = (256_usize..65_535, 1_usize..10_000).prop_flat_map(|(bytes, fields)| {
        (64..=bytes).prop_map(move |line| HeadLimits {
            bytes,
            fields,
            line,
        })
    });
    let timeouts = (a_timeout(), a_timeout(), a_timeout(), a_timeout());
    let rest = (
        (vec(a_network(), 0..3), vec(a_network(), 0..3)),
        any::<(bool, bool, bool)>(),
        rules::a_cap(1_000_000),
        prop_oneof![Just(None), (1..=u16::MAX).prop_map(Some)],
        select(vec![(true, true), (true, false), (false, true)]),
        1_u32..10_000,
    );
    (bind, limits, timeouts, rest).prop_map(|(bind, head, timeouts, rest)| Listener {
        name: String::new(),
        bind,
        protocols: Protocols {
            http1: rest.4.0,
            http2: rest.4.1,
        },
        http2: ListenerHttp2 {
            max_concurrent_streams: rest.5,
        },
        trusted_proxies: rest.0.0,
        explain_to: rest.0.1,
        head,
        request_header_timeout: timeouts.0,
        request_body_idle_timeout: timeouts.1,
        keepalive_timeout: timeouts.2,
        write_timeout: timeouts.3,
        half_close: rest.1.0,
        proxy_status: rest.1.1,
        health: rest.1.2,
        redirect_to_https: rest.3,
        tls: None,
        max_connections_per_client: rest.2,
    })
}

fn conditions(
    names: &'static [&'static str],
) -> impl Strategy<Value = Vec<(String, ValuePattern)>> {
    let value = prop_oneof![
        Just(ValuePattern::Present),
        Just(ValuePattern::Absent),
        "[a-z\"\\\\'.%=]{0,8}".prop_map(ValuePattern::Exact),
    ];
    (subsequence(names, 0..=names.len()), vec(value, names.len())).prop_map(|(names, values)| {
        let mut all: Vec<_> = names.into_iter().map(str::to_owned).zip(values).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    })
}

fn a_match(listeners: usize) -> impl Strategy<Value = RouteMatch> {
    let ids: Vec<ListenerId> = (0..listeners)
        .map(|i| ListenerId::new(u32::try_from(i).unwrap()))
        .collect();
    let hosts = vec![
        HostPattern::Exact("[::1]".into()),
        HostPattern::Exact("a.example".into()),
        HostPattern::Suffix(".b.example".into()),
    ];
    let tail = || {
        "(/[a-z0-9%._~-]{1,5}x){0,3}/?"
            .prop_map(|path| String::from_utf8_lossy(&canonical(path.as_bytes())).into_owned())
    };
    let path = prop_oneof![
        tail().prop_map(PathPattern::Exact),
        tail().prop_map(|p| PathPattern::Prefix(p.trim_end_matches('/').into())),
    ];
    let methods: Vec<String> = ["DELETE", "GET", "M-SEARCH", "POST"]
        .map(str::to_owned)
        .to_vec();
    (
        subsequence(ids, 0..=listeners),
        subsequence(hosts, 0..=3),
        path,
        subsequence(methods, 0..=4),
        conditions(&["x-a", "x.b", "accept"]),
        conditions(&["a", "B", "%20"]),
    )
        .prop_map(
            |(listeners, hosts, path, methods, headers, query)| RouteMatch {
                listeners,
                hosts,
                path,
                methods,
                headers,
                query,
            },
        )
}

fn an_edit() -> impl Strategy<Value = Edits> {
    let value = || "([!-~]([ -~]{0,8}[!-~])?)?";
    let pairs = |names: &'static [&'static str]| {
        (
            subsequence(names, 0..=names.len()),
            vec(value(), names.len()),
        )
            .prop_map(|(names, values)| names.into_iter().map(str::to_owned).zip(values).collect())
    };
    let remove = subsequence(vec!["X-R".to_owned(), "Cookie".to_owned()], 0..=2);
    (
        pairs(&["X-A", "X-B"]),
        pairs(&["Via", "Via", "X.C"]),
        remove,
    )
        .prop_map(|(set, add, remove)| Edits { set, add, remove })
}

fn a_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        any::<String>().prop_map(String::into_bytes),
        vec(any::<u8>(), 0..40),
    ]
}

fn an_action(clusters: usize) -> impl Strategy<Value = Action> {
    let rewrite = prop_oneof![
        Just(PathRewrite::Keep),
        "(/[a-z]{1,5}){0,2}".prop_map(|with| PathRewrite::ReplacePrefix { matched: 0, with }),
    ];
    let host = prop_oneof![
        Just(HostRewrite::Keep),
        Just(HostRewrite::Endpoint),
        select(vec!["b.example:8080", "[::1]:80", "10.0.0.1"])
            .prop_map(|h| HostRewrite::Set(h.into())),
    ];
    let redirect = (
        select(vec![301_u16, 302, 303, 307, 308]),
        option::of(select(vec!["http", "https"])),
        option::of(Just("www.example:81")),
        "/[a-z]{0,4}(\\?[a-z=&%]{0,5})?",
    );
    let respond = (200_u16..600, "([a-z]{1,5}/[a-z]{1,5})?", a_body(), a_body());
    prop_oneof![
        3 => (picks::split(clusters), rewrite, host).prop_map(|(split, rewrite, host)| Action::Forward {
            split,
            rewrite,
            host,
        }),
        1 => redirect.prop_map(|(status, scheme, host, path)| Action::Redirect(Redirect {
            status,
            scheme: scheme.map(str::to_owned),
            host: host.map(str::to_owned),
            path: Some(path),
        })),
        1 => respond.prop_map(|(status, content_type, body, html)| {
            let bare = matches!(status, 204 | 205 | 304);
            Action::Respond(Respond {
                status,
                content_type,
                body: if bare { Vec::new() } else { body },
                html: if bare { Vec::new() } else { html },
            })
        }),
    ]
}

fn some_pages() -> impl Strategy<Value = Vec<ErrorPage>> {
    let statuses = Config::error_page_statuses();
    subsequence(statuses, 0..3).prop_flat_map(|statuses| {
        let count = statuses.len();
        (
            Just(statuses),
            vec((a_body(), "[a-z]{1,5}/[a-z]{1,5}"), count),
        )
            .prop_map(|(statuses, pages)| {
                let page = |(status, (body, content_type))| ErrorPage {
                    status,
                    content_type,
                    body,
                };
                statuses
                    .into_iter()
                    .zip(pages)
                    .map(page)
                    .collect::<Vec<_>>()
            })
    })
}

fn a_route(listeners: usize, clusters: usize) -> impl Strategy<Value = Route> {
    let limits = (
        prop_oneof![Just(u64::MAX), 0_u64..1 << 40].prop_map(ByteSize),
        prop_oneof![Just(Duration::MAX), a_timeout()],
        any::<(bool, bool)>(),
        rules::rate_limits(),
    );
    let attempts = (
        rules::retry(),
        select(Priority::ALL.to_vec()),
        select(vec!["", "x-request-timeout", "grpc-timeout"]),
        picks::mirror(clusters),
    );
    let networks = (
        vec(a_network(), 0..3),
        Just(Network::parse("203.0.113.0/24").unwrap()),
        any::<bool>(),
    );
    (
        a_match(listeners),
        an_action(clusters),
        (an_edit(), an_edit()),
        limits,
        networks,
        some_pages(),
        attempts,
    )
        .prop_map(
            |(matching, action, edits, limits, networks, error_pages, attempts)| Route {
                name: String::new(),
                matching,
                allow: networks.0,
                deny: if networks.2 {
                    vec![networks.1]
                } else {
                    Vec::new()
                },
                action,
                request_headers: edits.0,
                response_headers: edits.1,
                max_request_body: limits.0,
                total_timeout: limits.1,
                retry: attempts.0,
                priority: attempts.1,
                rate_limits: limits.3,
                deadline_header: attempts.2.to_owned(),
                allow_dot_segments: limits.2.0,
                request_trailers: limits.2.1,
                mirror: attempts.3,
                error_pages,
            },
        )
}

fn some_endpoints() -> impl Strategy<Value = Vec<Endpoint>> {
    let kind = |port: u16| match port % 5 {
        4 => format!("srv:_http._tcp.app-{port}.internal"),
        0 => format!("app-{port}.internal:{port}"),
        1 => format!("[2001:db8::{port}]:{port}"),
        2 => format!("unix:/run/{port}.sock"),
        _ => format!("10.0.0.1:{port}"),
    };
    let one = (
        1_u16..=1000,
        option::of("[a-z0-9]{1,6}"),
        select(AdminState::ALL.to_vec()),
        (picks::zone(), 0_u8..=15),
    );
    vec(one, 1..5).prop_map(move |all| {
        let one =
            |(i, (weight, id, admin, place)): (usize, (u16, Option<String>, AdminState, _))| {
                let (zone, mut tier) = place;
                let address =
                    Address::parse(&kind(u16::try_from(i).unwrap() + weight % 4 * 16 + 1)).unwrap();
                let mut weight = weight;
                if matches!(address, Address::Service(_)) {
                    (weight, tier) = (1, 0);
                }
                let id = id.map_or_else(|| address.to_string(), |id| format!("{id}-{i}"));
                Endpoint {
                    id,
                    address,
                    weight,
                    admin,
                    zone,
                    tier,
                }
            };
        all.into_iter().enumerate().map(one).collect::<Vec<_>>()
    })
}

fn a_cluster() -> impl Strategy<Value = Cluster> {
    let with_probe = some_endpoints().prop_flat_map(|endpoints| {
        let unix = |endpoint: &Endpoint| matches!(endpoint.address, Address::Unix(_));
        let ports = !endpoints.iter().any(unix);
        (Just(endpoints), rules::probe(ports))
    });
    let timeouts = (
        a_timeout(),
        a_timeout(),
        a_timeout(),
        a_timeout(),
        a_timeout(),
    );
    let decisions = (
        rules::retry(),
        rules::budget(),
        rules::outlier(),
        (rules::limits(), rules::multiplexing()),
        0_u8..=100,
        prop_oneof![Just(Duration::ZERO), a_timeout()],
    );
    let rest = (
        (
            picks::balancer(),
            picks::tiers(),
            0_u32..=10_000,
            picks::sticky(),
            picks::spoken(),
        ),
        1_u64..86_400,
        0_usize..=65_536,
    );
    (with_probe, timeouts, decisions, rest).prop_map(
        |((endpoints, probe), times, decisions, rest)| Cluster {
            name: String::new(),
            endpoints,
            listed: Listed::Here,
            protocol: rest.0.4.0,
            tls: rest.0.4.1,
            balancer: rest.0.0,
            tiers: rest.0.1,
            sticky: rest.0.3,
            subset: rest.0.2,
            timeouts: UpstreamTimeouts {
                connect: times.0,
                response_header: times.1,
                idle: times.2,
                tunnel: times.3,
                keepalive: times.4,
            },
            retry: decisions.0,
            budget: decisions.1,
            probe,
            outlier: decisions.2,
            panic_below_percent: decisions.4,
            slow_start: decisions.5,
            limits: decisions.3.0,
            http2: decisions.3.1,
            resolve_interval: Duration::from_secs(rest.1),
            max_idle_connections: rest.2,
        },
    )
}
