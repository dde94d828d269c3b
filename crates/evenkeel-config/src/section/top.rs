//! The top of the file and `[log]`: what concerns the whole process.

use std::num::NonZeroU16;
use std::time::Duration;

use evenkeel_base::ByteSize;
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::{Branch, Knob, Lines, Section, Shape, Table};
use crate::model::{
    AccessLog, Ceilings, Identity, LogFormat, LogLevel, OperatorLog, Resolver, Shutdown, Trace,
    Workers,
};
use crate::raw::{At, Cx, Node};
use crate::section::{access_log, admin, cluster, listener, resolver, route, trace};
use crate::value::label::Label;
use crate::value::text::quote;
use crate::value::{Bounds, OrAuto, OrOff, Value};

/// The version of the file's language that this evenkeel reads.
pub(crate) const VERSION: u64 = 1;

static VERSION_KNOB: Knob<Option<At<u64>>> = Knob {
    key: "version",
    about: "The version of the configuration language. A later language gets a later number, so that a file never changes its meaning under you.",
    default: None,
    why: "it must be given",
    bounds: None,
    required: true,
    example: "1",
};

static WORKERS: Knob<Workers> = Knob {
    key: "workers",
    about: "How many workers run: threads, each with its own event loop and pools.",
    default: Workers::PerCore,
    why: "one for each core the process may use, which a container's CPU quota also limits; more only adds switching",
    bounds: None,
    required: false,
    example: "2",
};

static ZONE: Knob<Option<At<Label>>> = Knob {
    key: "zone",
    about: "The zone that this node is in. Endpoints of the same `zone` come before others (see `prefer_zone` of a cluster).",
    default: None,
    why: "none: all endpoints are alike near",
    bounds: None,
    required: false,
    example: "\"eu-1a\"",
};

static NODE: Knob<Option<Label>> = Knob {
    key: "node",
    about: "What tells this node from others that have the same file, such as the name of its host. A cluster's `subset` is chosen by it, and rotations begin at a place of its own, so that nodes do not go through endpoints in step.",
    default: None,
    why: "none: only a `subset` needs it",
    bounds: None,
    required: false,
    example: "\"lb-1\"",
};

static SHUTDOWN_DELAY: Knob<Duration> = Knob {
    key: "shutdown_delay",
    about: "How long connections are still accepted after SIGTERM. Orchestrators remove an address only after they send the signal.",
    default: Duration::ZERO,
    why: "only who runs behind something that removes addresses late needs it",
    bounds: Some(Bounds {
        least: Duration::ZERO,
        greatest: Duration::from_hours(1),
    }),
    required: false,
    example: "\"5s\"",
};

static SHUTDOWN_TIMEOUT: Knob<Duration> = Knob {
    key: "shutdown_timeout",
    about: "How long exchanges may take to finish after that. What is left is cut.",
    default: Duration::from_secs(30),
    why: "what orchestrators wait before they kill",
    bounds: Some(Bounds {
        least: Duration::ZERO,
        greatest: Duration::from_hours(24),
    }),
    required: false,
    example: "\"20s\"",
};

static USER: Knob<Option<String>> = Knob {
    key: "user",
    about: "The user, by name or number, that evenkeel becomes once it has bound everything: start it as root for ports below 1024, and it serves as this one. A reload cannot bind such a port any more then, and files that are read or written later must be this user's to read or write. An upgrade works as before.",
    default: None,
    why: "whoever starts it; systemd's `User=` with a socket unit or `AmbientCapabilities=CAP_NET_BIND_SERVICE` needs no root at all",
    bounds: None,
    required: false,
    example: "\"evenkeel\"",
};

static GROUP: Knob<Option<String>> = Knob {
    key: "group",
    about: "The group, by name or number, that it has then, beside those that the user is a member of. Only with `user`.",
    default: None,
    why: "the user's own",
    bounds: None,
    required: false,
    example: "\"www-data\"",
};

static MAX_CONNECTIONS: Knob<OrAuto<u32>> = Knob {
    key: "max_connections",
    about: "How many connections of clients may be open at once, over all listeners. From 85 % on idle ones are closed, the oldest first; one more than this is answered 503 and closed.",
    default: OrAuto::Auto,
    why: "two thirds of the descriptors that the process may have and does not need itself: the others are for the way to endpoints",
    bounds: Some(Bounds {
        least: 1,
        greatest: 100_000_000,
    }),
    required: false,
    example: "20000",
};

