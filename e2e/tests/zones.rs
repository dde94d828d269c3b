//! Zones and tiers: who is preferred, and where requests go when those cannot take them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evenkeel_testkit::{Evenkeel, Gate, Origin, Reply, Setup, eventually};

/// Probes in short intervals; who is well again gets its full share at once.
const PROBED: &str = "slow_start = \"off\"
probe.http.path = \"/healthz\"
probe.interval = \"100ms\"
probe.timeout = \"5s\"";

/// A cluster of these origins, each with what its endpoint says beside its address.
fn cluster<'a>(endpoints: impl IntoIterator<Item = (&'a Origin, &'a str)>) -> Setup {
    let endpoint =
        |(origin, says): (&Origin, &str)| format!("{{ address = {:?}, {says} }}", origin.address());
    let endpoints: Vec<String> = endpoints.into_iter().map(endpoint).collect();
    Setup::to_addresses(Vec::<String>::new())
        .cluster(&format!("endpoints = [{}]", endpoints.join(", ")))
}

/// An origin that says its name, and answers probes by how it is.
struct Probed {
    origin: Origin,
    well: Arc<AtomicBool>,
}

impl Probed {
    fn new(name: &'static str) -> Self {
        let well = Arc::new(AtomicBool::new(true));
        let origin = Origin::http({
            let well = Arc::clone(&well);
            move |request| match request.target() {
                "/healthz" if well.load(Ordering::Relaxed) => Reply::ok("well"),
                "/healthz" => Reply::new(500, "sick"),
                _ => Reply::ok(name),
            }
        });
        Self { origin, well }
    }

    fn set(&self, well: bool) {
        self.well.store(well, Ordering::Relaxed);
    }
}

/// Who answers so many requests.
fn answers(proxy: &Evenkeel, number: usize) -> Vec<String> {
    let mut client = proxy.client();
    (0..number)
        .map(|_| client.get("/").status(200).text())
        .collect()
}

fn wait_answered_by(proxy: &Evenkeel, name: &str) {
    eventually(&format!("answers of {name} alone"), || {
        let all = answers(proxy, 4);
        all.iter().all(|answer| answer == name).then_some(())
    });
}

#[track_caller]
fn wait_until(proxy: &Evenkeel, said: &str) -> String {
    proxy.log().wait_for(said, |line| line.contains(said))
}

#[test]
fn the_own_zone_has_all_requests_while_it_is_well() {
    for workers in [1, 2, 4] {
        let [near, far] = ["near", "far"].map(Origin::saying);
        let setup = cluster([(&far, "zone = \"b\""), (&near, "zone = \"a\"")])
            .top(&format!("workers = {workers}\nzone = \"a\""));
        let proxy = Evenkeel::start(&setup);
        assert_eq!(answers(&proxy, 12), ["near"; 12], "{workers} workers");
    }
}

#[test]
fn zones_that_are_not_preferred_are_alike() {
    let [near, far] = ["near", "far"].map(Origin::saying);
    let setup = cluster([(&far, "zone = \"b\""), (&near, "zone = \"a\"")])
        .top("zone = \"a\"")
        .cluster("prefer_zone = false");
    let proxy = Evenkeel::start(&setup);
    assert_eq!(answers(&proxy, 4), ["far", "near", "far", "near"]);
}

#[test]
fn a_zone_that_is_half_down_spills_over_in_proportion_and_says_so() {
    let near = ["near", "near"].map(Probed::new);
    let far = Probed::new("far");
    let setup = cluster([
        (&near[0].origin, "zone = \"a\""),
        (&near[1].origin, "zone = \"a\""),
        (&far.origin, "zone = \"b\""),
    ])
    .top("zone = \"a\"")
    .cluster(PROBED);
    let proxy = Evenkeel::start(&setup);
    assert_eq!(answers(&proxy, 10), ["near"; 10]);
    near[0].set(false);
    let line = wait_until(&proxy, "spill: too little of the tier admits");
    for part in ["WARN", "cluster=\"app\"", "tier=0", "keeps_percent=71"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    // 71.4 % in the mean; five standard deviations of 1,000 picks are 7 %.
    let all = answers(&proxy, 1_000);
    let kept = all.iter().filter(|answer| *answer == "near").count();
    assert!((640..=790).contains(&kept), "{kept} of 1000");
    near[0].set(true);
    wait_until(
        &proxy,
        "spill over: no request of the tier goes to the next",
    );
    assert_eq!(answers(&proxy, 10), ["near"; 10]);
}

#[test]
fn when_the_own_zone_dies_the_others_answer_and_no_request_fails() {
    let near = ["near", "near"].map(Origin::saying);
    let far = ["far", "far"].map(Origin::saying);
    let setup = cluster([
        (&near[0], "zone = \"a\""),
        (&near[1], "zone = \"a\""),
        (&far[0], "zone = \"b\""),
        (&far[1], "zone = \"b\""),
    ])
    .top("zone = \"a\"")
    .cluster("outlier = { base_ejection = \"1m\" }");
    let proxy = Evenkeel::start(&setup);
    assert_eq!(answers(&proxy, 10), ["near"; 10]);
    let _dead = near.map(Origin::stop);
    assert_eq!(answers(&proxy, 20), ["far"; 20]);
    wait_until(&proxy, "spill: too little of the tier admits");
}

#[test]
fn a_reserve_has_requests_only_while_the_first_tier_is_down() {
    let [first, reserve] = ["first", "reserve"].map(Probed::new);
    let setup = cluster([(&reserve.origin, "tier = 1"), (&first.origin, "weight = 2")]);
    let proxy = Evenkeel::start(&setup.cluster(PROBED));
    assert_eq!(answers(&proxy, 10), ["first"; 10]);
    first.set(false);
    wait_answered_by(&proxy, "reserve");
    first.set(true);
    wait_answered_by(&proxy, "first");
}

#[test]
fn a_first_tier_that_is_down_at_the_start_has_not_even_the_first_request() {
    let [first, reserve] = ["first", "reserve"].map(Probed::new);
    first.set(false);
    let setup = cluster([(&first.origin, "tier = 0"), (&reserve.origin, "tier = 1")]);
    let proxy = Evenkeel::start(&setup.cluster(PROBED));
    assert_eq!(answers(&proxy, 10), ["reserve"; 10]);
}

#[test]
fn what_finds_no_place_in_a_tier_goes_to_the_next_and_not_into_the_queue() {
    for workers in [1, 4] {
        let gate = Gate::new();
        let first = Origin::http({
            let gate = gate.clone();
            move |_| {
                gate.wait();
                Reply::ok("first")
            }
        });
        let reserve = Origin::saying("reserve");
        let setup = cluster([(&first, "tier = 0"), (&reserve, "tier = 1")])
            .top(&format!("workers = {workers}"))
            .cluster("limits = { endpoint_requests = 2 }");
        let proxy = Evenkeel::start(&setup);
        let mut held = [proxy.client(), proxy.client()];
        for client in &mut held {
            client.send_request("GET", "/", "", "");
        }
        first.wait_connections(2);
        assert_eq!(answers(&proxy, 10), ["reserve"; 10], "{workers} workers");
        gate.open();
        for client in &mut held {
            assert_eq!(client.response("GET").status(200).text(), "first");
        }
        wait_answered_by(&proxy, "first");
    }
}
