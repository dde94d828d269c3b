//! Ejection, trial and return, with written-out instants.

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::standing::Health;

const RULES: OutlierRules = OutlierRules::DEFAULT;
const SLOW: Duration = Duration::from_secs(10);

/// One endpoint among others that are well, so that every ejection is allowed.
struct Life {
    standing: Standing,
    outlier: Outlier,
    rules: OutlierRules,
    allowed: bool,
}

impl Life {
    fn new() -> Self {
        Self {
            standing: Standing::new(Health::Unprobed, Entry::Full),
            outlier: Outlier::new(),
            rules: RULES,
            allowed: true,
        }
    }

    /// Plays a line of the language: `INSTANT WHAT`, in milliseconds; what came of it as a line of the log, or `-`.
    fn play(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let now: u64 = words.next().unwrap().parse().unwrap();
        let (outlier, standing) = (&self.outlier, &self.standing);
        let event = match (words.next().unwrap(), words.next()) {
            ("good", begun) => outlier.succeeded(standing, SLOW, attempted(begun, now)),
            ("connected", None) => outlier.connected(standing, now),
            ("probed", None) => outlier.probed(standing, true, now),
            ("probe-bad", None) => outlier.probed(standing, false, now),
            ("tick", None) => outlier.tick(standing, &self.rules, SLOW, now),
            ("unconnected", None) => {
                outlier.connect_failed();
                None
            }
            ("spoke", None) => {
                outlier.spoke();
                None
            }
            ("overtaken", begun) => self.overtaken(attempted(begun, now)),
            (cause, begun) => {
                let cause = Cause::ALL.into_iter().find(|c| c.name() == cause).unwrap();
                self.fault(cause, attempted(begun, now))
            }
        };
        event.map_or_else(|| "-".to_owned(), describe)
    }

    /// A gateway fault, and the ejection when it is wanted and allowed.
    fn fault(&self, cause: Cause, attempt: Attempted) -> Option<Event> {
        match self.outlier.failed(&self.standing, &self.rules, attempt) {
            Outcome::Counted => None,
            Outcome::WantsEjection if self.allowed => {
                let now = attempt.ended_ms;
                self.outlier.eject(&self.standing, &self.rules, cause, now)
            }
            Outcome::WantsEjection => {
                self.outlier.refused(&self.standing, attempt.ended_ms);
                Some(Event::Readmitted { successes: 999 })
            }
        }
    }

    /// An attempt that was given up for a faster one, where attempts may take a second.
    fn overtaken(&self, attempt: Attempted) -> Option<Event> {
        let patience = Duration::from_secs(1);
        let (standing, rules) = (&self.standing, &self.rules);
        match self.outlier.given_up(standing, rules, patience, attempt) {
            Outcome::Counted => None,
            Outcome::WantsEjection => {
                let now = attempt.ended_ms;
                self.outlier.eject(standing, rules, Cause::Timeout, now)
            }
        }
    }

    /// Five faults in a row: the endpoint is ejected at that instant.
    fn eject(&self, cause: Cause, now: u64) -> String {
        let line = format!("{now} {}", cause.name());
        for _ in 0..4 {
            assert_eq!(self.play(&line), "-");
        }
        self.play(&line)
    }
}

/// An attempt that began `begun` milliseconds before.
fn attempted(begun: Option<&str>, now: u64) -> Attempted {
    let before: u64 = begun.map_or(0, |ms| ms.parse().unwrap());
    Attempted {
        began_ms: now.saturating_sub(before),
        ended_ms: now,
    }
}

fn describe(event: Event) -> String {
    match event {
        Event::Ejected {
            cause,
            faults,
            times,
            lasts,
            again,
        } => format!(
            "ejected {} {faults} #{times} {}s{}",
            cause.name(),
            lasts.as_secs_f32(),
            if again { " again" } else { "" }
        ),
        Event::Trial { by } => format!("trial {}", by.map_or("time", Sign::name)),
        Event::Readmitted { successes: 999 } => "refused".to_owned(),
        Event::Readmitted { successes } => format!("readmitted {successes}"),
    }
}

