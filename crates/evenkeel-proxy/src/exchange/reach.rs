//! Reaching an endpoint: connecting as its cluster wants it, for one request or for all that wait for a connection.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use evenkeel_base::{Fault, Target};
use evenkeel_config::model::UpstreamProtocol;
use evenkeel_http2::{Abuse, Role};
use evenkeel_net::{NotConnected, Stream, dial_noting};
use evenkeel_state::{ClusterSnapshot, Dial, Endpoint, OpenConnection};
use evenkeel_tls::client::EndpointTls;
use rustix::io::Errno;
use tokio::task;

use crate::h1::Channel;
use crate::scene::{LINGER, LINGER_BYTES, Scene};
use crate::trunks::{Connecting, Driver, Farewell, Trunk};
use crate::upstream::h1::H1Upstream;
use crate::worker::Worker;

/// Idle connections that are closed when the system has no descriptor left for another: a few, for others will need some next.
const TRIMMED: usize = 8;

/// Connects; with `only_h1` nothing else is offered, and `shaking` is when the handshake of TLS began. How long all that may take is
/// the caller's business.
pub(crate) async fn connect(
    worker: &Worker,
    cluster: &str,
    endpoint: &Endpoint,
    only_h1: bool,
    shaking: &Cell<Option<Instant>>,
) -> Result<Stream, Fault> {
    let tls = endpoint.dial.tls.as_ref();
    let other = tls.filter(|_| only_h1).map(EndpointTls::for_http1);
    let tls = other.as_ref().or(tls);
    let mut may_trim = true;
    loop {
        match dial_noting(&endpoint.target, tls, || shaking.set(Some(Instant::now()))).await {
            Ok(stream) => return Ok(stream),
            Err(NotConnected::Socket(error)) if is_shortage(&error) && may_trim => {
                may_trim = false;
                // What is idle is worth less than a request that waits.
                if !worker.trim_pool(TRIMMED) {
                    return Err(Fault::NoDescriptors);
                }
            }
            Err(NotConnected::Socket(error)) => {
                return Err(connect_fault(&error, &endpoint.target));
            }
            Err(error) => {
                tell_of_tls(worker, cluster, endpoint, &error);
                return Err(error.tls_fault().unwrap_or(Fault::ConnectFailed));
            }
        }
    }
}

/// Whether HTTP/2 is spoken on a connection that was made by that dial.
pub(crate) fn is_h2(stream: &Stream, dial: &Dial) -> bool {
    match dial.protocol {
        UpstreamProtocol::Http1 => false,
        UpstreamProtocol::Http2 => true,
        UpstreamProtocol::Auto => stream.alpn() == Some(b"h2"),
    }
}

/// A trunk on a fresh connection, once the endpoint has said how many requests it takes.
pub(crate) async fn trunk(
    worker: &Worker,
    cluster: &ClusterSnapshot,
    endpoint: &Endpoint,
    (stream, open): (Stream, OpenConnection),
) -> Result<(Rc<Trunk>, Driver), Fault> {
    let config = &cluster.config;
    let keep = endpoint.state.keepalive.limit(config.timeouts.keepalive);
    let rules = (config.http2, keep);
    let begun = Trunk::begin(stream, open, &endpoint.state, rules, &worker.blocks).await;
    let (trunk, mut driver) = begun?;
    driver.ends_by(Farewell {
        tell: teller(worker, &config.name, &endpoint.id),
        linger: (LINGER, LINGER_BYTES),
    });
    poll_fn(|cx| driver.poll_ready(cx)).await?;
    Ok((trunk, driver))
}

/// Counts, and says in the log, what an endpoint of that name did on its connection. The worker may be gone by then.
fn teller(worker: &Worker, cluster: &str, endpoint: &Arc<str>) -> Box<dyn Fn(Abuse)> {
    let worker = worker.itself().as_ref().map(Rc::downgrade);
    let (cluster, endpoint) = (cluster.to_owned(), Arc::clone(endpoint));
    Box::new(move |abuse| {
        let Some(worker) = worker.as_ref().and_then(Weak::upgrade) else {
            return;
        };
        worker.counters().abuses[abuse.index()].add(1);
        let turned_away = &worker.turned_away;
        if let Some(ended) = turned_away.tell_abuse(Role::Endpoint, abuse, Instant::now()) {
            tracing::warn!(
                cluster,
                endpoint = &*endpoint,
                abuse = abuse.name(),
                ended,
                "a connection of HTTP/2 was ended: its endpoint makes work that nobody asked for"
            );
        }
    })
}