static MAX_MEMORY: Knob<OrOff<ByteSize>> = Knob {
    key: "max_memory",
    about: "How much memory the process may have resident. From 85 % on idle connections are closed; from 95 % on new ones are answered 503 and closed, and so are requests of routes with `priority = \"low\"`; from 98 % on those of normal priority as well. A limit of the control group (cgroup v2) counts in the same way, whatever stands here.",
    default: OrOff::Off,
    why: "a container's limit is known already, and elsewhere only you know what the others on the machine need",
    bounds: Some(Bounds {
        least: ByteSize(16 * 1024 * 1024),
        greatest: ByteSize(1 << 50),
    }),
    required: false,
    example: "\"2GiB\"",
};

static LOG_BRANCH: Branch = Branch {
    key: "log",
    about: "evenkeel's own log.",
    shape: Shape::Once,
    section: || &LOG,
};

/// `[listener.NAME]`.
pub(crate) static LISTENERS: Branch = Branch {
    key: "listener",
    about: "The listeners, by name.",
    shape: Shape::Named,
    section: || &listener::LISTENER,
};

/// `[[route]]`.
pub(crate) static ROUTES: Branch = Branch {
    key: "route",
    about: "The routes. Their order never matters: the most specific match wins.",
    shape: Shape::List,
    section: || &route::ROUTE,
};

/// `[cluster.NAME]`.
pub(crate) static CLUSTERS: Branch = Branch {
    key: "cluster",
    about: "The clusters, by name.",
    shape: Shape::Named,
    section: || &cluster::CLUSTER,
};

/// The top of the file.
pub(crate) static TOP: Section = Section {
    name: "",
    about: "What concerns the whole process stands above the first table.",
    knobs: &[
        &VERSION_KNOB,
        &WORKERS,
        &ZONE,
        &NODE,
        &SHUTDOWN_DELAY,
        &SHUTDOWN_TIMEOUT,
        &USER,
        &GROUP,
        &MAX_CONNECTIONS,
        &MAX_MEMORY,
        &LOG_BRANCH,
        &access_log::BRANCH,
        &trace::BRANCH,
        &resolver::BRANCH,
        &admin::BRANCH,
        &LISTENERS,
        &ROUTES,
        &CLUSTERS,
    ],
    sample: "version = 1\nKNOB\nUNLESS user: user = \"a\"\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n",
};

static LEVEL: Knob<LogLevel> = Knob {
    key: "level",
    about: "The least severe level that is written.",
    default: LogLevel::Info,
    why: "what happened, without why it did",
    bounds: None,
    required: false,
    example: "\"warn\"",
};

static LOG_FORMAT: Knob<LogFormat> = Knob {
    key: "format",
    about: "A line for people, or a JSON object a line.",
    default: LogFormat::Text,
    why: "people read it first",
    bounds: None,
    required: false,
    example: "\"json\"",
};

/// `[log]`.
pub(crate) static LOG: Section = Section {
    name: "log",
    about: "evenkeel's own log, on standard error.",
    knobs: &[&LEVEL, &LOG_FORMAT],
    sample: "version = 1\n[log]\nKNOB\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n",
};

/// What the model holds for no ceiling.
const NO_CEILING: ByteSize = ByteSize(u64::MAX);

/// What stands at the top, in `[log]` and in `[access_log]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Process {
    pub(crate) workers: Workers,
    pub(crate) log: OperatorLog,
    pub(crate) access_log: AccessLog,
    pub(crate) trace: Trace,
    pub(crate) shutdown: Shutdown,
    pub(crate) resolver: Resolver,
    pub(crate) ceilings: Ceilings,
    pub(crate) zone: Option<At<String>>,
    pub(crate) node: String,
    pub(crate) identity: Option<Identity>,
}

/// Reads what concerns the whole process.
pub(crate) fn read(top: &Table<'_>, cx: &mut Cx<'_>) -> Process {
    if let Some(version) = VERSION_KNOB.read(top, cx)
        && version.value != VERSION
    {
        cx.error(
            version.span,
            format!("version {} is not known", version.value),
        )
        .help(format!("this evenkeel reads version = {VERSION}"));
    }
    Process {
        workers: WORKERS.read(top, cx),
        log: read_log(top, cx),
        access_log: access_log::read(top, cx),
        trace: trace::read(top, cx),
        shutdown: Shutdown {
            delay: SHUTDOWN_DELAY.read(top, cx),
            timeout: SHUTDOWN_TIMEOUT.read(top, cx),
        },
        resolver: resolver::read(top, cx),
        ceilings: Ceilings {
            connections: MAX_CONNECTIONS.read(top, cx).unless(0),
            memory: MAX_MEMORY.read(top, cx).unless(NO_CEILING),
        },
        zone: ZONE.read(top, cx).map(|At { value, span }| At {
            value: value.0,
            span,
        }),
        node: Label::text(NODE.read(top, cx)),
        identity: read_identity(top, cx),
    }
}

