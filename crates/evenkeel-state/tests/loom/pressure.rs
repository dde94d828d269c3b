//! Workers that accept at once, when there is a place for one.

use evenkeel_state::Pressure;
use loom::sync::Arc;
use loom::thread;

#[test]
fn no_more_connections_are_open_than_may_be() {
    loom::model(|| {
        let pressure = Arc::new(Pressure::new());
        pressure.set_most(1);
        let other = {
            let pressure = Arc::clone(&pressure);
            thread::spawn(move || {
                let open = pressure.open();
                if open {
                    pressure.close();
                }
                open
            })
        };
        let mine = pressure.open();
        assert!(pressure.connections() <= 1);
        let theirs = other.join().unwrap();
        assert!(mine || theirs, "one of them has the place");
        assert_eq!(pressure.connections(), u32::from(mine));
    });
}
