//! Endpoints that go and come back under load: nobody who sent a GET notices, and no POST is seen twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use evenkeel_testkit::origin::answering;
use evenkeel_testkit::{Conn, Evenkeel, Origin, Reply, Setup, eventually};

/// How often each POST was seen, over all lives of all endpoints.
type Seen = Arc<Mutex<HashMap<String, usize>>>;

fn counting(seen: &Seen) -> impl Fn(&mut Conn) + Send + Sync + 'static {
    let seen = Arc::clone(seen);
    answering(move |request| {
        if request.method() == "POST" {
            *seen.lock().unwrap().entry(request.text()).or_default() += 1;
        }
        Reply::ok(request.target())
    })
}

#[test]
fn a_rolling_restart_loses_no_get_and_doubles_no_post() {
    let seen = Seen::default();
    let mut origins: Vec<Origin> = (0..3).map(|_| Origin::script(counting(&seen))).collect();
    let proxy = Evenkeel::start(&Setup::to(&origins));
    let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in 0..4 {
            let (proxy, over, done) = (&proxy, &over, &done);
            scope.spawn(move || {
                let mut client = proxy.client();
                for i in 0.. {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let target = format!("/{number}/{i}");
                    if i % 2 == 0 {
                        client.get(&target).status(200).body(&target);
                    } else {
                        let response = client.post(&target, &target);
                        // A POST that an endpoint may have seen before it went is lost, and says so.
                        assert!([200, 502].contains(&response.head.status()), "{response}");
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..4 {
            for number in 0..origins.len() {
                let before = done.load(Ordering::Relaxed);
                let dead = origins.remove(number).stop();
                eventually("some exchanges", || {
                    (done.load(Ordering::Relaxed) > before + 50).then_some(())
                });
                origins.insert(number, Origin::revive(dead, counting(&seen)));
                eventually("some more", || {
                    (done.load(Ordering::Relaxed) > before + 100).then_some(())
                });
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    let seen = seen.lock().unwrap();
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(seen.len() > 100, "{}", seen.len());
}
