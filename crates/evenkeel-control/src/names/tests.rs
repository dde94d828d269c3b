//! Names that resolve and names that do not. Only `localhost` is looked up, and a text that no resolver is asked about.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_base::{Address, ClusterId};
use evenkeel_config::model::Config;
use evenkeel_config::{Nowhere, check};
use evenkeel_state::{Resolved, Snapshot};

use super::resolve_all;
use crate::Control;

/// A name that the system's resolver cannot be asked about, so that nothing leaves this host.
const HOPELESS: &str = "no\0name";
const INTERVAL: Duration = Duration::from_secs(30);

/// Clusters with these endpoints, which are called `a`, `b` and so on.
fn config(clusters: &[&str]) -> Config {
    let mut text = "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n".to_owned();
    for (name, endpoints) in ('a'..).zip(clusters) {
        text.push_str(&format!(
            "[[route]]\npath = \"/{name}\"\ncluster = \"{name}\"\n[cluster.{name}]\nendpoints = [{endpoints}]\nresolve_interval = \"30s\"\n"
        ));
    }
    let checked = check(&text, "test", &Nowhere);
    checked
        .config
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics))
}

/// Makes the first endpoint of the first cluster a name that cannot be resolved.
fn hopeless(mut config: Config) -> Config {
    config.clusters[0].endpoints[0].address = Address::Name {
        host: HOPELESS.into(),
        port: 80,
    };
    config
}

fn targets(snapshot: &Snapshot, cluster: u32) -> Vec<String> {
    let cluster = snapshot.cluster(ClusterId::new(cluster)).unwrap();
    let targets = cluster.endpoints.list.iter();
    targets
        .map(|endpoint| endpoint.target.to_string())
        .collect()
}

fn resolved(host: &str, port: u16, addresses: &[&str]) -> Resolved {
    let address = |ip: &&str| SocketAddr::new(ip.parse().unwrap(), port);
    let addresses = addresses.iter().map(address).collect();
    Resolved::from([((host.to_owned(), port), addresses)])
}

/// The snapshot that follows, however many intervals it takes the resolver's thread.
async fn next(control: &Control, before: &Snapshot) -> Arc<Snapshot> {
    loop {
        tokio::time::advance(INTERVAL).await;
        let now = control.publisher().current();
        if now.generation != before.generation {
            return now;
        }
    }
}

#[tokio::test]
async fn every_name_is_resolved_once_with_its_port() {
    let config = config(&[
        r#""localhost:81", "127.0.0.1:1""#,
        r#""localhost:81", "localhost:82", "unix:/run/a.sock""#,
    ]);
    let (resolved, unresolved) = resolve_all(&config).await;
    assert_eq!(unresolved, []);
    let mut names: Vec<_> = resolved.keys().cloned().collect();
    names.sort_unstable();
    assert_eq!(names, [("localhost".into(), 81), ("localhost".into(), 82)]);
    for ((_, port), addresses) in &resolved {
        let loopback = |a: &SocketAddr| a.ip().is_loopback() && a.port() == *port;
        assert!(!addresses.is_empty() && addresses.iter().all(loopback));
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_does_not_stop_the_start() {
    let config = hopeless(config(&[
        r#""gone.test:80", "127.0.0.1:1""#,
        r#""localhost:82""#,
    ]));
    let (control, unresolved) = Control::start(config, 1).await;
    let [name] = unresolved.as_slice() else {
        panic!("one name is unresolved, not {unresolved:?}");
    };
    assert_eq!(name.host, HOPELESS);
    assert!(name.to_string().starts_with("no\0name does not resolve: "));
    let snapshot = control.publisher().current();
    assert_eq!(snapshot.generation, 1);
    assert_eq!(targets(&snapshot, 0), ["127.0.0.1:1"]);
    assert!(!targets(&snapshot, 1).is_empty());
}

#[tokio::test]
async fn a_configuration_without_names_asks_nobody() {
    let (control, unresolved) = Control::start(config(&[r#""127.0.0.1:1""#]), 1).await;
    assert_eq!(unresolved, []);
    assert!(super::keep_fresh(&Arc::new(control)).is_empty());
}

#[tokio::test]
async fn new_addresses_are_published_for_the_clusters_that_have_them() {
    let config = config(&[r#""localhost:81""#, r#""127.0.0.1:1""#]);
    let (control, _) = Control::start(config, 1).await;
    let before = control.publisher().current();
    control.publish_resolved(resolved("localhost", 81, &["10.0.0.1", "10.0.0.2"]));
    let after = control.publisher().current();
    assert_eq!((before.generation, after.generation), (1, 2));
    assert_eq!(targets(&after, 0), ["10.0.0.1:81", "10.0.0.2:81"]);
    let [old, new] = [&before, &after].map(|s| s.cluster(ClusterId::new(1)).unwrap());
    assert!(Arc::ptr_eq(old, new), "the other cluster is shared");

    control.publish_resolved(resolved("localhost", 81, &["10.0.0.1", "10.0.0.2"]));
    assert!(Arc::ptr_eq(&after, &control.publisher().current()));
}

#[tokio::test]
async fn an_answer_that_fails_keeps_the_addresses_there_were() {
    let (control, _) = Control::start(config(&[r#""localhost:81""#]), 1).await;
    control.publish_resolved(resolved("localhost", 81, &["10.0.0.1"]));
    let before = control.publisher().current();
    control.publish_resolved(Resolved::new());
    control.publish_resolved(resolved("other.test", 81, &["10.0.0.9"]));
    assert!(Arc::ptr_eq(&before, &control.publisher().current()));
}

#[tokio::test(start_paused = true)]
async fn names_are_resolved_again_and_again() {
    let (control, _) = Control::start(config(&[r#""localhost:81""#]), 1).await;
    let control = Arc::new(control);
    let loops = super::keep_fresh(&control);
    assert_eq!(loops.len(), 1);
    for _ in 0..2 {
        // As if it had been elsewhere: the next look brings it back.
        control.publish_resolved(resolved("localhost", 81, &["10.0.0.1"]));
        let away = control.publisher().current();
        assert_eq!(targets(&away, 0), ["10.0.0.1:81"]);
        let back = next(&control, &away).await;
        let back = targets(&back, 0);
        let loopback = |target: &String| target.parse::<SocketAddr>().unwrap().ip().is_loopback();
        assert!(!back.is_empty() && back.iter().all(loopback), "{back:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_fails_later_keeps_its_addresses_and_does_not_end_the_loop() {
    let config = hopeless(config(&[r#""gone.test:80", "localhost:80""#]));
    let (control, _) = Control::start(config, 1).await;
    let control = Arc::new(control);
    let _loops = super::keep_fresh(&control);
    for _ in 0..2 {
        let mut elsewhere = resolved(HOPELESS, 80, &["10.0.0.1"]);
        elsewhere.extend(resolved("localhost", 80, &["10.0.0.2"]));
        control.publish_resolved(elsewhere);
        let away = control.publisher().current();
        let back = next(&control, &away).await;
        let now = targets(&back, 0);
        assert_eq!(now[0], "10.0.0.1:80", "what failed stays");
        let other: SocketAddr = now[1].parse().unwrap();
        assert_ne!(other.ip(), "10.0.0.2".parse::<IpAddr>().unwrap());
    }
}
