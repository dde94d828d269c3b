//! More requests than endpoints bear, or than clients may send.

use super::{Length, ms};
use crate::claim::{Claim, Measured, Span};
use crate::client::Load;
use crate::exchange::Outcome;
use crate::origin::Manner;
use crate::run::Run;
use crate::scenario::Scenario;

/// What two endpoints do in a second with 8 requests each that take 40 ms.
const CAPACITY: u32 = 400;

/// A standing queue is dissolved from its front.
pub(super) fn codel(length: Length) -> Scenario {
    let why = "a wait above 20 ms for 100 ms is a standing queue: requests are dropped from its front, faster and faster, until it is none; without that everybody would wait for most of a second by then";
    let seconds = match length {
        Length::Short => 3,
        Length::Full => 8,
    };
    Scenario::new(
        "codel",
        "an eighth more requests than two endpoints bear with 8 in flight each; others wait in a queue of 1,000",
    )
    .endpoints(vec![Manner::good(ms(40)); 2])
    .loads([Load {
        posts: 0,
        ..Load::rate(512, CAPACITY / 8 * 9)
    }])
    .cluster("limits = { endpoint_requests = 8, queue = { size = 1000, timeout = \"5s\", target = \"20ms\", interval = \"100ms\" } }")
    .mark("from the start")
    .pause(ms(seconds * 1_000))
    .claim(Claim::new("requests are dropped", why, |run| {
        let dropped = run.failures(|one| {
            matches!(&one.outcome, Outcome::Reply(503, fault) if fault == "queue-dropped")
        });
        Measured::new(!dropped.is_empty(), dropped.len().to_string())
    }))
    .claim(Claim::failures_are("a 503 of the queue's", "only the queue gives up", |one| {
        matches!(&one.outcome, Outcome::Reply(503, fault) if fault.starts_with("queue-"))
    }))
    .claim(Claim::took_at_most(
        0,
        Span::between("from the start", ms(seconds * 1_000 - 1_000), ms(seconds * 1_000)),
        500,
        ms(250),
        why,
    ))
    .claim(Claim::new("3 of 4 requests are served", "the overload is an eighth, and a busy machine makes it more", |run| {
        let served = run.exchanges.iter().filter(|one| one.is_good()).count();
        let all = run.exchanges.len();
        Measured::new(4 * served >= 3 * all, format!("{served} of {all}"))
    }))
}

/// Who is important does not wait behind who is not.
pub(super) fn priority(length: Length) -> Scenario {
    let why = "whoever has priority goes first, so it waits for one of 8 places to be free, which is a matter of 20 ms, and then takes as long";
    let important = Load {
        path: "/important",
        posts: 0,
        ..Load::rate(16, 60)
    };
    let others = Load {
        posts: 0,
        ..Load::closed(96)
    };
    Scenario::new(
        "priority",
        "96 clients ask two endpoints that bear 4 requests each, and 60 requests a second are of high priority",
    )
    .endpoints(vec![Manner::good(ms(20)); 2])
    .loads([others, important])
    .cluster("limits = { endpoint_requests = 4, queue = { size = 1000, timeout = \"2s\", target = \"2s\" } }")
    .add_route("path = \"/important\"\ncluster = \"app\"\npriority = \"high\"")
    .mark("from the start")
    .requests(length.requests(600))
    .claim(Claim::load_is_served(1, "high priority", why))
    .claim(Claim::took_at_most(1, Span::after("from the start"), 990, ms(100), why))
    .claim(Claim::new(
        "the others wait for more than 150 ms",
        "96 clients share 400 requests a second",
        |run| {
            let others = run.exchanges.iter().filter(|one| one.load == 0);
            let median = crate::run::quantile(others, 500).unwrap_or_default();
            Measured::new(median > ms(150), crate::run::millis(median))
        },
    ))
}

