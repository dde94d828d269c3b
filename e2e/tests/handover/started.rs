//! Whoever starts evenkeel: a service manager that opens its sockets and is told of it, and root.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};

use evenkeel_testkit::{Client, Folder, Line, Start, eventually};
use rustix::process::{Pid, Signal};

use super::saying;

/// What a service manager does: the socket becomes descriptor 3, of that name.
fn given(socket: impl Into<OwnedFd>, name: &str) -> Start {
    let script = format!(
        "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name}; exec \"$0\" \"$@\""
    );
    Start::default().by_script(&script, socket.into())
}

#[test]
fn a_listener_takes_the_socket_of_its_name_or_its_address() {
    for (name, by_address) in [("web", false), ("other", true)] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let bind = if by_address {
            address.to_string()
        } else {
            "127.0.0.1:1".to_owned()
        };
        let config = saying("here", 3).replace("127.0.0.1:0", &bind);
        let kept = socket.try_clone().unwrap();
        let mut line = given(socket, name).start(&config);
        assert_eq!(line.listener("web"), address);
        Client::connect(address).get("/").body("here");
        line.upgrade();
        line.wait_predecessors();
        for _ in 0..8 {
            Client::connect(address).get("/").body("here");
        }
        line.end();
        // It is the starter's: who connects now waits for the next start.
        std::net::TcpStream::connect(address).unwrap();
        drop(kept);
    }
}

#[test]
fn a_given_socket_whose_listener_went_comes_back_with_it() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let kept = socket.try_clone().unwrap();
    let with = saying("here", 2).replace("127.0.0.1:0", &address.to_string());
    let without = with
        .replace("[listener.web]", "[listener.other]")
        .replace(&address.to_string(), "127.0.0.1:0");
    let mut line = given(socket, "web").start(&with);
    let reload = |line: &Line, config: &str, how: &[&str]| {
        line.configure(config);
        let ended = line.command(how);
        assert_eq!(ended.status, 0, "{ended:?}");
    };
    let here = || Client::connect(address).get("/").body("here");
    for how in [&["rollback"][..], &["reload"]] {
        reload(&line, &without, &["reload"]);
        // Who comes now waits, as while nobody runs.
        let mut early = Client::connect(address);
        early.send_request("GET", "/", "", "");
        reload(&line, &with, how);
        early.response("GET").body("here");
        here();
    }
    // It goes from process to process, whether a listener has it or not.
    line.configure(&without);
    line.upgrade();
    line.upgrade();
    line.wait_predecessors();
    reload(&line, &with, &["reload"]);
    here();
    line.end();
    drop(kept);
}

#[test]
fn the_admin_address_takes_the_socket_that_is_called_so() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let config = saying("here", 1) + "[admin]\nbind = \"127.0.0.1:1\"\n";
    let mut line = given(socket, "admin").start(&config);
    let live = || Client::connect(address).get("/live").status(200);
    live();
    line.upgrade();
    line.wait_predecessors();
    live();
    line.end();
}

#[test]
fn the_file_of_a_socket_that_was_given_stays() {
    let folder = Folder::new();
    let path = folder.join("given.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let config = saying("here", 1).replace("127.0.0.1:0", &format!("unix:{}", path.display()));
    let mut line = given(socket, "x").start(&config);
    Client::unix(&path).get("/").body("here");
    line.upgrade();
    Client::unix(&path).get("/").body("here");
    line.end();
    assert!(path.exists());
}

#[test]
fn a_socket_that_nobody_takes_is_an_error_that_names_it() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let line = given(socket, "metrics").begin(&saying("here", 1));
    let named = format!("descriptor 3 (\"metrics\", {address})");
    line.log()
        .wait_for("its name", |line| line.contains(&named));
    assert_eq!(line.wait(), 1);
}

/// What a service manager hears.
fn heard(starter: &UnixDatagram) -> String {
    let mut buffer = [0; 1024];
    let length = starter.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn whoever_started_it_hears_of_every_state() {
    let folder = Folder::new();
    let path = folder.join("notify.sock");
    let starter = UnixDatagram::bind(&path).unwrap();
    starter
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .unwrap();
    let start = Start::default().with("NOTIFY_SOCKET", path.to_str().unwrap());
    let mut line = start.start(&saying("here", 1));
    let main = |pid: Pid| format!("MAINPID={}", pid.as_raw_nonzero());
    let ready = heard(&starter);
    assert!(
        ready.starts_with("READY=1\n") && ready.contains(&main(line.pid())),
        "{ready}"
    );
    assert_eq!(line.command(&["reload"]).status, 0);
    let reloading = heard(&starter);
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert!(heard(&starter).starts_with("READY=1\n"));
    line.upgrade();
    // The new one speaks for itself, and the old one for it: only it is listened to until then.
    let both = [heard(&starter), heard(&starter)];
    let main = main(line.pid());
    assert!(both.iter().all(|one| one.contains(&main)), "{both:?}");
    line.signal(Signal::TERM);
    assert!(heard(&starter).starts_with("STOPPING=1\n"));
    assert_eq!(line.wait(), 0);
}

/// The user and group ids of a process.
fn ids(pid: Pid) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let lines = status
        .lines()
        .filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"));
    lines
        .flat_map(|line| line.split_whitespace().skip(1))
        .map(str::to_owned)
        .collect()
}

#[test]
fn root_becomes_the_user_and_upgrades_go_on() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let folder = Folder::new();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let log = folder.join("access.log");
    let config = format!("user = \"65534\"\ngroup = \"65534\"\n{}", saying("here", 2))
        .replacen("version = 1\n", "", 1)
        .replace(
            "to = \"off\"",
            &format!("to = {{ file = \"{}\" }}", log.display()),
        );
    let mut line = Line::start(&format!("version = 1\n{config}"));
    assert_eq!(ids(line.pid()), vec!["65534"; 8]);
    line.client().get("/").body("here");
    // Whoever runs these may have built the program where only root can reach it.
    let ended = line.command(&["upgrade"]);
    if ended.stderr.contains("Permission denied") {
        eprintln!("SKIPPED: the user may not run the program where it is");
    } else {
        assert_eq!(ended.status, 0, "{ended:?}");
        line.follow();
        assert_eq!(ids(line.pid()), vec!["65534"; 8]);
        line.client().get("/").body("here");
    }
    line.configure(&format!(
        "version = 1\n{config}[listener.low]\nbind = \"127.0.0.1:7\"\n"
    ));
    let ended = line.command(&["reload"]);
    let low =
        fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if low.trim() == "0" {
        eprintln!("SKIPPED: every user may bind every port here");
    } else {
        assert!(ended.stderr.contains("CAP_NET_BIND_SERVICE"), "{ended:?}");
    }
    line.end();
    eventually("the log to be written", || {
        fs::read_to_string(&log)
            .ok()
            .filter(|text| text.lines().count() >= 1)
    });
}

#[test]
fn a_user_that_is_not_there_is_said_to_be_so() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let config = saying("here", 1).replacen(
        "version = 1\n",
        "version = 1\nuser = \"nobody-at-all\"\n",
        1,
    );
    let line = Start::default().begin(&config);
    line.log().wait_for("the name", |line| {
        line.contains("there is no user \"nobody-at-all\"")
    });
    assert_eq!(line.wait(), 1);
}
