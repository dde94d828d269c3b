//! Balancers, keys, tiers and stickiness of files that are right, and what they become.

use std::time::Duration;

use evenkeel_base::rules::{
    BalancerRules, Choices, HashRules, HashTable, KeyPart, PrequalRules, ReportedRules, Signals,
    TierRules,
};
use evenkeel_base::{BalancerKind, ByteSize, ClusterId};
use evenkeel_config::model::{
    Action, Cluster, Config, Mirror, Route, SameSite, Split, Sticky, StickyCookie, StickyKey,
};
use evenkeel_config::{Nowhere, check, parse_balancer, print, proxy, render_all};

use crate::source::Lent;

/// The configuration of a file without a mistake, which prints to one that means the same.
#[track_caller]
fn good(text: &str) -> Config {
    let checked = check(text, "test.toml", &Lent);
    assert_eq!(render_all(&checked.diagnostics, text, false), "");
    let config = checked.config.unwrap();
    let printed = print(&config);
    let again = check(&printed, "printed.toml", &Nowhere);
    assert_eq!(again.config.as_ref(), Some(&config), "{printed}");
    config
}

/// The cluster of a file with these lines in it.
#[track_caller]
fn cluster(lines: &str) -> Cluster {
    let text = format!(
        "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"c\"\n[cluster.c]\nendpoints = [\":2\", \":3\"]\n{lines}\n"
    );
    good(&text).clusters.remove(0)
}

#[track_caller]
fn balancer(value: &str) -> BalancerRules {
    cluster(&format!("balancer = {value}")).balancer
}

#[test]
fn a_name_alone_is_a_balancer_with_its_default_numbers() {
    for kind in BalancerKind::ALL {
        let rules = balancer(&format!("\"{kind}\""));
        assert_eq!(rules, BalancerRules::of(kind));
        assert_eq!(balancer(&format!("{{ kind = \"{kind}\" }}")), rules);
    }
    assert_eq!(cluster("").balancer, BalancerRules::DEFAULT);
}

#[test]
fn each_balancer_has_numbers_of_its_own() {
    let choices = |value: &str| {
        balancer(&format!(
            "{{ kind = \"least-request\", choices = {value} }}"
        ))
    };
    for (value, expected) in [("3", Choices::Some(3)), ("\"all\"", Choices::All)] {
        let expected = BalancerRules::LeastRequest { choices: expected };
        assert_eq!(choices(value), expected);
    }
    let decay = Duration::from_secs(3);
    assert_eq!(
        balancer("{ kind = \"peak-ewma\", decay = \"3s\" }"),
        BalancerRules::PeakEwma { decay }
    );
    assert_eq!(
        balancer("{ kind = \"least-time\", decay = \"3s\" }"),
        BalancerRules::LeastTime { decay }
    );
    assert_eq!(
        balancer(
            "{ kind = \"reported-load\", interval = \"2s\", error_penalty = 0.5, expire = \"1m\" }"
        ),
        BalancerRules::ReportedLoad(ReportedRules {
            interval: Duration::from_secs(2),
            error_penalty: 0.5,
            expire: Duration::from_mins(1),
        })
    );
}

#[test]
fn prequal_has_three_sources_of_readings() {
    let signals =
        |value: &str| match balancer(&format!("{{ kind = \"prequal\", signals = {value} }}")) {
            BalancerRules::Prequal(rules) => rules.signals,
            other => panic!("{other:?}"),
        };
    assert_eq!(signals("\"own\""), Signals::Own);
    assert_eq!(
        signals("{ header = \"Endpoint-Load-Metrics\" }"),
        Signals::Header("endpoint-load-metrics".into())
    );
    assert_eq!(
        signals("{ probe = \"/load?short\" }"),
        Signals::Probe("/load?short".into())
    );
    assert_eq!(
        balancer(
            "{ kind = \"prequal\", probe_rate = 2.5, remove_rate = 0, pool = 8, max_age = \"250ms\", hot_quantile = 0.999 }"
        ),
        BalancerRules::Prequal(PrequalRules {
            signals: Signals::Own,
            probe_rate: 2.5,
            remove_rate: 0.0,
            pool: 8,
            max_age: Duration::from_millis(250),
            hot_quantile: 999,
        })
    );
}

