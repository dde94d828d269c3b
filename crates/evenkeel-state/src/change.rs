//! What another configuration changed, for people: which listeners, routes and clusters came, went and are others now.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::SystemTime;

use evenkeel_base::{ClusterId, ListenerId};
use evenkeel_config::model::{Action, Config, Mirror, Route};
use evenkeel_config::print_settings;

/// So many names of each kind are kept: a person reads no more, and programs compare configurations.
pub const MOST_NAMES: usize = 100;

/// What one configuration changed of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it was served.
    pub at: SystemTime,
    /// The generation that had it first.
    pub generation: u64,
    /// Whether what is set for the whole process is other.
    pub settings: bool,
    /// Listeners.
    pub listeners: Difference,
    /// Routes.
    pub routes: Difference,
    /// Clusters.
    pub clusters: Difference,
}

impl Change {
    /// From one to the other. A hundred thousand routes take a moment: not for an event loop.
    #[must_use]
    pub fn between(before: &Config, after: &Config, generation: u64, at: SystemTime) -> Self {
        let places = Places {
            listeners: moved(&before.listeners, &after.listeners, |one| &one.name),
            clusters: moved(&before.clusters, &after.clusters, |one| &one.name),
        };
        Self {
            at,
            generation,
            settings: print_settings(before) != print_settings(after),
            listeners: Difference::of(
                &before.listeners,
                &after.listeners,
                |one| &one.name,
                |a, b| a == b,
            ),
            routes: Difference::of(
                &before.routes,
                &after.routes,
                |one| &one.name,
                |a, b| *places.follow(a) == *b,
            ),
            clusters: Difference::of(
                &before.clusters,
                &after.clusters,
                |one| &one.name,
                |a, b| a == b,
            ),
        }
    }
}

/// What became of things with names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Those that are new.
    pub added: Names,
    /// Those that are no more.
    pub removed: Names,
    /// Those that are others now.
    pub changed: Names,
}

/// Things by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// How many.
    pub total: usize,
    /// The first [`MOST_NAMES`] of them.
    pub first: Vec<String>,
}

impl Names {
    fn add(&mut self, name: &str) {
        self.total += 1;
        if self.first.len() < MOST_NAMES {
            self.first.push(name.to_owned());
        }
    }
}

impl Difference {
    /// Of two lists in which several may have one name: the first of that name is compared with the first, and so on.
    fn of<T>(
        before: &[T],
        after: &[T],
        name: fn(&T) -> &str,
        same: impl Fn(&T, &T) -> bool,
    ) -> Self {
        let mut known: HashMap<(&str, usize), &T> = numbered(before, name).collect();
        let mut difference = Self::default();
        for (key, now) in numbered(after, name) {
            match known.remove(&key) {
                None => difference.added.add(key.0),
                Some(then) if !same(then, now) => difference.changed.add(key.0),
                Some(_) => {}
            }
        }
        for (key, _) in numbered(before, name) {
            if known.contains_key(&key) {
                difference.removed.add(key.0);
            }
        }
        difference
    }
}

fn numbered<T>(all: &[T], name: fn(&T) -> &str) -> impl Iterator<Item = ((&str, usize), &T)> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    all.iter().map(move |one| {
        let number = seen.entry(name(one)).or_default();
        *number += 1;
        ((name(one), *number), one)
    })
}

/// Where each of a list stands in another one by its name; none when all stand where they stood.
fn moved<T>(before: &[T], after: &[T], name: fn(&T) -> &str) -> Option<Vec<Option<u32>>> {
    if before.iter().map(name).eq(after.iter().map(name)) {
        return None;
    }
    let now: HashMap<&str, u32> = after.iter().map(name).zip(0..).collect();
    let places = before.iter().map(|one| now.get(name(one)).copied());
    Some(places.collect())
}

/// Routes name listeners and clusters by their places, which may be others in another configuration.
struct Places {
    listeners: Option<Vec<Option<u32>>>,
    clusters: Option<Vec<Option<u32>>>,
}

