//! The loop with names that stand in the table of hosts, or that no name server is asked about, and with lists. What name servers
//! answer is tested end to end (`e2e/tests/discovery.rs`).

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_base::{Address, ClusterId};
use evenkeel_config::check;
use evenkeel_config::model::Config;
use evenkeel_state::{Lists, Resolved, Snapshot, Sought};

use super::{Dns, learn, look_up, names_of};
use crate::Control;
use crate::rig::until;

/// A name that no name server can be asked about, so that nothing leaves this host.
const HOPELESS: &str = "no\0name";

/// The files of this host.
struct Here;

impl evenkeel_config::Source for Here {
    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| error.to_string())
    }
}

/// Clusters with these lines, which are called `a`, `b` and so on.
fn config(clusters: &[&str]) -> Config {
    let mut text = "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n".to_owned();
    for (name, lines) in ('a'..).zip(clusters) {
        text.push_str(&format!(
            "[[route]]\npath = \"/{name}\"\ncluster = \"{name}\"\n[cluster.{name}]\n{lines}\n"
        ));
    }
    let checked = check(&text, "test", &Here);
    checked
        .config
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics))
}

/// Makes the first endpoint of the first cluster a name that cannot be looked up.
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

fn current(control: &Control) -> Vec<String> {
    targets(&control.publisher().current(), 0)
}

async fn start(config: Config) -> Arc<Control> {
    Arc::new(Control::start(config, 1, &[0; 32]).await.0)
}

/// As if a look had found these addresses.
fn find(control: &Control, host: &str, port: u16, addresses: &[&str]) {
    let address = |ip: &&str| SocketAddr::new(ip.parse().unwrap(), port);
    let addresses = addresses.iter().map(address).collect();
    let name = (host.to_owned(), port);
    let sought = Sought::Name(host.to_owned(), port);
    control.publish_found(&sought, Resolved::from([(name, addresses)]), None);
}

/// Whether all are where `localhost` is.
fn are_here(targets: &[String]) -> bool {
    let here = |target: &String| target.parse::<SocketAddr>().unwrap().ip().is_loopback();
    !targets.is_empty() && targets.iter().all(here)
}

