//! `[endpoint.NAME]`: endpoints that are alike.

use std::time::Duration;

use evenkeel_config::layer::{Bounds, Branch, Choice, Cx, Entry, Knob, Section, Shape, Table};

use crate::read::knobs::{count, number, switch, time};
use crate::read::service;
use crate::scenario::{Antagonist, Cold, Discipline, Failure, FailureKind, Group};

/// Any moment of a scenario.
const WHENEVER: (Duration, Duration) = (Duration::ZERO, Duration::from_hours(24));

static COUNT: Knob<u32> = count(
    "count",
    "How many there are.",
    1,
    "the name stands for one",
    (1, 100_000),
    "10",
);

static WEIGHT: Knob<u32> = count(
    "weight",
    "The weight that is configured for each; 0 gets nothing.",
    1,
    "all alike",
    (0, 1_000),
    "2",
);

static ZONE: Knob<String> = Knob {
    key: "zone",
    about: "The zone they are in.",
    default: String::new(),
    why: "none",
    bounds: None,
    required: false,
    example: "\"a\"",
};

static TIER: Knob<u32> = count(
    "tier",
    "Their tier: those of a lower number are used first.",
    0,
    "the first",
    (0, 100),
    "1",
);

static CORES: Knob<f64> = number(
    "cores",
    "How many cores each may use: its allocation. Requests that run at once beyond that share them, or wait.",
    1.0,
    "the simplest",
    (0.01, 10_000.0),
    "4",
);

static MACHINE: Knob<f64> = number(
    "machine",
    "How many cores the machine has that it runs on. It uses what others leave of them beyond its allocation. At 0 it has its allocation and no more.",
    0.0,
    "nothing to spare",
    (0.0, 10_000.0),
    "16",
);

static DISCIPLINE: Knob<Discipline> = Knob {
    key: "discipline",
    about: "What becomes of more requests than cores: \"shares\": all run at once and share them, as threads do; \"queues\": they wait for one, in order, as in a pool of workers.",
    default: Discipline::Shares,
    why: "most services have threads or a loop that mixes requests",
    bounds: None,
    required: false,
    example: "\"queues\"",
};

static SPEED: Knob<f64> = number(
    "speed",
    "How fast its cores are: at 0.5 everything takes twice as long.",
    1.0,
    "what `service` is measured on",
    (0.001, 1_000.0),
    "0.5",
);

static CANCELS: Knob<bool> = switch(
    "cancels",
    "Whether it stops working for a request that was given up.",
    "most do not look whether anybody still waits",
);

static SERVICE: Branch = Branch {
    key: "service",
    about: "How long a request keeps a core busy.",
    shape: Shape::Once,
    section: || &service::SERVICE,
};

static ANTAGONIST_BRANCH: Branch = Branch {
    key: "antagonist",
    about: "Who else uses its machine.",
    shape: Shape::Once,
    section: || &ANTAGONIST,
};

static COLD_BRANCH: Branch = Branch {
    key: "cold",
    about: "How it begins after a restart: slower, until its caches are warm.",
    shape: Shape::Once,
    section: || &COLD,
};

static FAILURES: Branch = Branch {
    key: "failure",
    about: "What goes wrong, and when.",
    shape: Shape::List,
    section: || &FAILURE,
};

/// `[endpoint.NAME]`.
pub(super) static ENDPOINT: Section = Section {
    name: "endpoint.NAME",
    about: "Endpoints that are alike.",
    knobs: &[
        &COUNT,
        &WEIGHT,
        &ZONE,
        &TIER,
        &CORES,
        &MACHINE,
        &DISCIPLINE,
        &SPEED,
        &CANCELS,
        &SERVICE,
        &ANTAGONIST_BRANCH,
        &COLD_BRANCH,
        &FAILURES,
    ],
    sample: "[endpoint.a]\nUNLESS cores: cores = 2\nKNOB\n[clients.a]\nload = 0.5\n",
};

static LOW: Knob<f64> = number(
    "least",
    "The lowest level, as a part of the machine.",
    0.0,
    "some machines are idle",
    (0.0, 10.0),
    "0.2",
);

static HIGH: Knob<f64> = number(
    "most",
    "The highest level. Each machine has one of its own, somewhere between, for the whole run.",
    1.0,
    "some machines are full",
    (0.0, 10.0),
    "0.9",
);