#[test]
fn a_hash_has_a_key_of_parts_and_perhaps_a_bound() {
    let rules = balancer(
        "{ kind = \"maglev\", key = [\"cookie:User\", \"header:X-Tenant\", \"query:Id\", \"path\", \"query\", \"client\"], bound = 1.25 }",
    );
    assert_eq!(
        rules,
        BalancerRules::Hash(HashRules {
            table: HashTable::Maglev,
            key: vec![
                KeyPart::Cookie("User".into()),
                KeyPart::Header("x-tenant".into()),
                KeyPart::Parameter("Id".into()),
                KeyPart::Path,
                KeyPart::Query,
                KeyPart::Client,
            ],
            bound_percent: 125,
        })
    );
    for (value, percent) in [("\"off\"", 0), ("1.01", 101), ("2", 200), ("10", 1000)] {
        match balancer(&format!(
            "{{ kind = \"ring-hash\", key = \"path\", bound = {value} }}"
        )) {
            BalancerRules::Hash(rules) => {
                assert_eq!(rules.table, HashTable::Ring);
                assert_eq!(
                    (rules.key, rules.bound_percent),
                    (vec![KeyPart::Path], percent)
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn endpoints_have_tiers_and_zones_and_a_node_uses_some_of_them() {
    let config = good(
        r#"
version = 1
zone = "eu-1a"
node = "lb 7"
[listener.a]
bind = ":1"
[[route]]
cluster = "c"
[cluster.c]
spill_below = 50
prefer_zone = false
subset = 2
endpoints = [
  { address = "10.0.0.1:80", zone = "eu-1a" },
  { address = "10.0.0.3:80-81", zone = "eu-1b", tier = 15 },
  "10.0.0.4:80",
]
"#,
    );
    assert_eq!(
        (config.zone.as_str(), config.node.as_str()),
        ("eu-1a", "lb 7")
    );
    let cluster = &config.clusters[0];
    let placed: Vec<(&str, u8)> = cluster
        .endpoints
        .iter()
        .map(|e| (e.zone.as_str(), e.tier))
        .collect();
    assert_eq!(
        placed,
        [("eu-1a", 0), ("eu-1b", 15), ("eu-1b", 15), ("", 0)]
    );
    assert_eq!(cluster.subset, 2);
    assert_eq!(
        cluster.tiers,
        TierRules {
            spill_below_percent: 50,
            prefer_zone: false,
        }
    );
}

#[test]
fn without_a_word_there_is_one_tier_and_no_subset() {
    let cluster = cluster("subset = 0");
    assert_eq!((cluster.tiers, cluster.subset), (TierRules::DEFAULT, 0));
    assert_eq!(cluster.endpoints[0].tier, 0);
    assert_eq!(cluster, self::cluster("subset = \"off\""));
}

/// The route with these lines, before clusters a, b and env with lines of their own.
#[track_caller]
fn route(lines: &str, clusters: [&str; 3]) -> Route {
    let mut text = format!("version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\n{lines}\n");
    for (i, (name, lines)) in ["a", "b.c", "env"].into_iter().zip(clusters).enumerate() {
        text += &format!(
            "[cluster.\"{name}\"]\nendpoints = [\":{}\"]\n{lines}\n",
            i + 2
        );
        text += &format!("[[route]]\npath = \"/{i}\"\ncluster = \"{name}\"\n");
    }
    good(&text).routes.remove(0)
}

fn split(route: &Route) -> &Split {
    match &route.action {
        Action::Forward { split, .. } => split,
        other => panic!("{other:?}"),
    }
}

#[test]
fn clusters_share_the_requests_of_a_route() {
    let id = ClusterId::new;
    let alone = |value: &str| split(&route(&format!("cluster = {value}"), [""; 3])).clone();
    assert_eq!(alone("\"b.c\""), Split::one(id(1)));
    let shares = |value: &str| alone(value).shares;
    assert_eq!(shares("{ \"b.c\" = 5, a = 95 }"), [(id(1), 5), (id(0), 95)]);
    assert_eq!(shares("{ env = 7 }"), [(id(2), 7)]);
    assert_eq!(shares("{ a = 1000, env = 0 }"), [(id(0), 1000), (id(2), 0)]);
    let by = route(
        "cluster = { a = 1, env = 1 }\nsplit_by = [\"cookie:user\", \"client\"]",
        [""; 3],
    );
    assert_eq!(
        split(&by).by,
        [KeyPart::Cookie("user".into()), KeyPart::Client]
    );
}

#[test]
fn a_route_may_say_what_its_clusters_disagree_about() {
    let lines = "cluster = { a = 1, env = 1 }\nretry = { attempts = 4, statuses = [] }";
    let route = route(
        lines,
        [
            "retry = { attempts = 1, backoff = \"5ms\" }",
            "",
            "retry = { attempts = 4, statuses = 503, backoff = \"5ms\" }",
        ],
    );
    assert_eq!(route.retry.attempts, 4);
    assert_eq!(route.retry.backoff, Duration::from_millis(5));
}

#[test]
fn a_route_has_a_mirror() {
    let mirror = |value: &str| {
        let lines = format!("cluster = {{ a = 1, env = 1 }}\nmirror = {value}");
        route(&lines, [""; 3]).mirror
    };
    let to = |per_mille, max_body| Mirror::To {
        cluster: ClusterId::new(1),
        per_mille,
        max_body,
    };
    assert_eq!(mirror("\"b.c\""), to(1000, ByteSize::kib(64)));
    assert_eq!(
        mirror("{ cluster = \"b.c\", percent = 0.1, max_body = \"0B\" }"),
        to(1, ByteSize(0))
    );
    assert_eq!(
        mirror("{ cluster = \"b.c\", percent = 12.5 }"),
        to(125, ByteSize::kib(64))
    );
    assert_eq!(route("cluster = \"a\"", [""; 3]).mirror, Mirror::Off);
}

#[test]
fn a_cluster_that_only_a_share_or_a_mirror_leads_to_is_used() {
    good(
        "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = { a = 1, b = 0 }\nmirror = \"c\"\n[cluster.a]\nendpoints = \":2\"\n[cluster.b]\nendpoints = \":3\"\n[cluster.c]\nendpoints = \":4\"\n",
    );
}

fn cookie(keys: &[&[u8]]) -> StickyCookie {
    StickyCookie {
        name: "evenkeel".into(),
        path: "/".into(),
        lifetime: Duration::ZERO,
        same_site: SameSite::Lax,
        secure: false,
        keys: keys.iter().map(|key| StickyKey((*key).into())).collect(),
    }
}

#[test]
fn a_client_stays_by_a_cookie_that_is_sealed() {
    let sticky = |value: &str| cluster(&format!("sticky = {value}")).sticky;
    assert_eq!(cluster("").sticky, Sticky::Off);
    assert_eq!(sticky("\"off\""), Sticky::Off);
    assert_eq!(
        sticky("{ keys = { file = \"sticky.key\" } }"),
        Sticky::Cookie(cookie(&[b"s3cret s3cret s3cret"]))
    );
    assert_eq!(
        sticky(
            "{ cookie = \"__Host-lb\", lifetime = \"1h\", same_site = \"none\", secure = true, keys = [{ env = \"STICKY_KEY\" }, { file = \"old.key\" }, { base64 = \"AAECAwQFBgcICQoLDA0ODw==\" }, \"0123456789 \\n\\n\\n\\n\\n\"] }"
        ),
        Sticky::Cookie(StickyCookie {
            name: "__Host-lb".into(),
            lifetime: Duration::from_hours(1),
            same_site: SameSite::None,
            secure: true,
            ..cookie(&[
                b"s3cret of the environment",
                b"\xff\x00s3cret s3cret s3cret",
                b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
                b"0123456789 \n\n\n\n\n",
            ])
        })
    );
}

#[test]
fn a_client_stays_by_what_the_application_sets() {
    assert_eq!(
        cluster("sticky = { by = [\"cookie:JSESSIONID\", \"header:Authorization\"] }").sticky,
        Sticky::Hashed(vec![
            KeyPart::Cookie("JSESSIONID".into()),
            KeyPart::Header("authorization".into()),
        ])
    );
}

#[test]
fn the_word_cookie_is_a_cookie_with_a_secret_of_the_moment() {
    let text = "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"c\"\n[cluster.c]\nendpoints = \":2\"\nsticky = WORD\n";
    for word in ["\"cookie\"", "{}"] {
        let checked = check(&text.replace("WORD", word), "test.toml", &Nowhere);
        assert_eq!(checked.diagnostics.len(), 1, "a warning");
        let config = checked.config.unwrap();
        assert_eq!(config.clusters[0].sticky, Sticky::Cookie(cookie(&[])));
        assert!(print(&config).contains("sticky = \"cookie\"\n"));
    }
}

#[test]
fn cookies_of_one_name_are_right_where_they_do_not_meet() {
    let file = |routes: &str| {
        let cluster = |name, port| {
            format!(
                "[cluster.{name}]\nendpoints = \":{port}\"\nsticky.keys = {{ file = \"sticky.key\" }}\n"
            )
        };
        let clusters = cluster("a", 2) + &cluster("b", 3);
        good(&format!(
            "version = 1\n[listener.a]\nbind = \":1\"\n{routes}\n{clusters}"
        ))
    };
    file(
        "[[route]]\nhost = \"a.example\"\ncluster = \"a\"\n[[route]]\nhost = \"b.example\"\ncluster = \"b\"",
    );
    file("[[route]]\ncluster = { a = 1, b = 1 }\n[[route]]\npath = \"/b\"\ncluster = \"b\"");
}

#[test]
fn a_command_line_knows_every_balancer_and_the_words_of_others() {
    for kind in BalancerKind::ALL {
        let read = parse_balancer(kind.name()).unwrap();
        let config = proxy(":8080", &[":9001".to_owned()], Some(read), &Nowhere).unwrap();
        assert_eq!(config.clusters[0].balancer, BalancerRules::of(kind));
        assert_eq!(good(&print(&config)), config);
    }
    for (name, expected) in [
        (
            "wrr",
            "it is \"round-robin\"; each endpoint has its `weight`",
        ),
        ("maglef", "did you mean maglev?"),
    ] {
        assert_eq!(parse_balancer(name).unwrap_err(), expected);
    }
    let all = parse_balancer("x").unwrap_err();
    assert!(all.starts_with("the balancers are least-request, round-robin"));
}

#[test]
fn nobody_knows_before_it_is_resolved_that_a_name_is_fewer_endpoints_than_a_subset() {
    let cluster = "endpoints = [\"app.example:8080\"]\nsubset = 20\n";
    good(&format!(
        "version = 1\nnode = \"n\"\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"c\"\n[cluster.c]\n{cluster}"
    ));
}
