//! `probe` of a cluster: how its endpoints are asked whether they are well, how often, and what the answers mean.
//!
//! What is asked and what must be answered stands in [`http`] and [`tcp`].

pub(crate) mod http;
mod status;
pub(crate) mod tcp;

use std::num::NonZeroU16;
use std::time::Duration;

use evenkeel_base::Address;
use evenkeel_base::rules::ProbeRules;
use evenkeel_base::unit::format_duration;
use serde_json::{Value as Json, json};

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{Endpoint, Probe, ProbeAddress, ProbeRequest};
use crate::raw::{At, Cx, Node};
use crate::section::TIMEOUT;
use crate::section::cluster::probe::tcp::Talk;
use crate::value::net::socket_path;
use crate::value::scalar::{TURNS_OFF, is_off};
use crate::value::text::quote;
use crate::value::{Bounds, Value};

/// `probe` of a cluster.
pub(crate) static PROBE_KNOB: Knob<Probe> = Knob {
    key: "probe",
    about: "How each endpoint is asked whether it is well, again and again. One that is down gets no requests.",
    default: Probe::Off,
    why: "only you know a path that says so; until then traffic alone shows who is well (see `outlier`)",
    bounds: None,
    required: false,
    example: "{ http = { path = \"/healthz\" } }",
};

static HTTP: Knob<Option<ProbeRequest>> = Knob {
    key: "http",
    about: "Asks by an HTTP/1.1 request. `{}` is `GET /` with a status from 200 to 399.",
    default: None,
    why: "none; one of `http` and `tcp` is given",
    bounds: None,
    required: false,
    example: "{ path = \"/healthz\" }",
};

static TCP: Knob<Option<Talk>> = Knob {
    key: "tcp",
    about: "Asks by a connection, which may say something and expect something back. `{}` only connects.",
    default: None,
    why: "none; one of `http` and `tcp` is given",
    bounds: None,
    required: false,
    example: "{ send = \"PING\\r\\n\", expect = \"+PONG\" }",
};

static INTERVAL: Knob<Duration> = Knob {
    key: "interval",
    about: "From one probe of an endpoint to the next while it is up and nothing changes.",
    default: ProbeRules::DEFAULT.interval,
    why: "traffic itself shows a sudden death; a probe finds what traffic does not, and costs the endpoint something",
    bounds: INTERVALS,
    required: false,
    example: "\"10s\"",
};

static CHANGING_INTERVAL: Knob<Duration> = Knob {
    key: "changing_interval",
    about: "From one probe to the next while an endpoint has given results that may change its health, but not yet enough of them. Never more than `interval` by default.",
    default: ProbeRules::DEFAULT.changing_interval,
    why: "the next result decides, so it should come soon",
    bounds: INTERVALS,
    required: false,
    example: "\"500ms\"",
};

static DOWN_INTERVAL: Knob<Option<Duration>> = Knob {
    key: "down_interval",
    about: "From one probe to the next while an endpoint is down. A connection is tried every second besides, and when one is made again the next probe comes at once.",
    default: None,
    why: "`interval`",
    bounds: INTERVALS,
    required: false,
    example: "\"30s\"",
};

