//! `probe.grpc` of a cluster: the health service of gRPC (`grpc.health.v1.Health/Check`).

use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section};
use crate::model::Probe;
use crate::raw::{At, Cx, Node};
use crate::value::{Bounds, Value};

static SERVICE: Knob<Option<At<String>>> = Knob {
    key: "service",
    about: "The service whose health is asked for, by its full name. Without it, or when it is empty, that of the whole program.",
    default: None,
    why: "a program that knows of no service in particular answers for itself",
    bounds: None,
    required: false,
    example: "\"shop.Orders\"",
};

/// `probe.grpc` of a cluster.
pub(crate) static GRPC: Section = Section {
    name: "cluster.NAME.probe.grpc",
    about: "A call of `grpc.health.v1.Health/Check`, as gRPC's health service has it. `SERVING` is good, and all else is not.",
    knobs: &[&SERVICE],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.probe.grpc]\nKNOB\n",
};

/// The name of a service; empty: the whole program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service(pub(crate) String);

impl Value for Service {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = GRPC.open(node, cx)?;
        let Some(At { value, span }) = SERVICE.read(&table, cx) else {
            return Some(Self(String::new()));
        };
        if value.len() > Probe::SERVICE_LIMIT {
            cx.error(span, format!("this name has {} bytes", value.len()))
                .help(format!(
                    "a service's name has at most {}",
                    Probe::SERVICE_LIMIT
                ));
            return None;
        }
        if value.starts_with('/') {
            cx.error(span, "the name of a service is not its path")
                .help("write it as its definition does: \"package.Service\"");
            return None;
        }
        Some(Self(value))
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        let service = (!self.0.is_empty()).then(|| At {
            value: self.0.clone(),
            span: 0..0,
        });
        lines.knob(&SERVICE, &service);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        GRPC.reference()
    }
}
