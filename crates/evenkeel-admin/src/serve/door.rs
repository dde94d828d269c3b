//! A socket that operators come by: its connections, so many at once, and how it is closed without losing an answer.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_net::{Acceptor, Lease, ListenSocket, Origin, Stream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{self, AbortHandle, JoinHandle, JoinSet};
use tokio::time;

use crate::feed::{Feeds, MAX_WATCHERS, Over};
use crate::gate::Gate;
use crate::hall::Hall;
use crate::serve::converse::converse;
use crate::serve::reception::Reception;
use crate::turn::{Progress, Turn};

/// So many connections at once at each door, beside those whose answer goes on. One more takes the place of one that has not
/// asked for anything yet: the oldest of the client that has the most such.
const MAX_CONNECTIONS: usize = 32;

/// So many pages that take a while are made at once at each door, by a thread each; more of them wait. They read what everybody
/// counts in, and must leave the cores to those who count.
const SLOW_PAGES: usize = 2;

/// The pause after a connection that could not be accepted: descriptors may be free by then.
const PAUSE: Duration = Duration::from_millis(100);

/// How long requests that were sent before a door closed may take to come.
const LAST_REQUESTS: Duration = Duration::from_millis(100);

/// Who may come by a door.
#[derive(Clone, Debug)]
pub(super) enum Entrance {
    /// Whoever may open the socket: its owner.
    Owner,
    /// Whom the gate lets in, which may be another one from now on.
    Gate(watch::Receiver<Arc<Gate>>),
}

/// An open door.
#[derive(Debug)]
pub(super) struct Door {
    task: JoinHandle<()>,
    end: watch::Sender<bool>,
    /// To hand its socket to another process.
    pub(super) lease: Lease,
}

