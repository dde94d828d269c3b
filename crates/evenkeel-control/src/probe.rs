//! One probe of one endpoint: connect, ask, read the answer, judge it.
//!
//! A [`Plan`] is a cluster's probe made ready once; a [`Prober`] is that for one endpoint. When the next probe is due and
//! what its result means for the endpoint is decided by `evenkeel_policy::health` and applied by [`crate::steward`].

mod bad;
mod good;
mod grpc;
mod http;
mod patience;
mod tcp;
mod wire;

use std::io;
use std::sync::Arc;

use evenkeel_base::rules::ProbeRules;
use evenkeel_base::{Address, Target};
use evenkeel_config::model::{Probe, ProbeAddress};
use evenkeel_net::resolve::resolve;
use evenkeel_net::{NotConnected, Stream, dial};
use evenkeel_state::Dial;
use evenkeel_tls::client::EndpointTls;

use bad::Awaited;
pub(crate) use bad::Bad;
pub(crate) use good::Good;
pub(crate) use http::load::{LoadRequest, Reported};
use patience::Patience;

/// A cluster's probe, made ready: what all its endpoints share.
#[derive(Debug)]
pub(crate) struct Plan {
    rules: ProbeRules,
    at: ProbeAddress,
    ask: Ask,
}

/// What is asked.
#[derive(Debug)]
enum Ask {
    Tcp(tcp::Ask),
    Http(http::Ask),
    Grpc(grpc::Ask),
}

impl Plan {
    /// Makes a probe ready; `None` when there is none.
    pub(crate) fn new(probe: &Probe) -> Option<Arc<Self>> {
        let (rules, at, ask) = match probe {
            Probe::Off => return None,
            Probe::Tcp {
                rules,
                at,
                send,
                expect,
            } => (rules, at, Ask::Tcp(tcp::Ask::new(send, expect))),
            Probe::Http { rules, at, request } => (rules, at, Ask::Http(http::Ask::new(request))),
            Probe::Grpc { rules, at, service } => (rules, at, Ask::Grpc(grpc::Ask::new(service))),
        };
        Some(Arc::new(Self {
            rules: *rules,
            at: at.clone(),
            ask,
        }))
    }

    /// How often, and what the results mean.
    pub(crate) const fn rules(&self) -> &ProbeRules {
        &self.rules
    }

    /// What a result says about the endpoint's own address.
    pub(crate) const fn shows(&self) -> Shows {
        match (&self.ask, &self.at) {
            (Ask::Http(_) | Ask::Grpc(_), _) => Shows::Answers,
            (Ask::Tcp(ask), _) if ask.waits() => Shows::Answers,
            (Ask::Tcp(_), ProbeAddress::Endpoint) => Shows::Accepts,
            (Ask::Tcp(_), ProbeAddress::Port(_) | ProbeAddress::Fixed(_)) => Shows::Nothing,
        }
    }

    /// Makes it ready for one endpoint: where it takes requests and how connections are made to it, and what `Host` says to it.
    pub(crate) fn prober(
        self: &Arc<Self>,
        target: &Target,
        dial: &Dial,
        authority: &str,
    ) -> Prober {
        let place = match (&self.at, target) {
            (ProbeAddress::Port(port), Target::Ip(address)) => {
                let mut address = *address;
                address.set_port(port.get());
                Place::Target(Target::Ip(address))
            }
            // A Unix socket has no other port, and nobody can configure a service here.
            (
                ProbeAddress::Endpoint
                | ProbeAddress::Port(_)
                | ProbeAddress::Fixed(Address::Service(_)),
                target,
            ) => Place::Target(target.clone()),
            (ProbeAddress::Fixed(Address::Ip(address)), _) => Place::Target(Target::Ip(*address)),
            (ProbeAddress::Fixed(Address::Unix(path)), _) => {
                Place::Target(Target::Unix(Arc::new(path.clone())))
            }
            (ProbeAddress::Fixed(Address::Name { host, port }), _) => Place::Name {
                host: host.clone(),
                port: *port,
            },
        };
        let request = match &self.ask {
            Ask::Http(ask) => ask.request(authority),
            Ask::Grpc(_) => authority.into(),
            Ask::Tcp(_) => Vec::new(),
        };
        let tls = match &self.ask {
            Ask::Http(_) => dial.tls.as_ref().map(EndpointTls::for_http1),
            Ask::Grpc(_) => dial.tls.as_ref().map(EndpointTls::for_http2),
            Ask::Tcp(_) => dial.tls.clone(),
        };
        Prober {
            plan: Arc::clone(self),
            place,
            tls,
            request,
        }
    }
}

