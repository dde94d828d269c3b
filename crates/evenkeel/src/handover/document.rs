//! What two processes tell each other, as it stands in JSON.
//!
//! They may be of different versions: fields are added and never change their meaning, those that are not known are passed over,
//! and what is missing has a default that means "nothing is known". What could not be understood so gets another format.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::bail;
use evenkeel_base::Address;
use evenkeel_base::rules::AdminState;
use evenkeel_config::{EndpointSaid, check_endpoint, model};
use evenkeel_net::Owner;
use evenkeel_policy::{Health, Past, Phase, Stood};
use evenkeel_state::{Inheritance, Legacy, Ordered, Resolved, discovery};
use serde::{Deserialize, Serialize};

use super::in_force::{Given, InForce, Served};

/// The format in which the new process reads its configuration.
const FORMAT: u32 = 1;

/// The format in which it is given one: who does not know of that must not pass it over and serve what was rolled back.
const FORMAT_IN_FORCE: u32 = 2;

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
    /// What is served, where that is not what the file says.
    #[serde(default)]
    pub(super) in_force: Option<InForce>,
    /// What is served, where the new process reads the file: it may say something else.
    #[serde(default)]
    pub(super) served: Option<Served>,
    /// What was served before that.
    #[serde(default)]
    pub(super) before: Option<Served>,
    #[serde(default)]
    overlay: Vec<Order>,
    #[serde(default)]
    added: Vec<AddedEndpoint>,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
    /// What names led to.
    #[serde(default)]
    names: Vec<Name>,
    /// And services.
    #[serde(default)]
    services: Vec<Service>,
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

/// A name of endpoints, and what it led to last.
#[derive(Debug, Deserialize, Serialize)]
struct Name {
    host: String,
    port: u16,
    addresses: Vec<SocketAddr>,
}

/// A service (SRV), and the places that it led to last.
#[derive(Debug, Deserialize, Serialize)]
struct Service {
    name: String,
    places: Vec<Place>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Place {
    tier: u8,
    host: String,
    port: u16,
    weight: u16,
    addresses: Vec<SocketAddr>,
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
        given: &Given,
    ) -> Self {
        let clock = inheritance.began.elapsed().as_millis();
        let order = |(cluster, endpoint, ordered): (String, String, Ordered)| Order {
            cluster,
            endpoint,
            admin: ordered.admin.map(|admin| admin.name().to_owned()),
            weight: ordered.weight,
        };
        Self {
            format: if given.back.is_some() {
                FORMAT_IN_FORCE
            } else {
                FORMAT
            },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            clock: u64::try_from(clock).unwrap_or(u64::MAX),
            generation: inheritance.generation,
            listeners,
            control,
            in_force: given.back.as_ref().map(InForce::from),
            served: given.served.as_ref().map(Served::from),
            before: given.before.as_ref().map(Served::from),
            overlay: inheritance.overlay.into_iter().map(order).collect(),
            added: inheritance.added.into_iter().map(added).collect(),
            endpoints: inheritance.endpoints.into_iter().map(endpoint).collect(),
            names: names(&inheritance.resolved),
            services: services(&inheritance.resolved),
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
        if ![FORMAT, FORMAT_IN_FORCE].contains(&format) {
            bail!(
                "what is handed over has format {format}, and this evenkeel reads {FORMAT} and {FORMAT_IN_FORCE}"
            );
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
            resolved: self.resolved(),
        }
    }

    fn resolved(&mut self) -> Resolved {
        let mut resolved = Resolved::new();
        for name in std::mem::take(&mut self.names) {
            resolved.insert((name.host, name.port), name.addresses);
        }
        for service in std::mem::take(&mut self.services) {
            let place = |place: Place| discovery::Service {
                tier: place.tier,
                host: place.host,
                port: place.port,
                weight: place.weight,
                addresses: place.addresses,
            };
            let places = service.places.into_iter().map(place);
            resolved.insert_services(service.name, places.collect());
        }
        resolved
    }
}

fn names(resolved: &Resolved) -> Vec<Name> {
    let name = |(host, port, addresses): (&str, u16, &[SocketAddr])| Name {
        host: host.to_owned(),
        port,
        addresses: addresses.to_vec(),
    };
    resolved.names().map(name).collect()
}

fn services(resolved: &Resolved) -> Vec<Service> {
    let place = |place: &discovery::Service| Place {
        tier: place.tier,
        host: place.host.clone(),
        port: place.port,
        weight: place.weight,
        addresses: place.addresses.clone(),
    };
    let service = |(name, places): (&str, &[discovery::Service])| Service {
        name: name.to_owned(),
        places: places.iter().map(place).collect(),
    };
    resolved.all_services().map(service).collect()
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
    use super::super::in_force;
    use super::*;
    use crate::load::Earlier;

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
            resolved: known_names(),
        }
    }

    fn known_names() -> Resolved {
        let at = vec!["10.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap()];
        let mut resolved = Resolved::from([(("app.test".into(), 80), at.clone())]);
        let place = discovery::Service {
            tier: 1,
            host: "a.test".into(),
            port: 80,
            weight: 7,
            addresses: at,
        };
        resolved.insert_services("_a._tcp.b".into(), vec![place]);
        resolved
    }

    #[test]
    fn what_is_told_is_what_is_understood() {
        let offer = Offer::new(known(), Vec::new(), Some(Whose::Own), &Given::default());
        assert_eq!(offer.format, FORMAT);
        let text = serde_json::to_vec(&offer).unwrap();
        let now = Instant::now();
        let read = Offer::read(&text).unwrap().inheritance(now);
        assert_eq!(read.endpoints, known().endpoints);
        assert_eq!(read.overlay, known().overlay);
        assert_eq!(read.added, known().added);
        assert_eq!(read.resolved, known().resolved);
        assert_eq!(read.generation, 7);
        assert!(now.duration_since(read.began) < Duration::from_secs(5));
    }

    #[test]
    fn who_cannot_be_given_a_configuration_refuses_the_offer_of_one() {
        let back = in_force::tests::known();
        let given = Given::new(Some(back.clone()), None, None);
        let offer = Offer::new(known(), Vec::new(), None, &given);
        // All that was before this one read the first format only.
        assert_eq!(offer.format, 2);
        let text = serde_json::to_vec(&offer).unwrap();
        let read = Offer::read(&text).unwrap().in_force.unwrap();
        let read = read.back(std::path::Path::new("/etc/e.toml"));
        assert!(read.served.says_the_same(&back.served));
    }

    #[test]
    fn who_does_not_know_of_a_way_back_takes_the_offer_all_the_same() {
        let back = in_force::tests::known();
        let served = Earlier {
            reading: back.served,
            read: back.read,
        };
        let before = Earlier {
            reading: back.left,
            read: back.since,
        };
        let given = Given::new(None, Some(served), Some(before));
        let offer = Offer::new(known(), Vec::new(), None, &given);
        assert_eq!(offer.format, FORMAT);
        let text = serde_json::to_vec(&offer).unwrap();
        let read = Offer::read(&text).unwrap();
        let path = std::path::Path::new("/etc/e.toml");
        for (told, meant) in [(read.served, given.served), (read.before, given.before)] {
            let (told, meant) = (told.unwrap().earlier(path), meant.unwrap());
            assert!(told.reading.says_the_same(&meant.reading));
            assert_eq!(told.read, meant.read);
        }
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
        let error = Offer::read(br#"{"format":3}"#).unwrap_err();
        assert!(error.to_string().contains("format 3"), "{error}");
        Offer::read(b"garbage").unwrap_err();
    }
}
