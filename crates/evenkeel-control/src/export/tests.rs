//! What is gathered is bounded, whatever the collector does.

use super::*;
use crate::rig::{config, pass, published, story};

fn traced() -> Arc<Publisher> {
    let endpoints = ["10.0.0.1:1".to_owned(), "10.0.0.2:1".to_owned()];
    published(config(&[&endpoints]))
}

/// Hands over and gathers so many stories; how many spans that is.
fn hand_over(export: &Export, publisher: &Publisher, stories: usize) -> u64 {
    let current = publisher.current();
    let mut spans = 0;
    for n in 0..stories {
        let story = story(&current);
        spans += story.spans();
        publisher.traces().hand_over(story);
        if n % 1000 == 0 || n + 1 == stories {
            while export.gather(publisher) {}
        }
    }
    spans
}

#[test]
fn batches_end_when_they_are_full() {
    let (export, publisher) = (Export::default(), traced());
    let spans = hand_over(&export, &publisher, 200);
    let state = export.state();
    assert_eq!(state.backlog.len(), 2);
    let waiting: u64 = state.backlog.iter().map(|batch| batch.spans).sum();
    assert_eq!(waiting + state.open.len() as u64, spans);
    assert!(state.open.len() < BATCH_SPANS);
    assert!(
        state
            .backlog
            .iter()
            .all(|batch| batch.bytes.len() < 256 * 1024)
    );
}

#[test]
fn what_nobody_takes_is_dropped_and_counted() {
    let (export, publisher) = (Export::default(), traced());
    let spans = hand_over(&export, &publisher, 6_000);
    let state = export.state();
    assert_eq!(state.backlog.len(), MAX_BACKLOG);
    let waiting: u64 = state.backlog.iter().map(|batch| batch.spans).sum();
    let dropped = publisher.traces().dropped(Dropped::Unreachable);
    assert!(dropped > 0);
    assert_eq!(waiting + state.open.len() as u64 + dropped, spans);
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_a_collector_but_not_for_one_that_takes_nothing() {
    for is_failing in [true, false] {
        let (export, publisher) = (Export::default(), traced());
        export.state().is_failing = is_failing;
        let spans = hand_over(&export, &publisher, 10);
        let began = time::Instant::now();
        export.finish(&publisher).await;
        let waited = began.elapsed();
        assert_eq!(publisher.traces().dropped(Dropped::Unreachable), spans);
        assert_eq!(waited >= LAST_SPANS, !is_failing, "{waited:?}");
    }
    let (export, publisher) = (Export::default(), traced());
    hand_over(&export, &publisher, 10);
    let began = time::Instant::now();
    let taken = async {
        pass(Duration::from_millis(20)).await;
        export.pop();
    };
    tokio::join!(export.finish(&publisher), taken);
    assert!(began.elapsed() < LAST_SPANS);
    assert_eq!(publisher.traces().dropped(Dropped::Unreachable), 0);
}

#[test]
fn what_clients_say_at_length_makes_no_batch_and_no_backlog_larger() {
    let (export, publisher) = (Export::default(), traced());
    let current = publisher.current();
    let mut spans = 0;
    for _ in 0..6_000 {
        let mut story = story(&current);
        for text in [&mut story.asked.path, &mut story.asked.authority] {
            *text = "x".repeat(1024);
        }
        story.asked.user_agent = Some("x".repeat(1024));
        story.asked.request_id = "x".repeat(1024);
        spans += story.spans();
        publisher.traces().hand_over(story);
        export.gather(&publisher);
    }
    let state = export.state();
    let sizes: Vec<usize> = state.backlog.iter().map(|one| one.bytes.len()).collect();
    // Beside the spans a batch has the name of the process, once.
    assert!(
        sizes.iter().all(|size| *size < BATCH_BYTES + 1024),
        "{sizes:?}"
    );
    assert!(sizes.iter().sum::<usize>() < MAX_BACKLOG_BYTES + BATCH_BYTES + 1024);
    let waiting: u64 = state.backlog.iter().map(|batch| batch.spans).sum();
    let dropped = publisher.traces().dropped(Dropped::Unreachable);
    assert!(dropped > 0);
    assert_eq!(waiting + state.open.len() as u64 + dropped, spans);
}

#[test]
fn a_batch_that_is_too_large_is_cut_in_half_and_nothing_gets_lost() {
    let (export, publisher) = (Export::default(), traced());
    hand_over(&export, &publisher, 100);
    let mut whole = export.first().unwrap();
    let listed = |batch: &Batch| {
        let mut request = ExportRequest::decode(batch.bytes.clone()).unwrap();
        let spans = spans_of(&mut request).unwrap().clone();
        assert_eq!(spans.len() as u64, batch.spans);
        spans
    };
    let [first, second] = whole.halves().unwrap();
    assert_eq!([listed(&first), listed(&second)].concat(), listed(&whole));
    assert!(first.bytes.len().max(second.bytes.len()) < whole.bytes.len() * 2 / 3);
    for _ in 0..MAX_HALVINGS {
        whole = whole.halves().unwrap()[1].clone();
    }
    assert!(
        whole.spans < 32 && whole.halves().is_none(),
        "{}",
        whole.spans
    );
}

#[test]
fn a_collector_that_wants_it_at_once_is_not_asked_in_a_loop() {
    let second = Duration::from_secs;
    for (asked, expected) in [
        (None, 2),
        (Some(0), 2),
        (Some(1), 2),
        (Some(7), 7),
        (Some(3_600), MAX_AGE.as_secs()),
    ] {
        let waits = wait(asked.map(second), second(2));
        assert_eq!(waits, second(expected), "{asked:?}");
    }
    assert!(LAST_PAUSE.mul_f64(1.5) < MAX_AGE);
}
