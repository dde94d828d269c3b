//! Where requests wait for a place: the pure queue of `evenkeel-policy` behind a lock, and who is told when.
//!
//! Nobody polls for a place. A place that becomes free *calls* the first one in; whoever was called looks for a place and
//! says what came of it: [`Ticket::served`], or [`Ticket::again`] and it waits on in front of all others. A call that is
//! dropped with its ticket goes on to the next. Until a call is answered its ticket keeps its place in the queue, and
//! newcomers may not pass.
//!
//! **No call is lost.** Between a look that found nothing and the place in the queue a place may become free without a
//! call, so:
//!
//! - who enters an empty queue is called at once, to look again. Its place in the queue is seen before it looks, and who
//!   gives a place back looks for waiters after that (a fence on either side): one of them sees the other;
//! - such a call *goes on* to the next when it was of use, since there may have been more than one place;
//! - who comes into a queue that was empty when it looked calls the first one to look: what it held for that moment may have
//!   kept the place from others;
//! - a place that becomes free while everybody was called already is kept as *spare*, and calls the next one that enters,
//!   or again the one that finds nothing: it may have looked a moment too early.
//!
//! Places also appear without being given back: a limit rises, an endpoint comes back. For these, and against every mistake
//! in the above, the control plane calls [`WaitingRoom::stir`] ten times a second.
//!
//! Whoever is called has to be woken first, and may be on another thread: a place that becomes free meanwhile calls the one behind,
//! who may then be served first. So the order holds but for one place.
//!
//! Tasks are woken without any lock held, a few at a time when many are dropped at once.

use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use evenkeel_base::Fault;
use evenkeel_base::rules::{Priority, QueueRules};
use evenkeel_policy::Queue;
use evenkeel_policy::queue::{Id, Place, Popped, Pushed, Why};

use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering, fence};

/// The waiting room of a cluster.
#[derive(Debug)]
pub struct WaitingRoom {
    /// How many have a place in the queue, for those who only want to know whether anybody has.
    waiting: AtomicU32,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: Queue<Arc<Waiter>>,
    /// Places that became free while everybody in the queue was called already.
    spare: u32,
}

/// What the room and a ticket share. Its lock is taken with that of the room held, or alone.
#[derive(Debug)]
struct Waiter(Mutex<Turn>);

#[derive(Debug)]
enum Turn {
    /// It waits to be called.
    Waits(Option<Waker>),
    /// It was called.
    Called(Place, Call),
    /// It waits no longer, and why.
    Over(Fault),
    /// Its ticket is gone.
    Gone,
}

/// What a call is about.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// A place was given back: this is how the queue moves, and how fast is judged by it. Else there may be none.
    is_for_a_place: bool,
    /// When it was of use, the next one is called as well.
    goes_on: bool,
    /// It was passed on by one that could not use it. It is not passed on twice: a place that nobody can use would go
    /// through all of the queue.
    is_passed: bool,
}

impl Call {
    const RELEASED: Self = Self {
        is_for_a_place: true,
        goes_on: false,
        is_passed: false,
    };
    const LOOK: Self = Self {
        is_for_a_place: false,
        goes_on: true,
        is_passed: false,
    };
}

/// Who wants to wait.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer {
    /// In front of whom.
    pub priority: Priority,
    /// When it is too late for it.
    pub deadline: Option<Instant>,
    /// Whether it has looked for a place: what it held for a moment may have kept another from it, who then looks again.
    pub has_looked: bool,
}

impl WaitingRoom {
    pub(super) fn new(rules: QueueRules) -> Self {
        Self {
            waiting: AtomicU32::new(0),
            inner: Mutex::new(Inner {
                queue: Queue::new(rules),
                spare: 0,
            }),
        }
    }

    pub(super) fn configure(&self, rules: QueueRules) {
        self.with(|inner, _| {
            inner.queue.set_rules(rules);
            Some(())
        });
    }

