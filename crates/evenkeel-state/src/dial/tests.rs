//! Which endpoints are dialed alike: over reloads, at other places, under other names.

use evenkeel_config::{Nowhere, check};

use super::Dial;
use crate::compile::{Registry, Resolved};
use crate::snapshot::Snapshot;

/// A process that reads one configuration after the other.
struct Process {
    registry: Registry,
    generation: u64,
}

impl Process {
    fn new() -> Self {
        Self {
            registry: Registry::new(1, &[0; 32]),
            generation: 0,
        }
    }

    fn read(&mut self, cluster: &str) -> Snapshot {
        let text = format!(
            "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\n{cluster}\n"
        );
        let checked = check(&text, "test.toml", &Nowhere);
        let config = checked.config.expect("the file is right");
        self.generation += 1;
        self.registry
            .compile(config, &Resolved::default(), self.generation)
    }
}

fn dials(snapshot: &Snapshot) -> Vec<Dial> {
    let list = &snapshot.clusters()[0].endpoints.list;
    list.iter().map(|endpoint| endpoint.dial.clone()).collect()
}

fn serials(snapshot: &Snapshot) -> Vec<u32> {
    dials(snapshot).iter().map(|dial| dial.serial).collect()
}

/// The names that endpoints have to prove.
fn names(snapshot: &Snapshot) -> Vec<String> {
    let dials = dials(snapshot).into_iter();
    dials.map(|dial| dial.tls.unwrap().name()).collect()
}

const TWO: &str = "endpoints = [\"10.0.0.1:1\", \"10.0.0.2:1\"]\n";

#[test]
fn without_tls_the_protocol_alone_tells_connections_apart() {
    let mut process = Process::new();
    for (lines, expected) in [
        ("", 0),
        ("protocol = \"http/1.1\"", 0),
        ("protocol = \"h2\"", 1),
    ] {
        let snapshot = process.read(&format!("{TWO}{lines}"));
        assert_eq!(serials(&snapshot), [expected; 2], "{lines}");
        assert!(dials(&snapshot).iter().all(|dial| dial.tls.is_none()));
    }
}

#[test]
fn a_reload_keeps_a_dial_as_long_as_nothing_of_it_changes() {
    let mut process = Process::new();
    let tls = |more: &str| format!("{TWO}tls = {{ verify = false{more} }}");
    let first = process.read(&tls(""));
    let before = serials(&first);
    assert!(
        before[0] > 1 && before[0] != before[1],
        "each its own sessions"
    );
    let same = process.read(&format!("{}\nidle_timeout = \"1m\"", tls("")));
    assert_eq!(serials(&same), before);
    for other in [
        tls(", server_name = \"a\""),
        tls(", min_version = \"1.3\""),
        format!("{}\nprotocol = \"http/1.1\"", tls("")),
    ] {
        let changed = process.read(&other);
        let both = serials(&changed);
        assert!(both.iter().all(|one| !before.contains(one)), "{other}");
    }
    assert_eq!(
        serials(&process.read(&tls(""))),
        before,
        "somebody holds them"
    );
    drop((first, same));
    drop(process.read(TWO));
    drop(process.read(TWO));
    let anew = serials(&process.read(&tls("")));
    assert!(anew.iter().all(|one| !before.contains(one)), "nobody did");
}

#[test]
fn each_endpoint_proves_its_own_name_unless_the_cluster_names_one() {
    let all =
        "endpoints = [\"10.0.0.1:1\", \"[::1]:1\", \"unix:/run/a.sock\"]\ntls = { verify = false";
    let mut process = Process::new();
    let own = process.read(&format!("{all} }}"));
    assert_eq!(names(&own), ["10.0.0.1", "::1", "localhost"]);
    let one = process.read(&format!("{all}, server_name = \"api.internal\" }}"));
    assert_eq!(names(&one), ["api.internal"; 3]);
}
