//! One endpoint under probes: when to probe, what to make of the result.
//!
//! ```text
//!        ┌────────────── pause ◀── policy: how long ──┐
//!        ▼                                            │
//!   a turn ─▶ probe ─▶ result ─▶ policy: a change? ─▶ standing, log
//!        ▲
//!        └─ down: a connect every second; the first that succeeds after one that failed ends the pause
//! ```

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_base::Rng;
use evenkeel_base::rules::ProbeRules;
use evenkeel_config::model::Cluster;
use evenkeel_policy::Health;
use evenkeel_policy::health::{Probed, Start};
use evenkeel_policy::slow_start::Entry;
use evenkeel_state::{Endpoint, ProbeResult};
use tokio::sync::mpsc;
use tokio::time::{self, Instant};

use crate::clock::Clock;
use crate::probe::{Bad, Good, Prober, Shows};
use crate::told::Of;
use crate::turns::Turns;

/// From one connect to an endpoint that is down to the next, and how long one may take.
const KNOCK: Duration = Duration::from_secs(1);

/// Everything that one endpoint's task needs.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) endpoint: Endpoint,
    pub(crate) prober: Prober,
    pub(crate) shows: Shows,
    pub(crate) rules: ProbeRules,
    pub(crate) start: Start,
    pub(crate) clock: Clock,
    pub(crate) turns: Turns,
}

type Outcome = Result<Good, Bad>;

impl Watch {
    /// Probes again and again until the task is ended. `begun` is let go of with the first result; there is none when the
    /// task had to begin anew.
    pub(crate) async fn run(self: Arc<Self>, mut rng: Rng, begun: Option<mpsc::Sender<()>>) {
        let mut probed = Probed::new(match begun {
            Some(_) => self.start,
            None => self.endpoint.state.probe_start(),
        });
        let outcome = self.probe().await;
        self.take(&mut probed, &outcome);
        drop(begun);
        let mut gone = outcome.is_err_and(|bad| bad.is_connect());
        // Somewhere within the first pause: endpoints that began together are not probed together ever after.
        let mut pause = part_of(probed.next(&self.rules, &mut rng), &mut rng);
        loop {
            match probed.health() {
                Health::Down => self.rest_knocking(pause, gone).await,
                Health::Unprobed | Health::Waiting | Health::Up => time::sleep(pause).await,
            }
            let outcome = self.probe().await;
            self.take(&mut probed, &outcome);
            gone = outcome.is_err_and(|bad| bad.is_connect());
            pause = probed.next(&self.rules, &mut rng);
        }
    }

    /// Probes when it is its turn, and notes the result for people.
    async fn probe(&self) -> Outcome {
        let _turn = self.turns.probe().await;
        let began = Instant::now();
        let outcome = self.prober.probe().await;
        self.endpoint.state.probes.push(ProbeResult {
            at: SystemTime::now(),
            good: outcome.is_ok(),
            reason: match &outcome {
                Ok(good) => good.to_string(),
                Err(bad) => bad.to_string(),
            },
            took: began.elapsed(),
        });
        outcome
    }

    /// Waits for `pause`, and connects every second meanwhile: an endpoint that accepts again is probed at once.
    async fn rest_knocking(&self, pause: Duration, mut gone: bool) {
        let due = Instant::now().checked_add(pause);
        loop {
            let next = Instant::now() + KNOCK;
            if let Some(due) = due
                && due <= next
            {
                return time::sleep_until(due).await;
            }
            time::sleep_until(next).await;
            let Some(_turn) = self.turns.try_knock() else {
                continue;
            };
            match self.prober.knock(KNOCK).await {
                Ok(()) if gone => return,
                Ok(()) => {}
                Err(_) => gone = true,
            }
        }
    }

    /// How many bad results in a row it took.
    fn results(&self, from: Health) -> u16 {
        match from {
            // At the start the first one decides.
            Health::Waiting | Health::Unprobed => 1,
            Health::Up | Health::Down => self.rules.fall.max(1),
        }
    }

    /// What a result changes.
    fn take(&self, probed: &mut Probed, outcome: &Outcome) {
        let (state, now_ms) = (&self.endpoint.state, self.clock.millis());
        let of = Of::new(&self.cluster, &self.endpoint);
        let event = match (self.shows, outcome) {
            (Shows::Answers, outcome) => {
                state
                    .outlier
                    .probed(&state.standing, outcome.is_ok(), now_ms)
            }
            (Shows::Accepts, Ok(_)) => state.outlier.connected(&state.standing, now_ms),
            (Shows::Accepts, Err(_)) => {
                state.outlier.connect_failed();
                None
            }
            (Shows::Nothing, _) => None,
        };
        if let Some(event) = event {
            of.event(&event);
        }
        let Some(change) = probed.result(outcome.is_ok(), &self.rules) else {
            return;
        };
        let entry = if change.slow_start {
            Entry::of(self.cluster.slow_start)
        } else {
            Entry::Full
        };
        let _ = state.standing.set_health(change.to, entry, now_ms);
        match outcome {
            Ok(good) => of.up(change.from, *good, change.slow_start),
            Err(bad) => of.down(change.from, bad, self.results(change.from)),
        }
    }
}

/// A part of `pause`, each as likely as the next.
fn part_of(pause: Duration, rng: &mut Rng) -> Duration {
    let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(rng.below_long(micros))
}
