//! A tunnel: what is left of an exchange once both ends have switched protocols. Bytes both ways, until one end has had enough.
//!
//! It may last for days, and outlive many configurations. So it holds none of them: it takes along the two times that it obeys, what
//! it is counted by, the names for its record, and its places at the endpoint; everything else of the exchange has ended when this
//! begins. It runs where nothing of the scene is left, in the connection itself.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use evenkeel_base::{Fault, ListenerId, Side};
use evenkeel_state::{
    ClusterState, EndpointState, HeldNames, KeptNames, KeptPermit, ListenerState, Names, Traffic,
};

use crate::access_log;
use crate::body::{Pump, Waiting};
use crate::deadline::Deadline;
use crate::downstream::Downstream;
use crate::exchange::relay::{self, Left, Relayed};
use crate::exchange::seat::Seat;
use crate::exchange::stage::{Stage, earliest};
use crate::record::Record;
use crate::scene::{After, From};
use crate::story;
use crate::upstream::Upstream;
use crate::upstream::any::{AnyUpstream, by_protocol};
use crate::worker::Worker;

/// What has become of an exchange, as far as its scene goes.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// It is over.
    Over(T),
    /// It goes on, as a tunnel.
    Tunnel(Box<Tunnel>),
}

/// A tunnel between a client and an endpoint.
#[derive(Debug)]
pub(crate) struct Tunnel {
    up: AnyUpstream,
    ways: Ways,
    record: Record,
    names: KeptNames,
    counts: Counts,
    places: Option<KeptPermit>,
}

/// Its two directions, and how long they may stand still.
#[derive(Debug)]
struct Ways {
    to_endpoint: Pump,
    to_client: Pump,
    /// Without a byte either way it ends.
    idle: Duration,
    /// So does it when one end takes nothing for so long.
    write: Duration,
}

/// Where it is counted.
#[derive(Debug)]
struct Counts {
    listener_id: ListenerId,
    listener: Option<Arc<ListenerState>>,
    route: Option<Arc<Traffic>>,
    cluster: Arc<ClusterState>,
    endpoint: Arc<EndpointState>,
}

impl Outcome<After> {
    /// What a relay came to: the endpoint's connection goes to where others get theirs, or the tunnel begins. Not called: the endpoint's
    /// side would be moved once more.
    #[inline(always)]
    pub(crate) fn of(
        relayed: &Relayed,
        stage: &Stage<'_>,
        up: AnyUpstream,
        seat: &mut Seat<'_>,
        record: &mut Record,
    ) -> Self {
        match relayed.left {
            Left::Free(since) => relay::give_back(stage, up, since),
            Left::Nothing => drop(up),
            Left::Tunnel => return Self::tunnel(stage, up, seat.keep(stage), record),
        }
        Self::Over(relayed.after)
    }

    /// The exchange goes on as a tunnel from here on: both ends know it. It takes the exchange's record along.
    #[cold]
    fn tunnel(
        stage: &Stage<'_>,
        up: AnyUpstream,
        places: Option<KeptPermit>,
        record: &mut Record,
    ) -> Self {
        let (scene, now) = (stage.scene, Instant::now());
        let (snapshot, listener_id) = (scene.snapshot, scene.listener_id);
        let after = Record::new(record.began, record.made_id);
        let record = std::mem::replace(record, after);
        let tried = record.tried.iter().map(|one| one.endpoint);
        let names = KeptNames::of(
            snapshot,
            (listener_id, record.route, stage.cluster.id),
            tried.chain([stage.index]),
        );
        let listener = snapshot.listeners().get(listener_id.index());
        let route = record.route.and_then(|id| snapshot.route_traffic(id));
        Self::Tunnel(Box::new(Tunnel {
            up,
            ways: Ways {
                to_endpoint: Pump::new(now, u64::MAX, false),
                to_client: Pump::new(now, u64::MAX, false),
                idle: stage.cluster.config.timeouts.tunnel,
                write: scene.listener.write_timeout,
            },
            names,
            counts: Counts {
                listener_id,
                listener: listener.cloned(),
                route: route.cloned(),
                cluster: Arc::clone(&stage.cluster.state),
                endpoint: Arc::clone(&stage.endpoint.state),
            },
            places,
            record,
        }))
    }
}