/// What a good result says about an endpoint that was ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// That it runs and answers.
    Answers,
    /// That its address accepts connections, which the system does for a stopped process as well.
    Accepts,
    /// Nothing: another address accepts connections.
    Nothing,
}

/// A probe of one endpoint, which can be made again and again.
#[derive(Debug)]
pub(crate) struct Prober {
    plan: Arc<Plan>,
    place: Place,
    /// The endpoint's own, also where it is probed at another port or address.
    tls: Option<EndpointTls>,
    /// Written once: it is the same each time. Of a call, which its codec writes, what it is made to.
    request: Vec<u8>,
}

/// Where an endpoint is probed.
#[derive(Debug)]
enum Place {
    Target(Target),
    /// Resolved for each probe, so that it follows the name.
    Name {
        host: String,
        port: u16,
    },
}

impl Prober {
    /// Probes once, within the probe's timeout.
    pub(crate) async fn probe(&self) -> Result<Good, Bad> {
        let patience = Patience::new(self.plan.rules.timeout);
        let mut stream = self.connect(&patience).await?;
        match &self.plan.ask {
            Ask::Tcp(ask) => ask.put(&mut stream, &patience).await,
            Ask::Http(ask) => ask.put(&mut stream, &self.request, &patience).await,
            Ask::Grpc(ask) => {
                let way = grpc::Way {
                    tls: self.tls.is_some(),
                    authority: &self.request,
                    timeout: self.plan.rules.timeout,
                };
                let call = ask.put(stream, way);
                patience.wait(Awaited::Health, call).await?
            }
        }
    }

    /// Only connects, within `patience`, and closes again.
    pub(crate) async fn knock(&self, patience: std::time::Duration) -> Result<(), Bad> {
        self.connect(&Patience::new(patience)).await.map(drop)
    }

    async fn connect(&self, patience: &Patience) -> Result<Stream, Bad> {
        patience.wait(Awaited::Connection, self.open()).await?
    }

    async fn open(&self) -> Result<Stream, Bad> {
        match &self.place {
            Place::Target(target) => self.dial(target).await,
            Place::Name { host, port } => {
                let addresses = resolve(host, *port)
                    .await
                    .map_err(|error| Bad::Unresolved(host.clone(), error.to_string()))?;
                let mut last = Bad::Refused;
                for address in addresses.into_iter().take(MAX_ADDRESSES) {
                    match self.dial(&Target::Ip(address)).await {
                        Ok(stream) => return Ok(stream),
                        Err(bad) => last = bad,
                    }
                }
                Err(last)
            }
        }
    }

    async fn dial(&self, target: &Target) -> Result<Stream, Bad> {
        let dialed = dial(target, self.tls.as_ref()).await;
        dialed.map_err(|error| no_connection(&error))
    }
}

/// How many addresses of a name are tried in one probe, one after the other.
const MAX_ADDRESSES: usize = 4;

fn no_connection(error: &NotConnected) -> Bad {
    match error {
        NotConnected::Socket(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Bad::Refused
        }
        NotConnected::Socket(error) => Bad::NoConnection(error.to_string()),
        NotConnected::Cut(_) | NotConnected::Tls(_) => Bad::Tls(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
