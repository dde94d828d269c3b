//! `[[route]]`: a match and the action it leads to.

mod action;
mod asked;
mod host;
pub(crate) mod mirror;
pub(crate) mod rate_limit;
pub(crate) mod retry;
mod rewrite;
mod split;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use evenkeel_base::edits::Edits;
use evenkeel_base::matching::RouteMatch;
use evenkeel_base::rules::{Priority, RetryRules};
use evenkeel_base::unit::format_duration;
use evenkeel_base::{ByteSize, Network};

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{Action, Cluster, Mirror, Route};
use crate::raw::{At, Cx, Node, Span};
use crate::section::action::error_page::ErrorPages;
use crate::section::matching::{
    self, HEADER, HOST, LISTENER, LONGEST_NAME, METHOD, PATH_KNOB, QUERY,
};
use crate::section::route::action::{HOST_HEADER, REDIRECT, RESPOND};
use crate::section::route::asked::{DEADLINE_HEADER, DeadlineField};
use crate::section::route::mirror::MIRROR_KNOB;
use crate::section::route::rate_limit::RATE_LIMITS;
use crate::section::route::retry::{Base, RETRY_KNOB};
use crate::section::route::split::{CLUSTER, SPLIT_BY};
use crate::section::{Names, TIMEOUT, cluster};
use crate::value::OrOff;

static NAME: Knob<Option<At<String>>> = Knob {
    key: "name",
    about: "Its name in the logs.",
    default: None,
    why: "one made from the match, such as `/api`",
    bounds: None,
    required: false,
    example: "\"api\"",
};

static ALLOW: Knob<Vec<Network>> = Knob {
    key: "allow",
    about: "The client networks that may use it; others get 403. No other spelling of its path leads around it (see `path`); one in letters of another case is another path.",
    default: Vec::new(),
    why: "everyone",
    bounds: None,
    required: false,
    example: "[\"10.0.0.0/8\", \"::1\"]",
};

static DENY: Knob<Vec<Network>> = Knob {
    key: "deny",
    about: "The client networks that may not, also where `allow` names them. As for `allow`, no other spelling of its path leads around it.",
    default: Vec::new(),
    why: "nobody",
    bounds: None,
    required: false,
    example: "[\"10.1.0.0/16\"]",
};

static REQUEST_HEADERS: Knob<Edits> = Knob {
    key: "request_headers",
    about: "Edits of the request's fields on the way to the endpoint. What is set or removed cannot be said by clients with `_` for `-` either, which many endpoints read as the same, nor in trailers.",
    default: NO_EDITS,
    why: "none",
    bounds: None,
    required: false,
    example: "{ set = { X-Env = \"blue\" }, remove = [\"Cookie\"] }",
};

static RESPONSE_HEADERS: Knob<Edits> = Knob {
    key: "response_headers",
    about: "Edits of the response's fields on the way to the client.",
    default: NO_EDITS,
    why: "none",
    bounds: None,
    required: false,
    example: "{ set = { Strict-Transport-Security = \"max-age=31536000\" }, remove = [\"Server\"] }",
};

static MAX_REQUEST_BODY: Knob<OrOff<ByteSize>> = Knob {
    key: "max_request_body",
    about: "The largest request body; more is answered 413.",
    default: OrOff::Off,
    why: "bodies are streamed, so a large one costs no memory; the endpoint knows what it wants",
    bounds: None,
    required: false,
    example: "\"10MiB\"",
};

static TOTAL_TIMEOUT: Knob<OrOff<Duration>> = Knob {
    key: "total_timeout",
    about: "The time for the whole exchange from the end of the request's head on, queue and all attempts included, else 504.",
    default: OrOff::Off,
    why: "downloads and streams may take as long as they make progress",
    bounds: TIMEOUT,
    required: false,
    example: "\"30s\"",
};

static PRIORITY: Knob<Priority> = Knob {
    key: "priority",
    about: "Whose requests go first where they wait for an endpoint (see the cluster's `limits`): those of \"high\" before \"normal\" before \"low\". When the queue is full, the lowest give their place to higher ones. And near a limit of the whole process (see `max_memory`) requests of low priority are refused first, those of high priority never.",
    default: Priority::Normal,
    why: "first come, first served",
    bounds: None,
    required: false,
    example: "\"high\"",
};

static ALLOW_DOT_SEGMENTS: Knob<bool> = Knob {
    key: "allow_dot_segments",
    about: "Whether paths with `.` and `..` segments, also encoded and behind what endpoints may take for a slash, pass as they are instead of 400.",
    default: false,
    why: "an endpoint that resolves them sees another path than the one that was routed",
    bounds: None,
    required: false,
    example: "true",
};

