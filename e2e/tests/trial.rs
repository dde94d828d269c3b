//! Reloads on trial, and files that are watched.

use std::os::unix::fs::PermissionsExt;
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
    let rolled_back = status["config"]["rolled_back"]["text"].as_str().unwrap();
    assert!(rolled_back.contains("made things worse"), "{rolled_back}");
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
    let setup = Setup::to([&origin]);
    let proxy = Evenkeel::start(&setup);
    let on_trial = || proxy.status()["config"]["trial_left"].as_u64();
    proxy.write_config(&setup.clone().cluster("idle_timeout = \"51s\"").text());
    thread::scope(|scope| {
        let first = scope.spawn(|| proxy.ask(&["reload", "--trial", "10m"]));
        eventually("the trial", on_trial);
        // Another process would have nothing to go back to.
        let ended = proxy.ask(&["upgrade"]);
        assert_eq!(ended.status, 1);
        assert!(ended.stderr.contains("is on trial"), "{}", ended.stderr);
        // The same, read again, is still on trial.
        proxy.order(&["reload"]);
        assert!(on_trial().is_some());
        proxy.write_config(&setup.clone().cluster("idle_timeout = \"52s\"").text());
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
    assert_eq!(proxy.status()["generation"], 4);
}

#[test]
fn a_trial_of_what_is_served_already_is_refused() {
    let origin = Origin::saying("here");
    let setup = Setup::to([&origin]);
    let proxy = Evenkeel::start(&setup);
    for again in [setup.text(), format!("# in other words\n{}", setup.text())] {
        proxy.write_config(&again);
        let ended = proxy.ask(&["reload", "--trial", "10m"]);
        assert_eq!(ended.status, 1);
        let why = "what the file says is served already";
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
    let status = proxy.status();
    assert_eq!(status["generation"], 1);
    assert_eq!(status["config"]["error"], Value::Null, "nothing is wrong");
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

#[test]
fn a_watched_file_that_was_rolled_back_is_not_read_until_it_is_mended() {
    let saying = |word: &str| {
        format!(
            "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"{word}\"\n\
             [[route]]\npath = \"/page\"\nrespond.body = {{ file = \"page.txt\" }}\n"
        )
    };
    let folder = Folder::new();
    folder.write("evenkeel.toml", saying("good"));
    folder.write("page.txt", "one");
    let proxy = Evenkeel::start_in(folder, &["run", "--watch"]);
    let mut client = proxy.client();
    proxy.write_config(&saying("bad"));
    eventually("the second", || {
        (client.get("/").text() == "bad").then_some(())
    });
    proxy.order(&["rollback"]);
    client.get("/").body("good");
    // Something beside it is renewed.
    std::fs::write(proxy.folder().join("page.txt"), "the second").unwrap();
    proxy.log().wait_for("a word on what was not read", |line| {
        line.contains("its file says what was rolled back")
    });
    client.get("/").body("good");
    proxy.write_config(&saying("better"));
    eventually("the third", || {
        (client.get("/").text() == "better").then_some(())
    });
    client.get("/page").body("the second");
    assert_eq!(proxy.status()["config"]["rolled_back"], Value::Null);
}

#[test]
fn a_file_that_changes_during_an_upgrade_is_read_when_nothing_comes_of_that() {
    let saying = |word: &str| {
        format!(
            "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"{word}\"\n"
        )
    };
    let folder = Folder::new();
    folder.write("evenkeel.toml", saying("one"));
    folder.write("under-way", "");
    let program = folder.write(
        "slow",
        "#!/bin/sh\nwhile [ -e under-way ]; do sleep 0.05; done\nexit 7\n",
    );
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let proxy = Evenkeel::start_in(folder, &["run", "--watch"]);
    thread::scope(|scope| {
        let upgrade = scope.spawn(|| proxy.ask(&["upgrade", "./slow"]));
        proxy
            .log()
            .wait_for("the upgrade", |line| line.contains("upgrading"));
        proxy.write_config(&saying("two"));
        // It is looked at once a second, and two looks are to see the same.
        let uptime = || proxy.status()["uptime"].as_u64().unwrap();
        let written = uptime();
        eventually("some looks", || (uptime() >= written + 4).then_some(()));
        std::fs::remove_file(proxy.folder().join("under-way")).unwrap();
        assert_eq!(upgrade.join().unwrap().status, 1);
    });
    let mut client = proxy.client();
    eventually("the second", || {
        (client.get("/").text() == "two").then_some(())
    });
    assert_eq!(proxy.status()["config"]["error"], Value::Null);
}
