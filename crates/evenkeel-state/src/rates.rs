//! Rate limits over reloads: a limit whose rules stay keeps what it knows of its keys.
//!
//! They are kept by the name of their route and their position in it (routes of one name count as one). A limit whose rules changed begins anew, and one
//! that is gone is forgotten: what was counted by other rules says nothing by these.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::Arc;

use evenkeel_base::rules::RateRules;
use evenkeel_config::model::Route;
use evenkeel_policy::RateLimiter;

use crate::snapshot::RouteRates;

/// The rate limits of the process.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    by_route: HashMap<(String, usize), Arc<RateLimiter>>,
}

impl Rates {
    /// The limits of these routes: those that are known, and new ones.
    pub(crate) fn compile(&mut self, routes: &[Route]) -> Arc<RouteRates> {
        let mut known = std::mem::take(&mut self.by_route);
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let last = routes
            .iter()
            .rposition(|route| !route.rate_limits.is_empty());
        let with_limits = &routes[..last.map_or(0, |last| last + 1)];
        let limits = with_limits.iter().map(|route| {
            let positions = seen.entry(&route.name).or_default();
            let limits = route.rate_limits.iter().map(|rules| {
                let key = (route.name.clone(), *positions);
                *positions += 1;
                let limiter = known
                    .remove(&key)
                    .filter(|limiter| limiter.rules() == rules)
                    .unwrap_or_else(|| make(rules));
                self.by_route.insert(key, Arc::clone(&limiter));
                limiter
            });
            limits.collect()
        });
        limits.collect()
    }
}

/// Each has a secret of its own, so that what is found out about one says nothing about another.
fn make(rules: &RateRules) -> Arc<RateLimiter> {
    Arc::new(RateLimiter::new(rules.clone(), RandomState::new()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use evenkeel_base::RouteId;
    use evenkeel_config::{Nowhere, check};
    use evenkeel_policy::RateLimiter;

    use crate::compile::{Registry, Resolved};
    use crate::snapshot::Snapshot;

    fn compile(registry: &mut Registry, routes: &[(&str, &str)]) -> Snapshot {
        let mut text = "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n".to_owned();
        for (name, knobs) in routes {
            text.push_str(&format!(
                "[[route]]\nname = \"{name}\"\npath = \"/{name}\"\nrespond.body = \"\"\n{knobs}\n"
            ));
        }
        let checked = check(&text, "test", &Nowhere);
        let config = checked
            .config
            .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        registry.compile(config, &Resolved::new(), 1)
    }

    const TEN: &str = "rate_limit = { requests = 10, per = \"1m\" }";
    const BOTH: &str =
        "rate_limit = [{ requests = 10, per = \"1m\" }, { requests = 5, per = \"1s\" }]";
    const FIVE: &str = "rate_limit = { requests = 5, per = \"1m\" }";

    /// How many of many each limit of a route admits.
    fn left(snapshot: &Snapshot, route: u32) -> Vec<usize> {
        let limits = snapshot.rate_limits(RouteId::new(route));
        let left = |limiter: &Arc<RateLimiter>| {
            let tries = 0..100;
            tries.filter(|_| limiter.admit(b"a", 7).admitted).count()
        };
        limits.iter().map(left).collect()
    }

    #[test]
    fn a_limit_whose_rules_stay_keeps_what_it_knows() {
        let mut registry = Registry::new(1, &[0; 32]);
        let before = compile(&mut registry, &[("a", TEN), ("b", BOTH), ("c", "")]);
        assert_eq!(left(&before, 0), [10]);
        assert_eq!(left(&before, 1), [10, 5]);
        assert!(left(&before, 2).is_empty() && left(&before, 9).is_empty());
        // Another order, another rule, and one more.
        let after = compile(&mut registry, &[("b", BOTH), ("a", FIVE), ("c", TEN)]);
        assert_eq!(left(&after, 0), [0, 0]);
        assert_eq!(left(&after, 1), [5], "another rule begins anew");
        assert_eq!(left(&after, 2), [10]);
        let gone = Arc::downgrade(&after.rate_limits(RouteId::new(1))[0]);
        let again = compile(&mut registry, &[("b", TEN), ("a", "")]);
        assert_eq!((left(&again, 0), left(&again, 1)), (vec![0], vec![]));
        drop(after);
        assert!(gone.upgrade().is_none(), "and is forgotten when it is gone");
    }
}
