//! Listening sockets that whoever started evenkeel has opened for it: systemd's socket activation (sd_listen_fds(3)).
//!
//! A listener takes those that listen on its address, else those whose name (`FileDescriptorName=`) is its own. They stay their
//! opener's: nobody joins their ports and no file is removed, for the opener hands out the same ones again.

use std::env;
use std::io;
use std::os::fd::OwnedFd;

use anyhow::{Context, bail};
use evenkeel_net::{Listener, Owner};
use listenfd::ListenFd;

/// The first descriptor that is given; the system's first three are taken.
const FIRST: usize = 3;

/// The name of a socket that was given none (sd_listen_fds_with_names(3)).
const NAMELESS: &str = "unknown";

/// The sockets that were given and not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Activation {
    given: Vec<Given>,
}

#[derive(Debug)]
struct Given {
    /// The number of the descriptor.
    number: usize,
    /// Its name.
    name: String,
    /// Where it listens, as a configuration would have it.
    address: String,
    socket: OwnedFd,
}

impl Activation {
    /// What the environment says was given.
    ///
    /// # Errors
    /// When one is no socket that listens for streams.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        let mut all = ListenFd::from_env();
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut given = Vec::new();
        for at in 0..all.len() {
            let name = names.next().filter(|name| !name.is_empty());
            let name = name.unwrap_or(NAMELESS).to_owned();
            let (address, socket) = take(&mut all, at).with_context(|| {
                let number = FIRST + at;
                format!(
                    "descriptor {number} (\"{name}\") was given to be listened on and cannot be"
                )
            })?;
            given.push(Given {
                number: FIRST + at,
                name,
                address,
                socket,
            });
        }
        Ok(Self { given })
    }

    /// The sockets that were given for the listener of that address and name, if any were.
    pub(crate) fn sockets(&mut self, bind: &str, name: &str) -> Option<io::Result<Listener>> {
        let has_address = self.given.iter().any(|given| given.address == bind);
        let fits = |given: &mut Given| {
            if has_address {
                given.address == bind
            } else {
                given.name == name
            }
        };
        let sockets: Vec<OwnedFd> = self
            .given
            .extract_if(.., fits)
            .map(|given| given.socket)
            .collect();
        (!sockets.is_empty()).then(|| Listener::inherit(sockets, Owner::Starter))
    }

    /// Makes sure that nothing was given in vain: somebody would connect, and nobody accept.
    ///
    /// # Errors
    /// When a socket was taken by no listener.
    pub(crate) fn finish(&self) -> anyhow::Result<()> {
        let Some(left) = self.given.first() else {
            return Ok(());
        };
        let Given {
            number,
            name,
            address,
            ..
        } = left;
        bail!(
            "descriptor {number} (\"{name}\", {address}) was given to be listened on, and no listener has that name or address; \
             name a listener so, or take it out of the socket unit"
        )
    }
}

fn take(all: &mut ListenFd, at: usize) -> io::Result<(String, OwnedFd)> {
    if let Ok(Some(socket)) = all.take_tcp_listener(at) {
        return Ok((socket.local_addr()?.to_string(), socket.into()));
    }
    let none = || io::Error::from(io::ErrorKind::NotFound);
    let socket = all.take_unix_listener(at)?.ok_or_else(none)?;
    let address = socket.local_addr()?;
    let path = address.as_pathname().ok_or_else(none)?;
    Ok((format!("unix:{}", path.display()), socket.into()))
}
