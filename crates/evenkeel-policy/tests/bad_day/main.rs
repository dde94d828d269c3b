//! Bad days of a cluster in simulated time: what balancer, ejection, trial, slow start and panic do together.
//!
//! Each scenario runs for several seeds, and what it promises is a bound that follows from the rules. Sockets, processes
//! and real time are the business of the end-to-end scenarios; here a minute takes milliseconds.

#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use evenkeel_base::rules::OutlierRules;
    use evenkeel_policy::outlier::{Cause, Event};

    use crate::world::{Does, Script, Story, World};

    const RULES: OutlierRules = OutlierRules::DEFAULT;
    const WELL: Does = Does::Answer(10);

    /// Runs a minute at 500 requests per second for several seeds: the first endpoint follows the script, the others are
    /// well.
    fn minutes(
        endpoints: usize,
        rules: OutlierRules,
        script: impl Fn(u64) -> Does + Copy + 'static,
        check: impl Fn(Story),
    ) {
        for seed in 1..=8 {
            let mut scripts: Vec<Script> = vec![Box::new(script)];
            scripts.resize_with(endpoints, || Box::new(|_| WELL));
            check(World::new(scripts, rules, seed).play(2, 60));
        }
    }

    /// Misbehaves between two moments.
    fn between(from: u64, to: u64, does: Does) -> impl Fn(u64) -> Does + Copy {
        move |now| {
            if (from..to).contains(&now) {
                does
            } else {
                WELL
            }
        }
    }

    #[test]
    fn a_killed_endpoint_costs_no_request_and_is_found_within_two_seconds() {
        minutes(3, RULES, between(10_000, 30_000, Does::Refuse), |story| {
            assert_eq!(story.failed, []);
            // Five in a row; what it had begun to answer may fall between them.
            assert!(story.faults.len() <= 12, "{:?}", story.faults);
            let back = story.asked_after(0, 30_000).unwrap();
            assert!(back < 31_000, "{back}");
            // It gets its third again once slow start is over, and little before.
            let third = |from, to| story.asked(0, from, to) * 100 / story.asked(1, from, to);
            assert!(
                third(back, back + 1_000) < 25,
                "{}",
                third(back, back + 1_000)
            );
            assert!(third(50_000, 60_000) > 90, "{}", third(50_000, 60_000));
        });
    }

    #[test]
    fn a_frozen_endpoint_costs_time_and_no_request() {
        minutes(3, RULES, between(10_000, 25_000, Does::Freeze), |story| {
            assert_eq!(story.failed, []);
            // Those that it took until the first five had timed out, and one for each trial.
            let asked = story.asked(0, 10_000, 25_000);
            assert!(asked < 30, "{asked}");
            let back = story.asked_after(0, 25_000).unwrap();
            assert!(back < 43_000, "the second ejection lasts 20 s: {back}");
        });
    }

    #[test]
    fn an_endpoint_that_accepts_and_closes_is_not_believed_for_its_open_port() {
        minutes(3, RULES, between(10_000, 50_000, Does::Close), |story| {
            assert_eq!(story.failed, []);
            assert!(story.ejections(0) <= 4, "{:?}", story.events);
        });
    }

    #[test]
    fn one_that_flaps_every_second_never_costs_a_request() {
        let flaps = |now: u64| {
            if now % 2_000 < 1_000 {
                WELL
            } else {
                Does::Refuse
            }
        };
        minutes(3, RULES, flaps, |story| {
            assert_eq!(story.failed, []);
            // Ejected at the beginning of a bad second, back in the middle of a good one.
            assert!(story.faults.len() <= 6 * 30, "{}", story.faults.len());
        });
    }

    #[test]
    fn one_third_of_503_is_found_by_its_percentage() {
        let rules = OutlierRules {
            fault_percent: 20,
            ..RULES
        };
        minutes(
            4,
            rules,
            between(10_000, 60_000, Does::Unwilling(33)),
            |story| {
                assert_eq!(story.failed, []);
                let percentage = |(_, at, event): &(u64, usize, Event)| {
                    *at == 0
                        && matches!(
                            event,
                            Event::Ejected {
                                cause: Cause::Percentage | Cause::Status,
                                ..
                            }
                        )
                };
                assert!(story.events.iter().any(percentage), "{:?}", story.events);
                let (bad, good) = (
                    story.asked(0, 20_000, 60_000),
                    story.asked(1, 20_000, 60_000),
                );
                assert!(bad * 3 < good, "{bad} {good}");
            },
        );
    }

    #[test]
    fn the_slow_one_is_found_by_the_others() {
        let rules = OutlierRules {
            latency_factor: 3.0,
            min_requests: 20,
            ..RULES
        };
        minutes(
            4,
            rules,
            between(10_000, 60_000, Does::Answer(200)),
            |story| {
                assert_eq!(story.failed, []);
                let ejected = story.events.iter().find(|(_, at, _)| *at == 0);
                assert!(
                    matches!(
                        ejected,
                        Some((
                            ..20_000,
                            0,
                            Event::Ejected {
                                cause: Cause::Latency,
                                ..
                            }
                        ))
                    ),
                    "{ejected:?}"
                );
                assert_eq!(
                    story.ejections(1) + story.ejections(2) + story.ejections(3),
                    0
                );
            },
        );
    }

    #[test]
    fn a_cluster_that_is_dead_and_back_is_back_at_once() {
        for seed in 1..=8 {
            let dead = || Box::new(between(10_000, 20_000, Does::Refuse)) as Script;
            let story = World::new(vec![dead(), dead(), dead()], RULES, seed).play(2, 60);
            // Everything asked while all are dead fails; the last endpoint stays in, so that its return is seen at once.
            assert!(
                story.failed.iter().all(|at| (10_000..=20_002).contains(at)),
                "{:?}",
                story.failed.last()
            );
            assert_eq!(story.panics, []);
            let asked: Vec<usize> = (0..3).map(|at| story.asked(at, 50_000, 60_000)).collect();
            assert!(asked.iter().all(|n| *n > 1_500), "{asked:?}");
        }
    }

    #[test]
    fn half_of_a_cluster_dead_leaves_the_other_half_to_serve() {
        for seed in 1..=8 {
            let mut scripts: Vec<Script> = Vec::new();
            scripts.resize_with(3, || Box::new(between(10_000, 40_000, Does::Refuse)));
            scripts.resize_with(6, || Box::new(|_| WELL));
            let story = World::new(scripts, RULES, seed).play(2, 60);
            // Three attempts may all meet dead endpoints before these are ejected, and that is all.
            assert!(story.failed.len() <= 3, "{:?}", story.failed);
            let late = |at: &u64| (10_100..40_000).contains(at);
            assert_eq!(story.failed.iter().filter(|at| late(at)).count(), 0);
        }
    }

    #[test]
    fn a_short_hiccup_of_all_ejects_no_more_than_the_cap() {
        for seed in 1..=8 {
            let hiccup = || Box::new(between(10_000, 10_050, Does::Close)) as Script;
            let mut scripts: Vec<Script> = Vec::new();
            scripts.resize_with(10, hiccup);
            let story = World::new(scripts, RULES, seed).play(1, 60);
            let ejected: usize = (0..10).map(|at| story.ejections(at)).sum();
            assert!(ejected <= 5, "{ejected}");
            assert_eq!(story.panics, []);
        }
    }

    #[test]
    fn the_same_seed_tells_the_same_story() {
        let story = |seed| {
            let scripts: Vec<Script> = vec![
                Box::new(between(1_000, 9_000, Does::Unwilling(50))),
                Box::new(|now| {
                    if now % 3_000 < 700 {
                        Does::Freeze
                    } else {
                        WELL
                    }
                }),
                Box::new(|_| WELL),
            ];
            World::new(scripts, RULES, seed).play(3, 20)
        };
        assert_eq!(story(5), story(5));
        assert_ne!(story(5), story(6));
        assert!(story(5).attempts.len() >= 20_000 / 3);
    }
}