/// Plays a script of `INSTANT WHAT → OUTCOME` lines.
#[track_caller]
fn play(life: &Life, script: &[&str]) {
    for line in script {
        let (what, expected) = line.split_once(" → ").unwrap_or((line, "-"));
        assert_eq!(life.play(what), expected, "{line}");
    }
}

#[test]
fn five_faults_in_a_row_eject_and_four_do_not() {
    let life = Life::new();
    play(
        &life,
        &[
            "1 connect",
            "2 reset",
            "3 timeout",
            "4 status",
            "5 good",
            "6 reset",
            "7 reset",
            "8 reset",
            "9 reset",
            "10 status → ejected status 5 #1 10s",
            "11 status",
            "12 good 5",
        ],
    );
    assert_eq!(life.standing.share(), 0);
    assert_eq!(life.outlier.times(), 1);
    let left = life.outlier.ejection(&life.standing, 4_010);
    assert_eq!(left, Some((Cause::Status, Duration::from_secs(6))));
}

#[test]
fn never_when_it_is_off() {
    let mut life = Life::new();
    life.rules = OutlierRules::OFF;
    for now in 0..100 {
        assert_eq!(life.play(&format!("{now} reset")), "-");
    }
    assert_eq!(life.standing.phase(), Phase::Admitting);
}

#[test]
fn a_killed_endpoint_comes_back_with_the_first_connect_that_succeeds() {
    let life = Life::new();
    assert_eq!(
        life.eject(Cause::Connect, 1_000),
        "ejected connect 5 #1 10s"
    );
    play(
        &life,
        &[
            "2000 unconnected",
            "3000 unconnected",
            "3900 tick",
            "4000 connected → trial connected",
            "4001 good",
            "4002 good",
            "4003 good",
            "4004 good",
            "4005 good → readmitted 5",
        ],
    );
    assert_eq!(life.standing.share(), 100, "slow start");
    assert_eq!(life.standing.climb(SLOW, 9_005), Some(550));
}

#[test]
fn what_is_a_sign_depends_on_the_cause() {
    // What happens at 2 s of an ejection of 10 s: nothing, or a trial.
    for (cause, sign, expected) in [
        (Cause::Connect, "connected", "trial connected"),
        (Cause::Connect, "probed", "trial probed"),
        (Cause::Reset, "connected", "trial connected"),
        (Cause::Reset, "probed", "trial probed"),
        (Cause::Timeout, "connected", "-"),
        (Cause::Timeout, "probed", "trial probed"),
        (Cause::Malformed, "connected", "-"),
        (Cause::Malformed, "probed", "-"),
        (Cause::Status, "connected", "-"),
        (Cause::Status, "probed", "-"),
        (Cause::Percentage, "connected", "-"),
        (Cause::Percentage, "probed", "-"),
        (Cause::Percentage, "good", "-"),
        (Cause::Latency, "connected", "-"),
        (Cause::Latency, "probed", "-"),
        (Cause::Latency, "good", "-"),
        // Nobody admitted, and it was asked all the same.
        (Cause::Status, "good", "trial served"),
        (Cause::Timeout, "good", "trial served"),
    ] {
        for failed in [None, Some("unconnected"), Some("probe-bad")] {
            let life = Life::new();
            let event = life.outlier.eject(&life.standing, &RULES, cause, 0);
            assert!(event.is_some());
            let now = 2_000;
            if let Some(failed) = failed {
                assert_eq!(life.play(&format!("{now} {failed}")), "-");
            }
            let name = if sign == "good" { "served" } else { sign };
            let expected = match failed {
                // It was gone and has come back.
                Some(_) => format!("trial {name}"),
                None => expected.to_owned(),
            };
            let told = life.play(&format!("{now} {sign}"));
            assert_eq!(told, expected, "{cause:?} {sign} {failed:?}");
        }
    }
}

