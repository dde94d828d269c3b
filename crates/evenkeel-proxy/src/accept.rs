//! Accepting: one task per listener and worker; each connection becomes a task of its own.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use evenkeel_net::{Acceptor, ListenSocket, Origin, Stream};
use evenkeel_state::ClientConnection;
use tokio::sync::watch;
use tokio::{task, time};

use crate::connection;
use crate::door::{Door, Visit};
use crate::handshake;
use crate::scene::From;
use crate::turned_away::{Answer, Why, at_once, dismiss};
use crate::worker::{OpenConnection, Worker};

/// How long accepting rests when the process is out of descriptors or memory: long enough not to spin, short enough for
/// the queue of the socket.
const REST: Duration = Duration::from_millis(50);

/// A line of the log for the first rest, and then one after such a time.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Connections taken from the queue of a socket that is about to close: as many as the kernel lets wait.
const MAX_QUEUED: usize = 4096;

/// Accepts until told to stop.
pub(crate) async fn run(
    worker: Rc<Worker>,
    door: Rc<Door>,
    acceptor: Acceptor,
    mut stop: watch::Receiver<bool>,
) {
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = acceptor.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, origin)) => begin(&worker, &door, stream, origin),
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                // At the limit one is accepted now and then, and the next is not.
                if told.is_none_or(|told| told.elapsed() >= BETWEEN_LINES) {
                    tracing::warn!(%error, "accepting rests: the system gives no more connections");
                    told = Some(Instant::now());
                }
                time::sleep(REST).await;
            }
        }
    }
}

/// Takes what waits on a socket and closes it right behind the last: nobody that the system has accepted is reset. The
/// event loop is not asked, for what it knows is a turn old.
pub(crate) fn take_queued(worker: &Rc<Worker>, door: &Rc<Door>, socket: ListenSocket) {
    for _ in 0..MAX_QUEUED {
        if socket.is_handed_over() {
            break;
        }
        match socket.try_accept() {
            Ok((stream, origin)) => begin(worker, door, stream, origin),
            Err(error) if is_of_connection(&error) => {}
            Err(_) => break,
        }
    }
    drop(socket);
}

fn begin(worker: &Rc<Worker>, door: &Rc<Door>, stream: Stream, origin: Origin) {
    let from = match origin {
        Origin::Ip(address) => {
            let ip = address.ip().to_canonical();
            From {
                ip: Some(ip),
                text: ip.to_string(),
                proof: None,
            }
        }
        Origin::Unix => From {
            ip: None,
            text: String::new(),
            proof: None,
        },
    };
    if worker.turns_away() {
        return turn_away(worker, door, stream, &from, Why::Overload);
    }
    let Ok(place) = place_of_client(worker, door, &from) else {
        return turn_away(worker, door, stream, &from, Why::OfClient);
    };
    let Some(open) = worker.open_connection() else {
        return turn_away(worker, door, stream, &from, Why::OfAll);
    };
    let (worker, by) = (Rc::clone(worker), (Rc::clone(door), door.enter()));
    task::spawn_local(attend(worker, by, stream, from, (open, place)));
}

/// A connection from its first byte to its last. An idle one is this future and little more.
#[expect(
    clippy::manual_async_fn,
    reason = "what the block captures is kept once, what an asynchronous function is given is kept twice"
)]
fn attend(
    worker: Rc<Worker>,
    (door, visit): (Rc<Door>, Visit),
    stream: Stream,
    mut from: From,
    places: (OpenConnection, Option<ClientConnection>),
) -> impl Future<Output = ()> {
    async move {
        let Some(stream) = handshake::shake(&worker, &door, stream, &mut from).await else {
            return;
        };
        connection::serve(&worker, (&door, visit), stream, &from).await;
        drop(places);
    }
}

/// Too many connections of one client.
struct TooMany;

/// The place of a connection among those of its client, where the listener limits them. Proxies that speak for others are not
/// limited.
fn place_of_client(
    worker: &Worker,
    door: &Door,
    from: &From,
) -> Result<Option<ClientConnection>, TooMany> {
    let Some(view) = door.view(worker) else {
        return Ok(None);
    };
    let Some((config, ip)) = view.listener().zip(from.ip) else {
        return Ok(None);
    };
    let most = config.max_connections_per_client;
    if most == u32::MAX || config.trusted_proxies.iter().any(|n| n.contains(ip)) {
        return Ok(None);
    }
    let clients = &door.state().clients;
    clients.open(ip.into(), most).map(Some).ok_or(TooMany)
}

fn turn_away(worker: &Rc<Worker>, door: &Door, stream: Stream, from: &From, why: Why) {
    let counters = worker.counters();
    match why {
        Why::OfClient => counters.turned_away.add(1),
        Why::OfAll | Why::Overload => counters.shed.add(1),
    }
    let Some(view) = door.view(worker) else {
        return;
    };
    let Some(config) = view.listener() else {
        return;
    };
    let turned_away = Rc::clone(&worker.turned_away);
    let most = worker.most_connections();
    turned_away.tell(why, config, &from.text, most, Instant::now());
    let answer = Answer {
        fault: why.fault(),
        proxy_status: config.proxy_status,
        by_alert: config.tls.is_some(),
    };
    match turned_away.hold(at_once(most)) {
        Some(held) => {
            let deadlines = Rc::clone(&worker.deadlines);
            task::spawn_local(held.answer(stream, deadlines, answer));
        }
        None => dismiss(stream, answer),
    }
}

/// Whether only the connection that was to be accepted has failed.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function returns.
    fn size<A, B, C, D, E, R>(_: fn(A, B, C, D, E) -> R) -> usize {
        size_of::<R>()
    }

    #[test]
    fn an_idle_connection_is_small() {
        // A task has 80 bytes of its own and begins at a multiple of 128, so that this is one of 512.
        let size = size(attend);
        assert!(size <= 432, "{size} bytes");
    }
}
