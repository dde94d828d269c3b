//! The picture of a process that is made up here: what it shows of what is counted and known.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_base::Fault;
use evenkeel_base::rules::AdminState;
use evenkeel_config::{EndpointSaid, Nowhere, check, check_endpoint};
use evenkeel_policy::outlier::Cause;
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Health, Phase};
use evenkeel_state::command::{Answer, Command, Desk, EndpointOrder, Refused};
use evenkeel_state::compile::Resolved;
use evenkeel_state::events::Severity as EventSeverity;
use evenkeel_state::{
    Ended, Endpoint, Events, Life, ProbeResult, Publisher, Registry, Sought, WorkerCounters,
};

use super::*;
use crate::view::live::{Picture, Severity};

struct NoDesk;

impl Desk for NoDesk {
    fn order(&self, _: Command) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        Box::pin(async { Err(Refused::Cannot("nobody is here".to_owned())) })
    }
}

/// A process of one worker, and who looks at it.
pub(super) struct Scene {
    pub(super) office: Office,
    registry: Registry,
    sampler: Sampler,
    history: History,
}

const ROUTES: &str = "version = 1
[listener.web]
bind = \"127.0.0.1:0\"
[[route]]
name = \"all\"
cluster = \"api\"
[[route]]
name = \"old\"
path = \"/old\"
redirect.path = \"/\"
[cluster.api]
";

impl Scene {
    pub(super) fn new(endpoints: usize) -> Self {
        let addresses: Vec<String> = (1..=endpoints)
            .map(|n| format!("\"10.{}.{}.{}:80\"", n >> 16, n >> 8 & 255, n & 255))
            .collect();
        Self::of(&format!("{ROUTES}endpoints = [{}]", addresses.join(", ")))
    }

    fn of(text: &str) -> Self {
        let checked = check(text, "test", &Nowhere);
        let config = checked
            .config
            .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        let mut registry = Registry::new(1, &[0; 32]);
        let snapshot = registry.compile(config, &Resolved::new(), 1);
        let office = Office {
            publisher: Publisher::new(Arc::new(snapshot)),
            counters: Arc::new([WorkerCounters::default()]),
            life: Arc::new(Life::new(None)),
            events: Arc::new(Events::new()),
            desk: Arc::new(NoDesk),
        };
        office.life.enter(evenkeel_state::life::Stage::Serving);
        let sampler = Sampler::new(&office);
        Self {
            office,
            registry,
            sampler,
            history: History::default(),
        }
    }

    /// A picture of what `change` did. Rates are per second of the time between, so a test compares them with each other.
    fn after(&mut self, change: impl FnOnce(&Self)) -> Picture {
        self.sampler.look(&self.office, &mut self.history, true);
        change(self);
        let picture = self.sampler.look(&self.office, &mut self.history, true);
        picture.unwrap()
    }

    fn endpoint(&self, at: usize) -> Endpoint {
        self.office.publisher.current().clusters()[0].endpoints.list[at].clone()
    }

    fn down(&self, at: usize, reason: &str) {
        let state = self.endpoint(at).state;
        state.probes.push(ProbeResult {
            at: SystemTime::now() - Duration::from_secs(12),
            good: false,
            reason: reason.to_owned(),
            took: Duration::ZERO,
        });
        let _ = state.standing.set_health(Health::Down, Entry::Full, 1);
    }

    fn eject(&self, at: usize) {
        let endpoint = self.endpoint(at);
        let standing = &endpoint.state.standing;
        let snapshot = self.office.publisher.current();
        let rules = &snapshot.clusters()[0].config.outlier;
        let now_ms = self.office.publisher.millis(std::time::Instant::now()) + 1;
        let ejected = endpoint
            .state
            .outlier
            .eject(standing, rules, Cause::Status, now_ms);
        assert!(ejected.is_some());
    }

    fn order(&mut self, id: &str, order: EndpointOrder) {
        let publisher = Arc::clone(&self.office.publisher);
        publisher.update(|current, generation| {
            let cluster = self.registry.order(current, "api", id, order).unwrap();
            let nothing = Resolved::new();
            self.registry
                .with_resolved(current, cluster, &nothing, generation)
        });
    }

    fn add(&mut self, address: &str) {
        let said = EndpointSaid {
            address,
            ..EndpointSaid::default()
        };
        let (scheme, endpoint) = check_endpoint(&said).unwrap();
        let publisher = Arc::clone(&self.office.publisher);
        publisher.update(|current, generation| {
            let added = self.registry.add(current, "api", &endpoint, scheme);
            let nothing = Resolved::new();
            self.registry
                .with_resolved(current, added.unwrap(), &nothing, generation)
        });
    }