#[test]
fn a_frozen_endpoint_that_accepts_stays_out_for_its_time() {
    let life = Life::new();
    assert_eq!(life.eject(Cause::Timeout, 0), "ejected timeout 5 #1 10s");
    play(
        &life,
        &[
            "1000 connected",
            "2000 connected",
            "9999 connected",
            "9999 tick",
            "10001 connected → trial connected",
        ],
    );
    assert_eq!(life.standing.share(), 50);
}

#[test]
fn time_ends_an_ejection_unless_connects_fail() {
    let life = Life::new();
    assert_eq!(
        life.eject(Cause::Connect, 1_000),
        "ejected connect 5 #1 10s"
    );
    play(&life, &["10999 tick", "11000 tick → trial time"]);

    let life = Life::new();
    assert_eq!(
        life.eject(Cause::Connect, 1_000),
        "ejected connect 5 #1 10s"
    );
    play(
        &life,
        &[
            "2000 unconnected",
            "11000 tick",
            "60000 tick",
            "61000 connected → trial connected",
        ],
    );
}

#[test]
fn a_fault_in_a_trial_ejects_at_once_for_twice_as_long() {
    let life = Life::new();
    assert_eq!(life.eject(Cause::Status, 0), "ejected status 5 #1 10s");
    play(
        &life,
        &[
            "10001 tick → trial time",
            "10002 good",
            "10003 good",
            "10004 status → ejected status 1 #2 20s again",
            "30003 tick",
            "30004 tick → trial time",
            "30005 status → ejected status 1 #3 40s again",
            "70005 tick → trial time",
            "70006 status → ejected status 1 #4 80s again",
            "150006 tick → trial time",
            "150007 status → ejected status 1 #5 160s again",
            "310007 tick → trial time",
            "310008 status → ejected status 1 #6 300s again",
            "610008 tick → trial time",
            "610009 status → ejected status 1 #7 300s again",
        ],
    );
}

#[test]
fn a_trial_ends_well_after_ten_seconds_without_a_fault() {
    let life = Life::new();
    assert_eq!(life.eject(Cause::Status, 0), "ejected status 5 #1 10s");
    play(
        &life,
        &[
            "10001 tick → trial time",
            "15000 good",
            "20000 tick",
            "20001 tick → readmitted 1",
            "20002 good",
            "20002 tick",
        ],
    );
}

#[test]
fn healthy_time_takes_one_doubling_back_for_each_base_time() {
    // Three ejections in a row; the fourth comes so long after the readmission.
    for (well_ms, lasts) in [
        (0, 80),
        (9_999, 80),
        (10_000, 40),
        (20_000, 20),
        (30_000, 10),
        (1_000_000, 10),
    ] {
        let life = Life::new();
        life.eject(Cause::Status, 1);
        play(
            &life,
            &[
                "10001 tick → trial time",
                "10002 status → ejected status 1 #2 20s again",
                "30002 tick → trial time",
                "30003 status → ejected status 1 #3 40s again",
                "70003 tick → trial time",
                "80003 tick → readmitted 0",
            ],
        );
        let told = life.eject(Cause::Status, 80_003 + well_ms);
        assert_eq!(told, format!("ejected status 5 #4 {lasts}s"), "{well_ms}");
    }
}

#[test]
fn at_the_maximum_no_more_doublings_are_saved_up() {
    let life = Life::new();
    let mut now = 0;
    for _ in 0..40 {
        let _ = life
            .outlier
            .eject(&life.standing, &RULES, Cause::Status, now);
        now += 300_000;
        assert!(life.play(&format!("{now} tick")).starts_with("trial"));
    }
    now += 10_000;
    assert_eq!(life.play(&format!("{now} tick")), "readmitted 0");
    // 300 s are less than 2^5 · 10 s: five base times later all is forgiven.
    now += 50_000;
    assert_eq!(life.eject(Cause::Status, now), "ejected status 5 #41 10s");
}

