//! Why a request is answered as it is: the road of one request, walked without taking it.
//!
//! Every decision is asked of the functions that the data plane asks (`evenkeel_state::decide`, the route table, the balancers); here
//! it is told in words what they say. Nothing is sent, counted or turned: rate limits are looked at, a rotation is rehearsed with a
//! copy. What only happening shows (whether an endpoint accepts, how long it takes) is not told.
//!
//! ```text
//! question ─▶ listener ─▶ greeting (TLS or not) ─▶ head (the codec's limits) ─▶ client ─▶ route ─▶ steps ─┬─ reply, redirect
//!                                                                                                         └─ split ─▶ cluster ─▶ endpoints ─▶ fields
//! ```

mod ask;
mod chance;
mod cluster;
mod endpoint;
mod fields;
mod greeting;
mod key;
mod listener;
mod message;
mod route;
mod split;
mod steps;
mod terms;
mod text;

use evenkeel_base::{Fault, GrpcStatus, RequestView, RouteId, grpc};
use evenkeel_config::model::{Action, Route};
use evenkeel_http1::{Expect, Refusal, Request, RequestBody};
use evenkeel_policy::overload::Level;
use evenkeel_state::Snapshot;
use evenkeel_state::decide::admit::Door;
use evenkeel_state::decide::twice::Shape;
use evenkeel_state::decide::{Client, admit, health, target};

use self::ask::Question;
use crate::view::explain as view;
pub use text::text;

/// What a question is answered by.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// Microseconds of the clock that rate limits and balancers go by.
    pub now_us: u64,
    /// How near the process is to its limits.
    pub level: Level,
    /// Whether it runs; else nothing is known of endpoints, and all are taken to be well.
    pub live: bool,
}

/// A request on the listener that it comes to.
#[derive(Clone, Copy)]
struct Asked<'a> {
    sight: Sight<'a>,
    question: &'a Question,
    door: Door<'a>,
    view: RequestView<'a>,
    request: Request,
    client: Client,
    /// It is a call of gRPC.
    call: bool,
}

/// Says what would become of a request.
///
/// # Errors
/// What is wrong with the question, for people.
pub fn explain(sight: Sight<'_>, ask: &view::Ask) -> Result<view::Explanation, String> {
    let question = Question::read(ask)?;
    let found = listener::find(sight, &question, &ask.listener)?;
    let greeting = found.greeting(&question);
    let tls = sight.snapshot.tls(found.id);
    let proof = tls
        .filter(|_| greeting.is_none())
        .map(|tls| tls.supposed(found.name(&question)));
    let door = Door {
        id: found.id,
        listener: found.listener,
        proof: proof.as_ref(),
        expired: false,
    };
    let mut told = view::Explanation {
        method: question.method.clone(),
        url: ask.url.clone(),
        live: sight.live,
        generation: sight.snapshot.generation,
        supposed: supposed(sight, ask, &question, door),
        verdict: nothing(),
        listener: found.told(door.proof),
        client: None,
        route: None,
        others: Vec::new(),
        others_left_out: 0,
        steps: Vec::new(),
        split: Vec::new(),
        cluster: None,
        request: None,
        response: Vec::new(),
        terms: terms::of_listener(found.listener),
    };
    if let Some(verdict) = greeting {
        told.verdict = verdict;
        return Ok(told);
    }
    if question.https && found.listener.tls.is_none() {
        let front =
            "something in front of the listener speaks TLS with the client, and asks without";
        told.supposed.push(front.to_owned());
    }
    match question.parse(found.listener.head) {
        Err(refusal) => told.verdict = unreadable(refusal),
        Ok((head, request)) => {
            let view = head.view(question.bytes());
            let trusted = &found.listener.trusted_proxies;
            let asked = Asked {
                sight,
                question: &question,
                door,
                view,
                request,
                client: Client::find(question.from, trusted, &view),
                call: grpc::is_call(&view),
            };
            asked.walk(&mut told);
        }
    }
    Ok(told)
}

