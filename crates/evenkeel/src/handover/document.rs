//! What two processes tell each other, as it stands in JSON.
//!
//! They may be of different versions: fields are added and never change their meaning, those that are not known are passed over,
//! and what is missing has a default that means "nothing is known". What could not be understood so gets another format.

use std::time::{Duration, Instant};

use anyhow::bail;
use evenkeel_base::Address;
use evenkeel_base::rules::AdminState;
use evenkeel_config::{EndpointSaid, check_endpoint, model};
use evenkeel_net::Owner;
use evenkeel_policy::{Health, Past, Phase, Stood};
use evenkeel_state::{Inheritance, Legacy, Ordered};
use serde::{Deserialize, Serialize};

/// The format that this evenkeel speaks.
const FORMAT: u32 = 1;

/// What the old process has to give.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Offer {
    format: u32,
    /// The old process's version.
    pub(super) version: String,
    /// Its id.
    pub(super) pid: u32,
    /// How long its clock runs, in milliseconds.
    clock: u64,
    generation: u64,
    /// The listeners whose sockets come behind this text, in this order.
    pub(super) listeners: Vec<Listener>,
    /// Whether its control socket comes behind those, and whose it is.
    #[serde(default)]
    pub(super) control: Option<Whose>,
    #[serde(default)]
    overlay: Vec<Order>,
    #[serde(default)]
    added: Vec<AddedEndpoint>,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

/// A listener.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Listener {
    /// Its name in the old configuration.
    pub(super) name: String,
    /// Where that has it bound.
    pub(super) bind: String,
    /// How many sockets it has.
    pub(super) sockets: usize,
    /// Whose they are.
    pub(super) whose: Whose,
}

/// Whose a socket is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Whose {
    /// evenkeel's.
    Own,
    /// That of whoever started the first process.
    Starter,
}

impl From<Owner> for Whose {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Us => Self::Own,
            Owner::Starter => Self::Starter,
        }
    }
}

