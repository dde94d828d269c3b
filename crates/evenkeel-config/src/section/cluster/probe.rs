//! `probe` of a cluster: how its endpoints are asked whether they are well, how often, and what the answers mean.
//!
//! What is asked and what must be answered stands in [`http`], [`grpc`] and [`tcp`], how often in [`rules`].

pub(crate) mod grpc;
pub(crate) mod http;
mod rules;
mod status;
pub(crate) mod tcp;

use std::num::NonZeroU16;

use evenkeel_base::Address;
use serde_json::{Value as Json, json};

use crate::knob::{AnyKnob, Knob, Lines, Section, Table};
use crate::model::{Endpoint, Probe, ProbeAddress, ProbeRequest};
use crate::raw::{At, Cx, Node, Span};
use crate::section::cluster::probe::grpc::Service;
use crate::section::cluster::probe::rules::{
    CHANGING_INTERVAL, DOWN_INTERVAL, FALL, INTERVAL, JITTER, RISE, TIMEOUT_KNOB,
};
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
    why: "none; one of `http`, `grpc` and `tcp` is given",
    bounds: None,
    required: false,
    example: "{ path = \"/healthz\" }",
};

static TCP: Knob<Option<Talk>> = Knob {
    key: "tcp",
    about: "Asks by a connection, which may say something and expect something back. `{}` only connects.",
    default: None,
    why: "none; one of `http`, `grpc` and `tcp` is given",
    bounds: None,
    required: false,
    example: "{ send = \"PING\\r\\n\", expect = \"+PONG\" }",
};

static GRPC: Knob<Option<Service>> = Knob {
    key: "grpc",
    about: "Asks gRPC's health service, over HTTP/2. `{}` asks for the health of the whole program.",
    default: None,
    why: "none; one of `http`, `grpc` and `tcp` is given",
    bounds: None,
    required: false,
    example: "{ service = \"shop.Orders\" }",
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

/// `probe` of a cluster.
pub(crate) static PROBE: Section = Section {
    name: "cluster.NAME.probe",
    about: "How each endpoint is asked whether it is well. It is asked before it gets its first request: at start the first result decides, or the timeout; an endpoint that is added later waits for its first good result.",
    knobs: &[
        &HTTP,
        &GRPC,
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
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.probe]\nUNLESS http grpc tcp: tcp = {}\nKNOB\n",
};

/// Reports a port for endpoints that have none.
pub(crate) fn check_port(
    endpoints: &[Endpoint],
    probe: &Probe,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) {
    let (Probe::Tcp { at, .. } | Probe::Http { at, .. } | Probe::Grpc { at, .. }) = probe else {
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
        let rules = rules::read(&table, cx);
        let at = read_address(&table, cx);
        let (http, tcp) = (HTTP.read(&table, cx), TCP.read(&table, cx));
        let grpc = GRPC.read(&table, cx);
        let ways: [(&dyn AnyKnob, bool, Span); 3] = [
            (&HTTP, HTTP.given(&table), HTTP.span(&table)),
            (&GRPC, GRPC.given(&table), GRPC.span(&table)),
            (&TCP, TCP.given(&table), TCP.span(&table)),
        ];
        let mut given = ways.into_iter().filter(|(_, given, _)| *given);
        match (given.next(), given.next()) {
            (Some((first, ..)), Some((second, _, span))) => {
                let (first, second) = (first.key(), second.key());
                cx.error(
                    span,
                    format!("an endpoint is probed by {first} or by {second}"),
                )
                .help(format!("keep one of the two; {first} says more"));
            }
            (None, _) if !(table.has_unknown || cx.may_be_hidden()) => {
                cx.error(node.span.clone(), "this says nothing of how to probe")
                    .help("add http = { path = \"/healthz\" }, grpc = {}, or tcp = {} for a plain connect");
            }
            _ => {}
        }
        if cx.count() > before {
            return None;
        }
        if let Some(request) = http {
            return Some(Self::Http { rules, at, request });
        }
        if let Some(Service(service)) = grpc {
            return Some(Self::Grpc { rules, at, service });
        }
        tcp.map(|talk| Self::Tcp {
            rules,
            at,
            send: talk.send,
            expect: talk.expect,
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
            Self::Grpc { rules, at, service } => {
                lines.knob(&GRPC, &Some(Service(service.clone())));
                (rules, at)
            }
        };
        rules::print(rules, &mut lines);
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
        Ok(Address::Service(_)) => {
            cx.error(
                address.span,
                "a probe goes to one address, and a service is many",
            )
            .help("write host:port, or leave it out to probe each endpoint where it is");
            None
        }
        Ok(other) => Some(other),
        Err(why) => {
            cx.error(address.span, why);
            None
        }
    }
}
