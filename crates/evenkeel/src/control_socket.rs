//! Where the process listens to operators: the socket is bound before anything is served, like a listener.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use evenkeel_admin::place;
use evenkeel_net::{ListenSocket, Loan, Owner};

use crate::cli::ControlArgs;
use crate::handover::Handover;
use crate::startup::Teller;

/// What `--control` says for: no control socket.
const NONE: &str = "none";

/// The control socket before anybody is answered on it.
#[derive(Debug)]
pub(crate) enum Found {
    /// It is the process's before this one, which answers as well until it is told that this one does.
    Inherited(OwnedFd, Owner),
    /// It is new.
    Bound(ListenSocket, PathBuf),
    /// There is none.
    Nothing,
}

impl Found {
    /// Where it was bound.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Bound(_, path) => Some(path),
            Self::Inherited(..) | Self::Nothing => None,
        }
    }

    /// Makes it ours to answer on.
    ///
    /// # Errors
    /// When what was inherited is no socket to listen on.
    pub(crate) fn open(self) -> io::Result<Option<ListenSocket>> {
        match self {
            Self::Inherited(socket, owner) => evenkeel_admin::inherit(socket, owner).map(Some),
            Self::Bound(socket, _) => Ok(Some(socket)),
            Self::Nothing => Ok(None),
        }
    }
}

/// Takes over the control socket of the process before this one, or binds one.
///
/// # Errors
/// As [`bind`].
pub(crate) fn find(
    args: &ControlArgs,
    handover: &mut Handover,
    teller: Teller,
) -> anyhow::Result<Found> {
    if let Some((socket, owner)) = handover.control() {
        return Ok(Found::Inherited(socket, owner));
    }
    let bound = bind(args, teller)?;
    Ok(bound.map_or(Found::Nothing, |(socket, path)| Found::Bound(socket, path)))
}

/// Binds the control socket, and says where. One that was asked for must be had; the usual one may be another evenkeel's.
///
/// # Errors
/// When the one that was asked for cannot be bound.
fn bind(args: &ControlArgs, teller: Teller) -> anyhow::Result<Option<(ListenSocket, PathBuf)>> {
    if let Some(path) = &args.control {
        if path == Path::new(NONE) {
            return Ok(None);
        }
        return match evenkeel_admin::open(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
                "the control socket {} is taken ({error}); name another with --control",
                path.display()
            ),
            bound => bound
                .with_context(|| format!("cannot listen on the control socket {}", path.display()))
                .map(|socket| Some((socket, path.clone()))),
        };
    }
    let Some(path) = place::to_listen(rustix::process::geteuid().is_root()) else {
        const NOWHERE: &str = "there is no runtime directory ($RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR), and so no control socket; \
             name one with --control PATH";
        teller.tell(
            || format!("evenkeel: {NOWHERE}"),
            || tracing::warn!("{NOWHERE}"),
        );
        return Ok(None);
    };
    match evenkeel_admin::open(&path) {
        Ok(socket) => Ok(Some((socket, path))),
        Err(error) => {
            let why = format!(
                "no control socket at {} ({error}); name another with --control PATH",
                path.display()
            );
            teller.tell(|| format!("evenkeel: {why}"), || tracing::warn!("{why}"));
            Ok(None)
        }
    }
}

/// Whether a path leads to this socket, by whatever links.
pub(crate) fn is_at(socket: &Loan, path: &Path) -> bool {
    let own = socket.as_fd().try_clone_to_owned();
    let own = own.and_then(|own| UnixListener::from(own).local_addr());
    let Some(own) = own
        .ok()
        .and_then(|own| own.as_pathname().map(Path::to_owned))
    else {
        return false;
    };
    let file = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    own == path || file(path).is_some_and(|there| file(&own) == Some(there))
}

/// Where commands ask, one place after the other: where they are told to and nowhere else, or in the usual places.
pub(crate) fn to_ask(control: Option<&PathBuf>) -> Vec<PathBuf> {
    control.map_or_else(place::to_look, |path| vec![path.clone()])
}

/// Whether that is said of a place where no process listens: none ever did, or what is left there is the socket of one that was
/// killed. Then another place may have one, and nothing was asked yet.
pub(crate) fn is_deserted(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::ConnectionRefused
    )
}
