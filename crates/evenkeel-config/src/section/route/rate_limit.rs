//! `rate_limit` of a route: so many requests in a time, for each client, key or path.

use std::time::Duration;

use evenkeel_base::rules::{RateKey, RateRules};
use evenkeel_base::unit::format_duration;
use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section, Table};
use crate::raw::{Cx, Node};
use crate::value::{Bounds, Value};

/// `rate_limit` of a route.
pub(crate) static RATE_LIMITS: Knob<Vec<RateRules>> = Knob {
    key: "rate_limit",
    about: "So many requests in a time; one more is answered 429, with `Retry-After` and the `RateLimit` fields. A list holds several limits, all of which must admit a request.",
    default: Vec::new(),
    why: "no limit",
    bounds: None,
    required: false,
    example: "{ requests = 100, per = \"1s\" }",
};

static REQUESTS: Knob<u32> = Knob {
    key: "requests",
    about: "So many requests are admitted in the time that `per` says, for each key.",
    default: 1,
    why: "it must be given",
    bounds: COUNT,
    required: true,
    example: "100",
};

static PER: Knob<Duration> = Knob {
    key: "per",
    about: "The time in which `requests` are admitted. The allowance comes back evenly: 60 in a minute are one a second, and `burst` says how many may come at once.",
    default: Duration::from_secs(1),
    why: "rates are thought of by the second",
    bounds: Some(Bounds {
        least: Duration::from_millis(1),
        greatest: Duration::from_hours(24),
    }),
    required: false,
    example: "\"1m\"",
};

static BURST: Knob<Option<u32>> = Knob {
    key: "burst",
    about: "So many may come at once, after a time without any.",
    default: None,
    why: "as many as `requests`",
    bounds: COUNT,
    required: false,
    example: "50",
};

static KEY: Knob<RateKey> = Knob {
    key: "key",
    about: "What is counted apart: \"client\" (the client's address, of IPv6 the first 64 bits), \"route\" (nothing: one count for all), \"path\", \"header:NAME\" or \"cookie:NAME\" (the value; requests without it share a count).",
    default: RateKey::Client,
    why: "one client must not use up what is there for all",
    bounds: None,
    required: false,
    example: "\"header:X-Api-Key\"",
};

static DRY_RUN: Knob<bool> = Knob {
    key: "dry_run",
    about: "Whether what is over the limit is only counted and logged: to see whom a limit would hit.",
    default: false,
    why: "a limit limits",
    bounds: None,
    required: false,
    example: "true",
};

static KEYS: Knob<u32> = Knob {
    key: "keys",
    about: "So many keys are remembered, at 8 bytes each; those that were quiet for longest are forgotten first.",
    default: RateRules::DEFAULT_KEYS,
    why: "more clients than most see within a minute, in 512 KiB",
    bounds: Some(Bounds {
        least: 1,
        greatest: 1 << 24,
    }),
    required: false,
    example: "1000000",
};

const COUNT: Option<Bounds<u32>> = Some(Bounds {
    least: 1,
    greatest: 1_000_000_000,
});

/// `rate_limit` of a route.
pub(crate) static RATE_LIMIT: Section = Section {
    name: "route.rate_limit",
    about: "A rate limit: a bucket of `burst` tokens for each key, into which `requests` tokens come back `per` time. A request takes one, or is answered 429.",
    knobs: &[&REQUESTS, &PER, &BURST, &KEY, &DRY_RUN, &KEYS],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n[route.rate_limit]\nrequests = 10\nKNOB\n",
};

impl Value for RateRules {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = RATE_LIMIT.open(node, cx)?;
        let before = cx.count();
        let requests = REQUESTS.read(&table, cx);
        let rules = Self {
            requests,
            per: PER.read(&table, cx),
            burst: BURST.read(&table, cx).unwrap_or(requests),
            key: KEY.read(&table, cx),
            keys: KEYS.read(&table, cx),
            dry_run: DRY_RUN.read(&table, cx),
        };
        if cx.count() > before {
            return None;
        }
        check(&rules, &table, cx);
        (cx.count() == before).then_some(rules)
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.given(&REQUESTS, Some(&self.requests));
        lines.knob(&PER, &self.per);
        let burst = (self.burst != self.requests).then_some(self.burst);
        lines.knob(&BURST, &burst);
        lines.knob(&KEY, &self.key);
        lines.knob(&DRY_RUN, &self.dry_run);
        lines.knob(&KEYS, &self.keys);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        RATE_LIMIT.reference()
    }
}

/// Reports a rate that cannot be kept.
fn check(rules: &RateRules, table: &Table<'_>, cx: &mut Cx<'_>) {
    let most = u128::from(RateRules::MOST_PER_SECOND);
    if u128::from(rules.requests) * 1_000_000 > most * rules.per.as_micros() {
        cx.error(
            REQUESTS.span(table),
            format!(
                "{} requests in {} are too many to count one by one",
                rules.requests,
                format_duration(rules.per)
            ),
        )
        .help(format!(
            "at most {most} a second are counted; leave the limit out"
        ));
        return;
    }
    let refill = rules.per.as_micros() * u128::from(rules.burst) / u128::from(rules.requests);
    if refill > RateRules::LONGEST_REFILL.as_micros() {
        cx.error(
            BURST.span(table),
            format!("a burst of {} takes too long to come back", rules.burst),
        )
        .help("it must come back within 7 days: lower `burst` or raise the rate");
    }
    if rules.key == RateKey::Route && KEYS.given(table) {
        cx.warning(
            KEYS.span(table),
            "this does nothing here: a route has one count",
        )
        .help("leave it out, or count apart by another `key`");
    }
}
