//! The origin of the bad day: an endpoint that is a process of its own, so that it can be killed, frozen and replaced.
//!
//! It answers HTTP/1.1 in the [`Manner`] it was told, echoes each request's id in field and body, and says on its
//! standard output which requests it has seen before it answers them: what it saw can be counted also when it was killed
//! a moment later. It ends when its standard input does or its parent dies, and in good order on SIGTERM. One thread.

mod connection;
pub mod errand;
mod journal;
mod manner;

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::set_parent_process_death_signal;
use tokio::net::{TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

pub use journal::{Note, Sight};
pub use manner::{Manner, Speech};

/// Connections that may wait to be accepted: more than any scenario has at once.
const BACKLOG: u32 = 4_096;

/// How long a retiring origin waits for the requests it has begun.
const RETIREMENT: Duration = Duration::from_secs(2);

/// What the connections of one origin share.
#[derive(Debug)]
struct Desk {
    /// `ENDPOINT.LIFE`, which the answers carry.
    name: String,
    /// How it behaves now.
    manner: watch::Receiver<Manner>,
    /// Whether it is to end.
    retiring: watch::Receiver<bool>,
    began: Instant,
    /// Requests so far, by which it is known whose turn it is to fail.
    requests: AtomicU64,
    in_flight: AtomicU32,
    /// Places where work is done, for a manner with a capacity.
    places: Semaphore,
}

/// Serves until the process is ended. `name` stands in its answers.
///
/// # Errors
/// When it cannot listen.
pub fn run(address: SocketAddr, name: &str, manner: Manner) -> Result<()> {
    // Also a frozen origin is to go with the one that started it.
    set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(address, name, manner))
}

async fn serve(address: SocketAddr, name: &str, manner: Manner) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket
        .bind(address)
        .with_context(|| format!("cannot bind {address}"))?;
    let listener = socket.listen(BACKLOG)?;
    let (retire, retiring) = watch::channel(false);
    let capacity = manner.capacity;
    let (told, manner) = watch::channel(manner);
    listen_to_orders(told);
    let desk = Arc::new(Desk {
        name: name.to_owned(),
        manner,
        retiring,
        began: Instant::now(),
        requests: AtomicU64::new(0),
        in_flight: AtomicU32::new(0),
        places: Semaphore::new(capacity.into()),
    });
    let mut terminate = signal(SignalKind::terminate())?;
    say(&Note::Ready(listener.local_addr()?.port()));
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(connection::serve(stream, Arc::clone(&desk)));
                }
            }
            _ = terminate.recv() => break,
        }
    }
    // What has been queued is served, as any good server does: closing the port would reset it.
    let listener = listener.into_std()?;
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream)?;
        tokio::spawn(connection::serve(stream, Arc::clone(&desk)));
    }
    drop(listener);
    let _ = retire.send(true);
    // Each connection holds one.
    let _ = tokio::time::timeout(RETIREMENT, async {
        while Arc::strong_count(&desk) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    Ok(())
}

/// Takes a manner from each line of the standard input. Its end is ours.
#[expect(
    clippy::exit,
    reason = "nobody is left who could want anything of this process"
)]
fn listen_to_orders(told: watch::Sender<Manner>) {
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.parse() {
                Ok(manner) => drop(told.send(manner)),
                Err(error) => say(&Note::Lost(error)),
            }
        }
        std::process::exit(0);
    });
}

/// One line on the standard output, in one write. A runner that is gone hears nothing, and we are about to end.
fn say(note: &Note) {
    let line = format!("{note}\n");
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}