    pub(super) fn exchange(&self, status: u16, fault: Option<Fault>, total: Duration) {
        let snapshot = self.office.publisher.current();
        let ended = Ended {
            status,
            fault,
            bytes_in: 10,
            bytes_out: 100,
            queue: Duration::ZERO,
            connect: Duration::ZERO,
            first_byte: None,
            total: evenkeel_state::histogram::Sample::of(total),
        };
        snapshot.listeners()[0]
            .traffic
            .of(0)
            .unwrap()
            .exchange(&ended);
        snapshot.routes_traffic()[0].of(0).unwrap().exchange(&ended);
        snapshot.clusters()[0]
            .state
            .times
            .of(0)
            .unwrap()
            .exchange(&ended);
        let endpoint = self.endpoint(0);
        let counters = endpoint.state.counters(0);
        match fault {
            Some(fault) => {
                counters.fault(fault);
                counters.gateway_fault(Cause::of(fault).unwrap());
            }
            None => counters.response(status),
        }
        counters.latency().record(total);
    }
}

#[test]
fn traffic_is_told_at_every_place_that_it_went_through() {
    let mut scene = Scene::new(2);
    let picture = scene.after(|scene| {
        for _ in 0..30 {
            scene.exchange(200, None, Duration::from_millis(2));
        }
        for _ in 0..10 {
            scene.exchange(502, Some(Fault::ConnectRefused), Duration::from_millis(2));
        }
    });
    let cluster = &picture.clusters[0];
    let places = [
        &picture.total,
        &picture.listeners[0].traffic,
        &picture.routes[0].traffic,
        &cluster.traffic,
        &cluster.endpoints[0].traffic,
    ];
    for (at, traffic) in places.into_iter().enumerate() {
        assert!(traffic.rate > 0.0, "{at}");
        let part = traffic.errors / traffic.rate;
        assert!((0.249..0.251).contains(&part), "{at}: {part}");
        let faults = traffic.faults["connect-refused"];
        assert!((faults - traffic.errors).abs() < 0.02, "{at}");
        let (p50, p99) = (traffic.p50_us.unwrap(), traffic.p99_us.unwrap());
        assert!((2_000..=2_250).contains(&p50) && p50 == p99, "{at}: {p50}");
    }
    assert_eq!(picture.routes[0].to[0].cluster, "api");
    assert_eq!(
        (
            picture.routes[1].answers.as_str(),
            picture.routes[1].traffic.rate
        ),
        ("redirect 308", 0.0)
    );
    let text = serde_json::to_string(&picture).unwrap();
    let again: Picture = serde_json::from_str(&text).unwrap();
    assert_eq!(again, picture, "who reads it sees the same");
}

#[test]
fn a_state_is_one_word_with_its_reason() {
    for (name, severity, reason, change) in STATES {
        let mut scene = Scene::new(3);
        change(&mut scene);
        let picture = scene.after(|_| {});
        let endpoints = &picture.clusters[0].endpoints;
        let found = endpoints
            .iter()
            .find(|one| one.id == "10.0.0.2:80")
            .unwrap();
        let seen = (found.state.as_str(), found.severity, found.reason.as_str());
        assert_eq!(seen, (*name, *severity, *reason));
    }
}

type Case = (&'static str, Severity, &'static str, fn(&mut Scene));

