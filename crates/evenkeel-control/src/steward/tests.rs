//! Endpoints that are good, bad, closed and back, under the steward's watch. Intervals are those of the defaults.

use std::time::Duration;

use evenkeel_base::rules::{AdminState, OutlierRules, ProbeRules};
use evenkeel_config::model::{Config, Probe, ProbeAddress};
use evenkeel_policy::outlier::Cause;
use evenkeel_policy::{Health, Phase, Standing};
use evenkeel_state::{Publisher, Registry, Resolved};

use evenkeel_policy::slow_start::Entry;

use super::*;
use crate::Control;
use crate::rig::{Mode, Origin, endpoints, health, pass, probed, published, reasons, until};

const RULES: ProbeRules = ProbeRules::DEFAULT;

/// The longest that an interval can be with its jitter, and a moment for the probe itself.
fn at_most(interval: Duration) -> Duration {
    interval * (100 + u32::from(RULES.jitter_percent)) / 100 + Duration::from_millis(200)
}

/// The control plane of a configuration, after its first round, and the endpoints of the first cluster.
async fn started(config: Config) -> (Control, Vec<Endpoint>) {
    let (control, unresolved) = Control::start(config, 1, &[0; 32]).await;
    assert_eq!(unresolved, []);
    let endpoints = endpoints(&control.publisher().current());
    (control, endpoints)
}

