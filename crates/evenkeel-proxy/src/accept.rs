//! Accepting: one task per listener and worker; each connection becomes a task of its own.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use evenkeel_base::ListenerId;
use evenkeel_net::{Acceptor, ListenSocket, Origin, Stream};
use evenkeel_state::ClientConnection;
use tokio::sync::watch;
use tokio::{task, time};

use crate::connection;
use crate::scene::From;
use crate::worker::Worker;

/// How long accepting rests when the process is out of descriptors or memory: long enough not to spin, short enough for
/// the queue of the socket.
const REST: Duration = Duration::from_millis(50);

/// Connections taken from the queue of a socket that is about to close: as many as the kernel lets wait.
const MAX_QUEUED: usize = 4096;

/// Accepts until told to stop.
pub(crate) async fn run(
    worker: Rc<Worker>,
    listener: ListenerId,
    acceptor: Acceptor,
    mut stop: watch::Receiver<bool>,
) {
    let mut resting = false;
    loop {
        let accepted = tokio::select! {
            accepted = acceptor.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, origin)) => {
                resting = false;
                begin(&worker, listener, stream, origin);
            }
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                if !resting {
                    tracing::warn!(%error, "accepting rests: the system gives no more connections");
                }
                resting = true;
                time::sleep(REST).await;
            }
        }
    }
}

/// Takes what waits on a socket and closes it right behind the last: nobody that the system has accepted is reset. The
/// event loop is not asked, for what it knows is a turn old.
pub(crate) fn take_queued(worker: &Rc<Worker>, listener: ListenerId, socket: ListenSocket) {
    for _ in 0..MAX_QUEUED {
        match socket.try_accept() {
            Ok((stream, origin)) => begin(worker, listener, stream, origin),
            Err(error) if is_of_connection(&error) => {}
            Err(_) => break,
        }
    }
    drop(socket);
}

fn begin(worker: &Rc<Worker>, listener: ListenerId, stream: Stream, origin: Origin) {
    let from = match origin {
        Origin::Ip(address) => {
            let ip = address.ip().to_canonical();
            From {
                ip: Some(ip),
                text: ip.to_string(),
            }
        }
        Origin::Unix => From {
            ip: None,
            text: String::new(),
        },
    };
    let Ok(place) = place_of_client(worker, listener, &from) else {
        return turn_away(worker, listener, stream, &from);
    };
    let open = worker.open_connection();
    let worker = Rc::clone(worker);
    task::spawn_local(async move {
        connection::serve(&worker, listener, stream, from).await;
        drop((open, place));
    });
}

/// Too many connections of one client.
struct TooMany;

/// The place of a connection among those of its client, where the listener limits them. Proxies that speak for others are not
/// limited.
fn place_of_client(
    worker: &Worker,
    listener: ListenerId,
    from: &From,
) -> Result<Option<ClientConnection>, TooMany> {
    let snapshot = worker.snapshot();
    let Some((config, ip)) = snapshot.listener(listener).zip(from.ip) else {
        return Ok(None);
    };
    let most = config.max_connections_per_client;
    if most == u32::MAX || config.trusted_proxies.iter().any(|n| n.contains(ip)) {
        return Ok(None);
    }
    let Some(clients) = worker.clients(listener) else {
        return Ok(None);
    };
    clients.open(ip.into(), most).map(Some).ok_or(TooMany)
}

fn turn_away(worker: &Rc<Worker>, listener: ListenerId, stream: Stream, from: &From) {
    worker.counters().turned_away.add(1);
    let snapshot = worker.snapshot();
    let Some(config) = snapshot.listener(listener) else {
        return;
    };
    let turned_away = Rc::clone(&worker.turned_away);
    turned_away.tell(config, &from.text, Instant::now());
    let deadlines = Rc::clone(&worker.deadlines);
    task::spawn_local(turned_away.answer(stream, deadlines, config.proxy_status));
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
