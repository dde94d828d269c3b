//! The language in which a bad day is written: what there is, what is asked, what happens when, and what must hold.

use std::time::Duration;

use crate::claim::Claim;
use crate::client::Load;
use crate::origin::Manner;

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
}

/// Lines for evenkeel's configuration. What they do not say is as evenkeel has it by itself.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// For the route that takes every path.
    pub route: String,
    /// The line with its balancer; none: least-request.
    pub balancer: Option<String>,
    /// For the cluster.
    pub cluster: String,
    /// More routes, each from `[[route]]` on.
    pub routes: String,
    /// How long an attempt may take, for rivals as well.
    pub attempt_timeout: Option<Duration>,
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
}

/// What is done to an endpoint.
#[derive(Clone, Debug)]
pub enum Act {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Freeze,
    /// SIGCONT.
    Thaw,
    /// SIGTERM, and its end is waited for.
    Retire,
    /// It is started again, in its old manner or another.
    Begin(Option<Manner>),
    /// It behaves differently from now on.
    Become(Manner),
    /// Packets to it and from it are dropped.
    Cut,
    /// They pass again.
    Heal,
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
