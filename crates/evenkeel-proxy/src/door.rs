//! A listener as a worker sees it: where it stands in the newest snapshot, and how its connections end once it is in none.
//!
//! ```text
//!   in the newest snapshot ──▶ requests are served by that one
//!        │ the listener is taken away (before the snapshot without it is published)
//!        ▼
//!   leaving ──▶ each connection's next request is served by the last snapshot that had it, and closes the connection
//!        │ nobody is left who could ask anything: tunnels may go on for days
//!        ▼
//!   left ─────▶ the last snapshot is let go
//! ```

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use evenkeel_base::ListenerId;
use evenkeel_config::model;
use evenkeel_state::{Handle, ListenerState};
use evenkeel_tls::ServerTls;

use crate::worker::Worker;

/// What a worker's connections know of their listener.
#[derive(Debug)]
pub(crate) struct Door {
    state: Arc<ListenerState>,
    /// Where it stood when it was last looked for.
    place: Cell<ListenerId>,
    /// The last snapshot that has it, once it is leaving and while somebody may ask for it.
    last: RefCell<Option<Handle>>,
    leaving: Cell<bool>,
    /// How many may ask for something yet.
    visits: Cell<usize>,
}

/// Somebody who may ask for something by a door, until this is dropped.
#[derive(Debug)]
pub(crate) struct Visit(Rc<Door>);

impl Drop for Visit {
    fn drop(&mut self) {
        let door = &self.0;
        let left = door.visits.get() - 1;
        door.visits.set(left);
        if left == 0 {
            door.last.take();
        }
    }
}

/// What a request that comes by a door is served by.
#[derive(Debug)]
pub(crate) struct View {
    /// The snapshot.
    pub(crate) snapshot: Handle,
    /// The listener in it.
    pub(crate) listener_id: ListenerId,
    /// Whether the connection ends with this request, for its listener is gone.
    pub(crate) leaving: bool,
}

impl View {
    /// The listener's knobs.
    pub(crate) fn listener(&self) -> Option<&model::Listener> {
        self.snapshot.listener(self.listener_id)
    }

    /// What it speaks TLS by.
    pub(crate) fn tls(&self) -> Option<&ServerTls> {
        self.snapshot.tls(self.listener_id)
    }
}

impl Door {
    /// The door of that listener.
    pub(crate) fn new(state: &Arc<ListenerState>) -> Rc<Self> {
        Rc::new(Self {
            state: Arc::clone(state),
            place: Cell::new(ListenerId::new(0)),
            last: RefCell::default(),
            leaving: Cell::default(),
            visits: Cell::default(),
        })
    }

    /// A connection that comes by it, or whoever takes some.
    pub(crate) fn enter(self: &Rc<Self>) -> Visit {
        self.visits.set(self.visits.get() + 1);
        Visit(Rc::clone(self))
    }

    /// What is known of the listener beyond snapshots.
    pub(crate) const fn state(&self) -> &Arc<ListenerState> {
        &self.state
    }

    /// What a request that comes now is served by; none when nobody knows its listener any more.
    #[inline]
    pub(crate) fn view(&self, worker: &Worker) -> Option<View> {
        let snapshot = worker.snapshot();
        let place = self.place.get();
        let (snapshot, listener_id, leaving) =
            match snapshot.find_listener(self.state.serial, place) {
                Some(found) => {
                    self.place.set(found);
                    (snapshot, found, false)
                }
                None => (self.last.borrow().clone()?, place, true),
            };
        Some(View {
            snapshot,
            listener_id,
            leaving,
        })
    }

    /// From the next snapshot on the listener is gone.
    pub(crate) fn leave(&self, worker: &Worker) {
        if self.visits.get() > 0
            && let Some(view) = self.view(worker)
        {
            *self.last.borrow_mut() = Some(view.snapshot);
        }
        self.leaving.set(true);
        worker.roll.call();
    }

    /// Whether that was said.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.leaving.get()
    }
}
