//! What could not be looked up the last time: names, services and lists, each with the reason.
//!
//! The control plane writes it, whoever answers operators reads it. Nothing is decided by it. It is no longer than what the
//! configuration and orders name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::SystemTime;

use crate::discovery::Sought;
use crate::snapshot::ClusterSnapshot;
use crate::sync::Mutex;

/// All that fails.
#[derive(Debug, Default)]
pub struct Failing(Mutex<BTreeMap<Sought, Failure>>);

/// Why a look came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Since when every look does.
    pub since: SystemTime,
    /// What the last one said, for people.
    pub why: String,
}

/// What is not known where it would have to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What is looked for.
    pub sought: Sought,
    /// Why it is not found; none: nobody has answered yet.
    pub failure: Option<Failure>,
}

impl Failing {
    /// A look at `at` came to something, or to nothing for this reason.
    pub fn looked(&self, sought: &Sought, outcome: Result<(), &str>, at: SystemTime) {
        self.change(|all| match outcome {
            Ok(()) => drop(all.remove(sought)),
            Err(why) => {
                let since = all.get(sought).map_or(at, |known| known.since);
                let why = why.to_owned();
                all.insert(sought.clone(), Failure { since, why });
            }
        });
    }

    /// Forgets what nobody looks for any more.
    pub fn retain(&self, wanted: impl Fn(&Sought) -> bool) {
        self.change(|all| all.retain(|sought, _| wanted(sought)));
    }

    /// What of a cluster's endpoints is not found: what fails, also where its last answer holds; and all of it where nobody has
    /// answered yet and there is no endpoint.
    #[must_use]
    pub fn of(&self, cluster: &ClusterSnapshot) -> Vec<Unknown> {
        let is_empty = cluster.endpoints.list.is_empty();
        let failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.is_empty() && !is_empty {
            return Vec::new();
        }
        let all: BTreeSet<Sought> = cluster.sought().collect();
        let unknown = all.into_iter().map(|sought| Unknown {
            failure: failing.get(&sought).cloned(),
            sought,
        });
        unknown
            .filter(|one| is_empty || one.failure.is_some())
            .collect()
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<Sought, Failure>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::{Duration, UNIX_EPOCH};

    use evenkeel_config::{Nowhere, check};

    use super::*;
    use crate::compile::Registry;
    use crate::discovery::Resolved;

    #[test]
    fn what_fails_is_known_with_its_reason_until_it_does_not() {
        let text = "version = 1\n[listener.web]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n\
                    [cluster.a]\nendpoints = [\"a.test:80\", \"b.test:80\"]\n";
        let config = check(text, "test", &Nowhere).config.unwrap();
        let names = ["a.test", "b.test"].map(|host| Sought::Name(host.to_owned(), 80));
        let [a, b] = &names;
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let failing = Failing::default();
        let found: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let known = Resolved::from([(("b.test".to_owned(), 80), vec![found])]);
        let mut registry = Registry::new(1, &[0; 32]);
        let empty = registry.compile(config.clone(), &Resolved::new(), 1);
        let half = registry.compile(config, &known, 2);
        let of = |snapshot: &crate::Snapshot| {
            let unknown = failing.of(&snapshot.clusters()[0]).into_iter();
            let unknown =
                unknown.map(|one| (one.sought, one.failure.map(|one| (one.since, one.why))));
            unknown.collect::<Vec<_>>()
        };
        // Nobody has answered.
        assert_eq!(of(&empty), [(a.clone(), None), (b.clone(), None)]);
        assert_eq!(of(&half), []);
        failing.looked(a, Err("refused"), at(1));
        failing.looked(a, Err("silent"), at(2));
        let said = (a.clone(), Some((at(1), "silent".to_owned())));
        assert_eq!(of(&empty), [said.clone(), (b.clone(), None)]);
        assert_eq!(of(&half), [said]);
        failing.looked(a, Ok(()), at(3));
        assert_eq!(of(&half), []);
        failing.looked(a, Err("refused"), at(4));
        failing.retain(|sought| sought == b);
        assert_eq!(of(&half), []);
    }
}
