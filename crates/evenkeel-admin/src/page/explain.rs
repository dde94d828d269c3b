//! `POST /api/v1/explain`: what would become of a request, by what runs. It changes nothing; a POST because the question may be long.

use std::time::Instant;

use hyper::StatusCode;

use crate::answer::{Answer, json, wrong};
use crate::ask::Ask;
use crate::explain::{Sight, explain};
use crate::order;

/// Of a large cluster this takes a while: a thousand picks are rehearsed.
pub(crate) fn show(ask: &Ask) -> Answer {
    let question = match order::read(&ask.body) {
        Ok(question) => question,
        Err(why) => return wrong(StatusCode::BAD_REQUEST, &why),
    };
    let publisher = &ask.office().publisher;
    let snapshot = publisher.current();
    let sight = Sight {
        snapshot: &snapshot,
        now_us: publisher.micros(Instant::now()),
        level: publisher.pressure().level(),
        live: true,
    };
    match explain(sight, &question) {
        Ok(told) => json(StatusCode::OK, &told),
        Err(why) => wrong(StatusCode::BAD_REQUEST, &why),
    }
}