impl<'a> Asked<'a> {
    /// The road, in the order of the data plane.
    fn walk(&self, told: &mut view::Explanation) {
        if self.door.listener.health && health::asked(&self.view).is_some() {
            told.verdict = replied(
                "answered",
                200,
                "the listener answers this itself (`health`): whether the process lives, or is ready for traffic",
            );
            return;
        }
        if let Some(port) = self.door.listener.redirect_to_https {
            told.verdict = match target::https(&self.view, port) {
                Some(location) => leads(
                    308,
                    location,
                    "the listener sends everything there (`redirect_to_https`)",
                ),
                None => self.refused(Fault::RequestMalformed, None),
            };
            return;
        }
        told.client = Some(self.client());
        let admitted = admit::admit(
            self.sight.snapshot,
            self.door,
            &self.view,
            self.client,
            self.asks(),
        );
        let (id, fault) = match admitted {
            Ok((id, _)) => (Some(id), None),
            Err((id, fault)) => (id, Some(fault)),
        };
        route::tell(self, id, told);
        let route = id.and_then(|id| self.sight.snapshot.config.routes.get(id.index()));
        steps::admission(self, route, fault, told);
        if let Some(fault) = fault {
            told.verdict = self.refused(fault, None);
            return;
        }
        let Some((id, route)) = id.zip(route) else {
            told.verdict = self.refused(Fault::NoRoute, None);
            return;
        };
        if !steps::rates(self, id, told) {
            told.verdict = self.refused(Fault::RateLimited, None);
            return;
        }
        self.act(id, route, told);
    }

    /// What the route does.
    fn act(&self, id: RouteId, route: &'a Route, told: &mut view::Explanation) {
        told.response =
            fields::response(&self.sight.snapshot.config, &route.response_headers, None);
        match &route.action {
            Action::Respond(respond) => {
                told.verdict = replied(
                    "answered",
                    respond.status,
                    "the route answers it itself (`respond`)",
                );
            }
            Action::Redirect(redirect) => {
                told.verdict = match target::location(redirect, &self.view) {
                    Some(location) => leads(
                        redirect.status,
                        location,
                        "the route sends it there (`redirect`)",
                    ),
                    None => self.refused(Fault::RequestMalformed, None),
                };
            }
            Action::Forward { split, .. } => {
                if !steps::level(self, route, told) {
                    told.verdict = self.refused(Fault::Overloaded, None);
                    return;
                }
                let chosen = split::choose(self, id, split, told);
                cluster::tell(self, route, chosen, told);
            }
        }
    }

    fn asks(&self) -> admit::Asks {
        admit::Asks {
            expects_unknown: self.request.expect == Expect::Unknown,
            length: match self.request.body {
                RequestBody::Known(length) => Some(length),
                RequestBody::Empty => Some(0),
                RequestBody::Chunked => None,
            },
        }
    }

    /// What decides whether it may be sent twice at once.
    fn shape(&self) -> Shape {
        let body = self.request.body;
        Shape {
            idempotent: self.view.method().is_idempotent(),
            bodiless: body == RequestBody::Empty && !self.request.had_length,
            length: self.asks().length,
            expects: self.request.expect != Expect::None,
            upgrades: self.request.upgrade.is_some(),
        }
    }

    fn client(&self) -> view::Client {
        let address = self.client.ip.map(|ip| ip.to_string());
        let why = match (self.client.behind_proxy, self.question.from) {
            (false, None) => {
                "it comes by a Unix socket, which nobody is trusted to speak for".to_owned()
            }
            (false, Some(_)) if self.door.listener.trusted_proxies.is_empty() => {
                "the other end of the connection; the listener has no `trusted_proxies`".to_owned()
            }
            (false, Some(_)) => {
                "the other end of the connection, which is none of the listener's `trusted_proxies`"
                    .to_owned()
            }
            (true, from) if from == self.client.ip => {
                "a trusted proxy, whose X-Forwarded-For names nobody else".to_owned()
            }
            (true, from) => format!(
                "the rightmost hop of X-Forwarded-For that is no trusted proxy; {} is one",
                from.map(|ip| ip.to_string()).unwrap_or_default()
            ),
        };
        view::Client {
            address,
            behind_proxy: self.client.behind_proxy,
            why,
        }
    }

