//! The doors that a worker's event loop accepts by: each with the task that does, and how it is closed without losing anybody.

use std::rc::Rc;

use tokio::sync::watch;
use tokio::task;

use crate::accept;
use crate::door::Door;
use crate::shared::Bound;
use crate::worker::Worker;

/// The doors that a worker's event loop accepts by.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    open: Vec<Open>,
}

/// A door with the task that accepts by it.
#[derive(Debug)]
struct Open {
    door: Rc<Door>,
    /// The number of the socket: a listener may have several.
    socket: i32,
    stop: watch::Sender<bool>,
}

impl Doors {
    /// Accepts by this socket from now on.
    ///
    /// # Errors
    /// When descriptors run out.
    pub(crate) fn open(&mut self, worker: &Rc<Worker>, bound: &Bound) -> std::io::Result<()> {
        let acceptor = bound.socket.acceptor()?;
        let door = Door::new(&bound.state);
        let stop = watch::Sender::new(false);
        let accepting = accept::run(
            Rc::clone(worker),
            Rc::clone(&door),
            acceptor,
            stop.subscribe(),
        );
        task::spawn_local(accepting);
        let socket = bound.socket.number();
        self.open.push(Open { door, socket, stop });
        Ok(())
    }

    /// Accepts no more by that socket. What the system has queued on it is taken, and the port closed right behind the last: with
    /// the last worker's socket whoever connects is refused at once. What is queued on one that was handed to another process is
    /// that one's.
    pub(crate) async fn close(&mut self, worker: &Rc<Worker>, bound: Bound) {
        let number = bound.socket.number();
        let Some(at) = self.open.iter().position(|open| open.socket == number) else {
            return;
        };
        let Open { door, stop, .. } = self.open.swap_remove(at);
        stop.send_replace(true);
        // The acceptor's copy of the socket is closed then.
        stop.closed().await;
        let visit = door.enter();
        door.leave(worker);
        accept::take_queued(worker, &door, bound.socket);
        drop(visit);
    }

    /// Closes all; first none accepts any more, so that who is refused by one is not taken by another.
    pub(crate) async fn close_all(&mut self, worker: &Rc<Worker>, bound: Vec<Bound>) {
        for open in &self.open {
            open.stop.send_replace(true);
        }
        for one in bound {
            self.close(worker, one).await;
        }
    }
}