static SWING: Knob<f64> = number(
    "swing",
    "How far what is taken goes from the level to either side.",
    0.1,
    "nobody's load is constant",
    (0.0, 10.0),
    "0.3",
);

static EVERY: Knob<Duration> = time(
    "every",
    "The mean time until it changes.",
    Duration::from_secs(1),
    "often enough that an average of minutes is too old",
    (Duration::from_millis(1), Duration::from_hours(1)),
    "\"5s\"",
);

/// `antagonist` of an endpoint.
pub(super) static ANTAGONIST: Section = Section {
    name: "endpoint.NAME.antagonist",
    about: "What others take of the machine, as a part of it. An endpoint's allocation is its own, whatever they want.",
    knobs: &[&LOW, &HIGH, &SWING, &EVERY],
    sample: "[endpoint.a]\n[endpoint.a.antagonist]\nKNOB\n[clients.a]\nload = 0.5\n",
};

static FACTOR: Knob<f64> = number(
    "factor",
    "So many times the work, or the time, of one that is well.",
    3.0,
    "a miss costs more than a hit",
    (1.0, 1_000.0),
    "5",
);

static REQUESTS: Knob<u32> = count(
    "requests",
    "It is warm when it has served so many.",
    1_000,
    "a cache of some thousand entries",
    (1, 1_000_000_000),
    "200",
);

static WARMS: Knob<Option<Duration>> = Knob {
    key: "lasts",
    about: "Or when so long is over.",
    default: None,
    why: "only serving warms it",
    bounds: Some(Bounds {
        least: Duration::from_millis(1),
        greatest: Duration::from_hours(24),
    }),
    required: false,
    example: "\"30s\"",
};

static AT_START: Knob<bool> = switch(
    "at_start",
    "Whether it is cold when the run begins, too.",
    "it runs for long already",
);

/// `cold` of an endpoint.
pub(super) static COLD: Section = Section {
    name: "endpoint.NAME.cold",
    about: "How an endpoint begins: its requests are so many times the work, which falls in a line to that of a warm one.",
    knobs: &[&FACTOR, &REQUESTS, &WARMS, &AT_START],
    sample: "[endpoint.a]\n[endpoint.a.cold]\nKNOB\n[clients.a]\nload = 0.5\n",
};

static AT: Knob<Duration> = time(
    "at",
    "When it begins, for the first endpoint of the group.",
    Duration::from_secs(10),
    "after the warm-up",
    WHENEVER,
    "\"20s\"",
);

static LASTS: Knob<Duration> = time(
    "lasts",
    "For how long.",
    Duration::from_secs(10),
    "long enough to see what follows",
    WHENEVER,
    "\"30s\"",
);

static STAGGER: Knob<Duration> = time(
    "stagger",
    "How much later it begins for each further endpoint of the group.",
    Duration::ZERO,
    "all at once",
    WHENEVER,
    "\"5s\"",
);

static KIND: Knob<Kind> = Knob {
    key: "kind",
    about: "What: \"refuse\" (takes no connections, and what it worked on is lost), \"freeze\" (takes them and does nothing; afterwards it works on), \"error\" (answers a `part` of the requests with 503, at once), \"slow\" (everything takes `factor` times as long), \"restart\" (as \"refuse\", and then it begins cold).",
    default: Kind::Refuse,
    why: "the plainest",
    bounds: None,
    required: true,
    example: "\"slow\"",
};

static PART: Knob<f64> = number(
    "part",
    "Which part of the requests is answered with an error, 0 to 1.",
    1.0,
    "all",
    (0.0, 1.0),
    "0.3",
);

/// `failure` of an endpoint.
pub(super) static FAILURE: Section = Section {
    name: "endpoint.NAME.failure",
    about: "Something that goes wrong for a while.",
    knobs: &[&KIND, &AT, &LASTS, &STAGGER, &PART, &FACTOR],
    sample: "[endpoint.a]\n[[endpoint.a.failure]]\nONLY part: kind = \"error\"\nUNLESS part kind: kind = \"slow\"\nKNOB\n[clients.a]\nload = 0.5\n",
};

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Refuse,
    Freeze,
    Error,
    Slow,
    Restart,
}

