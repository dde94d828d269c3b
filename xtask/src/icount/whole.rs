//! The whole binary: instructions of user space per request, counted while it runs.
//!
//! Each scene is a configuration and requests. The counters are set to zero once connections are open and pools full,
//! so that start-up does not count. What counts is the process: the worker, its timers, the thread of the access log.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::callgrind::Running;
use super::load::Load;
use super::measure::{Counted, Measure};
use super::origin::Origin;
use super::streams::Streams;

/// Kept-alive connections, as in scenario 1 of the benchmark.
const CONNECTIONS: usize = 64;

/// A run is counted in so many parts, and the lower quartile counts.
///
/// Under callgrind a second has twenty times fewer requests than otherwise, so that what is done once a second, such as
/// looking at 5,000 idle connections, would cost each request twenty times what it does. It shows in few of many parts.
const PARTS: usize = 15;

/// Rounds of a part, of one request on every connection.
const ROUNDS: usize = 5;

/// Rounds before, beyond those in which every endpoint gets its first connection.
const WARM_UP: usize = 10;

/// How long it may take until it listens: 10,000 routes are compiled, under callgrind.
const START: Duration = Duration::from_secs(180);

/// How often is looked whether it listens.
const TICK: Duration = Duration::from_millis(10);

/// How many hosts and how many paths have routes of their own, where there are many.
const MANY_ROUTES: usize = 5_000;

/// So many of them are asked for in turn, spread over the table.
const ASKED_ROUTES: usize = 101;

const PLAIN: &str = include_str!("../../../bench/icount/plain.txt");
const BROWSER: &str = include_str!("../../../bench/icount/browser.txt");

/// What is served, and what is asked for.
#[derive(Debug, Clone, Copy)]
struct Scene {
    name: &'static str,
    unit: &'static str,
    asked: Asked,
    many_routes: bool,
    endpoints: usize,
    /// The access log's form; none: it is off.
    log: Option<&'static str>,
    /// How many requests are traced; empty: traces are off.
    traced: &'static str,
}

/// The requests of a scene.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Plain,
    Browser,
    Routes,
    /// HTTP/2, with so many streams at once on each connection.
    Streams(usize),
}

/// What asks.
#[derive(Debug)]
enum Client {
    Http1(Load),
    Http2(Streams),
}

/// Scenario 1 of the benchmark; the others differ in what is written.
const SMALL: Scene = Scene {
    name: "whole",
    unit: "request: 64 kept-alive connections, 128 bytes, 3 endpoints in rotation",
    asked: Asked::Plain,
    many_routes: false,
    endpoints: 3,
    log: None,
    traced: "",
};

const SCENES: [Scene; 10] = [
    SMALL,
    Scene {
        name: "whole-browser",
        unit: "request with a head of 20 fields, 10 KB come back",
        asked: Asked::Browser,
        ..SMALL
    },
    Scene {
        name: "whole-h2",
        unit: "request of HTTP/2: 8 connections with 8 streams at once each, endpoints of HTTP/1.1",
        asked: Asked::Streams(8),
        ..SMALL
    },
    Scene {
        name: "whole-h2-single",
        unit: "request of HTTP/2: 64 connections with one stream at a time",
        asked: Asked::Streams(1),
        ..SMALL
    },
    Scene {
        name: "whole-routes-1",
        unit: "request for one of 101 hosts and paths, and one route for all",
        asked: Asked::Routes,
        ..SMALL
    },
    Scene {
        name: "whole-routes-10000",
        unit: "request where 5,000 hosts and 5,000 paths have routes",
        asked: Asked::Routes,
        many_routes: true,
        ..SMALL
    },
    Scene {
        name: "whole-endpoints-5000",
        unit: "request, 5,000 endpoints in rotation",
        endpoints: 5_000,
        ..SMALL
    },
    Scene {
        name: "whole-log",
        unit: "request with a record in the access log, a file",
        log: Some("text"),
        ..SMALL
    },
    Scene {
        name: "whole-json",
        unit: "request with a record of JSON in the access log, a file",
        log: Some("json"),
        ..SMALL
    },
    Scene {
        name: "whole-trace",
        unit: "request of which 1 % are traced, for a collector that is not there",
        traced: "1%",
        ..SMALL
    },
];

/// Everything that can be counted here.
pub(super) fn measures() -> Vec<Measure> {
    let measure = |scene: &Scene| Measure::new(scene.name, scene.unit);
    SCENES.iter().map(measure).collect()
}

/// The binary and what answers behind it.
#[derive(Debug)]
pub(super) struct Stage {
    binary: PathBuf,
    origin: Origin,
}

impl Stage {
    /// evenkeel from `binary`, before `origin`.
    pub(super) const fn new(binary: PathBuf, origin: Origin) -> Self {
        Self { binary, origin }
    }

