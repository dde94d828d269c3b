//! `GET /live` and `GET /ready`: what orchestrators ask for.

use evenkeel_state::life::Stage;
use hyper::StatusCode;

use crate::answer::{Answer, json};
use crate::ask::Ask;
use crate::view;

/// Whether the process runs.
pub(crate) fn live(ask: &Ask) -> Answer {
    fine(true, ask)
}

/// Whether it takes traffic.
pub(crate) fn ready(ask: &Ask) -> Answer {
    fine(ask.office().life.told().stage == Stage::Serving, ask)
}

fn fine(ok: bool, ask: &Ask) -> Answer {
    let state = ask.office().life.told().stage.name().to_owned();
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(status, &view::Fine { ok, state })
}