#[test]
fn what_began_before_does_not_count() {
    let life = Life::new();
    assert_eq!(
        life.eject(Cause::Timeout, 1_000),
        "ejected timeout 5 #1 10s"
    );
    play(
        &life,
        &[
            // In the trial: requests that hung since before the ejection, or within it.
            "11000 tick → trial time",
            "11100 timeout 10500",
            "11200 timeout 201",
            "11300 good 301",
            "11301 good 1",
            "11302 good 1",
            "11303 good 1",
            "11304 good 1",
            "11305 good 1 → readmitted 5",
            // And behind it.
            "11306 timeout 10500",
            "11307 timeout 10500",
            "11308 timeout 10500",
            "11309 timeout 10500",
            "11310 timeout 10500",
            "11311 timeout 10500",
        ],
    );
    assert_eq!(
        life.eject(Cause::Timeout, 11_400),
        "ejected timeout 5 #2 20s"
    );
}

#[test]
fn a_connection_that_misled_once_is_not_believed_again() {
    // It accepts and closes every connection, so background connects succeed.
    let life = Life::new();
    assert_eq!(life.eject(Cause::Reset, 0), "ejected reset 5 #1 10s");
    play(
        &life,
        &[
            "1000 connected → trial connected",
            "1001 reset → ejected reset 1 #2 20s again",
            "2000 connected",
            "20000 connected",
            "21001 connected → trial connected",
            "21002 reset → ejected reset 1 #3 40s again",
            // It is stopped and started.
            "22000 unconnected",
            "23000 connected → trial connected",
        ],
    );
}

#[test]
fn an_endpoint_that_cannot_be_connected_to_is_believed_every_time() {
    let life = Life::new();
    life.eject(Cause::Connect, 0);
    play(
        &life,
        &[
            "1000 connected → trial connected",
            "1001 connect → ejected connect 1 #2 20s again",
            "2000 connected → trial connected",
        ],
    );
}

#[test]
fn who_must_be_kept_asks_again_only_after_as_many_faults() {
    let mut life = Life::new();
    life.allowed = false;
    for round in 0..3 {
        let at = round * 10;
        assert_eq!(life.eject(Cause::Reset, at), "refused");
    }
    assert_eq!(life.standing.phase(), Phase::Admitting);
    life.allowed = true;
    assert_eq!(life.eject(Cause::Reset, 100), "ejected reset 5 #1 10s");
    life.allowed = false;
    play(
        &life,
        &[
            "10100 tick → trial time",
            "10200 good",
            "10201 reset → refused",
            "10202 reset",
            "10203 reset",
            "10204 reset",
            "10205 reset → refused",
            "10206 good",
            "10207 good",
            "10208 good",
            "10209 good",
            // The trial began anew with the last fault, and so did its successes.
            "20204 tick",
            "20205 tick → readmitted 4",
        ],
    );
}

#[test]
fn rules_that_are_switched_off_let_everybody_back() {
    let mut life = Life::new();
    life.eject(Cause::Reset, 0);
    life.rules = OutlierRules::OFF;
    play(&life, &["100 tick → readmitted 0", "200 tick"]);
    assert_eq!(life.standing.share(), 100);
    life.rules = RULES;
    life.eject(Cause::Reset, 300);
    play(&life, &["400 connected → trial connected"]);
    life.rules = OutlierRules::OFF;
    play(&life, &["500 tick → readmitted 0"]);
}

#[test]
fn rules_without_bounds_do_no_harm() {
    for (base, max) in [
        (Duration::ZERO, Duration::ZERO),
        (Duration::ZERO, Duration::MAX),
        (Duration::MAX, Duration::MAX),
        (Duration::MAX, Duration::ZERO),
        (Duration::from_secs(10), Duration::from_secs(1)),
    ] {
        let mut life = Life::new();
        life.rules.base_ejection = base;
        life.rules.max_ejection = max;
        for round in 0..50 {
            let now = round * 1_000;
            let event = life
                .outlier
                .eject(&life.standing, &life.rules, Cause::Connect, now);
            assert!(event.is_some());
            assert_eq!(life.play(&format!("{now} connected")), "trial connected");
        }
    }
}

