//! The language in which a bad day is written: what there is, what is asked, what happens when, and what must hold.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::claim::Claim;
use crate::client::Load;
use crate::origin::Manner;
use crate::run::REHEARSAL;
use crate::stage::Stage;

pub use crate::endpoint::Act;
pub use crate::setting::{Beginning, Setting};

/// A bad day.
#[derive(Debug)]
pub struct Scenario {
    /// Its name, in tables and on the command line.
    pub name: &'static str,
    /// What happens, in a clause.
    pub what: &'static str,
    /// The endpoints, as they are at the start.
    pub endpoints: Vec<Manner>,
    /// What evenkeel's configuration says besides.
    pub setting: Setting,
    /// Who asks.
    pub loads: Vec<Load>,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
    /// What must hold at the end, besides what holds always.
    pub claims: Vec<Claim>,
    /// What it needs of the machine.
    pub needs: Needs,
    /// Whether other proxies can be put to it.
    pub is_for_rivals: bool,
    /// How many times as long as its bound something may take.
    pub leeway: u32,
}

/// What a scenario needs of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Needs {
    /// Processes and sockets.
    #[default]
    Nothing,
    /// A network namespace for its first endpoint.
    Network,
    /// A table of hosts of its own: endpoints have names.
    Names,
    /// A name server: endpoints are a service that it knows.
    Service,
    /// A view of its own on the file system.
    Mounts,
    /// So many descriptors for those who ask.
    Descriptors(u64),
}

/// One thing after the other.
#[derive(Clone, Debug)]
pub enum Step {
    /// So many more requests are over.
    Requests(u64),
    /// So long.
    Pause(Duration),
    /// This instant has a name from now on, which claims use.
    Mark(&'static str),
    /// Something is done to an endpoint.
    Do(usize, Act),
    /// No name resolves any more.
    ForgetNames,
    /// Whatever else is done.
    Deed(Deed),
}

/// Something that is done by code of its own.
#[derive(Clone)]
pub struct Deed(Arc<Doing>);

type Doing = dyn Fn(&mut Stage) -> Result<()> + Send + Sync;

impl Deed {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn perform(&self, stage: &mut Stage) -> Result<()> {
        (self.0)(stage)
    }
}

impl fmt::Debug for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deed")
    }
}

impl Scenario {
    /// A scenario in which nothing happens: three good endpoints, each request 15 ms, and 64 connections that ask.
    #[must_use]
    pub fn new(name: &'static str, what: &'static str) -> Self {
        Self {
            name,
            what,
            endpoints: vec![Manner::good(Duration::from_millis(15)); 3],
            setting: Setting::default(),
            loads: vec![Load::closed(64)],
            steps: Vec::new(),
            claims: Vec::new(),
            needs: Needs::Nothing,
            is_for_rivals: false,
            leeway: 1,
        }
    }

    /// These endpoints instead.
    #[must_use]
    pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = Manner>) -> Self {
        self.endpoints = endpoints.into_iter().collect();
        self
    }

    /// The line with the cluster's balancer.
    #[must_use]
    pub fn balancer(mut self, line: &str) -> Self {
        self.setting.balancer = Some(line.to_owned());
        self
    }

    /// Lines for the top of the file.
    #[must_use]
    pub fn top(mut self, lines: &str) -> Self {
        self.setting.top.push_str(lines);
        self.setting.top.push('\n');
        self
    }

    /// Lines for the listener.
    #[must_use]
    pub fn listener(mut self, lines: &str) -> Self {
        self.setting.listener.push_str(lines);
        self.setting.listener.push('\n');
        self
    }

    /// Whole sections.
    #[must_use]
    pub fn sections(mut self, lines: &str) -> Self {
        self.setting.sections.push_str(lines);
        self.setting.sections.push('\n');
        self
    }

    /// One more endpoint, in a cluster of its own, for tunnels and large bodies.
    #[must_use]
    pub fn aside(mut self, manner: Manner) -> Self {
        self.endpoints.push(manner);
        self.setting.last_is_aside = true;
        self
    }

    /// How evenkeel is started.
    #[must_use]
    pub const fn beginning(mut self, beginning: Beginning) -> Self {
        self.setting.beginning = beginning;
        self
    }

    /// Lines for the cluster.
    #[must_use]
    pub fn cluster(mut self, lines: &str) -> Self {
        self.setting.cluster.push_str(lines);
        self.setting.cluster.push('\n');
        self
    }

    /// Lines for the route that takes every path.
    #[must_use]
    pub fn route(mut self, lines: &str) -> Self {
        self.setting.route.push_str(lines);
        self.setting.route.push('\n');
        self
    }

    /// One more route.
    #[must_use]
    pub fn add_route(mut self, lines: &str) -> Self {
        self.setting.routes.push_str("[[route]]\n");
        self.setting.routes.push_str(lines);
        self.setting.routes.push('\n');
        self
    }

    /// No attempt may take longer.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.setting.attempt_timeout = Some(timeout);
        self
    }

    /// These loads instead.
    #[must_use]
    pub fn loads(mut self, loads: impl IntoIterator<Item = Load>) -> Self {
        self.loads = loads.into_iter().collect();
        self
    }

    /// What it needs of the machine.
    #[must_use]
    pub const fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    /// Other proxies can be put to it.
    #[must_use]
    pub const fn for_rivals(mut self) -> Self {
        self.is_for_rivals = true;
        self
    }

    /// So many more requests are over.
    #[must_use]
    pub fn requests(self, number: u64) -> Self {
        self.step(Step::Requests(number))
    }

    /// So long nothing is done.
    #[must_use]
    pub fn pause(self, time: Duration) -> Self {
        self.step(Step::Pause(time))
    }

    /// This instant has a name from now on.
    #[must_use]
    pub fn mark(self, name: &'static str) -> Self {
        self.step(Step::Mark(name))
    }

    /// Something is done to an endpoint.
    #[must_use]
    pub fn act(self, endpoint: usize, act: Act) -> Self {
        self.step(Step::Do(endpoint, act))
    }

    /// Something is done by code of its own.
    #[must_use]
    pub fn deed(self, deed: impl Fn(&mut Stage) -> Result<()> + Send + Sync + 'static) -> Self {
        self.step(Step::Deed(Deed(Arc::new(deed))))
    }

    /// It is a rehearsal: what has a bound in time may take [`REHEARSAL`] times as long.
    #[must_use]
    pub const fn rehearsed(mut self) -> Self {
        self.leeway = REHEARSAL;
        self
    }

    /// One more step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Something that must hold at the end.
    #[must_use]
    pub fn claim(mut self, claim: Claim) -> Self {
        self.claims.push(claim);
        self
    }
}
