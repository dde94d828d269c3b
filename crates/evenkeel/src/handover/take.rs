//! The new process's side: it takes what the old one offers, and says when it serves or why it does not.

use std::collections::HashSet;
use std::env;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::parent_id;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use evenkeel_config::model::{self, Bind};
use evenkeel_net::{Listener, Owner};
use evenkeel_state::Inheritance;

use super::document::{Offer, Reply, Whose};
use super::in_force::Served;
use super::{PATIENCE, VARIABLE, wire};
use crate::load::{Back, Earlier, Reading};

/// What is handed over to this process, when something is.
#[derive(Debug)]
pub(crate) struct Handover(Option<Taking>);

#[derive(Debug)]
struct Taking {
    stream: UnixStream,
    received: Instant,
    offer: Offer,
    /// The sockets of each listener of the offer; none once they are taken.
    sockets: Vec<Option<Vec<OwnedFd>>>,
    control: Option<OwnedFd>,
    /// The places of those that were taken.
    taken: Vec<usize>,
    has_control: bool,
}

impl Handover {
    /// Takes what is offered, when another process has started this one to take its place.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        // Whoever inherits the variable from us and is not started for this is somebody else.
        let by = env::var(VARIABLE).ok().and_then(|pid| pid.parse().ok());
        if by != Some(parent_id()) {
            return Ok(Self(None));
        }
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Taking::begin(&stream)
            .map(Some)
            .map(Self)
            .inspect_err(|error| {
                let text = format!("{error:#}");
                say(&stream, &Reply::Error { text });
            })
    }

    /// The sockets that the old process has for this listener, if it has any.
    pub(crate) fn listener(&mut self, config: &model::Listener) -> Option<io::Result<Listener>> {
        let taking = self.0.as_mut()?;
        let bind = config.bind.to_string();
        // Where the system chooses the port, names tell listeners apart.
        let chosen = matches!(&config.bind, Bind::Ip(address) if address.port() == 0);
        let mut offered = taking.offer.listeners.iter();
        let place =
            offered.position(|one| one.bind == bind && (!chosen || one.name == config.name))?;
        taking.take(place)
    }

    /// The sockets that the old process has for something else than a listener, by where it says that it is bound.
    pub(crate) fn sockets(&mut self, fits: impl Fn(&str) -> bool) -> Option<io::Result<Listener>> {
        let taking = self.0.as_mut()?;
        let mut offered = taking.offer.listeners.iter();
        let place = offered.position(|one| fits(&one.bind))?;
        taking.take(place)
    }

    /// The sockets of whoever started the first process that nobody has taken: name, where they were bound, sockets. The old process
    /// takes what is queued on them all the same, where it accepts by them.
    pub(crate) fn left_of_starter(&mut self) -> Vec<(String, String, Vec<OwnedFd>)> {
        let Some(taking) = self.0.as_mut() else {
            return Vec::new();
        };
        let offered = taking.offer.listeners.iter().zip(&mut taking.sockets);
        let left = offered.filter_map(|(one, sockets)| {
            let is_starters = matches!(one.whose, Whose::Starter);
            let sockets = if is_starters { sockets.take() } else { None };
            Some((one.name.clone(), one.bind.clone(), sockets?))
        });
        left.collect()
    }

    /// The old process's control socket, and whose it is.
    pub(crate) fn control(&mut self) -> Option<(OwnedFd, Owner)> {
        let taking = self.0.as_mut()?;
        let socket = taking.control.take()?;
        taking.has_control = true;
        Some((socket, taking.offer.control?.into()))
    }

    /// What the old process serves, where that is not what its file says, which is the one at `path`.
    pub(crate) fn back(&mut self, path: &Path) -> Option<Back> {
        let in_force = self.0.as_mut()?.offer.in_force.take()?;
        Some(in_force.back(path))
    }

    /// What there is to go back to from what this process has read, from the file at `path` or by what is in force: what the old one
    /// served, where that is something else, or what it could have gone back to itself. Lists of endpoints make no difference.
    pub(crate) fn before(
        &mut self,
        path: &Path,
        reading: &Reading,
        lists: &HashSet<&Path>,
    ) -> Option<Earlier> {
        let offer = &mut self.0.as_mut()?.offer;
        let earlier = |served: Served| served.earlier(path);
        let served = offer.served.take().map(earlier);
        let before = offer.before.take().map(earlier);
        served
            .filter(|served| !served.reading.says_the_same_but_for(reading, lists))
            .or(before)
    }

    /// What the old process learnt.
    pub(crate) fn inheritance(&mut self) -> Option<Inheritance> {
        let taking = self.0.as_mut()?;
        Some(taking.offer.inheritance(taking.received))
    }

    /// Says that this process serves. From then on nothing can be refused any more. Gives version and id of the old one.
    pub(crate) fn ready(&mut self) -> Option<(String, u32)> {
        let taking = self.0.take()?;
        let reply = Reply::Ready {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            taken: taking.taken,
            control: taking.has_control,
        };
        say(&taking.stream, &reply);
        Some((taking.offer.version, taking.offer.pid))
    }

    /// Says why this process does not serve.
    pub(crate) fn refuse(&mut self, why: &str) {
        if let Some(taking) = self.0.take() {
            let text = why.to_owned();
            say(&taking.stream, &Reply::Error { text });
        }
    }
}

impl Taking {
    /// The sockets at that place of the offer, once.
    fn take(&mut self, place: usize) -> Option<io::Result<Listener>> {
        let owner = self.offer.listeners.get(place)?.whose.into();
        let sockets = self.sockets.get_mut(place)?.take()?;
        self.taken.push(place);
        Some(Listener::inherit(sockets, owner))
    }

    fn begin(stream: &UnixStream) -> anyhow::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let text = wire::receive(stream, wire::MAX_TEXT).context("no offer came")?;
        let received = Instant::now();
        let offer = Offer::read(&text)?;
        let take =
            |number| wire::receive_descriptors(stream, number).context("not all sockets came");
        let numbers = offer.listeners.iter().map(|one| one.sockets);
        let all = numbers.clone().sum::<usize>() + usize::from(offer.control.is_some());
        let mut descriptors = take(all)?.into_iter();
        let sockets = numbers.map(|number| Some(descriptors.by_ref().take(number).collect()));
        let sockets = sockets.collect();
        let control = descriptors.next();
        Ok(Self {
            stream: stream.try_clone()?,
            received,
            offer,
            sockets,
            control,
            taken: Vec::new(),
            has_control: false,
        })
    }
}

/// An old process that is gone has nothing to hear any more.
fn say(stream: &UnixStream, reply: &Reply) {
    let sent = serde_json::to_vec(reply)
        .map_err(io::Error::from)
        .and_then(|text| wire::send(stream, &text));
    if let Err(error) = sent {
        tracing::warn!(%error, "the process before this one cannot be told");
    }
}