static JITTER: Knob<u8> = Knob {
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

static TIMEOUT_KNOB: Knob<Duration> = Knob {
    key: "timeout",
    about: "How long one probe may take, connect included. Never more than `interval` by default.",
    default: ProbeRules::DEFAULT.timeout,
    why: "an endpoint that takes two seconds to say that it is well is not",
    bounds: TIMEOUT,
    required: false,
    example: "\"500ms\"",
};

static RISE: Knob<u16> = Knob {
    key: "rise",
    about: "So many good results in a row make an endpoint up. The first result of all decides alone.",
    default: ProbeRules::DEFAULT.rise,
    why: "one may be luck",
    bounds: IN_A_ROW,
    required: false,
    example: "1",
};

static FALL: Knob<u16> = Knob {
    key: "fall",
    about: "So many bad results in a row make an endpoint down.",
    default: ProbeRules::DEFAULT.fall,
    why: "one lost packet, or one pause of the endpoint, is no reason",
    bounds: IN_A_ROW,
    required: false,
    example: "2",
};

static PORT: Knob<Option<At<u16>>> = Knob {
    key: "port",
    about: "Another port of the endpoint's host, where it is asked instead.",
    default: None,
    why: "where it takes requests",
    bounds: Some(Bounds {
        least: 1,
        greatest: u16::MAX,
    }),
    required: false,
    example: "8081",
};

static ADDRESS: Knob<Option<At<String>>> = Knob {
    key: "address",
    about: "Another address, where all endpoints of the cluster are asked instead: for a program that knows about them all.",
    default: None,
    why: "where each takes requests",
    bounds: None,
    required: false,
    example: "\"10.0.0.9:8081\"",
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

/// `probe` of a cluster.
pub(crate) static PROBE: Section = Section {
    name: "cluster.NAME.probe",
    about: "How each endpoint is asked whether it is well. It is asked before it gets its first request: at start the first result decides, or the timeout; an endpoint that is added later waits for its first good result.",
    knobs: &[
        &HTTP,
        &TCP,
        &INTERVAL,
        &CHANGING_INTERVAL,
        &DOWN_INTERVAL,
        &JITTER,
        &TIMEOUT_KNOB,
        &RISE,
        &FALL,
        &PORT,
        &ADDRESS,
    ],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.probe]\nUNLESS http tcp: tcp = {}\nKNOB\n",
};

/// Reports a port for endpoints that have none.
pub(crate) fn check_port(
    endpoints: &[Endpoint],
    probe: &Probe,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) {
    let (Probe::Tcp { at, .. } | Probe::Http { at, .. }) = probe else {
        return;
    };
    let unix = |endpoint: &&Endpoint| matches!(endpoint.address, Address::Unix(_));
    if let (ProbeAddress::Port(port), Some(endpoint)) = (at, endpoints.iter().find(unix)) {
        cx.error(
            table.span_within(PROBE_KNOB.key, PORT.key),
            format!("{} has no port {port}: it is a Unix socket", endpoint.id),
        )
        .help("leave out `port`, or put the endpoints with a port into a cluster of their own");
    }
}

impl Value for Probe {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        if is_off(node) {
            return Some(Self::Off);
        }
        let Some(table) = PROBE.open(node, cx) else {
            cx.help_also(TURNS_OFF);
            return None;
        };
        let before = cx.count();
        let rules = read_rules(&table, cx);
        let at = read_address(&table, cx);
        let (http, tcp) = (HTTP.read(&table, cx), TCP.read(&table, cx));
        match (HTTP.given(&table), TCP.given(&table)) {
            (true, true) => {
                cx.error(TCP.span(&table), "an endpoint is probed by http or by tcp")
                    .help("keep one of the two; http says more");
            }
            (false, false) if !(table.has_unknown || cx.may_be_hidden()) => {
                cx.error(node.span.clone(), "this says nothing of how to probe")
                    .help("add http = { path = \"/healthz\" }, or tcp = {} for a plain connect");
            }
            _ => {}
        }
        if cx.count() > before {
            return None;
        }
        let request = http.map(|request| {
            let at = at.clone();
            Self::Http { rules, at, request }
        });
        request.or_else(|| {
            tcp.map(|talk| Self::Tcp {
                rules,
                at,
                send: talk.send,
                expect: talk.expect,
            })
        })
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        let (rules, at) = match self {
            Self::Off => return quote("off"),
            Self::Tcp {
                rules,
                at,
                send,
                expect,
            } => {
                let (send, expect) = (send.clone(), expect.clone());
                lines.knob(&TCP, &Some(Talk { send, expect }));
                (rules, at)
            }
            Self::Http { rules, at, request } => {
                lines.knob(&HTTP, &Some(request.clone()));
                (rules, at)
            }
        };
        print_rules(rules, &mut lines);
        let span = 0..0;
        match at {
            ProbeAddress::Endpoint => {}
            ProbeAddress::Port(port) => {
                let value = port.get();
                lines.knob(&PORT, &Some(At { value, span }));
            }
            ProbeAddress::Fixed(address) => {
                let value = address.to_string();
                lines.knob(&ADDRESS, &Some(At { value, span }));
            }
        }
        lines.inline()
    }

    fn kind() -> String {
        "table or \"off\"".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [{ "const": "off" }, PROBE.reference()] })
    }
}

fn read_rules(table: &Table<'_>, cx: &mut Cx<'_>) -> ProbeRules {
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

fn print_rules(rules: &ProbeRules, lines: &mut Lines) {
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

fn read_address(table: &Table<'_>, cx: &mut Cx<'_>) -> ProbeAddress {
    match (PORT.read(table, cx), ADDRESS.read(table, cx)) {
        (None, None) => ProbeAddress::Endpoint,
        (Some(port), None) => {
            NonZeroU16::new(port.value).map_or(ProbeAddress::Endpoint, ProbeAddress::Port)
        }
        (None, Some(address)) => {
            parse_address(address, cx).map_or(ProbeAddress::Endpoint, ProbeAddress::Fixed)
        }
        (Some(port), Some(_)) => {
            cx.error(port.span, "`address` has a port of its own")
                .help("leave out `port`");
            ProbeAddress::Endpoint
        }
    }
}

fn parse_address(address: At<String>, cx: &mut Cx<'_>) -> Option<Address> {
    match Address::parse(&address.value) {
        Ok(Address::Unix(path)) => socket_path(&path, address.span, cx).map(Address::Unix),
        Ok(other) => Some(other),
        Err(why) => {
            cx.error(address.span, why);
            None
        }
    }
}