fn read_identity(top: &Table<'_>, cx: &mut Cx<'_>) -> Option<Identity> {
    let (user, group) = (USER.read(top, cx), GROUP.read(top, cx));
    if user.is_none() && group.is_some() && !USER.given(top) {
        cx.error(GROUP.span(top), "a group without a user")
            .help("name the user that evenkeel is to become, with `user`");
    }
    let users = user
        .as_deref()
        .map(|user| (USER.span(top), cx.source.user(user)));
    let groups = group
        .as_deref()
        .map(|group| (GROUP.span(top), cx.source.group(group)));
    for (span, known) in users.into_iter().chain(groups) {
        if let Err(why) = known {
            cx.error(span, why);
        }
    }
    user.map(|user| Identity { user, group })
}

/// Writes it.
pub(crate) fn print(process: &Process) -> String {
    let mut top = Lines::default();
    top.knob(
        &VERSION_KNOB,
        &Some(At {
            value: VERSION,
            span: 0..0,
        }),
    );
    top.knob(&WORKERS, &process.workers);
    let zone = process.zone.clone().map(|At { value, span }| At {
        value: Label(value),
        span,
    });
    top.knob(&ZONE, &zone);
    top.knob(&NODE, &Label::of(&process.node));
    top.knob(&SHUTDOWN_DELAY, &process.shutdown.delay);
    top.knob(&SHUTDOWN_TIMEOUT, &process.shutdown.timeout);
    let identity = process.identity.as_ref();
    top.knob(&USER, &identity.map(|one| one.user.clone()));
    top.knob(&GROUP, &identity.and_then(|one| one.group.clone()));
    let Ceilings {
        connections,
        memory,
    } = process.ceilings;
    top.knob(&MAX_CONNECTIONS, &OrAuto::of(connections, &0));
    top.knob(&MAX_MEMORY, &OrOff::of(memory, &NO_CEILING));
    let mut log = Lines::default();
    log.knob(&LEVEL, &process.log.level);
    log.knob(&LOG_FORMAT, &process.log.format);
    top.top()
        + &log.table("[log]", false)
        + &access_log::print(&process.access_log)
        + &trace::print(&process.trace)
        + &resolver::print(&process.resolver)
}

/// What holds when nothing is said about the process.
pub(crate) fn defaults() -> Process {
    Process {
        workers: WORKERS.default,
        log: OperatorLog {
            level: LEVEL.default,
            format: LOG_FORMAT.default,
        },
        access_log: access_log::defaults(),
        trace: trace::defaults(),
        shutdown: Shutdown {
            delay: SHUTDOWN_DELAY.default,
            timeout: SHUTDOWN_TIMEOUT.default,
        },
        resolver: resolver::defaults(),
        ceilings: Ceilings {
            connections: MAX_CONNECTIONS.default.unless(0),
            memory: MAX_MEMORY.default.unless(NO_CEILING),
        },
        zone: None,
        node: String::new(),
        identity: None,
    }
}

fn read_log(top: &Table<'_>, cx: &mut Cx<'_>) -> OperatorLog {
    let table = top
        .get(LOG_BRANCH.key)
        .and_then(|entry| LOG.open(&entry.node, cx));
    table.map_or_else(
        || defaults().log,
        |table| OperatorLog {
            level: LEVEL.read(&table, cx),
            format: LOG_FORMAT.read(&table, cx),
        },
    )
}

impl Value for Workers {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        if let DeValue::String(text) = node.value {
            if text == "per-core" {
                return Some(Self::PerCore);
            }
            cx.error(
                node.span.clone(),
                "workers is a number without quotation marks, or \"per-core\"",
            );
            return None;
        }
        let bounds = Bounds {
            least: 1,
            greatest: MOST_WORKERS,
        };
        let count = u64::read(node, Some(&bounds), cx)?;
        let count = u16::try_from(count).ok().and_then(NonZeroU16::new)?;
        Some(Self::Count(count))
    }

    fn toml(&self) -> String {
        match self {
            Self::PerCore => quote("per-core"),
            Self::Count(count) => count.to_string(),
        }
    }

    fn kind() -> String {
        format!("1 to {MOST_WORKERS}, or \"per-core\"")
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [
            { "const": "per-core" },
            { "type": "integer", "minimum": 1, "maximum": MOST_WORKERS },
        ] })
    }
}

/// More threads than any machine of today has cores is a slip.
const MOST_WORKERS: u64 = 1024;