static REQUEST_TRAILERS: Knob<bool> = Knob {
    key: "request_trailers",
    about: "Whether trailers of requests pass. Those of gRPC always do.",
    default: false,
    why: "endpoints disagree about them",
    bounds: None,
    required: false,
    example: "true",
};

static ERROR_PAGE: Knob<ErrorPages> = Knob {
    key: "error_page",
    about: "What evenkeel's own replies say instead of their own text, by status.",
    default: ErrorPages(Vec::new()),
    why: "a short text that names the fault",
    bounds: None,
    required: false,
    example: "{ 503 = { body = \"Back in a minute.\" } }",
};

const NO_EDITS: Edits = Edits {
    set: Vec::new(),
    add: Vec::new(),
    remove: Vec::new(),
};

/// `[[route]]`.
pub(crate) static ROUTE: Section = Section {
    name: "route",
    about: "A route is a match and the action it leads to. All conditions must hold; no condition matches everything. The most specific route wins, whatever the order in the file: by host, then path, then whether it is bound to a listener, then the number of conditions on headers, then on the query, then whether it names methods. Two routes that tie are refused.",
    knobs: &[
        &NAME,
        &LISTENER,
        &HOST,
        &PATH_KNOB,
        &METHOD,
        &HEADER,
        &QUERY,
        &ALLOW,
        &DENY,
        &CLUSTER,
        &SPLIT_BY,
        &MIRROR_KNOB,
        &REDIRECT,
        &RESPOND,
        &rewrite::STRIP_PREFIX,
        &rewrite::REPLACE_PREFIX,
        &HOST_HEADER,
        &REQUEST_HEADERS,
        &RESPONSE_HEADERS,
        &MAX_REQUEST_BODY,
        &RATE_LIMITS,
        &TOTAL_TIMEOUT,
        &DEADLINE_HEADER,
        &RETRY_KNOB,
        &PRIORITY,
        &ALLOW_DOT_SEGMENTS,
        &REQUEST_TRAILERS,
        &ERROR_PAGE,
    ],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\npath = \"/x\"\nUNLESS cluster split_by redirect respond: cluster = \"api\"\nONLY split_by: cluster = { api = 9, shadow = 1 }\nKNOB\n[cluster.api]\nendpoints = [\":2\"]\n[cluster.shadow]\nendpoints = [\":3\"]\n",
};

/// What else a route refers to.
pub(crate) struct Targets<'a> {
    pub(crate) listeners: &'a Names,
    pub(crate) clusters: &'a Names,
    /// The clusters themselves, in the order of their names.
    pub(crate) drafts: &'a [Option<cluster::Draft>],
}

impl Targets<'_> {
    /// The clusters at these positions, as far as they could be read.
    fn clusters(&self, positions: &[u32]) -> Vec<&cluster::Draft> {
        let position = |&position: &u32| usize::try_from(position).ok();
        let positions = positions.iter().filter_map(position);
        positions
            .filter_map(|position| self.drafts.get(position)?.as_ref())
            .collect()
    }
}

/// A route that was read, with what later checks need.
pub(crate) struct Draft {
    pub(crate) route: Route,
    /// Its `[[route]]`.
    pub(crate) span: Span,
    /// Whether nothing is wrong with it by itself, so that comparing it with others makes sense.
    pub(crate) sound: bool,
    /// The clusters it names, that of its mirror too, also when something else is wrong.
    pub(crate) clusters: Vec<u32>,
}

