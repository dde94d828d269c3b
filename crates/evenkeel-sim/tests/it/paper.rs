//! The comparison of the Prequal paper in a short form, and the page that shows outcomes.

use std::time::Duration;

use evenkeel_config::render_all;
use evenkeel_sim::{Builtin, Outcome, Play, Scenario, contender, html, paper, play};

use crate::small::some_moment;

fn scenario(name: &str) -> Scenario {
    let builtin = Builtin::find(name).unwrap();
    let checked = builtin.read();
    let shown = render_all(&checked.diagnostics, builtin.text, false);
    let mut scenario = checked.scenario.expect(&shown);
    scenario.duration = Duration::from_secs(30);
    scenario.warm_up = Duration::from_secs(15);
    scenario
}

fn run(scenario: &Scenario, names: &[&str]) -> Vec<Outcome> {
    let one = |name: &&str| {
        let how = Play {
            seed: 1,
            requests: None,
            origin: some_moment(),
        };
        let contender = contender(name, &scenario.cluster).unwrap();
        play(scenario, &contender, how, &mut |_| {})
    };
    names.iter().map(one).collect()
}

/// p99 in milliseconds; endless when that many failed.
fn p99(outcome: &Outcome) -> f64 {
    let latency = outcome.latency.quantile(0.99);
    latency.map_or(f64::INFINITY, |one| one.as_secs_f64() * 1e3)
}

#[test]
fn rules_stand_in_the_papers_order() {
    let scenario = scenario("prequal-paper-90");
    let all = run(&scenario, &paper::NINE);
    let of = |name: &str| p99(all.iter().find(|one| one.balancer == name).unwrap());
    // Rules that see what endpoints have in flight now, then those that do not, then those that look at nothing.
    let (prequal, c3, linear) = (of("prequal"), of("paper-c3"), of("paper-linear"));
    let blind = of("paper-least-loaded").min(of("paper-two-choices"));
    assert!(prequal < c3 && prequal < linear, "{prequal} {c3} {linear}");
    assert!(c3.max(linear) * 1.5 < of("paper-polled"), "{c3} {linear}");
    assert!(of("paper-polled") < blind, "{blind}");
    assert!(of("random").is_infinite() && of("round-robin").is_infinite());
}

#[test]
fn two_implementations_of_prequal_agree() {
    let scenario = scenario("prequal-paper-70");
    let all = run(&scenario, &["prequal", "paper-hcl"]);
    let ratio = p99(&all[0]) / p99(&all[1]);
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
}

#[test]
fn every_rule_serves_and_gives_the_same_again() {
    let mut scenario = scenario("slow-endpoint");
    scenario.duration = Duration::from_secs(8);
    scenario.warm_up = Duration::from_secs(1);
    let names: Vec<&str> = paper::names().collect();
    let (once, again) = (run(&scenario, &names), run(&scenario, &names));
    assert_eq!(once, again);
    for one in &once {
        assert!(
            one.error_rate() < 0.01,
            "{}: {:?}",
            one.balancer,
            one.failed
        );
    }
}

#[test]
fn the_page_is_whole_and_always_the_same() {
    let mut scenario = scenario("slow-endpoint");
    scenario.name = "a <b> & c".to_owned();
    scenario.duration = Duration::from_secs(25);
    scenario.warm_up = Duration::from_secs(1);
    let all = run(&scenario, &["round-robin", "least-request"]);
    let page = html(&scenario, 1, &all);
    assert_eq!(
        page,
        html(
            &scenario,
            1,
            &run(&scenario, &["round-robin", "least-request"])
        )
    );
    assert!(page.contains("<h1>a &lt;b&gt; &amp; c</h1>"));
    for title in [
        "Latency by quantile",
        "p99 over time",
        "Load of the endpoints",
        "Errors over time",
    ] {
        assert!(page.contains(&format!(">{title}</h2>")), "{title}");
    }
    // Nothing is fetched from elsewhere, and what is opened is closed.
    assert!(!page.contains("href=") && !page.contains("src=") && !page.contains("<script"));
    assert!(!page.contains("NaN") && !page.contains("inf"));
    for element in ["table", "svg", "figure", "details", "p", "code"] {
        let opened = page.matches(&format!("<{element}>")).count()
            + page.matches(&format!("<{element} ")).count();
        assert_eq!(
            opened,
            page.matches(&format!("</{element}>")).count(),
            "{element}"
        );
    }
}
