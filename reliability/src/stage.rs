//! What stands around the proxy while a scenario is played, and the proxy itself: what a step may use.
//!
//! Steps follow what is observed (so many requests are over) or a time; each has a limit, so that a day ends however bad it
//! is. How a stage is set and struck is [`crate::play`]'s matter.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use evenkeel_testkit::{Line, NameServer, Setup};

use crate::book::Book;
use crate::client::Client;
use crate::crowd::Tunnels;
use crate::endpoint::{Act, Endpoint};
use crate::names::Names;
use crate::process::Usage;
use crate::proxy::{self, Proxy};
use crate::run::Sample;
use crate::setting::Setting;

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// How long a step may wait for requests.
const PATIENCE: Duration = Duration::from_secs(20);

/// What stands around the proxy, and the proxy itself: what a step may use.
#[derive(Debug)]
pub struct Stage {
    /// The scenario's lines for the configuration.
    pub setting: Setting,
    /// The endpoints, in the scenario's order.
    pub endpoints: Vec<Endpoint>,
    /// The name server that knows them, where there is one.
    pub name_server: Option<NameServer>,
    /// The socket that evenkeel is started on, where it opens none.
    pub socket: Option<TcpListener>,
    /// Tunnels that are open.
    pub tunnels: Option<Tunnels>,
    /// Those who ask.
    pub client: Client,
    /// When it began.
    pub start: Instant,
    /// How many workers the proxy has.
    pub workers: u16,
    pub(crate) proxy: Option<Proxy>,
    /// What the endpoints are called in the configuration.
    pub(crate) names_of_endpoints: Vec<String>,
    pub(crate) book: Arc<Book>,
    pub(crate) names: Option<Names>,
    pub(crate) marks: Vec<(&'static str, Duration)>,
    pub(crate) notes: BTreeMap<Cow<'static, str>, u64>,
    pub(crate) samples: Vec<Sample>,
}

impl Stage {
    /// Does something to an endpoint.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn act(&mut self, number: usize, act: &Act) -> Result<()> {
        let endpoint = self.endpoints.get_mut(number);
        let endpoint = endpoint.context("no such endpoint")?;
        endpoint
            .suffer(act)
            .with_context(|| format!("{act:?} of endpoint {number}"))
    }

    /// This instant has a name from now on.
    pub fn mark(&mut self, name: &'static str) {
        self.marks.push((name, self.start.elapsed()));
    }

    /// A number that claims will ask for.
    pub fn note(&mut self, name: impl Into<Cow<'static, str>>, number: u64) {
        self.notes.insert(name.into(), number);
    }

    /// What the process that serves uses now is kept.
    ///
    /// # Errors
    /// When it is gone.
    pub fn sample(&mut self) -> Result<()> {
        let usage = Usage::of(self.line()?.pid())?;
        self.samples.push(Sample {
            at: self.start.elapsed(),
            requests: self.client.done(),
            memory: usage.memory,
            descriptors: usage.descriptors,
        });
        Ok(())
    }

    /// As much more of a number.
    pub fn add(&mut self, name: impl Into<Cow<'static, str>>, number: u64) {
        *self.notes.entry(name.into()).or_default() += number;
    }

    /// The largest of such numbers.
    pub fn most(&mut self, name: impl Into<Cow<'static, str>>, number: u64) {
        let most = self.notes.entry(name.into()).or_default();
        *most = number.max(*most);
    }

    /// Waits until so many more requests are over.
    ///
    /// # Errors
    /// When they are not in time.
    pub fn let_pass(&self, requests: u64) -> Result<()> {
        wait_for(&self.client, requests)
    }

    /// The line of processes.
    ///
    /// # Errors
    /// When evenkeel was not begun as one.
    pub fn line(&mut self) -> Result<&mut Line> {
        match &mut self.proxy {
            Some(Proxy::Line(line)) => Ok(line),
            _ => bail!("it is no line of processes"),
        }
    }

    /// The line of processes, which is the caller's to end.
    ///
    /// # Errors
    /// When evenkeel was not begun as one.
    pub fn take_line(&mut self) -> Result<Line> {
        match self.proxy.take() {
            Some(Proxy::Line(line)) => Ok(*line),
            other => {
                self.proxy = other;
                bail!("it is no line of processes")
            }
        }
    }

    /// Another one in its place.
    pub fn put_line(&mut self, line: Line) {
        self.proxy = Some(Proxy::Line(Box::new(line)));
    }

    /// The configuration, with other lines.
    #[must_use]
    pub fn setup(&self, change: impl FnOnce(&mut Setting)) -> Setup {
        let mut setting = self.setting.clone();
        change(&mut setting);
        proxy::setup(self.workers, &setting, &self.names_of_endpoints)
    }
}

/// Waits until so many more requests are over.
fn wait_for(client: &Client, number: u64) -> Result<()> {
    let (before, deadline) = (client.done(), Instant::now() + PATIENCE);
    while client.done() < before + number {
        if client.is_over() {
            bail!("the client ended early");
        }
        if Instant::now() > deadline {
            let done = client.done() - before;
            bail!("{done} of {number} requests were over after {PATIENCE:?}");
        }
        thread::sleep(LOOK);
    }
    Ok(())
}
