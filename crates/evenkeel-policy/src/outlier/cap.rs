//! How much of a cluster may be ejected. Too many ejections at once are more likely a fault of what all endpoints share,
//! and ejecting the endpoints that are left then turns a bad moment into an outage.

use evenkeel_base::rules::OutlierRules;

/// A cluster as seen from one endpoint that is to be ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// Its endpoints that have a weight, this one included.
    pub endpoints: usize,
    /// How many of them, without this one, are ejected or on trial.
    pub out: usize,
    /// How many of them, without this one, admit and are neither down nor on trial.
    pub well: usize,
}

/// Whether one more endpoint may be ejected: at most so many percent of the endpoints, rounded up, and never the last.
#[must_use]
pub fn may_eject(crowd: Crowd, rules: &OutlierRules) -> bool {
    let percent = usize::from(rules.max_ejected_percent.min(100));
    let cap = crowd.endpoints.saturating_mul(percent).div_ceil(100);
    crowd.well > 0 && crowd.out < cap
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_cluster_rounded_up_and_never_the_last() {
        for (endpoints, percent, most) in [
            (1, 50, 0),
            (2, 50, 1),
            (3, 50, 2),
            (4, 50, 2),
            (5, 50, 3),
            (100, 50, 50),
            (3, 10, 1),
            (10, 10, 1),
            (11, 10, 2),
            (3, 0, 0),
            (3, 100, 2),
            (3, 255, 2),
            (1, 100, 0),
        ] {
            let rules = OutlierRules {
                max_ejected_percent: percent,
                ..OutlierRules::DEFAULT
            };
            let allowed = |out: usize| {
                let well = endpoints - 1 - out;
                let crowd = Crowd {
                    endpoints,
                    out,
                    well,
                };
                may_eject(crowd, &rules)
            };
            let ejected = (0..endpoints).take_while(|&out| allowed(out)).count();
            assert_eq!(ejected, most, "{percent} % of {endpoints}");
        }
    }

    #[test]
    fn those_that_are_down_do_not_stand_in_for_the_last() {
        let crowd = Crowd {
            endpoints: 10,
            out: 0,
            well: 0,
        };
        assert!(!may_eject(crowd, &OutlierRules::DEFAULT));
        assert!(may_eject(
            Crowd { well: 1, ..crowd },
            &OutlierRules::DEFAULT
        ));
    }
}