const STATES: &[Case] = &[
    (
        "unprobed",
        Severity::Ok,
        "not probed: traffic alone tells",
        |_| {},
    ),
    ("down", Severity::Bad, "connection refused", |scene| {
        scene.down(1, "connection refused");
    }),
    (
        "ejected",
        Severity::Bad,
        "it answered 502, 503 or 504 in a row",
        |scene| scene.eject(1),
    ),
    (
        "trial",
        Severity::Warn,
        "on trial after an ejection, 5 % of its share",
        |scene| {
            scene.eject(1);
            let state = scene.endpoint(1).state;
            assert!(
                state
                    .standing
                    .set_phase(Phase::Ejected, Phase::Trial, Entry::Full, 5)
            );
        },
    ),
    ("up", Severity::Ok, "its probes succeed", |scene| {
        let state = scene.endpoint(1).state;
        let _ = state.standing.set_health(Health::Up, Entry::Full, 1);
    }),
    (
        "waiting",
        Severity::Warn,
        "waits for its first good probe",
        |scene| {
            let state = scene.endpoint(1).state;
            let _ = state.standing.set_health(Health::Waiting, Entry::Full, 1);
        },
    ),
    (
        "full",
        Severity::Warn,
        "at its limit of 0 requests in flight",
        |scene| {
            scene.endpoint(1).state.set_limit(0);
        },
    ),
    (
        "drained",
        Severity::Note,
        "drained by an operator, nothing in flight",
        |scene| {
            scene.order("10.0.0.2:80", EndpointOrder::Admin(AdminState::Drain));
        },
    ),
    (
        "drained",
        Severity::Note,
        "drained by an operator, nothing in flight; its probes fail: no answer",
        |scene| {
            scene.order("10.0.0.2:80", EndpointOrder::Admin(AdminState::Drain));
            scene.down(1, "no answer");
        },
    ),
    (
        "maint",
        Severity::Note,
        "in maintenance by an operator",
        |scene| {
            scene.order("10.0.0.2:80", EndpointOrder::Admin(AdminState::Maint));
        },
    ),
    ("unweighted", Severity::Note, "its weight is 0", |scene| {
        scene.order("10.0.0.2:80", EndpointOrder::Weight(0));
    }),
];

