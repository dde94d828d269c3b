//! What there is of one endpoint: its trunks, the connects under way, and who waits for a place.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use evenkeel_base::Fault;
use evenkeel_base::rules::MultiplexRules;

use crate::h1::Channel;
use crate::trunks::trunk::{Home, Place, Trunk};

/// One endpoint's trunks.
#[derive(Debug)]
pub(crate) struct Shelf {
    dial: u32,
    inner: RefCell<Inner>,
}

#[derive(Debug)]
struct Inner {
    trunks: Vec<Rc<Trunk>>,
    /// The connects that are under way, the oldest first.
    connecting: Vec<Handshake>,
    waiting: VecDeque<Rc<Wait>>,
    /// Whether the endpoint chose HTTP/1.1 when it was last asked.
    speaks_h1: bool,
    /// How many places a trunk had that was made last; none was made yet.
    usual: Option<u32>,
}

/// Since when a connect has been in its handshake.
type Handshake = Rc<Cell<Option<Instant>>>;

/// Who waits.
#[derive(Debug, Default)]
struct Wait {
    ended: RefCell<Option<Ended>>,
    waker: RefCell<Option<Waker>>,
    /// It is asked to have a connection made by these rules, and waits on.
    asked: Cell<Option<MultiplexRules>>,
}

/// What the wait comes to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A place on a trunk.
    Place(Place),
    /// A connection that speaks HTTP/1.1.
    Own(Box<Channel>),
    /// Things have changed: what there is by now is looked for anew.
    Again,
    /// No connection could be made.
    Failed(Fault),
}

/// A wait that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What it came to.
    pub(crate) outcome: Outcome,
    /// Since when the connect that brought that shook hands; none: it did not, or no connect brought it.
    pub(crate) shaking: Option<Instant>,
}

impl Shelf {
    /// An empty one, of an endpoint that is dialed so.
    pub(super) fn new(dial: u32) -> Rc<Self> {
        Rc::new(Self {
            dial,
            inner: RefCell::new(Inner {
                trunks: Vec::new(),
                connecting: Vec::new(),
                waiting: VecDeque::new(),
                speaks_h1: false,
                usual: None,
            }),
        })
    }

    /// The serial of the dial.
    pub(super) const fn dial(&self) -> u32 {
        self.dial
    }

    /// Whether the endpoint chose HTTP/1.1 when it was last asked.
    pub(crate) fn speaks_h1(&self) -> bool {
        self.inner.borrow().speaks_h1
    }

    /// A place on the first trunk that has one, and how long that was idle. Nobody waits while there is one.
    pub(crate) fn take(&self, now: Instant) -> Option<(Place, Duration)> {
        let inner = self.inner.borrow();
        let trunk = inner.trunks.iter().find(|trunk| trunk.has_room())?;
        let idle = trunk.idle_for(now);
        Some((Place::on(trunk), idle))
    }

    /// Whether a trunk could take a WebSocket (RFC 8441).
    pub(crate) fn takes_upgrades(&self) -> bool {
        let inner = self.inner.borrow();
        inner.trunks.iter().any(|trunk| trunk.takes_upgrades())
    }

    /// Whether another connection is to be made for one more that waits: those that are under way will not do for all, and there
    /// may be more.
    pub(crate) fn wants_connection(&self, rules: &MultiplexRules) -> bool {
        let inner = self.inner.borrow();
        // Those that were asked have theirs made first.
        inner.may_connect(rules, inner.asked())
            && inner.waiting.len() >= inner.expected(rules, inner.asked())
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.inner.borrow().waiting.len()
    }

    /// How many the connects that are under way will serve.
    pub(crate) fn expected(&self, rules: &MultiplexRules) -> usize {
        self.inner.borrow().expected(rules, 0)
    }

    /// Whether a connect is under way.
    pub(crate) fn is_connecting(&self) -> bool {
        !self.inner.borrow().connecting.is_empty()
    }

    /// Waits, behind those that wait already.
    pub(crate) fn wait(self: &Rc<Self>) -> Waiter {
        let wait = Rc::new(Wait::default());
        self.inner.borrow_mut().waiting.push_back(Rc::clone(&wait));
        Waiter {
            shelf: Rc::clone(self),
            wait,
        }
    }

    /// Counts a connect that begins.
    pub(crate) fn connect(self: &Rc<Self>, rules: MultiplexRules) -> Connecting {
        let shaking = Handshake::default();
        let mut inner = self.inner.borrow_mut();
        inner.connecting.push(Rc::clone(&shaking));
        drop(inner);
        Connecting {
            shelf: Rc::clone(self),
            rules,
            shaking,
            ended: false,
        }
    }

    /// Puts a trunk there, for those that wait and for others. None of them waited for the connect.
    pub(crate) fn add(self: &Rc<Self>, trunk: &Rc<Trunk>, rules: &MultiplexRules) {
        self.add_shaken(trunk, rules, None);
    }

