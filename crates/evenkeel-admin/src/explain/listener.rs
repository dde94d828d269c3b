//! Which listener a request comes to: the one that the address leads to, as far as an address can tell.

use std::net::SocketAddr;

use evenkeel_base::ListenerId;
use evenkeel_config::model::{Bind, Listener};
use evenkeel_tls::Proof;

use super::ask::Question;
use super::{Sight, greeting};
use crate::view::explain as view;

/// A listener, and why it is this one.
pub(super) struct Found<'a> {
    pub(super) id: ListenerId,
    pub(super) listener: &'a Listener,
    address: String,
    why: String,
    /// Its port is the address's: nothing else stands between.
    is_at_port: bool,
}

/// Finds it.
///
/// # Errors
/// When there is none of that name, or none at all.
pub(super) fn find<'a>(
    sight: Sight<'a>,
    question: &Question,
    wanted: &str,
) -> Result<Found<'a>, String> {
    let listeners = &sight.snapshot.config.listeners;
    let all = || (0..).map(ListenerId::new).zip(listeners);
    let at_port = |(id, listener): &(ListenerId, &Listener)| {
        bound(sight, *id, listener).is_some_and(|bound| bound.port() == question.port)
    };
    let found = |(id, listener): (ListenerId, &'a Listener), why: &str| Found {
        id,
        listener,
        address: address(sight, id, listener),
        why: why.to_owned(),
        is_at_port: at_port(&(id, listener)),
    };
    if !wanted.is_empty() {
        return all()
            .find(|(_, one)| one.name == wanted)
            .map(|one| found(one, "it was named"))
            .ok_or_else(|| no_such(wanted, listeners));
    }
    let speaks = |(_, listener): &(ListenerId, &Listener)| listener.tls.is_some() == question.https;
    let named_ip = question.host.parse().ok();
    let at_ip = |(id, listener): &(ListenerId, &Listener)| {
        let bound = bound(sight, *id, listener);
        bound.is_some_and(|bound| Some(bound.ip()) == named_ip)
    };
    let scheme = if question.https { "https" } else { "http" };
    let port = question.port;
    let both: Vec<_> = all().filter(|one| at_port(one) && speaks(one)).collect();
    if let Some(one) = both.iter().find(|one| at_ip(one)).or_else(|| both.first()) {
        return Ok(found(*one, &format!("it speaks {scheme} at port {port}")));
    }
    if let Some(one) = all().find(at_port) {
        let other = if question.https { "http" } else { "TLS" };
        let why = format!("it has port {port}, where it speaks {other} and not {scheme}");
        return Ok(found(one, &why));
    }
    let alike: Vec<_> = all().filter(speaks).collect();
    let why = match alike.as_slice() {
        [_] => format!("none has port {port}; it is the only one that speaks {scheme}"),
        [_, ..] => format!(
            "none has port {port}; of those that speak {scheme} it is the first: --listener names another"
        ),
        [] => format!(
            "none has port {port} or speaks {scheme}: whoever is in front of it may; --listener names another"
        ),
    };
    let first = alike.into_iter().next().or_else(|| all().next());
    first
        .map(|one| found(one, &why))
        .ok_or_else(|| "there is no listener".to_owned())
}

fn no_such(wanted: &str, listeners: &[Listener]) -> String {
    let names = || listeners.iter().map(|one| one.name.as_str());
    match evenkeel_config::nearest(wanted, names()) {
        Some(near) => format!("no listener is called \"{wanted}\": did you mean \"{near}\"?"),
        None => format!(
            "no listener is called \"{wanted}\": there are {}",
            names().collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Where it is bound, with the port that the system chose.
fn address(sight: Sight<'_>, id: ListenerId, listener: &Listener) -> String {
    let state = sight.snapshot.listeners().get(id.index());
    let known = state.and_then(|state| state.address());
    known.unwrap_or_else(|| listener.bind.to_string())
}

fn bound(sight: Sight<'_>, id: ListenerId, listener: &Listener) -> Option<SocketAddr> {
    let known = address(sight, id, listener).parse().ok();
    known.or(match &listener.bind {
        Bind::Ip(address) => Some(*address),
        Bind::Unix(_) => None,
    })
}

impl Found<'_> {
    /// What a client is told that speaks TLS where the listener does not, or the other way round; none: they agree, or what stands
    /// in front of the listener sees to that.
    pub(super) fn greeting(&self, question: &Question) -> Option<view::Verdict> {
        match (question.https, self.listener.tls.is_some()) {
            (true, false) if self.is_at_port => greeting::of_hello(self.listener.head),
            (false, true) => Some(greeting::of_plain()),
            _ => None,
        }
    }

    /// The name that a client asks for in its handshake: none for an address, which SNI does not have (RFC 6066 §3).
    #[expect(clippy::unused_self, reason = "the listener's handshake")]
    pub(super) fn name<'q>(&self, question: &'q Question) -> Option<&'q str> {
        let host = question.host.as_str();
        host.parse::<std::net::IpAddr>().is_err().then_some(host)
    }

    /// For people.
    pub(super) fn told(&self, proof: Option<&Proof>) -> view::Listener {
        let tls = self.listener.tls.as_ref();
        let shown = proof.and_then(|proof| tls?.certificates.get(proof.shown()));
        view::Listener {
            name: self.listener.name.clone(),
            address: self.address.clone(),
            why: self.why.clone(),
            certificate: shown.map(|one| {
                let hosts = one.identity.certificate().hosts.join(", ");
                format!("{} (for {hosts})", one.certificate.display())
            }),
        }
    }
}