    /// Counts one scene.
    pub(super) fn count(&self, folder: &Path, name: &str) -> Result<Counted> {
        let scene = SCENES.iter().find(|scene| scene.name == name);
        let scene = scene.with_context(|| format!("no scene {name}"))?;
        let config = folder.join(format!("{name}.toml"));
        let log = folder.join(format!("{name}.access"));
        fs::write(
            &config,
            scene.config(&self.origin.endpoints(scene.endpoints), &log),
        )?;
        let config = config.display().to_string();
        let arguments = ["run", "--config", &config, "--control", "none"];
        let mut running = Running::start(folder, name, &self.binary, &arguments)?;
        let mut client = Client::connect(ready(&mut running)?, scene.asked)?;
        let (requests, body) = scene.asked.requests();
        let first = scene.endpoints.div_ceil(CONNECTIONS);
        client.run(&requests, body, first + WARM_UP)?;
        running.zero()?;
        let mut parts = Vec::with_capacity(PARTS);
        for _ in 0..PARTS {
            let pieces = client.run(&requests, body, ROUNDS)?;
            let profile = running.dump()?;
            parts.push(Counted { profile, pieces });
        }
        parts.sort_by_key(Counted::figure);
        Ok(parts.swap_remove(PARTS / 4))
    }
}

impl Client {
    fn connect(address: SocketAddr, asked: Asked) -> Result<Self> {
        Ok(match asked {
            Asked::Streams(each) => {
                Self::Http2(Streams::connect(address, CONNECTIONS / each, each)?)
            }
            Asked::Plain | Asked::Browser | Asked::Routes => {
                Self::Http1(Load::connect(address, CONNECTIONS)?)
            }
        })
    }

    fn run(&mut self, requests: &[Vec<u8>], body: usize, rounds: usize) -> Result<u64> {
        match self {
            Self::Http1(load) => load.run(requests, body, rounds),
            Self::Http2(streams) => streams.run(body, rounds),
        }
    }
}

impl Scene {
    /// The configuration: the defaults, but for the algorithm, which is the one without chance.
    fn config(&self, endpoints: &str, log: &Path) -> String {
        let log = match self.log {
            Some(form) => format!(
                "to = {{ file = \"{}\" }}, format = \"{form}\"",
                log.display()
            ),
            None => "to = \"off\"".to_owned(),
        };
        let mut config = format!(
            "version = 1\nworkers = 1\naccess_log = {{ {log} }}\n\
             [listener.web]\nbind = \"127.0.0.1:0\"\n\
             [cluster.origins]\nbalancer = \"round-robin\"\nendpoints = [{endpoints}]\n\
             [[route]]\ncluster = \"origins\"\n"
        );
        if !self.traced.is_empty() {
            config.push_str(&format!(
                "[trace]\nto = \"http://127.0.0.1:1\"\nsample = \"{}\"\n",
                self.traced
            ));
        }
        if self.many_routes {
            for n in 0..MANY_ROUTES {
                let (host, path) = (host(n), path(n));
                config.push_str(&format!(
                    "[[route]]\nhost = \"{host}\"\ncluster = \"origins\"\n\
                     [[route]]\npath = \"{path}\"\ncluster = \"origins\"\n"
                ));
            }
        }
        config
    }
}

impl Asked {
    /// The requests, and how long the body of each response is.
    fn requests(self) -> (Vec<Vec<u8>>, usize) {
        let wire = |text: &str| text.replace('\n', "\r\n").into_bytes();
        match self {
            Self::Plain => (vec![wire(PLAIN)], 128),
            Self::Browser => (vec![wire(BROWSER)], 10_240),
            // It has its own.
            Self::Streams(_) => (Vec::new(), 128),
            Self::Routes => {
                let spread = (0..ASKED_ROUTES).map(|n| n * (MANY_ROUTES / ASKED_ROUTES));
                let requests = spread.flat_map(|n| {
                    let (host, path) = (host(n), path(n));
                    [
                        wire(&format!("GET /b/128 HTTP/1.1\nHost: {host}\n\n")),
                        wire(&format!("GET {path}/b/128 HTTP/1.1\nHost: any.example\n\n")),
                    ]
                });
                (requests.collect(), 128)
            }
        }
    }
}

fn host(n: usize) -> String {
    format!("tenant-{n}.example")
}

fn path(n: usize) -> String {
    format!("/thing-{n}")
}

/// Waits until it listens, and gives where.
fn ready(running: &mut Running) -> Result<SocketAddr> {
    let deadline = Instant::now() + START;
    loop {
        let said = running.said();
        if said.lines().any(|line| line == "ready") {
            return listens(&said).context("it does not say where it listens");
        }
        if Instant::now() > deadline || !running.runs()? {
            bail!("it did not become ready:\n{said}");
        }
        thread::sleep(TICK);
    }
}

/// The address of the first listener in what a start prints.
fn listens(said: &str) -> Option<SocketAddr> {
    let mut urls = said.lines().filter_map(|line| line.split_once("http://"));
    urls.next()?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests;