    fn refused(&self, fault: Fault, detail: Option<String>) -> view::Verdict {
        refused(fault, detail, self.call)
    }
}

fn refused(fault: Fault, detail: Option<String>, call: bool) -> view::Verdict {
    let grpc_status = call.then(|| {
        let status = GrpcStatus::of_fault(fault);
        format!("{} {}", status.digits(), status.name())
    });
    view::Verdict {
        kind: "refused".to_owned(),
        text: fault.about().to_owned(),
        // A call is told in a response that went well, as the protocol wants it.
        status: Some(if call { 200 } else { fault.status() }),
        fault: Some(view::Fault {
            name: fault.name().to_owned(),
            status: fault.status(),
            grpc_status,
            about: fault.about().to_owned(),
            detail,
            page: format!("docs/faults/{fault}.md"),
        }),
        ..nothing()
    }
}

fn unreadable(refusal: Refusal) -> view::Verdict {
    let detail = format!("{refusal} ({}): {}", refusal.rfc(), refusal.about());
    refused(refusal.fault_of_request(), Some(detail), false)
}

fn replied(kind: &str, status: u16, text: &str) -> view::Verdict {
    view::Verdict {
        kind: kind.to_owned(),
        text: text.to_owned(),
        status: Some(status),
        ..nothing()
    }
}

fn leads(status: u16, location: String, text: &str) -> view::Verdict {
    view::Verdict {
        location: Some(location),
        ..replied("redirected", status, text)
    }
}

const fn nothing() -> view::Verdict {
    view::Verdict {
        kind: String::new(),
        text: String::new(),
        status: None,
        location: None,
        fault: None,
        cluster: None,
        endpoint: None,
    }
}

/// What the question left open.
fn supposed(sight: Sight<'_>, ask: &view::Ask, question: &Question, door: Door<'_>) -> Vec<String> {
    let mut all = Vec::new();
    if !sight.live {
        all.push("nothing runs: every endpoint is taken to be well, a name to be one address, and a rate limit to be unused".to_owned());
    }
    if ask.from.is_empty() {
        all.push("the client is 127.0.0.1".to_owned());
    }
    let tls = door.listener.tls.as_ref();
    let clients = tls.and_then(|tls| tls.client.as_ref());
    if clients.is_some() && question.https {
        all.push("the client has shown a certificate that the listener believes; what endpoints are told of it is left out".to_owned());
    }
    if question.method == "POST" && !ask.headers.iter().any(|one| is_of_body(one)) {
        all.push(
            "the request has no body: name its Content-Length, or Transfer-Encoding: chunked"
                .to_owned(),
        );
    }
    all
}

fn is_of_body(field: &str) -> bool {
    let name = field.split(':').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
}

/// What a client sent, as people can read it: nothing in it reaches a terminal as a command.
fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 256;
    let text = String::from_utf8_lossy(bytes);
    let mut out: String = text.chars().take(MOST).flat_map(escaped).collect();
    if text.chars().nth(MOST).is_some() {
        out.push('…');
    }
    out
}

fn escaped(one: char) -> impl Iterator<Item = char> {
    let plain = !one.is_control();
    let escape = (!plain).then(|| one.escape_default());
    plain
        .then_some(one)
        .into_iter()
        .chain(escape.into_iter().flatten())
}

/// A time as people say it: to a tenth of a second, or in milliseconds below one.
fn rough(duration: std::time::Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1_000 {
        format!("{millis} ms")
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}
