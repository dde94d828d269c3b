//! The rules that the Prequal paper compares (Wydrowski, Kleinberg, Rumble and Archer, "Load is not what you should balance:
//! Introducing Prequal", NSDI 2024, §5.2), under names that `--compare` knows. Rules that evenkeel has itself are evenkeel's
//! own code; those that only the comparison needs have a file each. None of them is for production.
//!
//! The paper's text was not at hand. What is said of it here and in the files of the rules comes from descriptions that quote
//! it (see `docs/balancing.md`, which says what was checked where). What those leave open is ours, and is called so.
//!
//! | name | here | in the paper |
//! |---|---|---|
//! | `random` | evenkeel's | Random |
//! | `round-robin` | evenkeel's | RoundRobin |
//! | `paper-wrr` | `wrr.rs` | WeightedRR |
//! | `paper-least-loaded` | evenkeel's least-request, all endpoints compared, ties in rotation | LeastLoaded |
//! | `paper-two-choices` | evenkeel's least-request, two compared | LL-Po2C |
//! | `paper-polled` | `polled.rs` | YARP-Po2C |
//! | `paper-linear` | `linear.rs`, λ = 0.5 | Linear |
//! | `paper-c3` | `c3.rs` | C3 |
//! | `prequal` | evenkeel's | Prequal |
//!
//! Beside these nine: `paper-hcl` is Prequal's rule once more, on the pool of this folder: a second opinion on evenkeel's
//! own. `paper-c3-own` is C3 as its authors have it, told by responses only. `paper-rif` and `paper-latency` are the two ends of
//! the linear rule, and `paper-polled-slow` polls every two seconds.

mod c3;
mod hcl;
mod linear;
mod polled;
mod pool;
mod wrr;

use evenkeel_base::Rng;
use evenkeel_base::rules::{BalancerRules, Choices};
use evenkeel_policy::{Candidate, Member, Wanted};

use crate::known::Known;
use crate::rule::{Contender, Picks, Rule};

/// What stands for [`NINE`] in a list of names.
pub const ALL_NINE: &str = "paper";

/// The rules of the comparison, in the paper's order.
pub const NINE: [&str; 9] = [
    "random",
    "round-robin",
    "paper-wrr",
    "paper-least-loaded",
    "paper-two-choices",
    "paper-polled",
    "paper-linear",
    "paper-c3",
    "prequal",
];

/// Makes a rule for one node.
type Make = fn(&[Member<'_>]) -> Box<dyn Rule>;

/// Rules that evenkeel does not have as balancers.
const RULES: &[(&str, Make)] = &[
    ("paper-wrr", wrr::make),
    ("paper-polled", polled::make),
    ("paper-polled-slow", polled::slow),
    ("paper-linear", linear::half),
    ("paper-rif", linear::rif),
    ("paper-latency", linear::latency),
    ("paper-c3", c3::probed),
    ("paper-c3-own", c3::told),
    ("paper-hcl", hcl::make),
];

/// Rules that evenkeel has under another name.
const OWN: &[(&str, BalancerRules)] = &[
    (
        "paper-least-loaded",
        BalancerRules::LeastRequest {
            choices: Choices::All,
        },
    ),
    (
        "paper-two-choices",
        BalancerRules::LeastRequest {
            choices: Choices::Some(2),
        },
    ),
];

/// All names that begin with `paper-`.
pub fn names() -> impl Iterator<Item = &'static str> {
    let own = OWN.iter().map(|(name, _)| *name);
    own.chain(RULES.iter().map(|(name, _)| *name))
}

/// The rule of that name, if it is one of these.
#[must_use]
pub fn find(name: &str) -> Option<Contender> {
    let own = OWN.iter().find(|(one, _)| *one == name);
    let rule = RULES.iter().find(|(one, _)| *one == name);
    let picks = match (own, rule) {
        (Some((_, rules)), _) => Picks::Policy(rules.clone()),
        (None, Some((_, make))) => Picks::Rule(*make),
        (None, None) => return None,
    };
    Some(Contender {
        name: name.to_owned(),
        picks,
    })
}

/// Whether an endpoint may be picked: what every balancer of evenkeel minds too.
fn fits(from: &[Known], wanted: &Wanted<'_>, at: usize) -> bool {
    from.get(at).is_some_and(|one| {
        let admits = one.share() > 0 || wanted.regardless;
        let is_new = !wanted.tried.contains(wanted.first + at);
        admits && is_new && one.weight() > 0 && one.has_room()
    })
}

/// A random one of those that fit.
fn any(from: &[Known], wanted: &Wanted<'_>, rng: &mut Rng) -> Option<usize> {
    let all = || (0..from.len()).filter(|at| fits(from, wanted, *at));
    let count = u32::try_from(all().count()).unwrap_or(u32::MAX);
    all().nth(rng.below(count) as usize)
}

/// The one with the lowest score; of several, the first.
fn lowest<T>(all: impl Iterator<Item = (T, f64)>) -> Option<T> {
    all.min_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_nine_has_a_name_that_is_known() {
        for name in NINE {
            let own = evenkeel_config::parse_balancer(name).is_ok();
            assert!(own != find(name).is_some(), "{name}");
        }
        assert!(names().all(|name| find(name).is_some_and(|one| one.name == name)));
        assert!(find("paper").is_none());
    }
}