    /// The same for a trunk whose connect was waited for.
    fn add_shaken(
        self: &Rc<Self>,
        trunk: &Rc<Trunk>,
        rules: &MultiplexRules,
        shaking: Option<Instant>,
    ) {
        let home: Rc<dyn Home> = Rc::<Self>::clone(self);
        trunk.belongs_to(Rc::downgrade(&home));
        let mut inner = self.inner.borrow_mut();
        inner.speaks_h1 = false;
        inner.usual = Some(trunk.most());
        inner.trunks.push(Rc::clone(trunk));
        drop(inner);
        self.serve_with(shaking);
        // The endpoint may allow fewer than was hoped for.
        self.ask_for_connections(rules);
    }

    /// How many trunks are idle.
    pub(super) fn idle(&self) -> usize {
        let inner = self.inner.borrow();
        inner.trunks.iter().filter(|trunk| trunk.is_idle()).count()
    }

    /// Closes an idle trunk, the newest, which is needed least; false when there is none.
    pub(super) fn close_idle(&self) -> bool {
        let inner = self.inner.borrow();
        let idle = inner.trunks.iter().rfind(|trunk| trunk.is_idle()).cloned();
        drop(inner);
        idle.inspect(|trunk| trunk.retire()).is_some()
    }

    /// No trunk takes new requests any more.
    pub(super) fn retire(&self) {
        let trunks = self.inner.borrow().trunks.clone();
        for trunk in trunks {
            trunk.retire();
        }
        // Where connections are made to by now may be another place.
        self.call_again();
    }

    /// Looks after every trunk; with `drains` those that are idle go.
    pub(super) fn sweep(&self, now: Instant, drains: bool) {
        let trunks = self.inner.borrow().trunks.clone();
        for trunk in trunks {
            if drains && trunk.is_idle() {
                trunk.retire();
            } else {
                trunk.sweep(now);
            }
        }
    }

    /// Whether nothing is open or under way, and nobody waits for it.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_bare() && self.inner.borrow().waiting.is_empty()
    }

    /// Whether nothing is open or under way.
    pub(crate) fn is_bare(&self) -> bool {
        let inner = self.inner.borrow();
        inner.trunks.is_empty() && inner.connecting.is_empty()
    }

    /// Whether there is nothing in it, and nothing to be remembered.
    pub(super) fn is_spent(&self) -> bool {
        self.is_empty() && !self.speaks_h1()
    }

    /// Those that wait look anew at what there is.
    pub(crate) fn call_again(&self) {
        self.end_all(|| Outcome::Again, None);
    }

    /// Asks the first of those that wait, as many as are needed and no more, to have connections made. They keep their places: an
    /// endpoint that lets connections go as a matter of course would otherwise send everybody to the end again and again.
    fn ask_for_connections(&self, rules: &MultiplexRules) {
        let inner = self.inner.borrow();
        let mut asked = inner.asked();
        for one in &inner.waiting {
            if !inner.needs_connection(rules, asked) {
                return;
            }
            if one.asked.get().is_none() {
                one.asked.set(Some(*rules));
                one.wake();
                asked += 1;
            }
        }
    }

    fn end_all(&self, outcome: impl Fn() -> Outcome, shaking: Option<Instant>) {
        let all = std::mem::take(&mut self.inner.borrow_mut().waiting);
        for one in all {
            one.end(outcome(), shaking);
        }
    }

    /// Gives free places, which a connect brought that shook hands since then, to those that wait.
    fn serve_with(&self, shaking: Option<Instant>) {
        loop {
            let mut inner = self.inner.borrow_mut();
            if inner.waiting.is_empty() {
                return;
            }
            let Some(trunk) = inner.trunks.iter().find(|trunk| trunk.has_room()).cloned() else {
                return;
            };
            let Some(first) = inner.waiting.pop_front() else {
                return;
            };
            drop(inner);
            first.end(Outcome::Place(Place::on(&trunk)), shaking);
        }
    }
}

impl Home for Shelf {
    /// Gives free places to those that wait.
    fn serve(&self) {
        self.serve_with(None);
    }

    /// A trunk takes no new requests any more, or is closed: those that wait may need another one.
    fn lost(&self, trunk: &Trunk, is_closed: bool) {
        if is_closed {
            let mut inner = self.inner.borrow_mut();
            inner
                .trunks
                .retain(|one| !std::ptr::eq(&raw const **one, trunk));
        }
        self.ask_for_connections(trunk.rules());
    }
}

impl Inner {
    /// Whether there may be one more connection than there are, are being made, and will be made by those that were `asked`.
    fn may_connect(&self, rules: &MultiplexRules, asked: usize) -> bool {
        let open = self.trunks.iter().filter(|trunk| trunk.is_open()).count();
        let most = usize::try_from(rules.max_connections).unwrap_or(usize::MAX);
        let coming = self.connecting.len().saturating_add(asked);
        open.saturating_add(coming) < most
    }

