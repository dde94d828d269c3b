//! `evenkeel top` in a real terminal: tmux shows what a person would see, and types what they would.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evenkeel_testkit::{Evenkeel, Folder, Origin, Reply, Setup, eventually};
use serde_json::Value;

/// Probes in short intervals; who is well again gets its full share at once.
const PROBED: &str = "slow_start = \"off\"
probe.http.path = \"/healthz\"
probe.interval = \"100ms\"
probe.fall = 1
probe.rise = 1";

/// An origin that says its name, and answers probes by how it is.
fn origin(name: &'static str, well: &Arc<AtomicBool>) -> Origin {
    let well = Arc::clone(well);
    Origin::http(move |request| match request.target() {
        "/healthz" if well.load(Ordering::Relaxed) => Reply::ok("well"),
        "/healthz" => Reply::new(500, "sick"),
        _ => Reply::ok(name),
    })
}

/// A terminal of 100 columns and 30 lines, in which a command runs.
struct Terminal {
    folder: Folder,
}

impl Terminal {
    /// None where there is no tmux.
    fn run(command: &str) -> Option<Self> {
        let terminal = Self {
            folder: Folder::new(),
        };
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("SKIPPED: no tmux is here: cargo xtask setup installs it");
            return None;
        }
        // What ends in it stays to be read.
        let command = format!("{command}; echo \"ended with $?\"; exec cat");
        let started = terminal.tmux(&["new-session", "-d", "-x", "100", "-y", "30", &command]);
        assert!(started.status.success(), "{started:?}");
        Some(terminal)
    }

    /// A server of its own, with nobody's configuration.
    fn tmux(&self, args: &[&str]) -> Output {
        let socket = self.folder.path().join("tmux");
        Command::new("tmux")
            .args(["-f", "/dev/null", "-S"])
            .arg(socket)
            .args(args)
            .env("TERM", "xterm-256color")
            .output()
            .expect("tmux is here")
    }

    fn types(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Waits until a line holds all of that.
    fn shows(&self, parts: &[&str]) -> String {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually("a line of the screen", || {
                last = self.screen();
                let mut lines = last.lines();
                lines
                    .any(|line| parts.iter().all(|part| line.contains(part)))
                    .then_some(())
            });
        }));
        assert!(found.is_ok(), "{parts:?} are in no line of\n{last}");
        last
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// The command line that runs this evenkeel's program.
fn command(proxy: &Evenkeel, args: &str) -> String {
    let pid = proxy.status()["pid"].as_u64().unwrap();
    let program: PathBuf = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    let control = proxy.control_path();
    format!(
        "'{}' {args} --control '{}'",
        program.display(),
        control.display()
    )
}

/// Who answers so many requests.
fn answers(proxy: &Evenkeel, number: usize) -> Vec<String> {
    let mut client = proxy.client();
    let mut answers: Vec<String> = (0..number)
        .map(|_| client.get("/").status(200).text())
        .collect();
    answers.sort();
    answers.dedup();
    answers
}

#[test]
fn top_shows_who_is_down_and_why_and_drains_by_a_key() {
    let well = [(); 2].map(|()| Arc::new(AtomicBool::new(true)));
    let (a, b) = (origin("a", &well[0]), origin("b", &well[1]));
    let setup = Setup::to([&a, &b]).cluster(PROBED);
    let proxy = Evenkeel::start(&setup);
    let Some(terminal) = Terminal::run(&command(&proxy, "top")) else {
        return;
    };
    let (a, b) = (a.address(), b.address());
    terminal.shows(&["evenkeel", "serving", "generation 1"]);
    terminal.shows(&[&a, "up"]);

    well[1].store(false, Ordering::Relaxed);
    terminal.shows(&[&b, "X down"]);
    terminal.shows(&["1 of 2 endpoints", "500"]);
    well[1].store(true, Ordering::Relaxed);
    terminal.shows(&[&b, "up"]);

    // By the filter the first line is the cluster's and the second the endpoint's, whatever order they had.
    terminal.types(&["/", &a, "Enter", "Down", "d"]);
    terminal.shows(&["drain", &a, "y: yes"]);
    assert_eq!(answers(&proxy, 20), ["a", "b"]);
    terminal.types(&["y"]);
    terminal.shows(&[&a, "drain"]);
    eventually("traffic to leave it", || {
        (answers(&proxy, 20) == ["b"]).then_some(())
    });
    terminal.types(&["r", "y"]);
    eventually("traffic to come back", || {
        (answers(&proxy, 20) == ["a", "b"]).then_some(())
    });
    terminal.types(&["q"]);
    terminal.shows(&["ended with 0"]);
}

#[test]
fn top_says_that_what_it_shows_is_old_and_goes_on_with_the_next_process() {
    let origin = Origin::saying("a");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let Some(terminal) = Terminal::run(&command(&proxy, "top")) else {
        return;
    };
    terminal.shows(&["serving"]);
    proxy.order(&["stop"]);
    proxy.wait();
    terminal.shows(&["STALE for", "no evenkeel answers"]);
    terminal.types(&["C-c"]);
    terminal.shows(&["ended with 0"]);
}

#[test]
fn one_picture_is_printed_for_scripts() {
    let origin = Origin::saying("a");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let text = proxy.order(&["top"]);
    let address = origin.address();
    let line = text.lines().find(|line| line.contains(&address));
    assert!(line.is_some(), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let picture: Value = serde_json::from_str(&proxy.order(&["top", "--json"])).unwrap();
    assert_eq!(picture["process"]["stage"], "serving");
}

#[test]
fn without_an_evenkeel_there_is_nothing_to_watch() {
    let folder = Folder::new();
    let nobody = folder.path().join("none.sock").display().to_string();
    let ended = evenkeel_testkit::run(folder.path(), &["top", "--control", &nobody]);
    assert_eq!(ended.status, 3, "{ended:?}");
    assert!(ended.stderr.contains("no evenkeel answers"), "{ended:?}");
}
