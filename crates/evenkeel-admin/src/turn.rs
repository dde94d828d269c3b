//! Where a connection is: what its patience and its place among the others depend on.

use tokio::sync::watch;

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The head of its request comes.
    Asking,
    /// The rest of its request comes.
    Explaining,
    /// Something is done about it.
    Working,
    /// Its answer goes.
    Answering,
    /// Its answer goes on for as long as anybody listens.
    Streaming,
    /// Everything is said; the other side is to hang up.
    Parting,
}

impl Turn {
    /// Whether it can go to make room for another: nothing is done about it yet, or everything is.
    pub(crate) const fn can_go(self) -> bool {
        matches!(self, Self::Asking | Self::Explaining | Self::Parting)
    }

    /// Whether nobody waits for an answer by it.
    pub(crate) const fn is_idle(self) -> bool {
        matches!(self, Self::Asking | Self::Parting)
    }
}

/// The end at which a connection's turn is set.
#[derive(Clone, Debug)]
pub(crate) struct Progress(watch::Sender<Turn>);

impl Progress {
    /// A connection that was just accepted, and where others see how far it is.
    pub(crate) fn begin() -> (Self, watch::Receiver<Turn>) {
        let (sender, seen) = watch::channel(Turn::Asking);
        (Self(sender), seen)
    }

    /// It is there now.
    pub(crate) fn enter(&self, turn: Turn) {
        self.0.send_replace(turn);
    }

    /// No more comes behind what was streamed so far.
    pub(crate) fn stream_ends(&self) {
        self.0.send_if_modified(|turn| {
            let streams = *turn == Turn::Streaming;
            if streams {
                *turn = Turn::Answering;
            }
            streams
        });
    }
}