    /// How many the connects will serve that are under way, and so many that were `asked` for.
    fn expected(&self, rules: &MultiplexRules, asked: usize) -> usize {
        let usual = self.usual.unwrap_or(rules.max_concurrent_streams).max(1);
        let usual = usize::try_from(usual).unwrap_or(usize::MAX);
        let coming = self.connecting.len().saturating_add(asked);
        coming.saturating_mul(usual)
    }

    /// Whether somebody waits whom those connects will not serve, and another one may be made.
    fn needs_connection(&self, rules: &MultiplexRules, asked: usize) -> bool {
        self.may_connect(rules, asked) && self.waiting.len() > self.expected(rules, asked)
    }

    /// How many were asked to have a connection made and have not come to it.
    fn asked(&self) -> usize {
        let waiting = self.waiting.iter();
        waiting.filter(|one| one.asked.get().is_some()).count()
    }
}

impl Wait {
    fn end(&self, outcome: Outcome, shaking: Option<Instant>) {
        *self.ended.borrow_mut() = Some(Ended { outcome, shaking });
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// One that waits. What it was given and did not take goes to the next one.
#[derive(Debug)]
pub(crate) struct Waiter {
    shelf: Rc<Shelf>,
    wait: Rc<Wait>,
}

impl Waiter {
    /// Whether a connect is under way.
    pub(crate) fn is_connecting(&self) -> bool {
        self.shelf.is_connecting()
    }

    /// Whether it is asked to have a connection made.
    #[cfg(test)]
    pub(super) fn is_asked(&self) -> bool {
        self.wait.asked.get().is_some()
    }

    /// Where it waits, and by which rules a connection is to be made for those that wait there, when this one is asked to see to
    /// that: once.
    pub(crate) fn take_asked(&self) -> Option<(&Rc<Shelf>, MultiplexRules)> {
        let is_over = self.wait.ended.borrow().is_some();
        let rules = self.wait.asked.get().filter(|_| !is_over)?;
        self.wait.asked.set(None);
        Some((&self.shelf, rules))
    }

    /// Since when the oldest connect that is under way has been in its handshake.
    pub(crate) fn shaking(&self) -> Option<Instant> {
        let inner = self.shelf.inner.borrow();
        inner.connecting.first().and_then(|one| one.get())
    }

    /// Ready with what the wait has come to.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Ended> {
        if let Some(ended) = self.wait.ended.take() {
            return Poll::Ready(ended);
        }
        let mut waker = self.wait.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|one| one.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut inner = self.shelf.inner.borrow_mut();
        inner.waiting.retain(|one| !Rc::ptr_eq(one, &self.wait));
        drop(inner);
        // A place among it is given back, and may go to another one.
        let left = self.wait.ended.take();
        drop(left);
        // As may what it was asked to see to.
        if let Some(rules) = self.wait.asked.take() {
            self.shelf.ask_for_connections(&rules);
        }
    }
}

/// A connect under way, for all that wait.
#[derive(Debug)]
pub(crate) struct Connecting {
    shelf: Rc<Shelf>,
    rules: MultiplexRules,
    shaking: Handshake,
    ended: bool,
}

impl Connecting {
    /// Where the beginning of its handshake is noted, for those that wait.
    pub(crate) fn shaking(&self) -> &Cell<Option<Instant>> {
        &self.shaking
    }

    /// There is a trunk.
    pub(crate) fn brought(mut self, trunk: &Rc<Trunk>) {
        self.end();
        self.shelf
            .add_shaken(trunk, &self.rules, self.shaking.get());
    }

    /// The endpoint chose HTTP/1.1: the connection goes to the first one that waits.
    pub(crate) fn brought_h1(mut self, channel: Box<Channel>) {
        self.end();
        let mut inner = self.shelf.inner.borrow_mut();
        inner.speaks_h1 = true;
        let first = inner.waiting.pop_front();
        drop(inner);
        if let Some(first) = first {
            first.end(Outcome::Own(channel), self.shaking.get());
        }
        self.shelf.call_again();
    }

    /// There is none. Those that wait hear of it, unless they can be served otherwise.
    pub(crate) fn failed(mut self, fault: Fault) {
        self.end();
        self.fail(fault);
    }

    fn end(&mut self) {
        self.ended = true;
        let mut inner = self.shelf.inner.borrow_mut();
        inner
            .connecting
            .retain(|one| !Rc::ptr_eq(one, &self.shaking));
    }

    fn fail(&self, fault: Fault) {
        let inner = self.shelf.inner.borrow();
        let is_alone =
            inner.connecting.is_empty() && !inner.trunks.iter().any(|trunk| trunk.is_open());
        drop(inner);
        if is_alone {
            self.shelf
                .end_all(|| Outcome::Failed(fault), self.shaking.get());
        }
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        if !self.ended {
            self.end();
            self.fail(Fault::Internal);
        }
    }
}