impl From<Whose> for Owner {
    fn from(whose: Whose) -> Self {
        match whose {
            Whose::Own => Self::Us,
            Whose::Starter => Self::Starter,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct Order {
    cluster: String,
    endpoint: String,
    #[serde(default)]
    admin: Option<String>,
    #[serde(default)]
    weight: Option<u16>,
}

/// An endpoint that was added, as an order says it.
#[derive(Debug, Deserialize, Serialize)]
struct AddedEndpoint {
    cluster: String,
    id: String,
    address: String,
    #[serde(default)]
    weight: Option<u16>,
    #[serde(default)]
    zone: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Endpoint {
    cluster: String,
    endpoint: String,
    target: String,
    health: String,
    phase: String,
    ramp: u16,
    since: u64,
    #[serde(default)]
    ejections: Ejections,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    keeps_announced: Option<u32>,
    #[serde(default)]
    keeps_seen: Option<u32>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Ejections {
    faults: u32,
    notes: u32,
    doublings: u32,
    times: u32,
    lasts: u64,
}

/// What the new process says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "say", rename_all = "lowercase")]
pub(super) enum Reply {
    /// It serves.
    Ready {
        /// Its version.
        version: String,
        /// The places in the offer of the listeners that it took.
        taken: Vec<usize>,
        /// Whether it took the control socket.
        #[serde(default)]
        control: bool,
    },
    /// It does not.
    Error {
        /// Why, for people.
        text: String,
    },
}

impl Offer {
    /// The offer of this process.
    pub(super) fn new(
        inheritance: Inheritance,
        listeners: Vec<Listener>,
        control: Option<Whose>,
    ) -> Self {
        let clock = inheritance.began.elapsed().as_millis();
        let order = |(cluster, endpoint, ordered): (String, String, Ordered)| Order {
            cluster,
            endpoint,
            admin: ordered.admin.map(|admin| admin.name().to_owned()),
            weight: ordered.weight,
        };
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            clock: u64::try_from(clock).unwrap_or(u64::MAX),
            generation: inheritance.generation,
            listeners,
            control,
            overlay: inheritance.overlay.into_iter().map(order).collect(),
            added: inheritance.added.into_iter().map(added).collect(),
            endpoints: inheritance.endpoints.into_iter().map(endpoint).collect(),
        }
    }

    /// Reads an offer.
    ///
    /// # Errors
    /// When it is none that this evenkeel can read.
    pub(super) fn read(text: &[u8]) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Any {
            format: u32,
        }
        let Any { format } = serde_json::from_slice(text)?;
        if format != FORMAT {
            bail!("what is handed over has format {format}, and this evenkeel reads {FORMAT}");
        }
        Ok(serde_json::from_slice(text)?)
    }

    /// What the old process learnt, told by the clock that began so long before `received`.
    pub(super) fn inheritance(&mut self, received: Instant) -> Inheritance {
        let clock = Duration::from_millis(self.clock);
        let overlay = std::mem::take(&mut self.overlay).into_iter().map(|order| {
            let admin = order.admin.as_deref().and_then(admin);
            let ordered = Ordered {
                admin,
                weight: order.weight,
            };
            (order.cluster, order.endpoint, ordered)
        });
        let endpoints = std::mem::take(&mut self.endpoints);
        let added = std::mem::take(&mut self.added);
        Inheritance {
            began: received.checked_sub(clock).unwrap_or(received),
            generation: self.generation,
            overlay: overlay.collect(),
            added: added.into_iter().filter_map(AddedEndpoint::read).collect(),
            endpoints: endpoints.into_iter().filter_map(legacy).collect(),
        }
    }
}

fn added((cluster, endpoint): (String, model::Endpoint)) -> AddedEndpoint {
    // The records of a service say what its weight is.
    let says = !matches!(endpoint.address, Address::Service(_));
    AddedEndpoint {
        cluster,
        id: endpoint.id,
        address: endpoint.address.to_string(),
        weight: says.then_some(endpoint.weight),
        zone: (!endpoint.zone.is_empty()).then_some(endpoint.zone),
    }
}

impl AddedEndpoint {
    /// None for one that this evenkeel would not add.
    fn read(self) -> Option<(String, model::Endpoint)> {
        let said = EndpointSaid {
            address: &self.address,
            id: Some(&self.id),
            weight: self.weight,
            zone: self.zone.as_deref(),
        };
        let (_, endpoint) = check_endpoint(&said).ok()?;
        Some((self.cluster, endpoint))
    }
}

fn endpoint(legacy: Legacy) -> Endpoint {
    let Past {
        faults,
        notes,
        doublings,
        times,
        lasts_ms,
    } = legacy.past;
    let [keeps_announced, keeps_seen] = legacy.keeps;
    Endpoint {
        cluster: legacy.cluster,
        endpoint: legacy.endpoint,
        target: legacy.target,
        health: legacy.stood.health.name().to_owned(),
        phase: legacy.stood.phase.name().to_owned(),
        ramp: legacy.stood.ramp,
        since: legacy.stood.since_ms,
        ejections: Ejections {
            faults,
            notes,
            doublings,
            times,
            lasts: lasts_ms,
        },
        limit: (legacy.limit != u32::MAX).then_some(legacy.limit),
        keeps_announced,
        keeps_seen,
    }
}

/// None for one that stands in a way that this evenkeel does not know: it begins anew.
fn legacy(endpoint: Endpoint) -> Option<Legacy> {
    let health = [Health::Unprobed, Health::Waiting, Health::Up, Health::Down];
    let phase = [Phase::Admitting, Phase::Ejected, Phase::Trial];
    let Ejections {
        faults,
        notes,
        doublings,
        times,
        lasts,
    } = endpoint.ejections;
    Some(Legacy {
        stood: Stood {
            health: health
                .into_iter()
                .find(|one| one.name() == endpoint.health)?,
            phase: phase.into_iter().find(|one| one.name() == endpoint.phase)?,
            ramp: endpoint.ramp,
            since_ms: endpoint.since,
        },
        past: Past {
            faults,
            notes,
            doublings,
            times,
            lasts_ms: lasts,
        },
        cluster: endpoint.cluster,
        endpoint: endpoint.endpoint,
        target: endpoint.target,
        limit: endpoint.limit.unwrap_or(u32::MAX),
        keeps: [endpoint.keeps_announced, endpoint.keeps_seen],
    })
}

fn admin(name: &str) -> Option<AdminState> {
    AdminState::ALL
        .into_iter()
        .find(|admin| admin.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known_added(address: &str) -> (String, model::Endpoint) {
        let said = EndpointSaid {
            address,
            id: Some("blue"),
            zone: Some("z"),
            ..EndpointSaid::default()
        };
        ("c".into(), check_endpoint(&said).unwrap().1)
    }

    fn known() -> Inheritance {
        let stood = Stood {
            health: Health::Down,
            phase: Phase::Ejected,
            ramp: 500,
            since_ms: 1_234,
        };
        let past = Past {
            faults: 1,
            notes: 2,
            doublings: 3,
            times: 4,
            lasts_ms: 5,
        };
        Inheritance {
            began: Instant::now(),
            generation: 7,
            overlay: vec![(
                "c".into(),
                "e".into(),
                Ordered {
                    admin: Some(AdminState::Drain),
                    weight: Some(3),
                },
            )],
            added: ["10.0.0.9:1", "srv:_a._tcp.b"].map(known_added).into(),
            endpoints: vec![Legacy {
                cluster: "c".into(),
                endpoint: "e".into(),
                target: "10.0.0.1:1".into(),
                stood,
                past,
                limit: 20,
                keeps: [Some(5_000), None],
            }],
        }
    }

    #[test]
    fn what_is_told_is_what_is_understood() {
        let offer = Offer::new(known(), Vec::new(), Some(Whose::Own));
        let text = serde_json::to_vec(&offer).unwrap();
        let now = Instant::now();
        let read = Offer::read(&text).unwrap().inheritance(now);
        assert_eq!(read.endpoints, known().endpoints);
        assert_eq!(read.overlay, known().overlay);
        assert_eq!(read.added, known().added);
        assert_eq!(read.generation, 7);
        assert!(now.duration_since(read.began) < Duration::from_secs(5));
    }

    #[test]
    fn what_is_not_known_is_passed_over_and_what_is_missing_is_not_known() {
        let text = br#"{"format":1,"version":"9","pid":1,"clock":5,"generation":2,"colour":"blue","listeners":[
            {"name":"a","bind":":1","sockets":2,"whose":"own","more":1}],
            "endpoints":[{"cluster":"c","endpoint":"e","target":"t","health":"sleepy","phase":"trial","ramp":1,"since":1},
            {"cluster":"c","endpoint":"f","target":"t","health":"up","phase":"trial","ramp":1,"since":1}]}"#;
        let mut offer = Offer::read(text).unwrap();
        assert!(offer.control.is_none());
        let read = offer.inheritance(Instant::now());
        assert_eq!(read.endpoints.len(), 1);
        assert_eq!(read.endpoints[0].limit, u32::MAX);
    }

    #[test]
    fn another_format_is_refused() {
        let error = Offer::read(br#"{"format":2}"#).unwrap_err();
        assert!(error.to_string().contains("format 2"), "{error}");
        Offer::read(b"garbage").unwrap_err();
    }
}