#[test]
fn a_connect_is_no_sign_for_an_endpoint_that_is_not_ejected() {
    let life = Life::new();
    play(
        &life,
        &[
            "1 connected",
            "2 unconnected",
            "3 probed",
            "4 probe-bad",
            "5 tick",
        ],
    );
    assert_eq!(life.standing.share(), 1_000);
    // What was noted then says nothing about the ejection that follows.
    life.eject(Cause::Status, 10);
    play(
        &life,
        &["20 connected", "30 probed", "10010 tick → trial time"],
    );
}

#[test]
fn health_and_ejection_do_not_know_of_each_other() {
    let life = Life::new();
    let set = |to, now| life.standing.set_health(to, Entry::Slow, now);
    assert_eq!(set(Health::Down, 1), Some(Health::Unprobed));
    life.eject(Cause::Connect, 10);
    play(
        &life,
        &[
            "20 connected → trial connected",
            "10020 tick → readmitted 0",
        ],
    );
    assert_eq!(life.standing.share(), 0, "still down");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: only faults in a row or a trial's fault eject, no ejection is shorter than its
    /// base time unless a sign ends it, none longer than the maximum, and events tell every change of phase.
    #[test]
    fn any_life_keeps_the_rules(
        steps in prop::collection::vec((0..8_u8, 0..4_000_u64, 0..7_usize, any::<bool>()), 1..300),
    ) {
        let mut life = Life::new();
        let (mut now, mut row) = (0_u64, 0_u32);
        for (step, pause, cause, allowed) in steps {
            now += pause;
            life.allowed = allowed;
            let before = life.standing.phase();
            let attempt = Attempted { began_ms: now, ended_ms: now };
            let (outlier, standing) = (&life.outlier, &life.standing);
            let event = match step {
                0..=2 => life.fault(Cause::ALL[cause], attempt),
                3 => outlier.succeeded(standing, SLOW, attempt),
                4 => outlier.connected(standing, now),
                5 => outlier.probed(standing, allowed, now),
                6 => { outlier.connect_failed(); None }
                _ => outlier.tick(standing, &RULES, SLOW, now),
            };
            row = match step {
                0..=2 => row + 1,
                3 => 0,
                _ => row,
            };
            let after = life.standing.phase();
            match event {
                None | Some(Event::Readmitted { successes: 999 }) => prop_assert_eq!(before, after),
                Some(Event::Ejected { lasts, again, .. }) => {
                    prop_assert!(allowed && after == Phase::Ejected);
                    prop_assert_eq!(again, before == Phase::Trial);
                    prop_assert!(again || row >= 5);
                    prop_assert!(lasts >= RULES.base_ejection && lasts <= RULES.max_ejection);
                }
                Some(Event::Trial { .. }) => {
                    prop_assert_eq!((before, after), (Phase::Ejected, Phase::Trial));
                }
                Some(Event::Readmitted { .. }) => {
                    prop_assert_eq!((before, after), (Phase::Trial, Phase::Admitting));
                }
            }
        }
    }
}

#[test]
fn an_endpoint_that_never_answers_does_not_hide_behind_faster_ones() {
    play(
        &Life::new(),
        &[
            "1000 overtaken 50",
            "1100 overtaken 50",
            "1200 overtaken 50",
            "1300 overtaken 50",
            // The fifth in a row, and yet it may only be slow: an attempt may take a second.
            "1400 overtaken 50",
            "1500 spoke",
            "1600 overtaken 50",
            "2700 overtaken 50",
            "2800 overtaken 50",
            "2900 overtaken 50",
            "3000 overtaken 50 → ejected timeout 0 #1 10s",
            // What is given up while it is out is nothing new.
            "3010 overtaken 5",
        ],
    );
}

#[test]
fn a_trial_does_not_end_well_while_all_that_is_sent_there_is_given_up() {
    let life = Life::new();
    life.eject(Cause::Timeout, 1_000);
    play(
        &life,
        &[
            "20000 tick → trial time",
            "20500 overtaken 50",
            // Ten seconds without a fault, and without an answer.
            "31000 tick",
            "31500 overtaken 50 → ejected timeout 0 #2 20s again",
        ],
    );
}
