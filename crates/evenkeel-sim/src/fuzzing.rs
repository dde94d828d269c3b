//! What must hold of every input, whatever it is: the entry of the fuzz target, replayed by plain tests. A failure is a panic.
//! Nothing here is used by `evenkeel simulate`.

use std::time::{Duration, Instant};

use crate::contender::own;
use crate::read::check;
use crate::scenario::{Asks, Clients, Scenario};
use crate::world::{Play, play};

/// What is played: larger worlds are sound all the same, and take their time.
const LONGEST: Duration = Duration::from_secs(3);
const MOST_KNOWN: u64 = 60;
const MOST_REQUESTS: f64 = 400.0;

/// Checks `bytes` as a scenario; one that is sound and small is played twice, to the same outcome. `now` is any moment.
///
/// # Panics
/// When a property does not hold: that is what it is for.
pub fn scenario(bytes: &[u8], now: Instant) {
    let text = String::from_utf8_lossy(bytes);
    let checked = check(&text, "fuzz.toml", "fuzz");
    for diagnostic in &checked.diagnostics {
        let shown = diagnostic.render(&text, false);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    }
    let Some(scenario) = checked.scenario else {
        assert!(
            !checked.diagnostics.is_empty(),
            "nothing says what is wrong"
        );
        return;
    };
    if !is_small(&scenario) {
        return;
    }
    let contender = own(&scenario.cluster);
    let how = Play {
        seed: 1,
        requests: None,
        origin: now,
    };
    let mut outcomes = [(); 2].map(|()| play(&scenario, &contender, how, &mut |_| {}));
    let [first, second] = outcomes.each_mut().map(|outcome| format!("{outcome:?}"));
    assert_eq!(first, second, "the same seed, another outcome");
}

fn is_small(scenario: &Scenario) -> bool {
    let few = |clients: &Clients| match clients.asks {
        Asks::Open { .. } => true,
        Asks::Closed { clients, .. } => clients <= 50,
    };
    scenario.duration <= LONGEST
        && scenario.known() <= MOST_KNOWN
        && scenario.nodes <= 10
        && scenario.expected_requests() <= MOST_REQUESTS
        && scenario.clients.iter().all(few)
}