    /// Whether nobody waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// How many wait, those included that were called and have not answered.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Begins to wait. The ticket may be called at once.
    ///
    /// # Errors
    /// `QueueFull`; `QueueTimeout` when nobody may wait at all; `TotalTimeout` when the deadline has passed.
    pub fn enter(&self, who: Newcomer, now: Instant) -> Result<Ticket<'_>, Fault> {
        let waiter = Arc::new(Waiter(Mutex::new(Turn::Waits(None))));
        let mut looks = None;
        let entered = self.with(|inner, wakes| {
            let item = Arc::clone(&waiter);
            let pushed = inner.queue.push(item, who.priority, who.deadline, now);
            let id = match pushed {
                Pushed::Waits(id) => id,
                Pushed::Instead(id, gone, why) => {
                    wakes.add(gone.end(why));
                    id
                }
                Pushed::Refused(_, why) => return Some(Err(fault(why))),
            };
            let ends_at = inner.queue.ends_at(id);
            if inner.queue.len() == 1 || who.has_looked {
                looks = Some(Call::LOOK);
            } else if inner.spare > 0 {
                inner.spare -= 1;
                looks = Some(Call::RELEASED);
            }
            if let Some(call) = looks
                && inner.call(call, now, wakes).is_some()
            {
                looks = None;
            }
            Some(Ok((id, ends_at)))
        });
        if let Some(call) = looks {
            self.with(|inner, wakes| inner.call(call, now, wakes));
        }
        // The other side of the one in `released`.
        fence(Ordering::SeqCst);
        let (id, ends_at) = entered?;
        Ok(Ticket {
            room: self,
            waiter,
            id,
            ends_at,
            has_left: false,
        })
    }

    /// A place was given back. With nobody waiting it costs a fence and a load.
    #[inline]
    pub fn released(&self) {
        fence(Ordering::SeqCst);
        if !self.is_empty() {
            self.call_next(Instant::now());
        }
    }

    /// Lets go of those who have waited for as long as they may.
    pub fn expire(&self, now: Instant) {
        self.with(|inner, wakes| inner.expire(now, wakes));
    }

    /// Lets go of who is overdue, and lets the first one look if nobody does: a place may have appeared that nobody gave
    /// back.
    pub fn stir(&self, now: Instant) {
        if self.is_empty() {
            return;
        }
        self.with(|inner, wakes| {
            inner.expire(now, wakes)?;
            if inner.queue.waiting() < inner.queue.len() {
                return Some(());
            }
            inner.call(Call::LOOK, now, wakes).map(|_| ())
        });
    }

    #[cold]
    pub(super) fn call_next(&self, now: Instant) {
        self.with(|inner, wakes| {
            if !inner.call(Call::RELEASED, now, wakes)? {
                inner.spare = inner.spare.saturating_add(1);
            }
            Some(())
        });
    }

    /// Does something under the lock, as often as it says that it has more to do (`None`), and wakes in between.
    fn with<R>(&self, mut act: impl FnMut(&mut Inner, &mut Wakes) -> Option<R>) -> R {
        loop {
            let mut wakes = Wakes::default();
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let done = act(&mut inner, &mut wakes);
            let waiting = u32::try_from(inner.queue.len()).unwrap_or(u32::MAX);
            if waiting == 0 {
                inner.spare = 0;
            }
            self.waiting.store(waiting, Ordering::Relaxed);
            drop(inner);
            wakes.wake();
            if let Some(done) = done {
                return done;
            }
        }
    }
}

impl Inner {
    /// Calls the first one in, and lets go of those in front of it that are not to be served. Tells whether there was one;
    /// `None` when there is more to do.
    fn call(&mut self, call: Call, now: Instant, wakes: &mut Wakes) -> Option<bool> {
        while !wakes.is_full() {
            let popped = if call.is_for_a_place {
                self.queue.pop(now)
            } else {
                self.queue.pop_to_look(now)
            };
            match popped {
                Popped::Served(waiter, place) => {
                    wakes.add(waiter.turn(Turn::Called(place, call)));
                    return Some(true);
                }
                Popped::Dropped(waiter, why) => wakes.add(waiter.end(why)),
                Popped::Empty => return Some(false),
            }
        }
        None
    }

    fn expire(&mut self, now: Instant, wakes: &mut Wakes) -> Option<()> {
        while !wakes.is_full() {
            let Some((waiter, why)) = self.queue.expire(now) else {
                return Some(());
            };
            wakes.add(waiter.end(why));
        }
        None
    }
}

impl Waiter {
    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets its turn, and gives the waker to be told.
    fn turn(&self, next: Turn) -> Option<Waker> {
        match std::mem::replace(&mut *self.lock(), next) {
            Turn::Waits(waker) => waker,
            Turn::Called(..) | Turn::Over(_) | Turn::Gone => None,
        }
    }

    fn end(&self, why: Why) -> Option<Waker> {
        self.turn(Turn::Over(fault(why)))
    }

