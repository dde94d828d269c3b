//! Endpoints that accept, refuse, are not there, or keep silent; all on this host.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use evenkeel_base::rules::AdminState;
use evenkeel_config::model::Config;
use evenkeel_config::{Nowhere, check};
use evenkeel_state::{Registry, Resolved, Snapshot};
use socket2::{Domain, Socket, Type};

use super::{AT_MOST, unreachable_endpoints};
use crate::rig::http_probe;

/// Clusters with these endpoints.
fn config(clusters: &[(&str, &[String])]) -> Config {
    let mut text = "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n".to_owned();
    for (name, endpoints) in clusters {
        text.push_str(&format!(
            "[[route]]\npath = \"/{name}\"\ncluster = \"{name}\"\n[cluster.{name}]\nendpoints = {endpoints:?}\n"
        ));
    }
    check(&text, "test", &Nowhere).config.unwrap()
}

fn snapshot(clusters: &[(&str, &[String])]) -> Snapshot {
    Registry::new(1, &[0; 32]).compile(config(clusters), &Resolved::new(), 1)
}

/// A socket that holds its port and does not listen: whoever connects is refused.
fn refusing(ip: Ipv4Addr) -> (Socket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((ip, 0)).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    (socket, port)
}

/// A path for a socket of this test's own.
fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("evenkeel-{}-{name}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

async fn told(snapshot: &Snapshot) -> Vec<String> {
    let found = unreachable_endpoints(snapshot).await;
    found.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn those_that_accept_are_not_told_of() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = path("accepts");
    let _unix = UnixListener::bind(&socket).unwrap();
    let endpoints = [
        tcp.local_addr().unwrap().to_string(),
        format!("unix:{}", socket.display()),
    ];
    assert_eq!(told(&snapshot(&[("a", &endpoints)])).await, [""; 0]);
    std::fs::remove_file(&socket).unwrap();
    // It connects and says nothing.
    let (mut stream, _) = tcp.accept().unwrap();
    let mut byte = [0];
    assert_eq!(std::io::Read::read(&mut stream, &mut byte).unwrap(), 0);
}

#[tokio::test]
async fn those_that_refuse_are_told_in_order() {
    let (_held, port) = refusing(Ipv4Addr::LOCALHOST);
    let (_held_too, other) = refusing(Ipv4Addr::LOCALHOST);
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = |port| format!("127.0.0.1:{port}");
    let accepts = tcp.local_addr().unwrap().to_string();
    let snapshot = snapshot(&[
        ("b", &[refused(port), accepts]),
        ("a", &[refused(other), refused(port)]),
    ]);
    let mut expected = [
        format!("cluster a: 127.0.0.1:{port} refuses connections"),
        format!("cluster a: 127.0.0.1:{other} refuses connections"),
        format!("cluster b: 127.0.0.1:{port} refuses connections"),
    ];
    expected.sort_unstable();
    assert_eq!(told(&snapshot).await, expected);
}

#[tokio::test]
async fn a_unix_socket_may_be_missing_or_left_behind() {
    let (missing, left) = (path("missing"), path("left"));
    drop(UnixListener::bind(&left).unwrap());
    let address = |path: &PathBuf| format!("unix:{}", path.display());
    let told = told(&snapshot(&[("a", &[address(&missing), address(&left)])])).await;
    std::fs::remove_file(&left).unwrap();
    let expected = format!("cluster a: {} refuses connections", address(&left));
    assert_eq!(told[0], expected);
    let expected = format!("cluster a: {} cannot be reached: ", address(&missing));
    assert!(told[1].starts_with(&expected), "{told:?}");
}

#[tokio::test]
async fn thousands_of_endpoints_are_no_burst_of_thousands_of_connections() {
    let (_held, port) = refusing(Ipv4Addr::UNSPECIFIED);
    let endpoints: Vec<String> = (1..400_u32)
        .map(|n| Ipv4Addr::from_bits(0x7f00_0000 + n))
        .map(|ip| format!("{ip}:{port}"))
        .collect();
    let found = unreachable_endpoints(&snapshot(&[("a", &endpoints)])).await;
    assert_eq!(found.len(), AT_MOST);
    assert!(found.iter().all(|one| one.why == "refuses connections"));
    let asked = |n: u32| {
        let ip = Ipv4Addr::from_bits(0x7f00_0000 + n);
        found
            .iter()
            .any(|one| one.endpoint == format!("{ip}:{port}"))
    };
    assert!(
        asked(1) && asked(256) && !asked(257),
        "the first ones are asked"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_keeps_silent_is_given_up() {
    // A queue without room: the system drops what comes next, as a host that is down would.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    listener.bind(&any_port.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _queued: Vec<Socket> = (0..4)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            socket
        })
        .collect();
    let address = address.as_socket().unwrap().to_string();
    let expected = format!("cluster a: {address} did not accept a connection within 1 s");
    assert_eq!(told(&snapshot(&[("a", &[address])])).await, [expected]);
}

#[tokio::test]
async fn who_is_probed_or_in_maintenance_is_not_asked() {
    let (_held, port) = refusing(Ipv4Addr::LOCALHOST);
    let mut config = config(&[
        ("a", &[format!("127.0.0.1:{port}")]),
        ("b", &[format!("127.0.0.1:{port}")]),
    ]);
    config.clusters[0].probe = http_probe();
    config.clusters[1].endpoints[0].admin = AdminState::Maint;
    let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
    assert_eq!(told(&snapshot).await, [""; 0]);
}
