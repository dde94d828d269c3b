//! `request_headers` and `response_headers` of a route: what is set, added and removed.

use evenkeel_base::edits::Edits;
use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section};
use crate::raw::{Cx, Node};
use crate::value::field::{FieldName, Pairs};
use crate::value::{Bounds, Value};

static SET: Knob<Pairs> = Knob {
    key: "set",
    about: "Replaces every field of that name with one.",
    default: Pairs(Vec::new()),
    why: "none",
    bounds: None,
    required: false,
    example: "{ X-Robots-Tag = \"noindex\" }",
};

static ADD: Knob<Pairs> = Knob {
    key: "add",
    about: "Adds a field beside those of that name; a list of values adds several.",
    default: Pairs(Vec::new()),
    why: "none",
    bounds: None,
    required: false,
    example: "{ Via = \"1.1 evenkeel\" }",
};

static REMOVE: Knob<Vec<FieldName>> = Knob {
    key: "remove",
    about: "Removes every field of that name.",
    default: Vec::new(),
    why: "none",
    bounds: None,
    required: false,
    example: "[\"X-Powered-By\"]",
};

/// `request_headers` and `response_headers`.
pub(crate) static EDITS: Section = Section {
    name: "route.request_headers",
    about: "Edits of fields; `response_headers` has the same keys. Fields that frame a message or belong to one hop are evenkeel's own and cannot be edited; `Host` is `host_header`.",
    knobs: &[&SET, &ADD, &REMOVE],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n[route.response_headers]\nKNOB\n",
};

impl Value for Edits {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = EDITS.open(node, cx)?;
        let before = cx.count();
        let set = SET.read(&table, cx).0;
        let remove: Vec<String> = REMOVE.read(&table, cx).into_iter().map(|n| n.0).collect();
        let add = ADD.read(&table, cx).0;
        for (i, (name, _)) in set.iter().enumerate() {
            let same = |other: &str| other.eq_ignore_ascii_case(name);
            if set.iter().take(i).any(|(other, _)| same(other)) {
                cx.error(SET.span(&table), format!("`{name}` is set twice"))
                    .help("`set` replaces every field of a name with one; use `add` for several");
            }
            if remove.iter().any(|other| same(other)) {
                cx.error(
                    REMOVE.span(&table),
                    format!("`{name}` is both set and removed"),
                )
                .help("`set` replaces what was there; removing it first is not needed");
            }
        }
        (cx.count() == before).then_some(Self { set, add, remove })
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        let names: Vec<FieldName> = self.remove.iter().cloned().map(FieldName).collect();
        lines.knob(&SET, &Pairs(self.set.clone()));
        lines.knob(&ADD, &Pairs(self.add.clone()));
        lines.knob(&REMOVE, &names);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        EDITS.reference()
    }
}