/// Reads the routes.
pub(crate) fn read(nodes: &[Node<'_>], names: &Targets<'_>, cx: &mut Cx<'_>) -> Vec<Draft> {
    let mut given: HashMap<String, Span> = HashMap::new();
    let mut drafts = Vec::new();
    for node in nodes {
        let before = cx.count();
        let Some(table) = ROUTE.open(node, cx) else {
            continue;
        };
        let name = read_name(&table, &mut given, cx);
        let found = split::read(names.clusters, &table, cx);
        let mut clusters = found.clusters.clone();
        if let Some(route) = read_one(name, found, names, &table, cx) {
            if let Mirror::To { cluster, .. } = route.mirror {
                clusters.extend(u32::try_from(cluster.index()).ok());
            }
            drafts.push(Draft {
                route,
                span: node.span.clone(),
                sound: cx.count() == before,
                clusters,
            });
        }
    }
    name_the_nameless(&mut drafts);
    drafts
}

/// A route with these conditions and this action, and every default.
pub(crate) fn with_defaults(matching: RouteMatch, action: Action) -> Route {
    Route {
        name: matching::describe(&matching),
        matching,
        allow: Vec::new(),
        deny: Vec::new(),
        action,
        request_headers: NO_EDITS,
        response_headers: NO_EDITS,
        max_request_body: MAX_REQUEST_BODY.default.unless(NO_LIMIT),
        total_timeout: TOTAL_TIMEOUT.default.unless(Duration::MAX),
        retry: RetryRules::DEFAULT,
        priority: PRIORITY.default,
        rate_limits: RATE_LIMITS.default.clone(),
        deadline_header: String::new(),
        allow_dot_segments: ALLOW_DOT_SEGMENTS.default,
        request_trailers: REQUEST_TRAILERS.default,
        mirror: Mirror::Off,
        error_pages: Vec::new(),
    }
}

/// Writes it.
pub(crate) fn print(route: &Route, listeners: &[&str], clusters: &[Cluster]) -> String {
    let mut lines = Lines::default();
    let mut bases: Vec<&RetryRules> = Vec::new();
    let at = |text: &str| {
        Some(At {
            value: text.to_owned(),
            span: 0..0,
        })
    };
    if route.name != matching::describe(&route.matching) {
        lines.knob(&NAME, &at(&route.name));
    }
    matching::print(&route.matching, listeners, &mut lines);
    lines.knob(&ALLOW, &route.allow);
    lines.knob(&DENY, &route.deny);
    match &route.action {
        Action::Redirect(redirect) => lines.knob(&REDIRECT, &Some(redirect.clone())),
        Action::Respond(respond) => lines.knob(&RESPOND, &Some(respond.clone())),
        Action::Forward {
            split,
            rewrite,
            host,
        } => {
            split::print(split, clusters, &mut lines);
            let own = split.clusters().filter_map(|id| clusters.get(id.index()));
            bases.extend(own.map(|cluster| &cluster.retry));
            rewrite::print(rewrite, &mut lines);
            lines.knob(&HOST_HEADER, host);
        }
    }
    mirror::print(route.mirror, clusters, &mut lines);
    lines.knob(&REQUEST_HEADERS, &route.request_headers);
    lines.knob(&RESPONSE_HEADERS, &route.response_headers);
    let body = OrOff::of(route.max_request_body, &NO_LIMIT);
    lines.knob(&MAX_REQUEST_BODY, &body);
    lines.knob(&RATE_LIMITS, &route.rate_limits);
    let total = OrOff::of(route.total_timeout, &Duration::MAX);
    lines.knob(&TOTAL_TIMEOUT, &total);
    let deadline = Some(route.deadline_header.clone()).filter(|name| !name.is_empty());
    lines.knob(&DEADLINE_HEADER, &deadline.map(DeadlineField));
    retry::print(&route.retry, &bases, &mut lines);
    lines.knob(&PRIORITY, &route.priority);
    lines.knob(&ALLOW_DOT_SEGMENTS, &route.allow_dot_segments);
    lines.knob(&REQUEST_TRAILERS, &route.request_trailers);
    lines.knob(&ERROR_PAGE, &ErrorPages(route.error_pages.clone()));
    lines.table("[[route]]", true)
}

fn read_one(
    name: Option<String>,
    found: split::Found,
    names: &Targets<'_>,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) -> Option<Route> {
    let matching = matching::read(table, names.listeners, cx);
    let mirror = if CLUSTER.given(table) {
        mirror::read(&found.clusters, names.clusters, table, cx)
    } else {
        Mirror::Off
    };
    let action = action::read(found.split, &matching, table, cx);
    if action.is_some() {
        check_forwarding(table, cx);
    }
    let allow_dot_segments = ALLOW_DOT_SEGMENTS.read(table, cx);
    if !allow_dot_segments {
        matching::check_dot_segments(&matching, table, cx);
    }
    let (allow, deny) = (ALLOW.read(table, cx), DENY.read(table, cx));
    if let Some(both) = allow.iter().find(|network| deny.contains(network)) {
        cx.warning(
            ALLOW.span(table),
            format!("{both} is allowed and denied; `deny` wins"),
        )
        .help("leave it out of one of the two");
    }
    let edits = (
        REQUEST_HEADERS.read(table, cx),
        RESPONSE_HEADERS.read(table, cx),
    );
    let max_request_body = MAX_REQUEST_BODY.read(table, cx).unless(NO_LIMIT);
    let rate_limits = RATE_LIMITS.read(table, cx);
    let total_timeout = TOTAL_TIMEOUT.read(table, cx).unless(Duration::MAX);
    let drafts = names.clusters(&found.clusters);
    for draft in &drafts {
        check_wait(total_timeout, draft, table, cx);
    }
    let deadline = DEADLINE_HEADER.read(table, cx);
    let bases: Vec<Base<'_>> = drafts
        .iter()
        .map(|draft| Base::of(&draft.cluster))
        .collect();
    let retry = retry::read(&bases, total_timeout, table, cx);
    let priority = PRIORITY.read(table, cx);
    let request_trailers = REQUEST_TRAILERS.read(table, cx);
    let error_pages = ERROR_PAGE.read(table, cx).0;
    let made = with_defaults(matching, action?);
    Some(Route {
        name: name.unwrap_or_default(),
        allow,
        deny,
        request_headers: edits.0,
        response_headers: edits.1,
        max_request_body,
        total_timeout,
        retry,
        priority,
        rate_limits,
        deadline_header: deadline.map(|field| field.0).unwrap_or_default(),
        allow_dot_segments,
        request_trailers,
        mirror,
        error_pages,
        ..made
    })
}

fn read_name(
    table: &Table<'_>,
    given: &mut HashMap<String, Span>,
    cx: &mut Cx<'_>,
) -> Option<String> {
    let name = NAME.read(table, cx)?;
    let text = name.value;
    if text.is_empty() || text.chars().count() > LONGEST_NAME || text.chars().any(char::is_control)
    {
        cx.error(name.span, "this cannot be a route's name")
            .help(format!(
                "a name has 1 to {LONGEST_NAME} characters and no control characters"
            ));
        return None;
    }
    if let Some(first) = given.get(&text) {
        cx.error(
            name.span,
            format!("another route is called \"{text}\" already"),
        )
        .note(first.clone(), "it is this one")
        .help("names tell routes apart in the logs; give each its own, or none");
        return None;
    }
    given.insert(text.clone(), name.span);
    Some(text)
}

/// Gives each route without a name one made from its match, with a number where that is taken.
fn name_the_nameless(drafts: &mut [Draft]) {
    let mut taken: HashSet<String> = drafts
        .iter()
        .map(|draft| draft.route.name.clone())
        .collect();
    for draft in drafts
        .iter_mut()
        .filter(|draft| draft.route.name.is_empty())
    {
        let base = matching::describe(&draft.route.matching);
        let mut name = base.clone();
        let mut number = 2_usize;
        while !taken.insert(name.clone()) {
            name = format!("{base} #{number}");
            number += 1;
        }
        draft.route.name = name;
    }
}

/// Warns of knobs that have no meaning on a route that forwards nothing.
fn check_forwarding(table: &Table<'_>, cx: &mut Cx<'_>) {
    if CLUSTER.given(table) {
        return;
    }
    for key in [
        rewrite::STRIP_PREFIX.key,
        rewrite::REPLACE_PREFIX.key,
        HOST_HEADER.key,
        REQUEST_HEADERS.key,
        REQUEST_TRAILERS.key,
        DEADLINE_HEADER.key,
        RETRY_KNOB.key,
        PRIORITY.key,
        SPLIT_BY.key,
        MIRROR_KNOB.key,
    ] {
        if let Some(entry) = table.get(key) {
            cx.warning(
                entry.key.span.clone(),
                format!("`{key}` does nothing here: this route forwards no request"),
            )
            .help("leave it out");
        }
    }
}

/// Warns of a queue in which requests may wait for longer than the whole exchange may take.
fn check_wait(total_timeout: Duration, draft: &cluster::Draft, table: &Table<'_>, cx: &mut Cx<'_>) {
    let Some(span) = draft.queue_timeout.clone() else {
        return;
    };
    let wait = draft.cluster.limits.queue.timeout;
    if wait > total_timeout {
        cx.warning(
            TOTAL_TIMEOUT.span(table),
            format!(
                "the whole exchange has {}, and its request may wait for {} in the queue of \"{}\"",
                format_duration(total_timeout),
                format_duration(wait),
                draft.cluster.name
            ),
        )
        .note(span, "the longest wait in the queue")
        .help("let requests wait for a part of the whole time only");
    }
}

/// A request body without a limit.
const NO_LIMIT: ByteSize = ByteSize(u64::MAX);
