//! Clusters that share the requests of a route.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evenkeel_testkit::{Evenkeel, Origin, Reply, Setup, eventually};

use crate::sticky::Browser;

/// A route to the clusters `app` and `canary`, each with one endpoint that says its name, in these shares.
fn shared(app: &Origin, canary: &Origin, shares: &str) -> Setup {
    Setup::to([app])
        .no_route()
        .add_route(&format!("path = \"/\"\ncluster = {shares}"))
        .sections(&format!(
            "[cluster.canary]\nendpoints = [{:?}]",
            canary.address()
        ))
}

fn two() -> [Origin; 2] {
    ["app", "canary"].map(Origin::saying)
}

/// Who answers each of these users.
fn answers(proxy: &Evenkeel, users: std::ops::Range<u32>) -> Vec<String> {
    let answer = |user: u32| {
        let fields = format!("Cookie: a=1; user={user}\r\n");
        proxy.client().get_with("/", &fields).status(200).text()
    };
    users.map(answer).collect()
}

fn count(answers: &[String], name: &str) -> usize {
    answers.iter().filter(|answer| *answer == name).count()
}

#[test]
fn five_of_a_hundred_requests_are_five_whatever_the_number_of_workers() {
    for workers in [1, 2, 4] {
        let [app, canary] = two();
        let setup = shared(&app, &canary, "{ app = 95, canary = 5 }");
        let proxy = Evenkeel::start(&setup.top(&format!("workers = {workers}")));
        for _ in 0..2 {
            let round: Vec<String> = (0..100)
                .map(|_| proxy.client().get("/").status(200).text())
                .collect();
            assert_eq!((count(&round, "app"), count(&round, "canary")), (95, 5));
        }
    }
}

#[test]
fn a_share_of_nothing_gets_nothing() {
    let [app, canary] = two();
    let proxy = Evenkeel::start(&shared(&app, &canary, "{ app = 1, canary = 0 }"));
    assert_eq!(count(&answers(&proxy, 0..20), "app"), 20);
}

const BY_USER: &str = "split_by = [\"cookie:user\"]";

/// Who answers which user with these shares: on every connection the same, in another process too.
fn by_user(shares: &str) -> Vec<String> {
    let [app, canary] = two();
    let setup = shared(&app, &canary, &format!("{shares}\n{BY_USER}"));
    let [one, other] = [1, 2].map(|workers| {
        let setup = setup.clone().top(&format!("workers = {workers}"));
        Evenkeel::start(&setup)
    });
    let found = answers(&one, 0..200);
    assert_eq!(answers(&one, 0..200), found);
    assert_eq!(answers(&other, 0..200), found);
    found
}

#[test]
fn a_client_stays_on_its_side_and_a_share_that_grows_takes_only_what_becomes_its() {
    let before = by_user("{ app = 90, canary = 10 }");
    let after = by_user("{ app = 90, canary = 30 }");
    let (few, more) = (count(&before, "canary"), count(&after, "canary"));
    // 20 and 50 are expected; the keys are always the same, so is the result.
    assert!(
        (8..35).contains(&few) && (33..70).contains(&more),
        "{few} {more}"
    );
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || after == "canary");
    }
}

#[test]
fn who_has_no_key_goes_by_turns() {
    let [app, canary] = two();
    let setup = shared(
        &app,
        &canary,
        &format!("{{ app = 1, canary = 1 }}\n{BY_USER}"),
    );
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let order: Vec<String> = (0..4).map(|_| client.get("/").status(200).text()).collect();
    assert_eq!(order, ["app", "canary", "app", "canary"]);
}

/// A canary that is well or dead, and what says so.
fn moody() -> (Arc<AtomicBool>, Origin) {
    let well = Arc::new(AtomicBool::new(false));
    let canary = Origin::http({
        let well = Arc::clone(&well);
        move |_| match well.load(Ordering::Relaxed) {
            true => Reply::ok("canary"),
            false => Reply::new(500, "dead"),
        }
    });
    (well, canary)
}

/// How the canary is probed.
const PROBED: &str = "slow_start = \"off\"\nprobe.http.path = \"/\"\nprobe.interval = \"100ms\"\nprobe.timeout = \"5s\"";

#[test]
fn a_dead_canary_gives_its_part_to_the_others_and_gets_it_back() {
    let (app, (well, canary)) = (Origin::saying("app"), moody());
    let setup = shared(&app, &canary, "{ app = 1, canary = 1 }").sections(PROBED);
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for _ in 0..20 {
        client.get("/").status(200).body("app");
    }
    well.store(true, Ordering::Relaxed);
    eventually("the canary to get its part", || {
        let round: BTreeSet<String> = (0..2).map(|_| client.get("/").status(200).text()).collect();
        (round.len() == 2).then_some(())
    });
    let order: Vec<String> = (0..10)
        .map(|_| client.get("/").status(200).text())
        .collect();
    assert_eq!((count(&order, "app"), count(&order, "canary")), (5, 5));
}

#[test]
fn a_client_whose_cluster_is_dead_goes_to_another_and_stays_there() {
    let (app, (well, canary)) = (Origin::saying("app"), moody());
    well.store(true, Ordering::Relaxed);
    let setup = shared(&app, &canary, "{ app = 1, canary = 1 }")
        .cluster("sticky = \"cookie\"")
        .sections(&format!("sticky = \"cookie\"\n{PROBED}"));
    let proxy = Evenkeel::start(&setup);
    assert_eq!(Browser::of(&proxy).get("/"), "app");
    let mut browser = Browser::of(&proxy);
    assert_eq!(browser.get("/"), "canary");
    well.store(false, Ordering::Relaxed);
    eventually("the canary to be found dead", || {
        let response = proxy.client().get_with("/", &browser.field());
        (response.head.status() == 200).then_some(())
    });
    assert_eq!(browser.get("/"), "app");
    well.store(true, Ordering::Relaxed);
    eventually("the canary to be back", || {
        (Browser::of(&proxy).get("/") == "canary").then_some(())
    });
    for _ in 0..3 {
        assert_eq!(browser.get("/"), "app", "the newest claim counts");
    }
}

#[test]
fn a_client_with_an_endpoint_stays_with_its_cluster() {
    let [app, canary] = two();
    let setup = |shares: &str, keyed: &str| {
        shared(&app, &canary, shares)
            .cluster(&format!("sticky = {{ {keyed} }}"))
            .sections(&format!("sticky = {{ {keyed} }}"))
    };
    let keyed = "cookie = \"at\", keys = [\"0123456789abcdef0123456789abcdef\"]";
    let proxy = Evenkeel::start(&setup("{ app = 1, canary = 1 }", keyed));
    // A share of nothing takes nobody new.
    let later = Evenkeel::start(&setup("{ app = 1, canary = 0 }", keyed));
    let mut browsers: Vec<Browser<'_>> = (0..4).map(|_| Browser::of(&proxy)).collect();
    let first: Vec<String> = browsers.iter_mut().map(|one| one.get("/")).collect();
    assert_eq!(first, ["app", "canary", "app", "canary"]);
    for (browser, first) in browsers.iter_mut().zip(&first) {
        for _ in 0..3 {
            assert_eq!(browser.get("/"), *first);
        }
        assert_eq!(Browser::with(&later, &browser.jar()).get("/"), *first);
    }
    assert_eq!(Browser::of(&later).get("/"), "app");
}