fn shares(endpoints: &[Endpoint]) -> Vec<u16> {
    let shares = endpoints.iter().map(|e| e.state.standing.share());
    shares.collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_result_decides_at_start() {
    let (good, bad) = (Origin::new(Mode::Good), Origin::new(Mode::Bad));
    let closed = Origin::closed();
    let (_control, endpoints) = started(probed([&good, &bad, &closed])).await;
    let healths: Vec<Health> = endpoints.iter().map(health).collect();
    assert_eq!(healths, [Health::Up, Health::Down, Health::Down]);
    assert_eq!(shares(&endpoints), [Standing::FULL, 0, 0], "no slow start");
    let reasons: Vec<String> = endpoints.iter().flat_map(reasons).collect();
    assert_eq!(
        reasons,
        [
            "status 200",
            "status 500, expected 200-399",
            "connection refused"
        ]
    );
    assert_eq!((good.requests(), bad.requests()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_start_does_not_wait_longer_than_a_probe_may_take() {
    let (good, silent) = (Origin::new(Mode::Good), Origin::new(Mode::Silent));
    let began = time::Instant::now();
    let (_control, endpoints) = started(probed([&good, &silent])).await;
    let took = began.elapsed();
    assert!(took >= RULES.timeout && took <= RULES.timeout + GRACE);
    let healths: Vec<Health> = endpoints.iter().map(health).collect();
    assert_eq!(healths, [Health::Up, Health::Down]);
    assert_eq!(reasons(&endpoints[1]), ["no response within 2s"]);
}

#[tokio::test(start_paused = true)]
async fn fall_bad_results_make_it_down_and_rise_good_ones_up_by_slow_start() {
    let origin = Origin::new(Mode::Good);
    let (_control, endpoints) = started(probed([&origin])).await;
    let [endpoint] = &endpoints[..] else {
        panic!("one endpoint");
    };
    origin.set(Mode::Bad);
    let before = origin.requests();
    let took = until("down", || health(endpoint) == Health::Down).await;
    assert_eq!(origin.requests() - before, usize::from(RULES.fall));
    assert!(took <= at_most(RULES.interval) + 2 * at_most(RULES.changing_interval));
    assert_eq!(endpoint.state.standing.share(), 0);

    origin.set(Mode::Good);
    let before = origin.requests();
    until("up", || health(endpoint) == Health::Up).await;
    assert_eq!(origin.requests() - before, usize::from(RULES.rise));
    let share = endpoint.state.standing.share();
    assert!(share > 0 && share < Standing::FULL, "{share}");
}

#[tokio::test(start_paused = true)]
async fn results_that_do_not_last_change_nothing() {
    let origin = Origin::new(Mode::Good);
    let (_control, endpoints) = started(probed([&origin])).await;
    for _ in 0..5 {
        origin.set(Mode::Bad);
        let before = origin.requests();
        until("a bad result", || {
            origin.requests() == before + usize::from(RULES.fall) - 1
        })
        .await;
        origin.set(Mode::Good);
        until("a good one", || {
            origin.requests() == before + usize::from(RULES.fall)
        })
        .await;
        assert_eq!(health(&endpoints[0]), Health::Up);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_accepts_again_is_probed_at_once() {
    let mut config = probed([&Origin::closed()]);
    let mut origin = Origin::closed();
    let address = origin.address().parse().unwrap();
    config.clusters[0].endpoints[0].address = evenkeel_base::Address::Ip(address);
    let Probe::Http { rules, .. } = &mut config.clusters[0].probe else {
        panic!("a probe by HTTP");
    };
    // Without the connects in between it would not be found for an hour.
    rules.down_interval = Duration::from_hours(1);
    rules.rise = 1;
    let (_control, endpoints) = started(config).await;
    assert_eq!(health(&endpoints[0]), Health::Down);
    pass(Duration::from_secs(5)).await;
    origin.open(Mode::Good);
    let took = until("up", || health(&endpoints[0]) == Health::Up).await;
    assert!(took <= Duration::from_secs(2), "{took:?}");

    // It goes and comes back while it is down for its answers: that is news as well.
    origin.set(Mode::Bad);
    until("down", || health(&endpoints[0]) == Health::Down).await;
    origin.close().await;
    pass(Duration::from_secs(3)).await;
    origin.open(Mode::Good);
    let took = until("up", || health(&endpoints[0]) == Health::Up).await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn settled_endpoints_are_probed_once_an_interval_and_not_in_step() {
    let origins: Vec<Origin> = (0..8).map(|_| Origin::new(Mode::Good)).collect();
    let (_control, _endpoints) = started(probed(&origins)).await;
    let began = time::Instant::now();
    let mut firsts = Vec::new();
    for origin in &origins {
        assert_eq!(origin.requests(), 1);
    }
    let mut seen = vec![false; origins.len()];
    until("a second probe of each", || {
        for (origin, seen) in origins.iter().zip(&mut seen) {
            if origin.requests() > 1 && !*seen {
                *seen = true;
                firsts.push(began.elapsed().as_millis());
            }
        }
        seen.iter().all(|seen| *seen)
    })
    .await;
    let spread = firsts[firsts.len() - 1] - firsts[0];
    assert!(spread > 100, "{firsts:?}");
    pass(Duration::from_secs(60)).await;
    for origin in &origins {
        let requests = origin.requests();
        assert!((11..=18).contains(&requests), "{requests}");
    }
}

/// A publisher of these, its registry, and a steward that has seen it.
async fn stewarded(config: Config) -> (Arc<Publisher>, Registry, Steward) {
    let mut registry = Registry::new(1, &[0; 32]);
    let snapshot = registry.compile(config, &Resolved::new(), 1);
    let publisher = Publisher::new(Arc::new(snapshot));
    let mut steward = Steward::new(Clock::of(&publisher), Turns::new());
    steward.reconcile(&publisher.current()).over().await;
    (publisher, registry, steward)
}

fn publish(publisher: &Publisher, registry: &mut Registry, config: Config) {
    publisher.update(|_, generation| Some(registry.compile(config, &Resolved::new(), generation)));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_added_waits_for_its_first_success() {
    let (old, new) = (Origin::new(Mode::Good), Origin::new(Mode::Bad));
    let (publisher, mut registry, mut steward) = stewarded(probed([&old])).await;
    publish(&publisher, &mut registry, probed([&old, &new]));
    steward.reconcile(&publisher.current()).over().await;
    let endpoints = endpoints(&publisher.current());
    assert_eq!(health(&endpoints[0]), Health::Up);
    assert_eq!(health(&endpoints[1]), Health::Waiting);
    assert_eq!(shares(&endpoints), [Standing::FULL, 0]);
    pass(Duration::from_secs(30)).await;
    assert_eq!(shares(&endpoints), [Standing::FULL, 0]);
    new.set(Mode::Good);
    until("up", || health(&endpoints[1]) == Health::Up).await;
    let share = endpoints[1].state.standing.share();
    assert!(share > 0 && share < Standing::FULL, "{share}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_left_alone_and_the_others_are_not_disturbed() {
    let (stays, goes) = (Origin::new(Mode::Good), Origin::new(Mode::Good));
    let (publisher, mut registry, mut steward) = stewarded(probed([&stays, &goes])).await;
    publish(&publisher, &mut registry, probed([&stays]));
    let task = steward
        .watched
        .values()
        .map(|w| w.task.id())
        .collect::<HashSet<_>>();
    steward.reconcile(&publisher.current()).over().await;
    assert_eq!(steward.watched.len(), 1);
    assert!(
        steward
            .watched
            .values()
            .all(|w| task.contains(&w.task.id()))
    );
    let before = goes.requests();
    pass(Duration::from_secs(60)).await;
    assert_eq!(goes.requests(), before);
    assert!(stays.requests() > 8);
}

#[tokio::test(start_paused = true)]
async fn another_probe_begins_at_once_with_the_verdict_there_was() {
    let (origin, elsewhere) = (Origin::new(Mode::Good), Origin::closed());
    let (publisher, mut registry, mut steward) = stewarded(probed([&origin])).await;
    let mut config = probed([&origin]);
    let Probe::Http { at, .. } = &mut config.clusters[0].probe else {
        panic!("a probe by HTTP");
    };
    *at = ProbeAddress::Port(elsewhere.port().try_into().unwrap());
    publish(&publisher, &mut registry, config.clone());
    // Nobody waits for it: something is known.
    steward.reconcile(&publisher.current()).over().await;
    let [endpoint] = &endpoints(&publisher.current())[..] else {
        panic!("one endpoint");
    };
    until("its result", || reasons(endpoint).len() == 2).await;
    assert_eq!(reasons(endpoint), ["status 200", "connection refused"]);
    assert_eq!(health(endpoint), Health::Up, "one bad result is no verdict");
    until("down", || health(endpoint) == Health::Down).await;

    config.clusters[0].probe = Probe::Off;
    publish(&publisher, &mut registry, config);
    steward.reconcile(&publisher.current()).over().await;
    assert_eq!(health(endpoint), Health::Unprobed);
    assert!(steward.watched.is_empty());
}

#[tokio::test(start_paused = true)]
async fn maint_is_not_probed_and_back_from_there_it_waits_drain_is_probed() {
    let origins = [Origin::new(Mode::Good), Origin::new(Mode::Good)];
    let mut config = probed(&origins);
    config.clusters[0].endpoints[0].admin = AdminState::Maint;
    config.clusters[0].endpoints[1].admin = AdminState::Drain;
    let (publisher, mut registry, mut steward) = stewarded(config).await;
    let of = endpoints(&publisher.current());
    assert_eq!(health(&of[0]), Health::Waiting);
    assert_eq!(health(&of[1]), Health::Up);
    pass(Duration::from_secs(30)).await;
    assert_eq!(origins[0].requests(), 0);
    assert!(origins[1].requests() > 4);

    origins[0].set(Mode::Bad);
    publish(&publisher, &mut registry, probed(&origins));
    steward.reconcile(&publisher.current()).over().await;
    assert_eq!(
        health(&of[0]),
        Health::Waiting,
        "a bad result is no success"
    );
    origins[0].set(Mode::Good);
    until("up", || health(&of[0]) == Health::Up).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_dropped_probes_no_more() {
    let origin = Origin::new(Mode::Good);
    let (publisher, _registry, steward) = stewarded(probed([&origin])).await;
    drop(steward);
    pass(Duration::from_secs(30)).await;
    assert_eq!(origin.requests(), 1);
    drop(publisher);
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_ends_an_ejection_and_a_bad_one_does_not() {
    let origins = [Origin::new(Mode::Bad), Origin::new(Mode::Good)];
    let publisher = published(probed(&origins));
    let cluster = Arc::clone(&publisher.current().clusters()[0]);
    let list = &cluster.endpoints.list;
    let clock = Clock::of(&publisher);
    let eject = || {
        let rules = OutlierRules::DEFAULT;
        let state = &cluster.state;
        state.eject(list, 0, Cause::Timeout, &rules, clock.millis())
    };
    // Before there are probes, so that the other one admits.
    let other = &list[1].state.standing;
    let _ = other.set_health(Health::Up, Entry::Full, clock.millis());
    assert!(eject().is_some());
    let mut steward = Steward::new(clock.clone(), Turns::new());
    steward.reconcile(&publisher.current()).over().await;
    assert_eq!(list[0].state.standing.phase(), Phase::Ejected);
    origins[0].set(Mode::Good);
    until("a trial", || list[0].state.standing.phase() == Phase::Trial).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_a_name_gets_waits_for_its_first_success() {
    let origin = Origin::new(Mode::Good);
    let name = format!("localhost:{}", origin.port());
    let mut config = crate::rig::config(&[&[name]]);
    config.clusters[0].probe = crate::rig::http_probe();
    let (control, _) = Control::start(config, 1, &[0; 32]).await;
    let of = |ip: [u8; 4]| {
        let endpoints = endpoints(&control.publisher().current());
        let target = evenkeel_base::Target::Ip((ip, origin.port()).into());
        endpoints.into_iter().find(|one| one.target == target)
    };
    let old = of([127, 0, 0, 1]).unwrap();
    assert_eq!(health(&old), Health::Up);
    let addresses = [[127, 0, 0, 1], [127, 9, 9, 9]].map(|ip| (ip, origin.port()).into());
    let key = ("localhost".to_owned(), origin.port());
    let sought = evenkeel_state::Sought::Name(key.0.clone(), key.1);
    let found = Resolved::from([(key, addresses.to_vec())]);
    control.publish_found(&sought, found, None);
    let new = of([127, 9, 9, 9]).unwrap();
    assert_eq!(health(&new), Health::Waiting);
    pass(Duration::from_secs(20)).await;
    assert_eq!(shares(&[old, new.clone()]), [Standing::FULL, 0]);
    assert!(
        reasons(&new)
            .iter()
            .all(|reason| reason == "connection refused")
    );
    let _listens = std::net::TcpListener::bind(addresses[1]).unwrap();
    until("an answer that does not come", || {
        reasons(&new)
            .iter()
            .any(|reason| reason == "no response within 2s")
    })
    .await;
    assert_eq!(health(&new), Health::Waiting);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_endpoints_have_their_first_results_at_the_start() {
    let held = Origin::closed();
    let addresses: Vec<String> = (0..5_000_u32)
        .map(|n| std::net::Ipv4Addr::from_bits(0x7f01_0000 + n))
        .map(|ip| format!("{ip}:{}", held.port()))
        .collect();
    let mut config = crate::rig::config(&[&addresses]);
    config.clusters[0].probe = crate::rig::http_probe();
    let (_control, endpoints) = started(config).await;
    assert_eq!(endpoints.len(), 5_000);
    assert!(endpoints.iter().all(|one| health(one) == Health::Down));
}

#[tokio::test(start_paused = true)]
async fn a_silent_endpoint_with_a_patient_probe_holds_up_no_start_for_long() {
    let (good, silent) = (Origin::new(Mode::Good), Origin::new(Mode::Silent));
    let mut config = probed([&good, &silent]);
    if let Probe::Http { rules, .. } = &mut config.clusters[0].probe {
        (rules.timeout, rules.interval) = (Duration::from_secs(40), Duration::from_secs(60));
    }
    let began = time::Instant::now();
    let (first, before) = started(config.clone()).await;
    assert!(began.elapsed() <= MOST_PATIENCE, "{:?}", began.elapsed());
    let seen = |endpoints: &[Endpoint]| [health(&endpoints[0]), health(&endpoints[1])];
    assert_eq!(seen(&before), [Health::Up, Health::Waiting]);
    until("its verdict", || health(&before[1]) == Health::Down).await;
    // Who takes its place knows both, and waits for neither.
    let began = time::Instant::now();
    let inherited = Some(first.bequeath());
    let (second, _) = Control::start_after(inherited, config, 1, &[0; 32]).await;
    assert!(began.elapsed() <= GRACE, "{:?}", began.elapsed());
    let after = endpoints(&second.publisher().current());
    assert_eq!(seen(&after), [Health::Up, Health::Down]);
}
