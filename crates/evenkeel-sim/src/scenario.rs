//! A scenario that was read and checked: what the world is made of and what happens in it. No defaults are left open here;
//! the file's language is in [`crate::read`].

use std::time::Duration;

use evenkeel_base::Address;
use evenkeel_base::rules::AdminState;
use evenkeel_config::model::{Cluster, Endpoint};

use crate::distribution::Distribution;

/// All nodes together know no more endpoints than this, each counted as often as it is known: about 600 MB. With
/// `maglev` each node has a table of its own beside, of 262 KB.
pub const MOST_KNOWN: u64 = 4_000_000;

/// Everything that a run is about, but the balancer and the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it is, and what to look at in its outcome.
    pub about: String,
    /// For how long clients ask.
    pub duration: Duration,
    /// What ends before this is not counted: queues are empty at first, and averages know nothing.
    pub warm_up: Duration,
    /// How many evenkeels there are. They share nothing but endpoints and clients.
    pub nodes: u32,
    /// How many of the endpoints each of them uses; 0: all.
    pub endpoints_per_node: u32,
    /// The zones that nodes are in, in turn; empty: none.
    pub zones: Vec<String>,
    /// From node to endpoint, and back.
    pub network: Network,
    /// The rules of the cluster. Its endpoints stand in [`Scenario::endpoints`].
    pub cluster: Cluster,
    /// The endpoints, in groups that are alike.
    pub endpoints: Vec<Group>,
    /// Who asks.
    pub clients: Vec<Clients>,
}

/// How long a message is under way in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// At least.
    pub delay: Duration,
    /// And up to so much more, each length as likely as the next.
    pub jitter: Duration,
}

/// Endpoints that are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What the group is called.
    pub name: String,
    /// How many there are.
    pub count: u32,
    /// Their configured weight.
    pub weight: u16,
    /// Their zone; empty: none.
    pub zone: String,
    /// Their tier.
    pub tier: u8,
    /// How many cores each may use: its allocation.
    pub cores: f64,
    /// How many cores the machine has that it runs on; it uses what others leave of them. At least `cores`.
    pub machine: f64,
    /// What happens to more requests than cores.
    pub discipline: Discipline,
    /// How long a request keeps a core busy at speed 1.
    pub service: Distribution,
    /// How fast its cores are.
    pub speed: f64,
    /// Whether it stops working for who has gone away.
    pub cancels: bool,
    /// Who else uses its machine.
    pub antagonist: Option<Antagonist>,
    /// How it begins.
    pub cold: Option<Cold>,
    /// What goes wrong with it.
    pub failures: Vec<Failure>,
}

/// What an endpoint does with more requests than it has cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// All at once, each a part of the cores: threads.
    Shares,
    /// One after the other: a pool of as many workers as cores.
    Queues,
}

/// What others take of a machine. Each machine has a level of its own for the whole run, and around it something new every now and
/// then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Antagonist {
    /// The lowest level, as a part of the machine.
    pub least: f64,
    /// The highest.
    pub most: f64,
    /// How far what is taken goes to either side of the level.
    pub swing: f64,
    /// The mean time until it changes.
    pub every: Duration,
}

/// How an endpoint begins after a restart: with cold caches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cold {
    /// So many times the work of a warm one, falling in a line to 1
    pub factor: f64,
    /// while it serves so many requests,
    pub requests: u32,
    /// or until so long is over, whichever comes first.
    pub lasts: Duration,
    /// Whether it is cold when the run begins, too.
    pub at_start: bool,
}

/// Something that goes wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failure {
    /// When, for the first endpoint of the group.
    pub at: Duration,
    /// For how long.
    pub lasts: Duration,
    /// How much later for each further endpoint of the group.
    pub stagger: Duration,
    /// What.
    pub kind: FailureKind,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FailureKind {
    /// It takes no connections, and what it was working on is lost.
    Refuse,
    /// It takes requests and does nothing; afterwards it works on.
    Freeze,
    /// It answers this part of the requests with 503, at once.
    Error(f64),
    /// Everything takes so many times as long: a grey failure.
    Slow(f64),
    /// As `Refuse`, and then it begins cold.
    Restart,
}

/// Clients that are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Clients {
    /// What they are called.
    pub name: String,
    /// When they ask.
    pub asks: Asks,
    /// How long they wait for a response; then it is an error and they are gone.
    pub timeout: Duration,
    /// Which part of their requests may be sent twice.
    pub idempotent: f64,
    /// What they ask for, for balancers that hash.
    pub keys: Keys,
}

/// When clients ask.
#[derive(Clone, Debug, PartialEq)]
pub enum Asks {
    /// Whether or not earlier requests were answered: as many independent people do.
    Open {
        /// How often, all together.
        rate: Rate,
        /// From when on it is so many times that, in the order of time.
        steps: Vec<Step>,
    },
    /// Each asks again some time after it was answered.
    Closed {
        /// How many.
        clients: u32,
        /// How long each waits.
        think: Distribution,
    },
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// So many requests a second.
    PerSecond(f64),
    /// So much that this part of what the endpoints can do is used, with what they are allocated, by warm ones.
    Load(f64),
}