/// Connects for all that wait for it, in a task of its own: whoever asked first may leave before it is done.
pub(crate) fn for_all(
    scene: &Scene<'_>,
    cluster: &Arc<ClusterSnapshot>,
    index: usize,
    open: OpenConnection,
    connecting: Connecting,
) {
    if let Some(worker) = scene.worker.itself() {
        task::spawn_local(run(worker, Arc::clone(cluster), index, open, connecting));
    }
}

/// What a connect has brought.
enum Brought {
    Trunk(Rc<Trunk>, Box<Driver>),
    Own(Box<Channel>),
}

async fn run(
    worker: Rc<Worker>,
    cluster: Arc<ClusterSnapshot>,
    index: usize,
    open: OpenConnection,
    connecting: Connecting,
) {
    let brought = match cluster.endpoints.list.get(index) {
        Some(endpoint) => {
            let shaking = connecting.shaking();
            within_time(&worker, &cluster, endpoint, (open, shaking)).await
        }
        None => Err(Fault::Internal),
    };
    // The connection may outlive the configuration by hours.
    drop((worker, cluster));
    match brought {
        Ok(Brought::Trunk(trunk, driver)) => {
            connecting.brought(&trunk);
            drop(trunk);
            driver.run().await;
        }
        Ok(Brought::Own(channel)) => connecting.brought_h1(channel),
        Err(fault) => connecting.failed(fault),
    }
}

async fn within_time(
    worker: &Worker,
    cluster: &ClusterSnapshot,
    endpoint: &Endpoint,
    (open, shaking): (OpenConnection, &Cell<Option<Instant>>),
) -> Result<Brought, Fault> {
    let deadline = worker.deadlines.slot();
    deadline.set(Instant::now().checked_add(cluster.config.timeouts.connect));
    let mut connecting = pin!(bring(worker, cluster, endpoint, (open, shaking)));
    poll_fn(|cx| {
        if let Poll::Ready(brought) = connecting.as_mut().poll(cx) {
            return Poll::Ready(brought);
        }
        deadline.poll_expired(cx).map(|()| {
            Err(if worker.is_stopping() {
                Fault::Shutdown
            } else {
                Fault::ConnectTimeout
            })
        })
    })
    .await
}

async fn bring(
    worker: &Worker,
    cluster: &ClusterSnapshot,
    endpoint: &Endpoint,
    (open, shaking): (OpenConnection, &Cell<Option<Instant>>),
) -> Result<Brought, Fault> {
    let stream = connect(worker, &cluster.config.name, endpoint, false, shaking).await?;
    endpoint.state.counters(worker.id).connects.add(1);
    if !is_h2(&stream, &endpoint.dial) {
        return Ok(Brought::Own(H1Upstream::channel(stream, open, worker)));
    }
    let (trunk, driver) = trunk(worker, cluster, endpoint, (stream, open)).await?;
    Ok(Brought::Trunk(trunk, Box::new(driver)))
}

/// Whether the system is out of something, whichever endpoint it is.
fn is_shortage(error: &io::Error) -> bool {
    let shortage = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| shortage.contains(&errno))
}

fn connect_fault(error: &io::Error, target: &Target) -> Fault {
    match error.kind() {
        _ if is_shortage(error) => Fault::NoDescriptors,
        io::ErrorKind::ConnectionRefused => Fault::ConnectRefused,
        // A Unix socket that is not there is a port nobody listens on.
        io::ErrorKind::NotFound if matches!(target, Target::Unix(_)) => Fault::ConnectRefused,
        io::ErrorKind::TimedOut => Fault::ConnectTimeout,
        _ => Fault::ConnectFailed,
    }
}

/// Says why there is no TLS with the endpoint, unless that was said a moment ago.
#[cold]
fn tell_of_tls(worker: &Worker, cluster: &str, endpoint: &Endpoint, why: &NotConnected) {
    let now_ms = worker.millis(Instant::now());
    let tls = endpoint.dial.tls.as_ref();
    if let Some(tls) = tls.filter(|tls| tls.may_tell(now_ms)) {
        let (name, endpoint) = (tls.name(), &*endpoint.id);
        tracing::warn!(cluster, endpoint, name, "no TLS with it: {why}");
    }
}