impl Choice for Kind {
    fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("refuse", Self::Refuse),
            ("freeze", Self::Freeze),
            ("error", Self::Error),
            ("slow", Self::Slow),
            ("restart", Self::Restart),
        ]
    }
}

impl Choice for Discipline {
    fn all() -> Vec<(&'static str, Self)> {
        vec![("shares", Self::Shares), ("queues", Self::Queues)]
    }
}

/// Reads a group.
pub(super) fn group(entry: &Entry<'_>, zones: &[String], cx: &mut Cx<'_>) -> Option<Group> {
    let table = ENDPOINT.open(&entry.node, cx)?;
    let cores = CORES.read(&table, cx);
    let machine = MACHINE.read(&table, cx);
    if machine > 0.0 && machine < cores {
        cx.error(
            MACHINE.span(&table),
            format!("a machine of {machine} cores does not hold an allocation of {cores}"),
        )
        .help("`machine` is at least `cores`; leave it out where nothing is to spare");
    }
    let zone = ZONE.read(&table, cx);
    if !zone.is_empty() && !zones.is_empty() && !zones.contains(&zone) {
        cx.warning(ZONE.span(&table), format!("no node is in zone \"{zone}\""))
            .help(format!("nodes are in {}", zones.join(", ")));
    }
    let service = SERVICE.once(&table, cx);
    let failures = FAILURES.list(&table, cx);
    let failures = failures.iter().filter_map(|node| {
        let table = FAILURE.open(node, cx)?;
        Some(failure(&table, cx))
    });
    let failures = failures.collect();
    Some(Group {
        name: entry.key.value.to_owned(),
        count: COUNT.read(&table, cx),
        weight: u16::try_from(WEIGHT.read(&table, cx)).unwrap_or(u16::MAX),
        zone,
        tier: u8::try_from(TIER.read(&table, cx)).unwrap_or(u8::MAX),
        cores,
        machine: machine.max(cores),
        discipline: DISCIPLINE.read(&table, cx),
        service: service.map_or_else(service::default, |table| service::read(&table, cx)),
        speed: SPEED.read(&table, cx),
        cancels: CANCELS.read(&table, cx),
        antagonist: antagonist(&table, cx),
        cold: cold(&table, cx),
        failures,
    })
}

fn antagonist(table: &Table<'_>, cx: &mut Cx<'_>) -> Option<Antagonist> {
    let table = ANTAGONIST_BRANCH.once(table, cx)?;
    let (least, most) = (LOW.read(&table, cx), HIGH.read(&table, cx));
    if least > most {
        cx.error(HIGH.span(&table), "`most` is less than `least`")
            .help("the highest level is at least the lowest");
    }
    Some(Antagonist {
        least,
        most,
        swing: SWING.read(&table, cx),
        every: EVERY.read(&table, cx),
    })
}

fn cold(table: &Table<'_>, cx: &mut Cx<'_>) -> Option<Cold> {
    let table = COLD_BRANCH.once(table, cx)?;
    Some(Cold {
        factor: FACTOR.read(&table, cx),
        requests: REQUESTS.read(&table, cx),
        lasts: WARMS.read(&table, cx).unwrap_or(Duration::MAX),
        at_start: AT_START.read(&table, cx),
    })
}

fn failure(table: &Table<'_>, cx: &mut Cx<'_>) -> Failure {
    let kind = KIND.read(table, cx);
    let (part, factor) = (PART.read(table, cx), FACTOR.read(table, cx));
    if PART.given(table) && kind != Kind::Error {
        cx.error(PART.span(table), "`part` is only for errors")
            .help("leave it out, or write kind = \"error\"");
    }
    if FACTOR.given(table) && kind != Kind::Slow {
        cx.error(FACTOR.span(table), "`factor` is only for what is slow")
            .help("leave it out, or write kind = \"slow\"");
    }
    Failure {
        at: AT.read(table, cx),
        lasts: LASTS.read(table, cx),
        stagger: STAGGER.read(table, cx),
        kind: match kind {
            Kind::Refuse => FailureKind::Refuse,
            Kind::Freeze => FailureKind::Freeze,
            Kind::Error => FailureKind::Error(part),
            Kind::Slow => FailureKind::Slow(factor),
            Kind::Restart => FailureKind::Restart,
        },
    }
}
