//! How often the endpoints of a cluster are probed, how long a probe may take, and how many results count.

use std::time::Duration;

use evenkeel_base::rules::ProbeRules;
use evenkeel_base::unit::format_duration;

use crate::knob::{Knob, Lines, Table};
use crate::raw::Cx;
use crate::section::TIMEOUT;
use crate::value::Bounds;

/// `interval` of a probe.
pub(crate) static INTERVAL: Knob<Duration> = Knob {
    key: "interval",
    about: "From one probe of an endpoint to the next while it is up and nothing changes.",
    default: ProbeRules::DEFAULT.interval,
    why: "traffic itself shows a sudden death; a probe finds what traffic does not, and costs the endpoint something",
    bounds: INTERVALS,
    required: false,
    example: "\"10s\"",
};

/// `changing_interval` of a probe.
pub(crate) static CHANGING_INTERVAL: Knob<Duration> = Knob {
    key: "changing_interval",
    about: "From one probe to the next while an endpoint has given results that may change its health, but not yet enough of them. Never more than `interval` by default.",
    default: ProbeRules::DEFAULT.changing_interval,
    why: "the next result decides, so it should come soon",
    bounds: INTERVALS,
    required: false,
    example: "\"500ms\"",
};

/// `down_interval` of a probe.
pub(crate) static DOWN_INTERVAL: Knob<Option<Duration>> = Knob {
    key: "down_interval",
    about: "From one probe to the next while an endpoint is down. A connection is tried every second besides, and when one is made again the next probe comes at once.",
    default: None,
    why: "`interval`",
    bounds: INTERVALS,
    required: false,
    example: "\"30s\"",
};

/// `jitter` of a probe.
pub(crate) static JITTER: Knob<u8> = Knob {
    key: "jitter",
    about: "By how many percent each interval varies by chance, either way.",
    default: ProbeRules::DEFAULT.jitter_percent,
    why: "many endpoints, and many evenkeels, then do not probe in step",
    bounds: Some(Bounds {
        least: 0,
        greatest: 50,
    }),
    required: false,
    example: "10",
};

/// `timeout` of a probe.
pub(crate) static TIMEOUT_KNOB: Knob<Duration> = Knob {
    key: "timeout",
    about: "How long one probe may take, connect included. Never more than `interval` by default.",
    default: ProbeRules::DEFAULT.timeout,
    why: "an endpoint that takes two seconds to say that it is well is not",
    bounds: TIMEOUT,
    required: false,
    example: "\"500ms\"",
};

/// `rise` of a probe.
pub(crate) static RISE: Knob<u16> = Knob {
    key: "rise",
    about: "So many good results in a row make an endpoint up. The first result of all decides alone.",
    default: ProbeRules::DEFAULT.rise,
    why: "one may be luck",
    bounds: IN_A_ROW,
    required: false,
    example: "1",
};

/// `fall` of a probe.
pub(crate) static FALL: Knob<u16> = Knob {
    key: "fall",
    about: "So many bad results in a row make an endpoint down.",
    default: ProbeRules::DEFAULT.fall,
    why: "one lost packet, or one pause of the endpoint, is no reason",
    bounds: IN_A_ROW,
    required: false,
    example: "2",
};

/// Ten probes a second of one endpoint are an attack, and one a day says nothing.
const INTERVALS: Option<Bounds<Duration>> = Some(Bounds {
    least: Duration::from_millis(100),
    greatest: Duration::from_hours(24),
});

const IN_A_ROW: Option<Bounds<u16>> = Some(Bounds {
    least: 1,
    greatest: 100,
});

/// Reads how often and how long.
pub(crate) fn read(table: &Table<'_>, cx: &mut Cx<'_>) -> ProbeRules {
    let interval = INTERVAL.read(table, cx);
    let at_most = |knob: &Knob<Duration>, cx: &mut Cx<'_>| {
        let given = knob.read_given(table, cx);
        given.unwrap_or_else(|| knob.default.min(interval))
    };
    let changing_interval = at_most(&CHANGING_INTERVAL, cx);
    let timeout = at_most(&TIMEOUT_KNOB, cx);
    if changing_interval > interval {
        cx.warning(
            CHANGING_INTERVAL.span(table),
            "an endpoint whose health is about to change would be probed less often than another",
        )
        .help("make it shorter than `interval`");
    }
    if timeout > interval {
        cx.warning(
            TIMEOUT_KNOB.span(table),
            format!(
                "a probe may take {}, and the next one is due after {}",
                format_duration(timeout),
                format_duration(interval)
            ),
        )
        .help("make it shorter than `interval`");
    }
    ProbeRules {
        interval,
        changing_interval,
        down_interval: DOWN_INTERVAL.read(table, cx).unwrap_or(interval),
        jitter_percent: JITTER.read(table, cx),
        timeout,
        rise: RISE.read(table, cx),
        fall: FALL.read(table, cx),
    }
}

/// Writes it.
pub(crate) fn print(rules: &ProbeRules, lines: &mut Lines) {
    let at_most = |knob: &Knob<Duration>| knob.default.min(rules.interval);
    lines.knob(&INTERVAL, &rules.interval);
    lines.knob_unless(
        &CHANGING_INTERVAL,
        &rules.changing_interval,
        &at_most(&CHANGING_INTERVAL),
    );
    let down = (rules.down_interval != rules.interval).then_some(rules.down_interval);
    lines.knob(&DOWN_INTERVAL, &down);
    lines.knob(&JITTER, &rules.jitter_percent);
    lines.knob_unless(&TIMEOUT_KNOB, &rules.timeout, &at_most(&TIMEOUT_KNOB));
    lines.knob(&RISE, &rules.rise);
    lines.knob(&FALL, &rules.fall);
}