/// The limit that nobody had to guess.
pub(super) fn adaptive(length: Length) -> Scenario {
    let manner = Manner {
        capacity: 8,
        ..Manner::good(ms(10))
    };
    let low = "latency may grow by a half, so the limit comes to rest a little above 1.5 × 8 + √16 = 16; the latency without load is measured on a machine that is busy, so twice that is allowed; without the limit there would be 64";
    let high = "the limit grows while latency does not";
    // How long it may take to come to rest, and how long we look.
    let (settling, looking) = match length {
        Length::Short => (ms(3_500), ms(1_000)),
        Length::Full => (ms(6_000), ms(5_000)),
    };
    Scenario::new(
        "adaptive",
        "two endpoints do 8 requests at once and let others wait; 128 clients ask, and the limits are adaptive",
    )
    .endpoints(vec![manner; 2])
    .loads([Load {
        posts: 0,
        ..Load::closed(128)
    }])
    .cluster("limits = { endpoint_requests = \"adaptive\", queue = { size = 1000, timeout = \"5s\", target = \"5s\" } }")
    .pause(settling)
    .mark("settled")
    .pause(looking)
    .claim(Claim::no_failure("the queue has room for all, and time"))
    .claim(Claim::new(
        "at most 32 requests are at an endpoint in 95 % of the time",
        low,
        |run| {
            let most = in_flight(run, "settled", 950);
            // The limit follows latency, and that of a rehearsal is the machine's as well: then it has to be seen to act.
            let bound = if run.leeway > 1 { 48 } else { 32 };
            Measured::new(most <= bound, most.to_string())
        },
    ))
    .claim(Claim::new("at least 5 are, in half of the time", high, |run| {
        let median = in_flight(run, "settled", 500);
        Measured::new((5..).contains(&median), median.to_string())
    }))
}

/// How many requests there were at most at an endpoint in `per_mille` of a thousand cases, whenever it saw one more from
/// the mark on.
fn in_flight(run: &Run, mark: &str, per_mille: usize) -> u32 {
    let from = run.start + run.mark(mark).min(run.took);
    let sights = run.pages.sights.iter().filter(|sight| sight.at >= from);
    let mut numbers: Vec<u32> = sights.map(|sight| sight.in_flight).collect();
    numbers.sort_unstable();
    let at = numbers.len() * per_mille / 1_000;
    numbers.get(at).copied().unwrap_or(u32::MAX)
}

/// One client asks too much, another does not.
pub(super) fn rate_limit(length: Length) -> Scenario {
    let seconds = match length {
        Length::Short => 3,
        Length::Full => 8,
    };
    let heavy = Load {
        posts: 0,
        lines: "X-Client: heavy\r\n",
        ..Load::rate(48, 500)
    };
    let light = Load {
        lines: "X-Client: light\r\n",
        ..Load::rate(16, 40)
    };
    let apart = "each client has a bucket of its own, and this one's holds what it would send in two seconds and a half";
    let bucket = "a bucket holds 100 and gets 100 a second";
    Scenario::new(
        "rate-limit",
        "two clients may send 100 requests a second each; one sends 500, the other 40",
    )
    .loads([heavy, light])
    .route("rate_limit = { requests = 100, per = \"1s\", burst = 100, key = \"header:X-Client\" }")
    .mark("from the start")
    .pause(ms(seconds * 1_000))
    .mark("end")
    .claim(Claim::load_is_served(1, "the light client", apart))
    .claim(Claim::failures_are(
        "a 429",
        "who asks too much is told so",
        |one| matches!(&one.outcome, Outcome::Reply(429, fault) if fault == "rate-limited"),
    ))
    .claim(Claim::new(
        "the heavy client gets 100 a second and 100",
        bucket,
        |run| {
            let heavy = run.exchanges.iter().filter(|one| one.load == 0);
            let last = heavy
                .clone()
                .map(|one| one.ended())
                .max()
                .unwrap_or_default();
            let served = heavy.filter(|one| one.is_good()).count();
            let served = u32::try_from(served).unwrap_or(u32::MAX);
            let most = 100.0 + 100.0 * last.as_secs_f64();
            let found = format!("{served} of at most {most:.0}");
            let is_right = f64::from(served) <= most + 1.0 && f64::from(served) >= 0.9 * most;
            Measured::new(is_right, found)
        },
    ))
}
