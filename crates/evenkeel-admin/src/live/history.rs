//! The last minutes, second by second: what charts begin with, kept whether anybody watches or not. Fixed memory.

use std::collections::VecDeque;

use crate::view::live;

/// So many seconds are kept.
pub(super) const KEPT: usize = 300;

/// Of so many clusters, the first of the configuration: with [`KEPT`] seconds of 16 bytes these are 150 KiB.
pub(super) const CLUSTERS: usize = 32;

/// A second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) rate: f32,
    pub(super) errors: f32,
    pub(super) p50_us: u32,
    pub(super) p99_us: u32,
}

/// The last minutes.
#[derive(Debug, Default)]
pub(super) struct History {
    at_ms: VecDeque<u64>,
    total: VecDeque<Point>,
    clusters: Vec<(String, VecDeque<Point>)>,
}

impl History {
    /// A second went by: what clients saw in it, and clusters by name. One that is missing is forgotten, one that is new has been
    /// still until now.
    pub(super) fn push(&mut self, at_ms: u64, total: Point, clusters: &[(&str, Point)]) {
        let before = self.at_ms.len();
        push(&mut self.at_ms, at_ms);
        push(&mut self.total, total);
        let mut known = std::mem::take(&mut self.clusters);
        for (name, point) in clusters.iter().take(CLUSTERS) {
            let (name, mut points) = match known.iter().position(|(known, _)| known == name) {
                Some(at) => known.swap_remove(at),
                None => {
                    let still = std::iter::repeat_n(Point::default(), before);
                    ((*name).to_owned(), still.collect())
                }
            };
            push(&mut points, *point);
            self.clusters.push((name, points));
        }
    }

    /// What clients saw in the last seconds, in the mean: requests, and those of them that failed. There was nothing before the
    /// first second.
    pub(super) fn lately(&self, seconds: usize) -> (f32, f32) {
        let last = self.total.iter().rev().take(seconds);
        let sum = last.fold((0.0, 0.0), |(rate, errors), point| {
            (rate + point.rate, errors + point.errors)
        });
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let count = seconds.max(1) as f32;
        (sum.0 / count, sum.1 / count)
    }

    /// All of it, to be sent.
    pub(super) fn view(&self) -> live::History {
        live::History {
            at_ms: self.at_ms.iter().copied().collect(),
            total: columns(&self.total),
            clusters: self
                .clusters
                .iter()
                .map(|(name, points)| live::ClusterHistory {
                    name: name.clone(),
                    columns: columns(points),
                })
                .collect(),
        }
    }
}

fn push<T>(ring: &mut VecDeque<T>, one: T) {
    if ring.len() == KEPT {
        ring.pop_front();
    }
    ring.push_back(one);
}

fn columns(points: &VecDeque<Point>) -> live::Columns {
    live::Columns {
        rate: points.iter().map(|point| point.rate).collect(),
        errors: points.iter().map(|point| point.errors).collect(),
        p50_us: points.iter().map(|point| point.p50_us).collect(),
        p99_us: points.iter().map(|point| point.p99_us).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(rate: u16) -> Point {
        Point {
            rate: rate.into(),
            errors: 1.0,
            ..Point::default()
        }
    }

    #[test]
    fn the_oldest_second_makes_room() {
        let mut history = History::default();
        for second in 0..310 {
            history.push(u64::from(second), point(second), &[("a", point(second))]);
        }
        let view = history.view();
        assert_eq!((view.at_ms.len(), view.at_ms[0]), (KEPT, 10));
        assert_eq!((view.total.rate.len(), view.total.rate[0]), (KEPT, 10.0));
        assert_eq!(view.clusters[0].columns, view.total);
        assert_eq!(history.lately(2), (308.5, 1.0));
    }

    #[test]
    fn columns_stay_of_one_length_when_clusters_come_and_go() {
        let mut history = History::default();
        history.push(1, point(1), &[("a", point(1))]);
        history.push(2, point(2), &[("b", point(7)), ("a", point(2))]);
        history.push(3, point(3), &[("b", point(8))]);
        let view = history.view();
        let clusters: Vec<(&str, &[f32])> = view
            .clusters
            .iter()
            .map(|one| (one.name.as_str(), one.columns.rate.as_slice()))
            .collect();
        assert_eq!(clusters, [("b", &[0.0, 7.0, 8.0][..])]);
        assert_eq!(view.at_ms, [1, 2, 3]);
    }

    #[test]
    fn more_clusters_than_are_kept_are_left_out() {
        let mut history = History::default();
        let names: Vec<String> = (0..CLUSTERS + 5).map(|n| n.to_string()).collect();
        let clusters: Vec<(&str, Point)> = names.iter().map(|n| (n.as_str(), point(1))).collect();
        history.push(1, point(1), &clusters);
        assert_eq!(history.view().clusters.len(), CLUSTERS);
        assert_eq!(History::default().lately(10), (0.0, 0.0));
    }
}
