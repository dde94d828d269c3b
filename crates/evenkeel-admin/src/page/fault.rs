//! `GET /api/v1/faults/NAME`: what a fault means, as `evenkeel why` says it.

use evenkeel_base::Fault;
use evenkeel_base::fault::Side;
use hyper::StatusCode;

use crate::answer::{Answer, json, wrong};
use crate::ask::Ask;
use crate::view;

/// One fault.
pub(crate) fn show(ask: &Ask) -> Answer {
    let name = ask.names.first().map_or("", String::as_str);
    match Fault::from_name(name) {
        Some(fault) => json(StatusCode::OK, &of(fault)),
        None => wrong(StatusCode::NOT_FOUND, "no fault has that name"),
    }
}

fn of(fault: Fault) -> view::Fault {
    let advice = fault.advice();
    let owned = |sentences: &[&str]| sentences.iter().map(|&one| one.to_owned()).collect();
    view::Fault {
        name: fault.name().to_owned(),
        side: match fault.side() {
            Side::Downstream => "client",
            Side::Local => "evenkeel",
            Side::Upstream => "endpoint",
        }
        .to_owned(),
        status: fault.status(),
        about: fault.about().to_owned(),
        causes: owned(advice.causes),
        look: owned(advice.look),
    }
}
