//! An answer that goes on: pieces that a page sends as they come, to whoever reads them fast enough.
//!
//! ```text
//!   page: Spout ──▶ WAITING pieces at most ──▶ Feed: the body of the answer ──▶ hyper ──▶ client
//!          full: who is so slow is hung up on
//! ```
//! Nobody is waited for: one slow watcher must not hold up the others, nor what they are told of.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::gate::Gate;
use crate::turn::Progress;

/// So many answers may go on at once at each door; one more is told 503.
pub(crate) const MAX_WATCHERS: usize = 64;

/// So many pieces may wait for a watcher; who is further behind is hung up on.
const WAITING: usize = 8;

/// When streams end that nobody else ends.
#[derive(Clone, Debug)]
pub(crate) struct Over {
    /// True: their door closes.
    pub(crate) door: watch::Receiver<bool>,
    /// What is asked of who comes, which may change; none: nothing is.
    pub(crate) gate: Option<watch::Receiver<Arc<Gate>>>,
    /// What was asked of who has come.
    pub(crate) admitted: Option<Arc<Gate>>,
}

impl Over {
    async fn wait(mut self) {
        let changed = async {
            match self.gate.as_mut().zip(self.admitted.as_ref()) {
                None => std::future::pending().await,
                Some((gate, admitted)) => {
                    // Who would have to show something else now is to show it.
                    let _ = gate.wait_for(|now| !now.asks_as(admitted)).await;
                }
            }
        };
        tokio::select! {
            _ = self.door.wait_for(|over| *over) => {}
            () = changed => {}
        }
    }
}

/// Where streams begin, of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Feeds {
    /// How far the connection is.
    pub(crate) progress: Progress,
    /// Room for those of the whole door.
    pub(crate) room: Arc<Semaphore>,
    /// When they end that nobody ends.
    pub(crate) over: Over,
}

impl Feeds {
    /// For whom this gate has let in: the streams end when another one asks for something else, however soon it comes.
    pub(crate) fn admitted_by(mut self, gate: Option<Arc<Gate>>) -> Self {
        self.over.admitted = gate;
        self
    }

    /// A stream; none when there are too many.
    pub(crate) fn begin(&self) -> Option<(Spout, Feed)> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let (sender, pieces) = mpsc::channel(WAITING);
        let spout = Spout {
            pieces: sender,
            progress: self.progress.clone(),
        };
        let feed = Feed {
            pieces,
            over: Box::pin(self.over.clone().wait()),
            progress: self.progress.clone(),
            _room: room,
        };
        Some((spout, feed))
    }
}

/// Where a page sends pieces; when it is dropped, the answer is complete.
#[derive(Debug)]
pub(crate) struct Spout {
    pieces: mpsc::Sender<Bytes>,
    progress: Progress,
}

impl Spout {
    /// Sends a piece, without waiting. False: nobody listens any more, or too slowly, and nobody will again.
    pub(crate) fn send(&self, piece: Bytes) -> bool {
        let sent = self.pieces.try_send(piece).is_ok();
        if !sent {
            self.progress.stream_ends();
        }
        sent
    }

    /// Waits until nobody listens any more.
    pub(crate) async fn closed(&self) {
        self.pieces.closed().await;
    }
}

impl Drop for Spout {
    fn drop(&mut self) {
        self.progress.stream_ends();
    }
}

/// What goes to the client.
pub(crate) struct Feed {
    pieces: mpsc::Receiver<Bytes>,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    progress: Progress,
    _room: OwnedSemaphorePermit,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.progress.stream_ends();
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.pieces.poll_recv(cx) {
            Poll::Ready(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
            Poll::Ready(None) => {}
            Poll::Pending => std::task::ready!(self.over.as_mut().poll(cx)),
        }
        self.progress.stream_ends();
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::turn::Turn;

    struct Scene {
        feeds: Feeds,
        over: watch::Sender<bool>,
        turns: watch::Receiver<Turn>,
    }

    fn scene(room: usize) -> Scene {
        let (progress, turns) = Progress::begin();
        let (over, door) = watch::channel(false);
        progress.enter(Turn::Streaming);
        let feeds = Feeds {
            progress,
            room: Arc::new(Semaphore::new(room)),
            over: Over {
                door,
                gate: None,
                admitted: None,
            },
        };
        Scene { feeds, over, turns }
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(test);
    }

    async fn piece(feed: &mut Feed) -> Option<Bytes> {
        let frame = feed.frame().await?;
        Some(frame.unwrap().into_data().unwrap())
    }

    #[test]
    fn pieces_go_in_order_and_the_last_is_followed_by_the_end() {
        run(async {
            let scene = scene(1);
            let (spout, mut feed) = scene.feeds.begin().unwrap();
            assert!(spout.send(Bytes::from_static(b"a")));
            assert!(spout.send(Bytes::from_static(b"b")));
            assert_eq!(piece(&mut feed).await.unwrap(), "a");
            drop(spout);
            assert_eq!(*scene.turns.borrow(), Turn::Answering);
            assert_eq!(piece(&mut feed).await.unwrap(), "b");
            assert_eq!(piece(&mut feed).await, None);
        });
    }

    #[test]
    fn who_is_slow_is_given_up_and_who_is_gone_is_noticed() {
        run(async {
            let scene = scene(1);
            let (spout, feed) = scene.feeds.begin().unwrap();
            for _ in 0..WAITING {
                assert!(spout.send(Bytes::from_static(b"x")));
            }
            assert_eq!(*scene.turns.borrow(), Turn::Streaming);
            assert!(!spout.send(Bytes::from_static(b"x")));
            assert_eq!(*scene.turns.borrow(), Turn::Answering);
            drop(feed);
            spout.closed().await;
        });
    }

    #[test]
    fn there_is_room_for_so_many_and_all_end_at_once() {
        run(async {
            let scene = scene(2);
            let (one, mut first) = scene.feeds.begin().unwrap();
            let second = scene.feeds.begin().unwrap();
            assert!(scene.feeds.begin().is_none());
            drop(second);
            assert!(scene.feeds.begin().is_some());
            assert!(one.send(Bytes::from_static(b"last")));
            scene.over.send_replace(true);
            assert_eq!(piece(&mut first).await.unwrap(), "last");
            assert_eq!(piece(&mut first).await, None);
        });
    }

    #[test]
    fn a_gate_that_changes_before_the_first_look_ends_the_stream() {
        run(async {
            let mut scene = scene(1);
            let (sender, gate) = watch::channel(Arc::new(Gate::default()));
            let admitted = Arc::clone(&gate.borrow());
            scene.feeds.over.gate = Some(gate);
            let feeds = scene.feeds.admitted_by(Some(admitted));
            let (_spout, mut feed) = feeds.begin().unwrap();
            sender.send_replace(Arc::new(Gate::asking_for(b"0123456789abcdef")));
            assert_eq!(piece(&mut feed).await, None);
        });
    }
}