impl Places {
    /// The route as it would stand in the other configuration.
    fn follow<'a>(&self, route: &'a Route) -> Cow<'a, Route> {
        let mut route = Cow::Borrowed(route);
        if let Some(places) = &self.listeners
            && !route.matching.listeners.is_empty()
        {
            let listeners = &mut route.to_mut().matching.listeners;
            for id in &mut *listeners {
                *id = ListenerId::new(place(places, id.index()));
            }
            listeners.sort_unstable();
        }
        if let Some(places) = &self.clusters {
            let follow = |id: &mut ClusterId| *id = ClusterId::new(place(places, id.index()));
            let forwards = matches!(route.action, Action::Forward { .. });
            if forwards && let Action::Forward { split, .. } = &mut route.to_mut().action {
                split.shares.iter_mut().for_each(|(id, _)| follow(id));
            }
            let is_mirrored = matches!(route.mirror, Mirror::To { .. });
            if is_mirrored && let Mirror::To { cluster, .. } = &mut route.to_mut().mirror {
                follow(cluster);
            }
        }
        route
    }
}

/// What is gone is nowhere, which no other is.
fn place(places: &[Option<u32>], at: usize) -> u32 {
    places.get(at).copied().flatten().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use evenkeel_config::{Nowhere, check};

    use super::*;

    /// Listeners, `route → cluster`s and clusters by name, each cluster with this many endpoints.
    fn config(
        top: &str,
        listeners: &[&str],
        routes: &[(&str, &str)],
        clusters: &[(&str, usize)],
    ) -> Config {
        let mut text = format!("version = 1\n{top}\n");
        for name in listeners {
            text.push_str(&format!("[listener.{name}]\nbind = \"unix:/{name}\"\n"));
        }
        for (at, (name, cluster)) in routes.iter().enumerate() {
            text.push_str(&format!(
                "[[route]]\nname = \"{name}\"\npath = \"/{at}-{name}\"\ncluster = \"{cluster}\"\n"
            ));
        }
        for (name, endpoints) in clusters {
            text.push_str(&format!(
                "[cluster.{name}]\nendpoints = \"10.0.0.1:1-{endpoints}\"\n"
            ));
        }
        let checked = check(&text, "test", &Nowhere);
        checked
            .config
            .unwrap_or_else(|| panic!("{text}: {:?}", checked.diagnostics))
    }

    /// `+` what is added, `-` what is removed, `~` what is changed.
    fn shown(difference: &Difference) -> String {
        let kinds = [
            ('+', &difference.added),
            ('-', &difference.removed),
            ('~', &difference.changed),
        ];
        let names = kinds.into_iter().flat_map(|(sign, names)| {
            assert_eq!(names.total, names.first.len());
            names.first.iter().map(move |name| format!("{sign}{name}"))
        });
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_came_went_and_changed_is_told_by_name() {
        let before = config(
            "",
            &["a", "b"],
            &[("x", "c"), ("y", "d")],
            &[("c", 1), ("d", 2)],
        );
        for (after, expected) in [
            (before.clone(), ["", "", "", ""]),
            (
                config(
                    "node = \"n\"",
                    &["a", "b"],
                    &[("x", "c"), ("y", "d")],
                    &[("c", 1), ("d", 2)],
                ),
                ["settings", "", "", ""],
            ),
            // Another order is no change, although routes name clusters by their places.
            (
                config(
                    "",
                    &["b", "a"],
                    &[("x", "c"), ("y", "d")],
                    &[("d", 2), ("c", 1)],
                ),
                ["", "", "", ""],
            ),
            (
                config(
                    "",
                    &["a", "n"],
                    &[("x", "c"), ("y", "e")],
                    &[("c", 3), ("e", 2)],
                ),
                ["", "+n -b", "~y", "+e -d ~c"],
            ),
            // The same places, and others there.
            (
                config(
                    "",
                    &["a", "b"],
                    &[("x", "d"), ("y", "c")],
                    &[("c", 1), ("d", 2)],
                ),
                ["", "", "~x ~y", ""],
            ),
        ] {
            let change = Change::between(&before, &after, 2, SystemTime::UNIX_EPOCH);
            let settings = if change.settings { "settings" } else { "" };
            let seen = [
                settings.to_owned(),
                shown(&change.listeners),
                shown(&change.routes),
                shown(&change.clusters),
            ];
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn of_many_the_first_are_named_and_all_are_counted() {
        let names: Vec<String> = (0..150).map(|at| format!("r{at}")).collect();
        let routes: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "c")).collect();
        let before = config("", &["a"], &routes[..1], &[("c", 1)]);
        let after = config("", &["a"], &routes, &[("c", 1)]);
        let change = Change::between(&before, &after, 2, SystemTime::UNIX_EPOCH);
        let added = change.routes.added;
        assert_eq!((added.total, added.first.len()), (149, MOST_NAMES));
    }
}