    /// Takes the call that it has, if it has one; its turn is then `next`.
    fn answer(&self, next: Turn) -> Option<(Place, Call)> {
        let mut turn = self.lock();
        if !matches!(*turn, Turn::Called(..)) {
            return None;
        }
        match std::mem::replace(&mut *turn, next) {
            Turn::Called(place, call) => Some((place, call)),
            Turn::Waits(_) | Turn::Over(_) | Turn::Gone => None,
        }
    }
}

const fn fault(why: Why) -> Fault {
    match why {
        Why::Full => Fault::QueueFull,
        Why::TimedOut => Fault::QueueTimeout,
        Why::Late => Fault::TotalTimeout,
        Why::Standing => Fault::QueueDropped,
    }
}

/// A request that waits. Dropping it gives up its place, and a call that it did not answer goes on to the next.
#[derive(Debug)]
pub struct Ticket<'a> {
    room: &'a WaitingRoom,
    waiter: Arc<Waiter>,
    id: Id,
    ends_at: Option<Instant>,
    has_left: bool,
}

impl Ticket<'_> {
    /// Ready when it may look for a place, or waits no longer: `QueueTimeout`, `QueueDropped`, `QueueFull` when a more
    /// important one has taken its place, `TotalTimeout` when its own deadline has passed.
    pub fn poll_ready(&mut self, cx: &Context<'_>) -> Poll<Result<(), Fault>> {
        match &mut *self.waiter.lock() {
            Turn::Called(..) => Poll::Ready(Ok(())),
            Turn::Over(fault) => Poll::Ready(Err(*fault)),
            // Not reached: its ticket is gone.
            Turn::Gone => Poll::Ready(Err(Fault::Internal)),
            Turn::Waits(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => *waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    /// When it has waited for long enough. Nobody wakes it then: its owner has a deadline for that, and calls
    /// [`WaitingRoom::expire`] before it polls again.
    #[must_use]
    pub const fn ends_at(&self) -> Option<Instant> {
        self.ends_at
    }

    /// It found what it waited for.
    pub fn served(mut self) {
        self.leave(true);
    }

    /// It was called and found nothing: it waits on, in front of all that came later. When there is a place that it has no
    /// use for, it is `for_others`, and the next one may look as well.
    pub fn again(&mut self, for_others: bool, now: Instant) {
        // Who is called is not in the queue: nobody else changes its turn.
        let Some((place, call)) = self.waiter.answer(Turn::Waits(None)) else {
            return;
        };
        let mut place = Some(place);
        let passed = Call {
            is_passed: true,
            is_for_a_place: false,
            ..call
        };
        self.room.with(|inner, wakes| {
            let has_spare = inner.spare > 0;
            if !has_spare && for_others && !call.is_passed {
                // Before it is back in front, or it would be called itself.
                let _ = inner.call(passed, now, wakes)?;
            }
            let place = place.take()?;
            if has_spare {
                inner.spare -= 1;
                let _ = self.waiter.turn(Turn::Called(place, Call::RELEASED));
            } else {
                inner.queue.again(place, Arc::clone(&self.waiter));
            }
            Some(())
        });
    }

    fn leave(&mut self, is_served: bool) {
        self.has_left = true;
        let mut is_first = true;
        let mut pass = None;
        self.room.with(|inner, wakes| {
            // Under the lock: it may be called at any moment before.
            if std::mem::take(&mut is_first)
                && inner.queue.remove(self.id).is_none()
                && let Some((place, call)) = self.waiter.answer(Turn::Gone)
            {
                inner.queue.settle(place);
                pass = (!is_served || call.goes_on).then_some(call);
            }
            let Some(call) = pass else { return Some(()) };
            if !inner.call(call, Instant::now(), wakes)? && !is_served {
                inner.spare = inner.spare.saturating_add(1);
            }
            Some(())
        });
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.has_left {
            self.leave(false);
        }
    }
}

/// How many tasks are woken at a time, at most.
const BATCH: usize = 16;

/// Tasks to be woken when the lock is given back.
#[derive(Debug, Default)]
struct Wakes {
    wakers: [Option<Waker>; BATCH],
    count: usize,
}

impl Wakes {
    const fn is_full(&self) -> bool {
        // Two places are kept for what is not asked about.
        self.count + 2 > BATCH
    }

    fn add(&mut self, waker: Option<Waker>) {
        if let (Some(waker), Some(place)) = (waker, self.wakers.get_mut(self.count)) {
            *place = Some(waker);
            self.count += 1;
        }
    }

    fn wake(self) {
        for waker in self.wakers.into_iter().flatten() {
            waker.wake();
        }
    }
}