/// A change of the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// From then on,
    pub at: Duration,
    /// so many times the rate.
    pub factor: f64,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keys {
    /// How many different ones; 0: requests have no key.
    pub count: u32,
    /// How unequal: key number k is asked for in proportion to 1 / k^skew (Zipf); 0: all alike.
    pub skew: f64,
}

impl Scenario {
    /// How many requests a second its endpoints can serve, with what they are allocated.
    #[must_use]
    pub fn capacity(&self) -> f64 {
        let of = |group: &Group| f64::from(group.count) * group.capacity();
        self.endpoints.iter().map(of).sum()
    }

    /// How many endpoints there are.
    #[must_use]
    pub fn endpoint_count(&self) -> u32 {
        self.endpoints.iter().map(|group| group.count).sum()
    }

    /// How many requests clients will make, as far as that is known beforehand: for a progress bar.
    #[must_use]
    pub fn expected_requests(&self) -> f64 {
        let duration = self.duration.as_secs_f64();
        let of = |clients: &Clients| match &clients.asks {
            Asks::Open { rate, steps } => {
                let base = rate.per_second(self.capacity());
                let (mut sum, mut from, mut factor) = (0.0, 0.0, 1.0);
                for step in steps {
                    let at = step.at.as_secs_f64().min(duration);
                    sum += (at - from) * factor;
                    (from, factor) = (at, step.factor);
                }
                base * (sum + (duration - from) * factor)
            }
            Asks::Closed { clients, think } => {
                let service = self.endpoints.first().map_or(0.0, |g| g.service.mean());
                f64::from(*clients) * duration / (think.mean() + service).max(1e-9)
            }
        };
        self.clients.iter().map(of).sum()
    }

    /// Takes the rules and the endpoints of a configured cluster. Each of its endpoints behaves as the one of the scenario
    /// that stands at the same part of the way through the list: the first of ten is the first of three as well.
    ///
    /// # Errors
    /// When these are too many for so many nodes.
    pub fn take_cluster(&mut self, cluster: &Cluster) -> Result<(), String> {
        let models: Vec<usize> = (0..self.endpoints.len())
            .flat_map(|at| vec![at; self.endpoints[at].count as usize])
            .collect();
        let wanted = cluster.endpoints.len().max(1);
        let groups = cluster
            .endpoints
            .iter()
            .enumerate()
            .filter_map(|(at, one)| {
                let of = *models.get(at * models.len() / wanted)?;
                let model = self.endpoints.get(of)?;
                let before = (0..at).filter(|b| models.get(b * models.len() / wanted) == Some(&of));
                Some(model.standing_in_for(one, before.count()))
            });
        self.endpoints = groups.collect();
        self.cluster = Cluster {
            endpoints: Vec::new(),
            ..cluster.clone()
        };
        match self.known() {
            0..=MOST_KNOWN => Ok(()),
            known => Err(format!(
                "{} nodes would know {known} endpoints, and {MOST_KNOWN} is the most: set `subset` in the cluster, or fewer nodes in the scenario",
                self.nodes
            )),
        }
    }

    /// How many endpoints all nodes know, each counted as often as it is known.
    #[must_use]
    pub fn known(&self) -> u64 {
        let all = self.endpoint_count();
        let each = match self.subset() {
            0 => all,
            some => all.min(some),
        };
        u64::from(each) * u64::from(self.nodes)
    }

    /// How many endpoints a node uses; 0: all.
    #[must_use]
    pub const fn subset(&self) -> u32 {
        match self.endpoints_per_node {
            0 => self.cluster.subset,
            some => some,
        }
    }
}

impl Group {
    /// How many requests a second one of it can serve.
    #[must_use]
    pub fn capacity(&self) -> f64 {
        self.cores * self.speed / self.service.mean()
    }

    /// One endpoint of a configuration that behaves as the one at `position` of this group.
    fn standing_in_for(&self, one: &Endpoint, position: usize) -> Self {
        let later = u32::try_from(position).unwrap_or(u32::MAX);
        let failures = self.failures.iter().map(|failure| Failure {
            at: failure.at + failure.stagger.saturating_mul(later),
            ..*failure
        });
        Self {
            name: one.id.clone(),
            count: 1,
            weight: match one.admin {
                AdminState::Ready => one.weight,
                AdminState::Drain | AdminState::Maint => 0,
            },
            zone: one.zone.clone(),
            tier: one.tier,
            failures: failures.collect(),
            ..self.clone()
        }
    }

    /// The id of one of it.
    #[must_use]
    pub fn id(&self, position: u32) -> String {
        if self.count == 1 {
            self.name.clone()
        } else {
            format!("{}-{}", self.name, position + 1)
        }
    }
}

impl Rate {
    /// Requests a second, where endpoints can serve `capacity` of them.
    #[must_use]
    pub fn per_second(self, capacity: f64) -> f64 {
        match self {
            Self::PerSecond(rate) => rate,
            Self::Load(part) => part * capacity,
        }
    }
}

/// An address that stands in for the one of a modelled endpoint: none is ever connected to.
#[must_use]
pub fn no_address() -> Address {
    Address::Name {
        host: "modelled".to_owned(),
        port: 1,
    }
}
