//! The admin address: bound before anything is served, like a listener, and another one before a reload changes anything.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use evenkeel_admin::Console;
use evenkeel_config::model::{Admin, Bind, Config};
use evenkeel_net::{Lease, Listener};

use crate::activation::Activation;
use crate::forbidden::forbidden;
use crate::handover::Handover;
use crate::parked::Parked;
use crate::startup::Teller;

/// How a socket unit calls it (`FileDescriptorName=`), and a handover.
pub(crate) const NAME: &str = "admin";

/// Where a handover says it is bound: no listener's address, so that no other version takes it for one.
pub(crate) fn place(bind: SocketAddr) -> String {
    format!("{NAME} {bind}")
}

/// The address, where the configuration has one: taken over from the process before, or from whoever started this one, or bound.
///
/// # Errors
/// When it cannot be had.
pub(crate) fn find(
    config: &Config,
    handover: &mut Handover,
    activation: &mut Activation,
) -> anyhow::Result<Option<Listener>> {
    let Some(Admin { bind, .. }) = &config.admin else {
        return Ok(None);
    };
    let own = place(*bind);
    let there = handover.sockets(|place| place == own);
    let there = there.or_else(|| activation.sockets(&bind.to_string(), NAME));
    match there {
        Some(taken) => taken
            .map(Some)
            .context("the sockets that are there for the admin address cannot be used"),
        None => bind_to(*bind, None).map(Some),
    }
}

/// The demo's: that of the demo before it, else this port, else one that is free.
///
/// # Errors
/// When it cannot be had.
pub(crate) fn any(port: u16, handover: &mut Handover) -> anyhow::Result<Listener> {
    let prefix = format!("{NAME} ");
    let there = handover.sockets(|place| place.starts_with(&prefix));
    let at = |port| Listener::bind_ip(SocketAddr::from(([127, 0, 0, 1], port)), 1);
    let listener = there.unwrap_or_else(|| at(port).or_else(|_| at(0)));
    listener.context("cannot listen for operators")
}

/// What becomes of the address when a configuration takes the place of another.
#[derive(Debug)]
pub(crate) enum Change {
    /// It stays, where there is one; who is let in may be another.
    Stays,
    /// It is another one, which is bound already.
    Moves(Listener),
    /// There is none any more.
    Goes,
}

impl Change {
    /// What changes, with everything new bound.
    ///
    /// # Errors
    /// When it cannot be bound: then nothing is.
    pub(crate) fn bind(from: &Config, to: &Config, parked: &Parked) -> anyhow::Result<Self> {
        let before = from.admin.as_ref().map(|admin| admin.bind);
        Ok(match &to.admin {
            None => Self::Goes,
            Some(admin) if before == Some(admin.bind) => Self::Stays,
            Some(admin) => Self::Moves(match parked.find(&place(admin.bind)) {
                Some(parked) => parked
                    .context("the sockets that are kept for the admin address cannot be used")?,
                None => bind_to(admin.bind, before)?,
            }),
        })
    }

    /// Keeps the socket that goes, where it is of whoever started this process; the one that comes has its listener again.
    pub(crate) fn park(&self, console: &Console, from: &Config, parked: &mut Parked) {
        if matches!(self, Self::Stays) {
            return;
        }
        let socket = console.address().and_then(Lease::get);
        if let Some((admin, socket)) = from.admin.as_ref().zip(socket) {
            parked.keep(NAME, place(admin.bind), vec![socket]);
        }
    }

    /// Lets it be so. Nothing of what may still fail here is the operator's.
    pub(crate) async fn apply(self, console: &mut Console, config: &Config) {
        let done = match (self, &config.admin) {
            (Self::Goes, _) | (_, None) => {
                if console.address().is_some() {
                    console.close_address().await;
                    tracing::info!("no longer listening on the admin address");
                }
                return;
            }
            (Self::Stays, Some(admin)) => console.change_gate(admin),
            (Self::Moves(listener), Some(admin)) => {
                let address = listener.address();
                let opened = match evenkeel_admin::only(listener) {
                    Ok(socket) => console.open_address(socket, admin).await,
                    Err(error) => Err(error),
                };
                opened.inspect(|()| tracing::info!(address, "listening for operators"))
            }
        };
        if let Err(error) = done {
            tracing::error!("the admin address: {error}");
        }
    }
}

/// Says of it what a start has to say.
pub(crate) fn tell(teller: Teller, admin: &Admin, bound: &str) {
    let (address, tls) = (bound, admin.tls.is_some());
    let proves = admin.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    let open = admin.token.is_none() && !proves;
    teller.tell(
        || {
            let scheme = if tls { "https" } else { "http" };
            let open = if open {
                "  open to every user of this host"
            } else {
                ""
            };
            format!("  admin     {scheme}://{bound}{open}")
        },
        || tracing::info!(address, tls, open, "listening for operators"),
    );
}

fn bind_to(bind: SocketAddr, before: Option<SocketAddr>) -> anyhow::Result<Listener> {
    match Listener::bind_ip(bind, 1) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            if before.is_some_and(|before| before.port() == bind.port()) {
                bail!(
                    "the admin address cannot be {bind} while it is another one of the same port: change the port as well, or restart"
                );
            }
            bail!(
                "the admin address {bind} is taken by another process, which `ss -ltnp 'sport = :{}'` names; stop it, or choose \
                 another port in [admin]",
                bind.port()
            )
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            bail!("the admin address: {}", forbidden(&Bind::Ip(bind)))
        }
        bound => bound.with_context(|| format!("cannot listen on the admin address {bind}")),
    }
}
