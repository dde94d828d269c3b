//! What never answers, a disk that is gone or a pipe without another end, keeps nobody from ending evenkeel.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::{Evenkeel, Folder, Origin, Setup, eventually};
use rustix::fs::OFlags;

const SAYING: &str =
    "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"here\"\n";

/// A pipe in the place of that file.
fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// The end of a pipe that somebody tries to read, who waits for us from then on.
fn read_by_somebody(path: &Path) -> File {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut end = OpenOptions::new();
    end.write(true).custom_flags(flags);
    eventually("somebody to read", || end.open(path).ok())
}

/// One that reads its configuration again, and never comes to its end.
fn reading_for_ever() -> (Evenkeel, File) {
    let proxy = Evenkeel::start_text(SAYING);
    let config = proxy.folder().join("evenkeel.toml");
    pipe(&config);
    proxy.signal(Signal::Hangup);
    (proxy, read_by_somebody(&config))
}

#[test]
fn a_signal_ends_it_while_a_configuration_cannot_be_read() {
    let (proxy, _pipe) = reading_for_ever();
    proxy.client().get("/").body("here");
    proxy.signal(Signal::Terminate);
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn a_second_signal_stops_at_once_what_cannot_read_its_configuration() {
    let (proxy, _pipe) = reading_for_ever();
    // A connection that nobody closes: the drain waits for it.
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\n");
    proxy.signal(Signal::Terminate);
    let draining = |line: &str| line.contains("draining");
    proxy.log().wait_for("the drain", draining);
    proxy.signal(Signal::Terminate);
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn an_order_ends_it_while_a_configuration_cannot_be_read() {
    for order in ["stop", "drain"] {
        let (proxy, _pipe) = reading_for_ever();
        proxy.order(&[order]);
        assert_eq!(proxy.wait(), 0, "{order}");
    }
}

#[test]
fn orders_wait_for_a_configuration_that_is_read_and_are_not_lost() {
    let origin = Origin::saying("here");
    let setup = Setup::to([&origin]);
    let proxy = Evenkeel::start(&setup);
    let config = proxy.folder().join("evenkeel.toml");
    pipe(&config);
    proxy.signal(Signal::Hangup);
    let mut pipe = read_by_somebody(&config);
    let endpoint = format!("app/{}", origin.address());
    std::thread::scope(|scope| {
        let drained = scope.spawn(|| proxy.order(&["endpoint", "drain", &endpoint]));
        std::io::Write::write_all(&mut pipe, setup.text().as_bytes()).unwrap();
        drop(pipe);
        let told = drained.join().unwrap();
        assert!(told.contains("is in drain now"), "{told}");
    });
    let status = proxy.status();
    assert_eq!(status["generation"], 3, "{status}");
}

#[test]
fn an_access_log_whose_reader_has_died_keeps_nobody_waiting() {
    let folder = Folder::new();
    let log = folder.join("access.pipe");
    pipe(&log);
    let both = OpenOptions::new().read(true).write(true).open(&log);
    let reader = both.unwrap();
    let proxy = Evenkeel::start_text(&format!(
        "{SAYING}[access_log]\nto = {{ file = \"{}\" }}\n",
        log.display()
    ));
    drop(reader);
    proxy.signal(Signal::User1);
    let told = |line: &str| line.contains("it is a pipe that nobody reads");
    proxy.log().wait_for("why it stays", told);
    proxy.client().get("/").body("here");
    proxy.order(&["log-level", "debug"]);
    proxy.order(&["stop"]);
    assert_eq!(proxy.wait(), 0);
}
