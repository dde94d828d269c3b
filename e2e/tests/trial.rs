//! Reloads on trial, and files that are watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use evenkeel_testkit::{Evenkeel, Folder, Origin, Reply, Setup, eventually};
use serde_json::Value;

/// Asks again and again, until it is dropped.
struct Traffic {
    on: Arc<AtomicBool>,
    task: Option<thread::JoinHandle<()>>,
}

impl Traffic {
    fn to(proxy: &Evenkeel) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        let mut client = proxy.client();
        let task = thread::spawn({
            let on = Arc::clone(&on);
            move || {
                while on.load(Ordering::Relaxed) {
                    drop(client.get("/"));
                }
            }
        });
        Self {
            on,
            task: Some(task),
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.on.store(false, Ordering::Relaxed);
        drop(self.task.take().map(thread::JoinHandle::join));
    }
}

#[test]
fn a_configuration_that_makes_things_worse_goes_by_itself() {
    let (good, bad) = (
        Origin::saying("good"),
        Origin::http(|_| Reply::new(503, "not today")),
    );
    let proxy = Evenkeel::start(&Setup::to([&good]));
    let traffic = Traffic::to(&proxy);
    eventually("some traffic", || {
        (good.requests().len() > 100).then_some(())
    });
    proxy.write_config(&Setup::to([&bad]).text());
    // The verdict is there long before the time is over.
    let ended = proxy.ask(&["reload", "--trial", "10m"]);
    drop(traffic);
    assert_eq!(ended.status, 1);
    let stderr = ended.stderr;
    assert!(
        stderr.contains("made things worse") && stderr.contains("served again"),
        "{stderr}"
    );
    proxy.client().get("/").status(200).body("good");
    let status = proxy.status();
    assert_eq!(status["generation"], 3);
    assert_eq!(status["config"]["trial_left"], Value::Null);
    assert!(
        status["config"]["error"]["text"]
            .as_str()
            .unwrap()
            .contains("made things worse")
    );
}

#[test]
fn a_configuration_that_stands_its_trial_stays() {
    let (old, new) = (Origin::saying("old"), Origin::saying("new"));
    let proxy = Evenkeel::start(&Setup::to([&old]));
    let traffic = Traffic::to(&proxy);
    proxy.write_config(&Setup::to([&new]).text());
    let told = proxy.order(&["reload", "--trial", "1s"]);
    drop(traffic);
    assert!(told.contains("stood its trial of 1s"), "{told}");
    proxy.client().get("/").status(200).body("new");
}

#[test]
fn another_reload_ends_a_trial_and_status_shows_one() {
    let origin = Origin::saying("here");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    thread::scope(|scope| {
        let first = scope.spawn(|| proxy.ask(&["reload", "--trial", "10m"]));
        eventually("the trial", || {
            proxy.status()["config"]["trial_left"].as_u64()
        });
        proxy.order(&["reload"]);
        let ended = first.join().unwrap();
        assert_eq!(ended.status, 1);
        assert!(
            ended.stderr.contains("without a verdict"),
            "{}",
            ended.stderr
        );
    });
    assert_eq!(proxy.status()["config"]["trial_left"], Value::Null);
    assert_eq!(proxy.status()["generation"], 3);
}

#[test]
fn a_watched_file_is_read_when_it_has_changed() {
    let saying = |word: &str| {
        format!(
            "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"{word}\"\n"
        )
    };
    let folder = Folder::new();
    folder.write("evenkeel.toml", saying("one"));
    let proxy = Evenkeel::start_in(folder, &["run", "--watch"]);
    let mut client = proxy.client();
    client.get("/").body("one");
    // Written in place, and put in its place.
    proxy.write_config(&saying("two"));
    eventually("the second", || {
        (client.get("/").text() == "two").then_some(())
    });
    let path = |name: &str| proxy.folder().join(name);
    std::fs::write(path("new"), saying("three")).unwrap();
    std::fs::rename(path("new"), path("evenkeel.toml")).unwrap();
    eventually("the third", || {
        (client.get("/").text() == "three").then_some(())
    });
    proxy.write_config("this is no TOML");
    eventually("the mistake", || {
        proxy.status()["config"]["error"]["text"]
            .as_str()
            .map(str::to_owned)
    });
    client.get("/").body("three");
    assert_eq!(proxy.status()["generation"], 3, "each was read once");
}

#[test]
fn a_file_that_is_named_is_watched_as_well() {
    let folder = Folder::new();
    let config = "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = { file = \"page.txt\" }\n";
    folder.write("evenkeel.toml", config);
    folder.write("page.txt", "one");
    let proxy = Evenkeel::start_in(folder, &["run", "--watch"]);
    let mut client = proxy.client();
    client.get("/").body("one");
    std::fs::write(proxy.folder().join("page.txt"), "the second").unwrap();
    eventually("the second", || {
        (client.get("/").text() == "the second").then_some(())
    });
}