impl Door {
    /// Opens it. To be called within the event loop that serves it.
    ///
    /// # Errors
    /// When descriptors run out.
    pub(super) fn open(
        socket: ListenSocket,
        entrance: Entrance,
        hall: Arc<Hall>,
    ) -> io::Result<Self> {
        let acceptor = socket.acceptor()?;
        let lease = socket.lease();
        let (end, ends) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut open = Connections::new(entrance, hall);
            open.accept(&acceptor, ends.clone()).await;
            drop(acceptor);
            open.take_queued(&socket);
            // The file of a Unix socket is there for as long as anybody is answered; a port is let go at once, for who connects
            // would wait for nobody.
            let file = matches!(open.entrance, Entrance::Owner).then_some(socket);
            drop(ends);
            open.finish().await;
            drop(file);
        });
        Ok(Self { task, end, lease })
    }

    /// Accepts no more, and is no longer in anybody's way; the answers that are on their way go out.
    pub(super) async fn leave(&self) {
        self.end.send_replace(true);
        self.end.closed().await;
    }

    /// The same, and waits for them, so long at most.
    pub(super) async fn close(mut self, patience: Duration) {
        self.end.send_replace(true);
        if time::timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// The connections that are open.
#[derive(Debug)]
struct Connections {
    entrance: Entrance,
    hall: Arc<Hall>,
    tasks: JoinSet<()>,
    /// The oldest first.
    order: Vec<Connection>,
    watchers: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    /// True: answers that go on end.
    over: watch::Sender<bool>,
}

#[derive(Debug)]
struct Connection {
    task: AbortHandle,
    turn: watch::Receiver<Turn>,
    client: Option<IpAddr>,
}

impl Connection {
    fn can_go(&self) -> bool {
        self.turn.borrow().can_go()
    }

    fn counts(&self) -> bool {
        *self.turn.borrow() != Turn::Streaming
    }
}

impl Connections {
    fn new(entrance: Entrance, hall: Arc<Hall>) -> Self {
        Self {
            entrance,
            hall,
            tasks: JoinSet::new(),
            order: Vec::new(),
            watchers: Arc::new(Semaphore::new(MAX_WATCHERS)),
            slow: Arc::new(Semaphore::new(SLOW_PAGES)),
            over: watch::Sender::new(false),
        }
    }

    async fn accept(&mut self, acceptor: &Acceptor, mut ends: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                accepted = acceptor.accept(), if self.have_room() => match accepted {
                    Ok((stream, origin)) => {
                        self.begin(stream, origin);
                        // Whoever has asked already is heard before it could have to go.
                        task::yield_now().await;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "operators' connections cannot be accepted");
                        time::sleep(PAUSE).await;
                    }
                },
                Some(ended) = self.tasks.join_next_with_id() => {
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    self.order.retain(|one| one.task.id() != id);
                }
                () = async { drop(ends.wait_for(|end| *end).await) } => return,
            }
        }
    }

    /// Takes what the system has accepted already, unless another process does.
    fn take_queued(&mut self, socket: &ListenSocket) {
        while !socket.is_handed_over() && self.have_room() {
            match socket.try_accept() {
                Ok((stream, origin)) => self.begin(stream, origin),
                Err(_) => break,
            }
        }
    }

    /// Lets what is under way come to its end.
    async fn finish(&mut self) {
        self.over.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if time::timeout(LAST_REQUESTS, all).await.is_ok() {
            return;
        }
        for one in self.order.iter().filter(|one| one.turn.borrow().is_idle()) {
            one.task.abort();
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Whether one more can be had: when there are too many, in the place of another.
    fn have_room(&self) -> bool {
        let counted = self.order.iter().filter(|one| one.counts()).count();
        counted < MAX_CONNECTIONS || self.order.iter().any(Connection::can_go)
    }

    /// Who all are, and whether each can go.
    fn all(&self) -> Vec<(Option<IpAddr>, bool)> {
        let all = self.order.iter();
        all.map(|one| (one.client, one.can_go())).collect()
    }

    fn begin(&mut self, stream: Stream, origin: Origin) {
        let counted = self.order.iter().filter(|one| one.counts()).count();
        if counted >= MAX_CONNECTIONS
            && let Some(place) = to_go(&self.all())
        {
            self.order.remove(place).task.abort();
        }
        let ip = match origin {
            Origin::Ip(from) => Some(from.ip()),
            Origin::Unix => None,
        };
        let (progress, turns) = Progress::begin();
        let gate = match &self.entrance {
            Entrance::Owner => None,
            Entrance::Gate(gate) => Some(gate.clone()),
        };
        let reception = Reception {
            hall: Arc::clone(&self.hall),
            feeds: Feeds {
                progress: progress.clone(),
                room: Arc::clone(&self.watchers),
                over: Over {
                    door: self.over.subscribe(),
                    gate: gate.clone(),
                    admitted: None,
                },
            },
            client: ip,
            slow: Arc::clone(&self.slow),
            progress,
            shaken: gate.as_ref().map(|gate| Arc::clone(&gate.borrow())),
            gate,
        };
        let task = self.tasks.spawn(converse(stream, reception, turns.clone()));
        self.order.push(Connection {
            task,
            turn: turns,
            client: ip.map(network),
        });
    }
}

/// The place of the one that goes first, of all clients and whether each can go: the oldest of the client that has the most that can.
fn to_go(all: &[(Option<IpAddr>, bool)]) -> Option<usize> {
    let can_go = || all.iter().enumerate().filter(|(_, (_, can_go))| *can_go);
    let number = |client| can_go().filter(|(_, (other, _))| *other == client).count();
    // Of several the last would be taken, and the oldest is first.
    let most = can_go()
        .rev()
        .max_by_key(|(_, (client, _))| number(*client));
    most.map(|(place, _)| place)
}

/// Who a client is as far as can be told: nobody has one address of version 6.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(four) => four.into(),
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_takes_places_from_itself() {
        // Clients by letter, `-` for those of a Unix socket; small ones can go.
        for (all, expected) in [
            ("", None),
            ("A", None),
            ("-", Some(0)),
            ("a", Some(0)),
            ("Aa", Some(1)),
            ("abbb", Some(1)),
            ("abBB", Some(0)),
            ("abab", Some(0)),
            ("BBBa", Some(3)),
            ("--", Some(0)),
        ] {
            let one = |letter: char| {
                let number = u8::try_from(letter.to_ascii_lowercase()).unwrap();
                let client = (letter != '-').then(|| IpAddr::from([10, 0, 0, number]));
                (client, !letter.is_ascii_uppercase())
            };
            let all: Vec<_> = all.chars().map(one).collect();
            assert_eq!(to_go(&all), expected, "{all:?}");
        }
    }

    #[test]
    fn an_address_of_version_6_is_as_good_as_its_network() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
        ] {
            let network = |text: &str| network(text.parse().unwrap());
            assert_eq!(network(one) == network(other), same, "{one} {other}");
        }
    }
}
