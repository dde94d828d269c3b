//! The bound listeners of the process, and what changes among them when a configuration takes the place of another.
//!
//! A listener is its address. One that stays is not touched; new ones are bound before anything else happens, so that a
//! configuration whose port is taken changes nothing.

use anyhow::{Context, bail};
use evenkeel_config::model::{self, Bind, Config};
use evenkeel_net::Listener;

use crate::activation::Activation;
use crate::admin_address;
use crate::forbidden::forbidden;
use crate::handover::Handover;
use crate::parked::Parked;

/// What has to be bound and closed for a configuration to take the place of another.
#[derive(Debug)]
pub(crate) struct Difference {
    /// Bound already; each with its place in the new configuration.
    pub(crate) new: Vec<(usize, Listener)>,
    /// The places in the old one of those that go.
    pub(crate) gone: Vec<usize>,
}

impl Difference {
    /// What differs, with everything new bound, or taken from what is kept for it.
    ///
    /// # Errors
    /// When an address cannot be bound: then nothing is.
    pub(crate) fn bind(
        from: &Config,
        to: &Config,
        workers: usize,
        parked: &Parked,
    ) -> anyhow::Result<Self> {
        let absent = |listener: &model::Listener, in_config: &Config| {
            !in_config
                .listeners
                .iter()
                .any(|other| is_same(listener, other))
        };
        let mut new = Vec::new();
        for (place, listener) in to.listeners.iter().enumerate() {
            if absent(listener, from) {
                let name = &listener.name;
                let bound = match parked.find(&listener.bind.to_string()) {
                    Some(parked) => parked.with_context(|| {
                        format!("listener {name}: the sockets that are kept for it cannot be used")
                    })?,
                    None => bind(listener, workers)?,
                };
                let bound = bound.with_acceptors(workers).with_context(|| {
                    format!("listener {name}: not every worker can accept by it")
                })?;
                new.push((place, bound));
            }
        }
        let gone = from.listeners.iter().enumerate();
        let gone = gone.filter(|(_, listener)| absent(listener, to));
        Ok(Self {
            new,
            gone: gone.map(|(place, _)| place).collect(),
        })
    }
}

/// Whether one takes the place of the other: where the system chooses the port, names tell them apart.
fn is_same(one: &model::Listener, other: &model::Listener) -> bool {
    let chosen = matches!(&one.bind, Bind::Ip(address) if address.port() == 0);
    one.bind == other.bind && (!chosen || one.name == other.name)
}

/// What is bound at the start.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The listeners, in the configuration's order.
    pub(crate) listeners: Vec<Listener>,
    /// The admin address, where there is one.
    pub(crate) admin: Option<Listener>,
}

/// Every listener of a configuration, and its admin address where `admin` is not it already: those whose sockets are there already take them over, from the process
/// before or from whoever started this one; the others are bound.
///
/// # Errors
/// When one cannot be bound, or a socket was given that nobody wants.
pub(crate) fn bind_all(
    config: &Config,
    workers: usize,
    handover: &mut Handover,
    admin: Option<Listener>,
) -> anyhow::Result<Bound> {
    let mut activation = Activation::begin()?;
    let mut listeners = Vec::with_capacity(config.listeners.len());
    for listener in &config.listeners {
        let there = handover.listener(listener);
        let started = || activation.sockets(&listener.bind.to_string(), &listener.name);
        listeners.push(match there.or_else(started) {
            Some(taken) => taken.with_context(|| {
                let name = &listener.name;
                format!("listener {name}: the sockets that are there for it cannot be used")
            })?,
            None => bind(listener, workers)?,
        });
    }
    let admin = match admin {
        None => admin_address::find(config, handover, &mut activation)?,
        bound => bound,
    };
    activation.finish()?;
    Ok(Bound { listeners, admin })
}

fn bind(listener: &model::Listener, workers: usize) -> anyhow::Result<Listener> {
    let address = listener.bind.to_string();
    let bound = match &listener.bind {
        Bind::Ip(address) => Listener::bind_ip(*address, workers),
        Bind::Unix(path) => Listener::bind_unix(path),
    };
    match bound {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!(
                "listener {}: {address} is taken by another process; stop it or choose another port",
                listener.name
            )
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            bail!("listener {}: {}", listener.name, forbidden(&listener.bind))
        }
        bound => {
            bound.with_context(|| format!("listener {}: cannot listen on {address}", listener.name))
        }
    }
}