impl Tunnel {
    /// Runs it to its end and its access record; says when it ended. Its client's connection ends with it.
    pub(crate) async fn run<D: Downstream>(
        mut self: Box<Self>,
        worker: &Worker,
        (from, deadline): (&From, &Deadline),
        down: &mut D,
    ) -> Instant {
        // What was armed for the response's head must not end it.
        deadline.set(None);
        let Self { up, ways, .. } = &mut *self;
        let steps = |cx: &mut Context<'_>| {
            let is_late = deadline.has_fired();
            let polled = by_protocol!(up, up => ways.step(cx, (&mut *down, up), is_late, worker.is_stopping()));
            match polled {
                Poll::Ready(result) => Ok(result),
                Poll::Pending => Err(ways.due().0),
            }
        };
        let ended = deadline.drive(steps).await;
        self.end(ended, worker, from, down)
    }

    /// Gives back what it held, counts it where it belongs, and writes its record.
    fn end<D: Downstream>(
        self,
        ended: Result<(), Fault>,
        worker: &Worker,
        from: &From,
        down: &D,
    ) -> Instant {
        let Self {
            up,
            ways,
            mut record,
            names,
            counts,
            places,
        } = self;
        drop((up, places));
        record.ended = ways.moved();
        record.bytes_in = ways.to_endpoint.bytes;
        record.bytes_out = ways.to_client.bytes;
        record.fault = ended.err();
        let took = record.ended.saturating_duration_since(record.began);
        counts.count(worker.id, &record, took);
        let request = down.request();
        if let Some(stands_for) = worker.draws_record(&record) {
            worker.log_access(&access_log::Exchange {
                names: Names::Kept(&names),
                listener: names.listener(),
                from: (from.ip, &from.text),
                proof: from.proof.as_deref(),
                request: down.request(),
                record: &record,
                took,
                stands_for,
            });
        }
        if let Some(traced) = record.trace
            && traced.context.is_sampled()
        {
            let names = (HeldNames::Kept(names), counts.listener_id);
            story::hand_over(worker, from, names, &request, traced, &record);
        }
        record.ended
    }
}

impl Counts {
    fn count(&self, worker: usize, record: &Record, took: Duration) {
        let endpoint = self.endpoint.counters(worker);
        endpoint.bytes_sent.add(record.bytes_in);
        endpoint.bytes_received.add(record.bytes_out);
        let ended = record.counted(took);
        let of_listener = self.listener.as_ref().map(|state| &state.traffic);
        for traffic in of_listener.into_iter().chain(self.route.as_deref()) {
            if let Some(counters) = traffic.of(worker) {
                counters.exchange(&ended);
            }
        }
        if let Some(times) = self.cluster.times.of(worker) {
            times.exchange(&ended);
        }
    }
}

impl Ways {
    /// Moves bytes both ways until all has to be waited for; ready at the end.
    fn step<D: Downstream, U: Upstream>(
        &mut self,
        cx: &mut Context<'_>,
        (down, up): (&mut D, &mut U),
        is_late: bool,
        is_stopping: bool,
    ) -> Poll<Result<(), Fault>> {
        if is_stopping {
            return Poll::Ready(Err(Fault::Shutdown));
        }
        if is_late
            && let (Some(at), fault) = self.due()
            && Instant::now() >= at
        {
            return Poll::Ready(Err(fault));
        }
        let none = |_: &[u8]| false;
        if !self.to_endpoint.done
            && let Poll::Ready(Err(fault)) =
                self.to_endpoint.poll(cx, down.body(), up.body(), &none)
        {
            // However it did it: it takes no more of what it has agreed to take.
            return Poll::Ready(Err(match fault.side() {
                Side::Upstream => Fault::EndpointReset,
                _ => fault,
            }));
        }
        if !self.to_client.done
            && let Poll::Ready(Err(fault)) = self.to_client.poll(cx, up.body(), down.body(), &none)
        {
            return Poll::Ready(Err(fault));
        }
        if self.to_client.done && self.to_endpoint.done {
            return Poll::Ready(Ok(()));
        }
        // A client may end its half and wait; who says that it is gone is gone.
        if down.says_when_gone() && down.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Fault::ClientGone));
        }
        Poll::Pending
    }

    /// When bytes last moved.
    fn moved(&self) -> Instant {
        self.to_endpoint.moved.max(self.to_client.moved)
    }

    /// The next instant at which something is late, and what that would be.
    fn due(&self) -> (Option<Instant>, Fault) {
        let mut due = (self.moved().checked_add(self.idle), Fault::IdleTimeout);
        for (way, fault) in [
            (&self.to_client, Fault::ClientStalled),
            (&self.to_endpoint, Fault::EndpointStalled),
        ] {
            if way.done || way.waiting != Waiting::Sink {
                continue;
            }
            let at = way.moved.checked_add(self.write);
            if at.is_some() && earliest(due.0, at) == at {
                due = (at, fault);
            }
        }
        due
    }
}
