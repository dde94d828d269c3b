//! A cluster in another document, such as a scenario of the simulator.

use evenkeel_base::BalancerKind;
use evenkeel_config::{Nowhere, check_cluster, render_all};

const SCENARIO: &str = "title = \"slow\"\n[cluster]\nbalancer = \"prequal\"\nlimits.endpoint_requests = 8\n[[group]]\nendpoints = 5\n";

#[test]
fn a_table_of_another_document_is_a_cluster_without_endpoints() {
    let read = check_cluster(SCENARIO, "slow.toml", &["cluster"], &Nowhere);
    assert_eq!(render_all(&read.diagnostics, SCENARIO, false), "");
    let cluster = read.cluster.unwrap();
    assert_eq!(cluster.name, "cluster");
    assert_eq!(cluster.balancer.kind(), BalancerKind::Prequal);
    assert!(!cluster.limits.is_off() && cluster.endpoints.is_empty());
}

#[test]
fn a_document_without_the_table_has_every_default() {
    let read = check_cluster("[[group]]\n", "a.toml", &["run", "cluster"], &Nowhere);
    let defaults = check_cluster("[cluster]\n", "a.toml", &["cluster"], &Nowhere);
    assert_eq!(read.diagnostics, []);
    assert_eq!(read.cluster, defaults.cluster);
}

#[test]
fn mistakes_in_the_table_are_shown_and_others_are_not_looked_at() {
    let text = "bad = 1\n[cluster.a]\nslow_strt = \"1s\"\nendpoints = [\":1\"]\nprobe = 5\n";
    let read = check_cluster(text, "a.toml", &["cluster", "a"], &Nowhere);
    assert_eq!(read.cluster, None);
    let said: Vec<(usize, &str)> = read
        .diagnostics
        .iter()
        .map(|d| (d.place.line, d.message.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (3, "`slow_strt` is not known in [cluster.NAME]"),
            (
                4,
                "this cluster's endpoints are not given here: they are modelled"
            ),
            (5, "expected a table, found an integer"),
        ]
    );
    let broken = check_cluster("[cluster\n", "a.toml", &["cluster"], &Nowhere);
    assert_eq!((broken.cluster, broken.diagnostics.len()), (None, 1));
    let no_table = check_cluster("cluster = 1\n", "a.toml", &["cluster"], &Nowhere);
    assert_eq!((no_table.cluster, no_table.diagnostics.len()), (None, 1));
}
