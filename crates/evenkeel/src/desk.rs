//! Where operators' orders wait until the process carries them out, one after the other.

use std::pin::Pin;

use evenkeel_state::command::{Answer, Command, Desk, Refused};
use tokio::sync::{mpsc, oneshot};

/// So many orders may wait; whoever gives one more waits as well.
const WAITING: usize = 16;

/// An order, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Order {
    /// What to do.
    pub(crate) command: Command,
    /// Who waits to hear what came of it.
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// The desk of the process.
#[derive(Clone, Debug)]
pub(crate) struct Counter(mpsc::Sender<Order>);

impl Counter {
    /// A desk, and where its orders come out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Order>) {
        let (sender, orders) = mpsc::channel(WAITING);
        (Self(sender), orders)
    }
}

impl Desk for Counter {
    fn order(&self, command: Command) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        Box::pin(async move {
            let ending = || Refused::Cannot("this evenkeel is about to end".to_owned());
            let (answer, answered) = oneshot::channel();
            let order = Order { command, answer };
            self.0.send(order).await.map_err(|_| ending())?;
            answered.await.map_err(|_| ending())?
        })
    }
}