#[tokio::test]
async fn every_name_is_looked_up_once_with_its_port() {
    let config = config(&[
        r#"endpoints = ["localhost:81", "127.0.0.1:1"]"#,
        r#"endpoints = ["localhost:81", "localhost:82", "unix:/run/a.sock"]"#,
    ]);
    let dns = Arc::new(Dns::new(config.resolver.clone()));
    let (looked, unresolved) = look_up(names_of(&config), &dns, &Resolved::new()).await;
    assert_eq!((looked.len(), unresolved), (2, vec![]));
    let mut resolved = Resolved::new();
    for one in &looked {
        learn(&mut resolved, one);
    }
    for port in [81, 82] {
        let found = resolved.addresses("localhost", port);
        let here = |a: &SocketAddr| a.ip().is_loopback() && a.port() == port;
        assert!(!found.is_empty() && found.iter().all(here), "{found:?}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_does_not_stop_the_start() {
    let config = hopeless(config(&[
        r#"endpoints = ["gone.test:80", "127.0.0.1:1"]"#,
        r#"endpoints = ["localhost:82"]"#,
    ]));
    let (control, unresolved) = Control::start(config, 1, &[0; 32]).await;
    let [name] = unresolved.as_slice() else {
        panic!("one name is unresolved, not {unresolved:?}");
    };
    assert_eq!(name.host, HOPELESS);
    assert!(name.to_string().starts_with("no\0name does not resolve: "));
    let snapshot = control.publisher().current();
    assert_eq!(snapshot.generation, 1);
    assert_eq!(targets(&snapshot, 0), ["127.0.0.1:1"]);
    assert!(are_here(&targets(&snapshot, 1)));
    // Operators can read it for as long as it lasts, and of no other.
    let failing = control.publisher().failing();
    let unknown = failing.of(&snapshot.clusters()[0]);
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert_eq!(unknown[0].failure.as_ref().unwrap().why, name.why);
    assert_eq!(failing.of(&snapshot.clusters()[1]), []);
}

#[tokio::test]
async fn what_is_found_is_published_for_the_clusters_that_look_for_it() {
    let config = config(&[
        r#"endpoints = "localhost:81""#,
        r#"endpoints = "127.0.0.1:1""#,
    ]);
    let control = start(config).await;
    let before = control.publisher().current();
    find(&control, "localhost", 81, &["10.0.0.1", "10.0.0.2"]);
    let after = control.publisher().current();
    assert_eq!((before.generation, after.generation), (1, 2));
    assert_eq!(targets(&after, 0), ["10.0.0.1:81", "10.0.0.2:81"]);
    let [old, new] = [&before, &after].map(|s| s.cluster(ClusterId::new(1)).unwrap());
    assert!(Arc::ptr_eq(old, new), "the other cluster is shared");

    find(&control, "localhost", 81, &["10.0.0.1", "10.0.0.2"]);
    find(&control, "other.test", 81, &["10.0.0.9"]);
    assert!(Arc::ptr_eq(&after, &control.publisher().current()));
}

#[tokio::test(start_paused = true)]
async fn names_are_looked_up_again_and_again_and_a_failure_changes_nothing() {
    let config = hopeless(config(&[r#"endpoints = ["gone.test:80", "localhost:80"]"#]));
    let control = start(config).await;
    let _tasks = control.keep_true();
    for _ in 0..2 {
        // As if they had been elsewhere: the next look brings one of them back.
        find(&control, HOPELESS, 80, &["10.0.0.1"]);
        find(&control, "localhost", 80, &["10.0.0.2"]);
        assert_eq!(current(&control), ["10.0.0.1:80", "10.0.0.2:80"]);
        let took = until("the next look", || are_here(&current(&control)[1..])).await;
        assert!(took.as_secs() <= 30, "{took:?}");
        assert_eq!(current(&control)[0], "10.0.0.1:80", "what failed stays");
    }
}

#[tokio::test(start_paused = true)]
async fn it_follows_another_configuration() {
    let control = start(config(&[r#"endpoints = "127.0.0.1:1""#])).await;
    let _tasks = control.keep_true();
    let next = config(&["endpoints = \"localhost:80\"\nresolve_interval = \"5s\""]);
    let (prepared, unresolved) = control.prepare(Arc::new(next), Lists::Read).await;
    assert_eq!(unresolved, []);
    control.publish(prepared).await.unwrap();
    assert!(are_here(&current(&control)));
    find(&control, "localhost", 80, &["10.0.0.2"]);
    let took = until("the next look", || are_here(&current(&control))).await;
    assert!(took.as_secs() <= 5, "{took:?}");
}

/// A file that is gone after the test.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let name = format!("evenkeel-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_again_and_a_mistake_in_it_changes_nothing() {
    let file = File::new("follow.toml");
    file.write(r#"endpoints = ["10.0.0.1:1", "10.0.0.2:1"]"#);
    let listed = format!("endpoints_file = {:?}", file.path());
    let control = start(config(&[&listed])).await;
    let _tasks = control.keep_true();
    assert_eq!(current(&control), ["10.0.0.1:1", "10.0.0.2:1"]);
    let stays = control.publisher().current().clusters()[0].endpoints.list[1]
        .state
        .serial;

    file.write(r#"endpoints = ["10.0.0.2:1", "localhost:81"]"#);
    until("the list", || current(&control)[0] == "10.0.0.2:1").await;
    let now = control.publisher().current();
    assert!(
        are_here(&targets(&now, 0)[1..]),
        "it comes with its addresses"
    );
    let endpoint = &now.clusters()[0].endpoints.list[0];
    assert_eq!(endpoint.state.serial, stays, "what stays is known");
    // The name in it is looked up again as any other.
    find(&control, "localhost", 81, &["10.0.0.9"]);
    until("the name", || are_here(&current(&control)[1..])).await;

    let before = control.publisher().current();
    file.write("endpoints = [\"10.0.0.3\"]");
    crate::rig::pass(std::time::Duration::from_secs(5)).await;
    assert!(Arc::ptr_eq(&before, &control.publisher().current()));
    file.write("endpoints = [\"10.0.0.3:1\"]");
    until("the list", || current(&control) == ["10.0.0.3:1"]).await;
    assert!(
        !control
            .known()
            .is_current(&Sought::Name("localhost".into(), 81))
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_read_stays_as_it_is_served_when_certificates_are_renewed() {
    let file = File::new("renewed.toml");
    file.write(r#"endpoints = ["10.0.0.1:1"]"#);
    let listed = format!("endpoints_file = {:?}", file.path());
    let control = start(config(&[&listed])).await;
    let tasks = control.keep_true();
    file.write(r#"endpoints = ["10.0.0.2:1", "localhost:81"]"#);
    until("the list", || current(&control)[0] == "10.0.0.2:1").await;
    drop(tasks);
    file.write("endpoints = [");
    let config = Arc::clone(&control.publisher().current().config);
    assert_eq!(config.clusters[0].endpoints[0].id, "10.0.0.1:1");
    for (lists, first) in [(Lists::Served, "10.0.0.2:1"), (Lists::Read, "10.0.0.1:1")] {
        let (prepared, _) = control.prepare(Arc::clone(&config), lists).await;
        control.publish(prepared).await.unwrap();
        let now = current(&control);
        assert_eq!(now[0], first, "{lists:?}");
        assert!(lists == Lists::Read || are_here(&now[1..]), "{now:?}");
    }
}