#[test]
fn who_was_added_at_run_time_is_said_to_be() {
    let mut scene = Scene::new(1);
    scene.add("10.0.0.9:80");
    let picture = scene.after(|_| {});
    let endpoints = picture.clusters[0].endpoints.iter();
    let mut seen: Vec<_> = endpoints.map(|one| (one.id.as_str(), one.added)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [("10.0.0.1:80", false), ("10.0.0.9:80", true)]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_headline_says_what_is_wrong_and_since_when() {
    let headline = |change: fn(&mut Scene)| {
        let mut scene = Scene::new(3);
        change(&mut scene);
        let picture = scene.after(|_| {});
        let first = picture.headline;
        (
            first.severity,
            first.text,
            first.since_ms.map(|since| picture.at_ms - since),
        )
    };
    let (severity, text, since) = headline(|_| {});
    assert_eq!(
        (severity, text.as_str(), since),
        (Severity::Ok, "All well: 3 endpoints take requests", None)
    );
    let (severity, text, since) = headline(|scene| {
        scene.down(0, "connection refused");
        scene.down(1, "connection refused");
    });
    assert_eq!(
        (severity, text.as_str()),
        (
            Severity::Warn,
            "2 of 3 endpoints of api are down: connection refused"
        )
    );
    assert!(
        since.is_some_and(|since| (12_000..60_000).contains(&since)),
        "{since:?}"
    );
    let (severity, text, _) = headline(|scene| {
        scene.down(0, "connection refused");
        scene.eject(1);
    });
    assert_eq!(
        (severity, text.as_str()),
        (
            Severity::Warn,
            "2 of 3 endpoints of api are out (1 down, 1 ejected): connection refused and others"
        )
    );
    let (severity, text, _) = headline(|scene| (0..3).for_each(|at| scene.down(at, "gone")));
    assert_eq!(
        (severity, text.as_str()),
        (
            Severity::Bad,
            "3 of 3 endpoints of api are down: gone; requests are tried at all of them"
        )
    );
    let (severity, text, _) =
        headline(|scene| scene.order("10.0.0.1:80", EndpointOrder::Admin(AdminState::Drain)));
    assert_eq!(
        (severity, text.as_str()),
        (Severity::Ok, "All well: 2 endpoints take requests; 1 note")
    );
    let (severity, text, _) = headline(|scene| {
        let back = (SystemTime::now(), "by order".to_owned());
        scene.office.life.went_back(SystemTime::now(), Some(back));
    });
    assert_eq!(
        (severity, text.as_str()),
        (
            Severity::Warn,
            "The configuration was rolled back, and its file was not put right since: by order"
        )
    );
    let (severity, text, _) = headline(|scene| {
        scene
            .office
            .life
            .failed("line 3: a mistake\nmore".to_owned());
    });
    assert_eq!(
        (severity, text.as_str()),
        (
            Severity::Warn,
            "The last reload changed nothing: line 3: a mistake"
        )
    );
}

#[test]
fn answers_that_fail_are_a_problem_when_they_are_a_part_worth_a_word() {
    let mut picture = Picture::default();
    picture.total.faults.insert("no-route".to_owned(), 0.5);
    picture
        .total
        .faults
        .insert("connect-refused".to_owned(), 2.0);
    for (rate, failed, expected) in [
        (0.0, 0.0, None),
        (10.0, 0.0, None),
        // One in ten seconds.
        (0.1, 0.1, None),
        (1_000.0, 4.0, None),
        (
            1_000.0,
            6.0,
            Some((
                Severity::Warn,
                "0.6 % of answers fail, mostly connect-refused",
            )),
        ),
        (
            100.0,
            10.0,
            Some((
                Severity::Bad,
                "10 % of answers fail, mostly connect-refused",
            )),
        ),
        (
            3.0,
            3.0,
            Some((
                Severity::Bad,
                "100 % of answers fail, mostly connect-refused",
            )),
        ),
    ] {
        let found = problems::errors(&picture, (rate, failed));
        let seen = found.as_ref().map(|one| (one.severity, one.text.as_str()));
        assert_eq!(seen, expected, "{failed} of {rate}");
    }
}

#[test]
fn a_large_cluster_shows_its_worst_and_says_how_many_are_missing() {
    let mut scene = Scene::new(700);
    scene.down(650, "gone");
    let picture = scene.after(|_| {});
    let cluster = &picture.clusters[0];
    let bounds = picture.bounds;
    assert_eq!(
        (cluster.size, cluster.endpoints.len()),
        (700, bounds.cluster_endpoints)
    );
    assert_eq!(cluster.endpoints_left_out, 700 - bounds.cluster_endpoints);
    assert_eq!(cluster.endpoints[0].state, "down");
    assert_eq!(
        (cluster.states["down"], cluster.states["unprobed"]),
        (1, 699)
    );
}

#[test]
fn events_come_once_and_the_newest_when_there_are_too_many() {
    let mut scene = Scene::new(1);
    let add = |scene: &Scene, count: usize| {
        for _ in 0..count {
            scene.office.events.add(
                SystemTime::now(),
                EventSeverity::Warn,
                "x".to_owned(),
                Vec::new(),
            );
        }
    };
    let picture = scene.after(|scene| add(scene, 3));
    assert_eq!((picture.events.len(), picture.last_event), (3, 3));
    let most = picture.bounds.events;
    let picture = scene.after(|scene| add(scene, most + 7));
    assert_eq!((picture.events.len(), picture.events[0].number), (most, 11));
    assert!(scene.after(|_| {}).events.is_empty());
}

#[test]
fn nobody_is_shown_what_nobody_watches_and_history_goes_on() {
    let mut scene = Scene::new(1);
    for _ in 0..3 {
        let picture = scene.sampler.look(&scene.office, &mut scene.history, false);
        assert!(picture.is_none() && !scene.sampler.is_warm());
    }
    let view = scene.history.view();
    assert_eq!(
        (view.at_ms.len(), view.clusters[0].columns.rate.len()),
        (3, 3)
    );
}

#[test]
fn a_watcher_gets_the_past_and_then_pictures() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let scene = Scene::new(1);
    let live = Live::start(scene.office, runtime.handle());
    runtime.block_on(async {
        let mut watchers = [live.watch(), live.watch()];
        for watcher in &mut watchers {
            let first = watcher.next().await.unwrap();
            assert!(first.starts_with(b"event: history\ndata: {"), "{first:?}");
        }
        let [mut one, mut other] = watchers;
        let (first, second) = tokio::join!(one.next(), other.next());
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(first.starts_with(b"event: picture\ndata: {") && first.ends_with(b"}\n\n"));
        assert_eq!(first.as_ptr(), second.as_ptr(), "made once for both");
        drop(live);
    });
}

#[test]
fn a_cluster_whose_names_are_not_found_says_which_and_why() {
    let mut scene = Scene::of(&format!(
        "{ROUTES}endpoints = [\"no-such.invalid:80\", \"srv:_http._tcp.no-such.invalid\"]"
    ));
    let picture = scene.after(|scene| {
        let failing = scene.office.publisher.failing();
        let name = Sought::Name("no-such.invalid".to_owned(), 80);
        failing.looked(&name, Err("the name has no address"), SystemTime::now());
    });
    assert_eq!(
        picture.headline.text,
        "api has no endpoints: no-such.invalid:80 is not found (the name has no address), and others"
    );
    assert_eq!(picture.headline.severity, Severity::Bad);
    let unresolved = &picture.clusters[0].unresolved;
    let told: Vec<_> = unresolved
        .iter()
        .map(|one| (&*one.name, &*one.reason))
        .collect();
    assert_eq!(
        told,
        [
            ("no-such.invalid:80", "the name has no address"),
            ("srv:_http._tcp.no-such.invalid", "nobody has answered yet"),
        ]
    );
}
