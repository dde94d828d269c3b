//! What comes to the process from outside, signals and operators' orders, and how it is heard while something is carried out.
//!
//! ```text
//!  signals, orders ─▶ next ─▶ carried out, one after the other ─▶ next …
//!                                │  meanwhile: SIGTERM, SIGINT, `drain` and `stop` end it at once, the others wait
//! ```
//!
//! Whatever is carried out may wait for something that never comes: a disk, a pipe, a resolver. An end must not wait with it.

use std::collections::VecDeque;

use anyhow::Context;
use evenkeel_state::command::{Command, Refused};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::desk::Order;

/// So many orders may wait behind the one that is carried out; those that come then are refused.
const MOST_WAITING: usize = 16;

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Wish {
    /// To end.
    End(&'static str),
    /// To read the configuration again.
    Reload,
    /// To open the access log anew.
    Reopen,
    /// To let the program on disk take the place of this one.
    Upgrade,
    /// What an operator orders.
    Order(Order),
}

/// Where it comes in.
#[derive(Debug)]
pub(crate) struct Inbox {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
    orders: mpsc::Receiver<Order>,
    /// Orders that came while something else was carried out, the oldest first.
    waiting: VecDeque<Order>,
}

impl Inbox {
    /// From now on signals come in here, and these orders.
    ///
    /// # Errors
    /// When the system lets nobody hear of a signal.
    pub(crate) fn open(orders: mpsc::Receiver<Order>) -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
            user1: listen(SignalKind::user_defined1())?,
            user2: listen(SignalKind::user_defined2())?,
            orders,
            waiting: VecDeque::new(),
        })
    }

    /// What is asked for next.
    pub(crate) async fn next(&mut self) -> Wish {
        if let Some(order) = self.waiting.pop_front() {
            return Wish::Order(order);
        }
        tokio::select! {
            _ = self.terminate.recv() => Wish::End("SIGTERM"),
            _ = self.interrupt.recv() => Wish::End("SIGINT"),
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.user1.recv() => Wish::Reopen,
            _ = self.user2.recv() => Wish::Upgrade,
            Some(order) = self.orders.recv() => Wish::Order(order),
        }
    }

    /// What of it asks for the end, however long that takes to come. Other signals are kept by the system's account of them, other
    /// orders wait here.
    pub(crate) async fn end(&mut self) -> Wish {
        loop {
            let order = tokio::select! {
                _ = self.terminate.recv() => return Wish::End("SIGTERM"),
                _ = self.interrupt.recv() => return Wish::End("SIGINT"),
                Some(order) = self.orders.recv() => order,
            };
            if matches!(order.command, Command::Drain | Command::Stop) {
                return Wish::Order(order);
            }
            if self.waiting.len() < MOST_WAITING {
                self.waiting.push_back(order);
            } else {
                let why = format!(
                    "{MOST_WAITING} orders wait already for what is carried out: try again later"
                );
                let _ = order.answer.send(Err(Refused::Cannot(why)));
            }
        }
    }

    /// Carries out what may take long. An end that is asked for meanwhile comes first: then it is given up, wherever it stands.
    ///
    /// # Errors
    /// What asks for the end.
    pub(crate) async fn unless_ended<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, Wish> {
        tokio::select! {
            // First: what is done is not given up.
            biased;
            done = work => Ok(done),
            wish = self.end() => Err(wish),
        }
    }
}
