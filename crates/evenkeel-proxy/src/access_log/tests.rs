//! The way of records to the log: none twice, none lost unseen, and memory that goes round.

use std::sync::mpsc::{Receiver, Sender, channel};

use evenkeel_base::RequestHead;
use evenkeel_config::{Nowhere, check};
use evenkeel_state::{Registry, Resolved, Snapshot};

use super::*;

/// A log that takes a write only when it is let, and keeps what was written.
#[derive(Clone)]
struct Slow {
    leave: Arc<Mutex<Receiver<()>>>,
    written: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Slow {
    fn new() -> (Self, Sender<()>) {
        let (let_go, leave) = channel();
        let slow = Self {
            leave: Arc::new(Mutex::new(leave)),
            written: Arc::default(),
        };
        (slow, let_go)
    }

    fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().concat()).unwrap()
    }
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // When whoever lets it is gone, everything is let.
        let _ = self.leave.lock().unwrap().recv();
        self.written.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A worker's end with the counters of the worker, and what every record of it is made from.
struct Bench {
    log: WorkerLog,
    counters: WorkerCounters,
    snapshot: Snapshot,
}

impl Bench {
    fn new(log: &AccessLog) -> Self {
        let text = "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"\"\n";
        let config = check(text, "test", &Nowhere).config.unwrap();
        Self {
            log: WorkerLog::new(Some(log)),
            counters: WorkerCounters::default(),
            snapshot: Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1),
        }
    }

    /// Records an exchange that the number stands in.
    fn record(&self, number: u64) {
        let mut record = Record::new(Instant::now(), [b'0'; 32]);
        record.bytes_in = number;
        let head = RequestHead::default();
        let exchange = Exchange {
            names: Names::In(&self.snapshot),
            listener: "a",
            from: (None, ""),
            proof: None,
            request: head.view(b""),
            record: &record,
            took: Duration::ZERO,
            stands_for: rules::ONE,
        };
        self.log.record(&exchange, &self.counters);
    }

    fn dropped(&self) -> u64 {
        self.counters.log_dropped.read()
    }
}

/// The numbers of the records that were written, in their order.
fn numbers(text: &str) -> Vec<u64> {
    text.lines()
        .map(|line| {
            let (_, number) = line.split_once(" in=").unwrap();
            number.split_once(' ').unwrap().0.parse().unwrap()
        })
        .collect()
}

/// What a log wants when nothing is said.
fn rules() -> Rules {
    let text = "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"\"\n";
    Rules::of(&check(text, "test", &Nowhere).config.unwrap().access_log)
}

fn open(slow: &Slow) -> AccessLog {
    AccessLog::to(Box::new(slow.clone()), rules()).unwrap()
}

#[test]
fn records_are_written_in_their_order_and_each_once() {
    let (slow, let_go) = Slow::new();
    let log = open(&slow);
    let bench = Bench::new(&log);
    drop(let_go);
    let all: Vec<u64> = (0..5_000).collect();
    for number in &all {
        bench.record(*number);
        if number % 700 == 0 {
            bench.log.flush(&bench.counters);
        }
    }
    bench.log.finish(&bench.counters);
    let dropped = bench.dropped();
    drop(bench);
    drop(log);
    assert_eq!(dropped, 0);
    assert_eq!(numbers(&slow.text()), all);
}

#[test]
fn what_a_slow_log_does_not_take_is_dropped_and_counted() {
    let (slow, let_go) = Slow::new();
    let log = open(&slow);
    let bench = Bench::new(&log);
    // More than all pages hold that may wait: the one being written, those in the queue, and the worker's own.
    let total = 80_000;
    (0..total).for_each(|number| bench.record(number));
    let dropped = bench.dropped();
    assert!(dropped > 0, "memory is bounded");
    drop(let_go);
    bench.log.finish(&bench.counters);
    let dropped = bench.dropped();
    drop(bench);
    drop(log);
    let written = numbers(&slow.text());
    assert_eq!(written.len() as u64 + dropped, total);
    assert!(written.is_sorted_by(|a, b| a < b), "none twice, in order");
}

#[test]
fn pages_come_back_and_are_used_again() {
    let (slow, let_go) = Slow::new();
    let log = open(&slow);
    let bench = Bench::new(&log);
    let place = || {
        let desk = bench.log.desk.borrow();
        desk.as_ref().unwrap().open.page.filled().as_ptr()
    };
    let (first, mut seen) = (place(), 0);
    for number in 0..20 {
        bench.record(number);
        bench.log.flush(&bench.counters);
        let_go.send(()).unwrap();
        // Until the writer gives it back there is no page to take: waiting for it is what makes the test sure.
        let desk = bench.log.desk.borrow();
        let desk = desk.as_ref().unwrap();
        let back = desk.spares.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(back.filled().is_empty() && back.records() == 0);
        desk.home.try_send(back).unwrap();
        seen += u32::from(place() == first);
    }
    assert!(seen > 5, "the first page came round {seen} times");
}

#[test]
fn a_log_that_takes_nothing_does_not_hold_up_the_end() {
    let (slow, let_go) = Slow::new();
    let log = open(&slow);
    let bench = Bench::new(&log);
    bench.record(1);
    bench.log.finish(&bench.counters);
    drop(bench);
    let began = Instant::now();
    drop(log);
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(slow.text(), "");
    drop(let_go);
}

/// A disk with so much room.
#[derive(Clone)]
struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (written, room) = &mut *self.0.lock().unwrap();
        let taken = bytes.len().min(*room);
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        written.extend_from_slice(&bytes[..taken]);
        *room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_full_disk_does_not_take_is_counted_and_no_line_begins_in_another() {
    let disk = Disk(Arc::new(Mutex::new((Vec::new(), 1000))));
    let log = AccessLog::to(Box::new(disk.clone()), rules()).unwrap();
    let bench = Bench::new(&log);
    let total = 40;
    (0..total).for_each(|number| bench.record(number));
    bench.log.flush(&bench.counters);
    // What could not be written is known when its page is back.
    let until = Instant::now() + Duration::from_secs(30);
    while bench.dropped() == 0 {
        assert!(Instant::now() < until);
        bench.log.flush(&bench.counters);
        std::thread::yield_now();
    }
    let lost = bench.dropped();
    disk.0.lock().unwrap().1 = 10_000;
    bench.record(total);
    bench.log.finish(&bench.counters);
    assert_eq!(bench.dropped(), lost);
    drop(bench);
    drop(log);
    let text = String::from_utf8(disk.0.lock().unwrap().0.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Those that were written, the one that the end of the disk tore, and the one behind it.
    assert_eq!(lines.len() as u64, total - lost + 2, "{text}");
    assert_eq!(numbers(lines[lines.len() - 1]), [total]);
}
