//! Plays a scenario: endpoints, proxy and client are started, the steps are taken, and what came of it is handed over.
//!
//! Steps follow what is observed (so many requests are over) or a time; each has a limit, so that a day ends however bad it
//! is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::book::Book;
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::names::{self, Names};
use crate::network::{self, Namespace};
use crate::proxy::{Programs, Proxy, Who};
use crate::run::Run;
use crate::scenario::{Act, Needs, Scenario, Step};

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// How long a step may wait for requests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a scenario cannot be played on this machine; none when it can.
#[must_use]
pub fn missing(scenario: &Scenario) -> Option<&'static str> {
    match scenario.needs {
        Needs::Network if !network::is_allowed() => {
            Some("it needs iproute2 and root, to make a network namespace")
        }
        Needs::Names if !names::is_allowed() => {
            Some("it needs root, to give the proxy a table of hosts of its own")
        }
        Needs::Nothing | Needs::Network | Needs::Names => None,
    }
}

/// Plays a scenario with one proxy that has this many workers.
///
/// # Errors
/// When something does not start, does not go on, or is not accounted for.
pub fn play(scenario: &Scenario, who: Who, workers: u16, programs: &Programs) -> Result<Run> {
    // The test kit panics where others return an error.
    let played = catch_unwind(AssertUnwindSafe(|| {
        perform(scenario, who, workers, programs)
    }));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(anyhow!("{}", text.unwrap_or("something panicked")))
    })
}

fn perform(scenario: &Scenario, who: Who, workers: u16, programs: &Programs) -> Result<Run> {
    let mut stage = Stage::set(scenario, programs)?;
    let addresses: Vec<_> = stage.endpoints.iter().map(Endpoint::address).collect();
    if let Some(names) = &stage.names {
        names.set(addresses.iter().map(|address| address.ip()).enumerate())?;
    }
    let setting = &scenario.setting;
    let proxy = Proxy::start(who, workers, setting, &addresses, stage.names.as_ref())?;
    let start = Instant::now();
    let client = Client::start(proxy.address(), &scenario.loads, start);
    let mut marks = Vec::new();
    let played = scenario
        .steps
        .iter()
        .try_for_each(|step| stage.take(step, &client, start, &mut marks));
    let held_up = client.held_up();
    // What is still under way ends as its proxy sees to it, with the endpoints as they are.
    let exchanges = client.finish();
    let networks: Vec<_> = stage.endpoints.drain(..).map(Endpoint::end).collect();
    drop(proxy);
    // Not before the proxy has heard of the end of every connection: a lost packet of that is sent again.
    drop(networks);
    played?;
    Ok(Run {
        exchanges: exchanges?,
        pages: stage.book.take(),
        marks,
        start,
        took: start.elapsed(),
        held_up,
    })
}

/// What stands around the proxy.
#[derive(Debug)]
struct Stage {
    book: Arc<Book>,
    endpoints: Vec<Endpoint>,
    names: Option<Names>,
}

impl Stage {
    fn set(scenario: &Scenario, programs: &Programs) -> Result<Self> {
        let book = Arc::new(Book::default());
        let mut endpoints = Vec::new();
        for (number, manner) in scenario.endpoints.iter().enumerate() {
            let is_apart = scenario.needs == Needs::Network && number == 0;
            let namespace = is_apart.then(Namespace::new).transpose()?;
            let (manner, book) = (manner.clone(), Arc::clone(&book));
            let endpoint = Endpoint::start(number, &programs.origin, manner, namespace, book);
            endpoints.push(endpoint?);
        }
        Ok(Self {
            book,
            endpoints,
            names: (scenario.needs == Needs::Names).then(Names::new),
        })
    }

    fn take(
        &mut self,
        step: &Step,
        client: &Client,
        start: Instant,
        marks: &mut Vec<(&'static str, Duration)>,
    ) -> Result<()> {
        match step {
            Step::Requests(number) => wait_for(client, *number),
            Step::Pause(time) => {
                thread::sleep(*time);
                Ok(())
            }
            Step::Mark(name) => {
                marks.push((name, start.elapsed()));
                Ok(())
            }
            Step::ForgetNames => self.names.as_ref().context("it has no names")?.clear(),
            Step::Do(number, act) => {
                let endpoint = self.endpoints.get_mut(*number);
                let endpoint = endpoint.context("no such endpoint")?;
                let done = match act {
                    Act::Kill => endpoint.kill(),
                    Act::Freeze => endpoint.freeze(),
                    Act::Thaw => endpoint.thaw(),
                    Act::Retire => endpoint.retire(),
                    Act::Begin(manner) => endpoint.begin(manner.clone()),
                    Act::Become(manner) => endpoint.change(manner.clone()),
                    Act::Cut => endpoint.cut(),
                    Act::Heal => endpoint.heal(),
                };
                done.with_context(|| format!("{act:?} of endpoint {number}"))
            }
        }
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
