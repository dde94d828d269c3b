//! The ends of connections that a test holds: every client and origin made on this thread.
//!
//! A test that is over wants evenkeel's descriptors back where they were, and that is only to be expected once all that
//! was connected to it has hung up. Rather than have every test list its clients and origins, they are noted here, by
//! thread, since a test runs on a thread of its own. They are not kept alive by that.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::{Arc, Weak};

/// Something that can end its connections.
pub trait HangUp: Debug {
    /// Ends them, in both directions.
    fn hang_up(&self);
}

thread_local! {
    static ENDS: RefCell<Vec<Weak<dyn HangUp>>> = const { RefCell::new(Vec::new()) };
}

/// Notes one more.
pub fn note<T: HangUp + 'static>(end: &Arc<T>) {
    let weak = Arc::downgrade(end);
    ENDS.with_borrow_mut(|ends| {
        ends.retain(|end| end.strong_count() > 0);
        ends.push(weak);
    });
}

/// Ends the connections of everything that was noted on this thread and still exists.
pub fn hang_up_all() {
    let ends = ENDS.take();
    for end in ends.iter().filter_map(Weak::upgrade) {
        end.hang_up();
    }
}
