//! What is read while nobody watches.

use super::*;
use crate::live::tests::Scene;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn while_nobody_watches_endpoints_are_not_all_walked_every_second() {
    let scene = Scene::new(700);
    let snapshot = scene.office.publisher.current();
    for (workers, expected) in [(1, 1), (8, 2), (64, 11), (10_000, MOST_REST)] {
        assert_eq!(rest(&snapshot, workers), expected, "{workers}");
    }
    let (mut clusters, began) = (Clusters::default(), Instant::now());
    let mut rates = Vec::new();
    for second in 0..10 {
        let seen = clusters.look(&snapshot, began + SECOND * second, Some(3));
        assert!(seen[0].endpoints.is_empty(), "no state is looked at");
        rates.push(seen[0].point().1.rate);
        for _ in 0..6 {
            scene.exchange(200, None, Duration::from_millis(2));
        }
    }
    // New at the first look, and then its turn at the third, sixth and ninth.
    assert_eq!(rates, [0.0, 0.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0]);
    let seen = clusters.look(&snapshot, began + SECOND * 10, None);
    assert_eq!((seen[0].endpoints.len(), seen[0].span), (700, SECOND * 2));
    assert!((seen[0].point().1.rate - 6.0).abs() < 0.01);
}
