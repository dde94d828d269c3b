//! `probe.tcp` of a cluster: a connection, what is said on it and what must come back.

use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section};
use crate::model::Probe;
use crate::raw::{Cx, Node};
use crate::value::{Body, Bounds, Value};

static SEND: Knob<Body> = Knob {
    key: "send",
    about: "What is sent once the connection is made.",
    default: Body(Vec::new()),
    why: "nothing",
    bounds: None,
    required: false,
    example: "\"PING\\r\\n\"",
};

static EXPECT: Knob<Body> = Knob {
    key: "expect",
    about: "What must come back, anywhere in the first 4 KiB.",
    default: Body(Vec::new()),
    why: "nothing: a connection that is made is enough",
    bounds: None,
    required: false,
    example: "\"+PONG\"",
};

/// `probe.tcp` of a cluster.
pub(crate) static TCP: Section = Section {
    name: "cluster.NAME.probe.tcp",
    about: "A connection, what is sent on it and what must come back.",
    knobs: &[&SEND, &EXPECT],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.probe.tcp]\nKNOB\n",
};

/// What is sent, and what must come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Talk {
    pub(crate) send: Vec<u8>,
    pub(crate) expect: Vec<u8>,
}

impl Value for Talk {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = TCP.open(node, cx)?;
        let before = cx.count();
        let talk = Self {
            send: SEND.read(&table, cx).0,
            expect: EXPECT.read(&table, cx).0,
        };
        for (knob, bytes) in [(&SEND, &talk.send), (&EXPECT, &talk.expect)] {
            if bytes.len() > Probe::TALK_LIMIT {
                cx.error(knob.span(&table), format!("this has {} bytes", bytes.len()))
                    .help(format!(
                        "a probe says and reads at most {}",
                        Probe::TALK_LIMIT
                    ));
            }
        }
        (cx.count() == before).then_some(talk)
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.knob(&SEND, &Body(self.send.clone()));
        lines.knob(&EXPECT, &Body(self.expect.clone()));
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        TCP.reference()
    }
}
