//! From a request to its answer: who asks, which page, what it says.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use evenkeel_base::Address;
use evenkeel_state::command::{Command, Refused};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use tokio::sync::{Semaphore, watch};
use tokio::task;

use crate::answer::{Answer, Content, json, refused, secure, wrong};
use crate::ask::Ask;
use crate::feed::Feeds;
use crate::gate::{Gate, Refusal};
use crate::hall::Hall;
use crate::page::{Needs, Ordering, Page};
use crate::table::{Found, find};
use crate::turn::{Progress, Turn};
use crate::view;

/// The longest body of a request; beyond it 413.
const MAX_BODY: usize = 64 * 1024;

/// What a request is answered by.
#[derive(Debug)]
pub(super) struct Reception {
    pub(super) hall: Arc<Hall>,
    pub(super) progress: Progress,
    pub(super) feeds: Feeds,
    /// Who asks; none: by a Unix socket.
    pub(super) client: Option<IpAddr>,
    /// Room for pages that take a while.
    pub(super) slow: Arc<Semaphore>,
    /// What is asked of who comes; none: it is the control socket, which only its owner may open.
    pub(super) gate: Option<watch::Receiver<Arc<Gate>>>,
    /// What was asked when the connection was made.
    pub(super) shaken: Option<Arc<Gate>>,
}

impl Reception {
    /// Lets a request on, by what is asked of who comes by now; that, if anything is.
    fn admit(&self, head: &Parts, needs: Needs) -> Result<Option<Arc<Gate>>, Refusal> {
        let Some(gate) = &self.gate else {
            return Ok(None);
        };
        let gate = Arc::clone(&gate.borrow());
        let shaken = self.shaken.as_ref();
        if shaken.is_some_and(|shaken| !gate.shakes_as(shaken)) {
            return Err(Refusal::Stale);
        }
        gate.admit(head, needs)?;
        Ok(Some(gate))
    }

    fn refused(&self, why: Refusal) -> Answer {
        self.hall.refusals.note(why, self.client);
        refused(why)
    }

    /// The answer to a request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        self.progress.enter(Turn::Explaining);
        let mut answer = self.look_up(request).await;
        secure(answer.headers_mut());
        let goes_on = matches!(answer.body(), Content::Feed(_));
        let turn = if goes_on {
            Turn::Streaming
        } else {
            Turn::Answering
        };
        self.progress.enter(turn);
        Ok(answer)
    }

    async fn look_up(&self, request: Request<Incoming>) -> Answer {
        let found = find(request.method().as_str(), request.uri().path());
        let (head, body) = request.into_parts();
        let needs = match &found {
            Found::Page(_, needs, _) => *needs,
            // Whoever has no leave to look is told of no page that there is or is not.
            Found::Methods(_) | Found::Nothing => Needs::Read,
        };
        if let Err(why) = self.admit(&head, needs) {
            return self.refused(why);
        }
        let (page, names) = match found {
            Found::Page(page, _, names) => (page, names),
            Found::Methods(methods) => return other_methods(&methods),
            Found::Nothing => return wrong(StatusCode::NOT_FOUND, "there is no such page"),
        };
        if body.size_hint().lower() > MAX_BODY as u64 {
            return too_large();
        }
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            return too_large();
        };
        // What is asked may have changed while the body came.
        let admitted = match self.admit(&head, needs) {
            Ok(gate) => gate,
            Err(why) => return self.refused(why),
        };
        self.progress.enter(Turn::Working);
        let ask = Ask {
            names,
            head,
            body: body.to_bytes(),
            hall: Arc::clone(&self.hall),
            feeds: self.feeds.clone().admitted_by(admitted),
            by_owner: self.gate.is_none(),
        };
        match page {
            Page::Quick(show) => show(&ask),
            Page::Slow(show) => self.in_a_while(show, ask).await,
            Page::Order(read) => {
                let done = order(read, &ask).await;
                done.unwrap_or_else(|why| self.refused(why))
            }
        }
    }

    /// Made by a thread that has time, when there is room for one more.
    async fn in_a_while(&self, show: fn(&Ask) -> Answer, ask: Ask) -> Answer {
        let _room = self.slow.acquire().await;
        let shown = task::spawn_blocking(move || show(&ask)).await;
        let panicked = |_| {
            wrong(
                StatusCode::INTERNAL_SERVER_ERROR,
                "making this page panicked",
            )
        };
        shown.unwrap_or_else(panicked)
    }
}

fn other_methods(methods: &str) -> Answer {
    let mut answer = wrong(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!("this is asked for by {methods}"),
    );
    if let Ok(methods) = HeaderValue::from_str(methods) {
        answer.headers_mut().insert(ALLOW, methods);
    }
    answer
}

fn too_large() -> Answer {
    wrong(
        StatusCode::PAYLOAD_TOO_LARGE,
        &format!("the body has more than {MAX_BODY} bytes, or breaks off"),
    )
}

async fn order(read: Ordering, ask: &Ask) -> Result<Answer, Refusal> {
    let command = match read(&ask.names, &ask.body) {
        Ok(command) => command,
        Err(why) => return Ok(wrong(StatusCode::BAD_REQUEST, &why)),
    };
    if !ask.by_owner
        && let Some(why) = of_the_owner(&command)
    {
        return Err(why);
    }
    Ok(match ask.office().desk.order(command).await {
        Ok(done) => json(
            StatusCode::OK,
            &view::Done {
                ok: true,
                what: done.what,
                generation: done.generation,
            },
        ),
        Err(Refused::NotFound(why)) => wrong(StatusCode::NOT_FOUND, &why),
        Err(Refused::Cannot(why)) => wrong(StatusCode::CONFLICT, &why),
    })
}

/// Why an order is taken on the control socket alone. By a Unix socket as an endpoint its own could be reached, and everybody
/// else's that trusts this user.
fn of_the_owner(command: &Command) -> Option<Refusal> {
    match command {
        Command::Upgrade { program } if !program.as_os_str().is_empty() => Some(Refusal::Program),
        Command::AddEndpoint { endpoint, .. } if matches!(endpoint.address, Address::Unix(_)) => {
            Some(Refusal::Socket)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{add, upgrade};

    #[test]
    fn the_control_socket_cannot_become_an_endpoint_by_the_network() {
        let cluster = ["app".to_owned()];
        for (read, body, expected) in [
            (
                add as Ordering,
                r#"{"address": "unix:/run/evenkeel.sock"}"#,
                Some(Refusal::Socket),
            ),
            (
                add,
                r#"{"address": "unix:/run/a.sock", "id": "10.0.0.1:80"}"#,
                Some(Refusal::Socket),
            ),
            (add, r#"{"address": "10.0.0.1:80", "id": "unix:/a"}"#, None),
            (add, r#"{"address": "app.internal:80"}"#, None),
            (upgrade, r#"{"program": "/bin/x"}"#, Some(Refusal::Program)),
            (upgrade, "", None),
        ] {
            let command = read(&cluster, body.as_bytes()).unwrap();
            assert_eq!(of_the_owner(&command), expected, "{body}");
        }
    }
}
