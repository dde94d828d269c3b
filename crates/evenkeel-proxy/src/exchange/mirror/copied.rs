//! A copied request, as the client of its own exchange: it has sent everything, waits for ever, and throws away what comes back.

use std::task::{Context, Poll};

use evenkeel_base::head::Field;
use evenkeel_base::{Fault, FieldSink, ListenerId, RequestHead, RequestView, RouteId};

use crate::body::{Fill, Length, Sink, Source, Trailers};
use crate::downstream::{Asker, Downstream, Expect, Facts};
use crate::exchange::stage::Stage;
use crate::kept::Charge;
use crate::record::Record;
use crate::replay::Held;
use crate::scene::From;
use crate::trace::Traced;
use evenkeel_state::decide::client::Client;

/// So much of a response's body is read; beyond it the connection is closed. Reading costs some 3 ms and no memory, and an
/// endpoint whose every long response is cut off would not be tried out as it would be used.
const MOST_BODY: u64 = 8 * 1024 * 1024;

/// A request, copied whole, and who sent it.
#[derive(Debug)]
pub(crate) struct Copied {
    pub(super) listener: ListenerId,
    pub(super) route: RouteId,
    pub(super) client: Client,
    pub(super) made_id: [u8; 32],
    pub(super) trace: Option<Traced>,
    pub(super) from: From,
    head: RequestHead,
    bytes: Vec<u8>,
    _charge: Charge,
    facts: Facts,
    body: Both,
}

impl Copied {
    /// Copies a request whose body is that; none when too much is kept already.
    pub(super) fn of<D: Downstream>(
        stage: &Stage<'_>,
        down: &D,
        body: Option<Held>,
        record: &Record,
    ) -> Option<Box<Self>> {
        let scene = stage.scene;
        let (head, bytes) = down.head();
        let charge = scene.worker.mirrors.kept.charge(bytes.len())?;
        Some(Box::new(Self {
            listener: scene.listener_id,
            route: record.route?,
            client: stage.forward.client,
            made_id: *stage.request_id,
            trace: stage.forward.trace.map(Traced::untold),
            from: scene.from.clone(),
            head: head.clone(),
            bytes: bytes.to_vec(),
            _charge: charge,
            facts: Facts {
                length: down.facts().length,
                expect: Expect::Nothing,
                upgrade: None,
                interim: false,
                persistent: true,
            },
            body: Both {
                request: body,
                sent: 0,
                left: MOST_BODY,
            },
        }))
    }

    /// Whether the response was longer than is read.
    pub(super) const fn has_had_enough(&self) -> bool {
        self.body.left == 0
    }
}

impl Asker for Copied {
    type Body = Both;

    fn body(&mut self) -> &mut Both {
        &mut self.body
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn request_done(&self) -> bool {
        true
    }

    fn interim(&mut self, _: (u16, &[u8]), _: impl FnOnce(&mut dyn FieldSink)) {}

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Downstream for Copied {
    fn request(&self) -> RequestView<'_> {
        self.head.view(&self.bytes)
    }

    fn head(&self) -> (&RequestHead, &[u8]) {
        (&self.head, &self.bytes)
    }

    fn begin_response(
        &mut self,
        _: (u16, &[u8]),
        _: (Length, bool),
        _: bool,
        _: impl FnOnce(&mut dyn FieldSink),
    ) {
    }

    fn begin_tunnel(&mut self, _: &[u8], _: impl FnOnce(&mut dyn FieldSink)) {}

    fn retract_response(&mut self) -> bool {
        false
    }
}

/// The body of the request, and where that of the response goes.
#[derive(Debug)]
pub(crate) struct Both {
    request: Option<Held>,
    /// How much of it was sent.
    sent: usize,
    /// How much of the response is still read.
    left: u64,
}

impl Source for Both {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        Poll::Ready(Ok(if self.data().is_empty() {
            Fill::End
        } else {
            Fill::Data
        }))
    }

    fn data(&self) -> &[u8] {
        let bytes = self.request.as_ref().map(|held| held.bytes.as_slice());
        bytes
            .and_then(|bytes| bytes.get(self.sent..))
            .unwrap_or_default()
    }

    fn is_last(&self) -> bool {
        !self.data().is_empty()
    }

    fn consume(&mut self, n: usize) {
        self.sent += n;
        if self.data().is_empty() {
            // Others may have the room.
            self.request = None;
        }
    }

    fn trailers(&self, _: &mut dyn FnMut(Field<'_>)) {}
}

impl Sink for Both {
    fn poll_data(
        &mut self,
        _: &mut Context<'_>,
        data: &[u8],
        _: bool,
    ) -> Poll<Result<usize, Fault>> {
        self.left = self.left.saturating_sub(data.len() as u64);
        Poll::Ready(if self.left == 0 {
            Err(Fault::ClientGone)
        } else {
            Ok(data.len())
        })
    }

    fn poll_end(&mut self, _: &mut Context<'_>, _: Trailers<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }
}
