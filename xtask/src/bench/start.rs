//! What a run stands on, and how each contestant is started on it: programs, origins, configurations.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::contestant::{Entrant, Setting, Who};
use super::process::{LOAD_CORE, PROXY_CORE, Ports, Process, Scratch};
use super::template;
use crate::certificate::Certificate;
use crate::tree;

/// How many endpoints each proxy spreads over, unless the scenario wants thousands.
const ENDPOINTS: usize = 3;

/// How many endpoints a large cluster has: addresses of 127.1.0.0/16, behind all of which is one origin.
const MANY_ENDPOINTS: u32 = 5_000;

/// How many hosts, and how many paths, a large table has.
const MANY_ROUTES: u32 = 10_000;

/// The host below which all the path routes are.
const PATHS_HOST: &str = "paths.example";

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) evenkeel: PathBuf,
    pub(super) against: Option<PathBuf>,
    pub(super) nginx: PathBuf,
    pub(super) haproxy: PathBuf,
    pub(super) origin: PathBuf,
    pub(super) load: PathBuf,
    pub(super) epoll: PathBuf,
    pub(super) tokio: PathBuf,
}

/// What all contestants of a run share.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) programs: Programs,
    /// The file of hosts and paths that ask for the routes of a large table.
    pub(super) paths: String,
    /// A certificate, its key, and both in one file.
    certificate: Certificate,
    pub(super) scratch: Scratch,
    ports: Ports,
    origin_ports: Vec<u16>,
    _origins: Process,
}

/// A contestant that runs.
#[derive(Debug)]
pub(super) struct Contestant {
    pub(super) entrant: Entrant,
    pub(super) port: u16,
    pub(super) process: Process,
}

impl Ground {
    /// Starts the origins.
    pub(super) fn new(programs: Programs) -> Result<Self> {
        let scratch = Scratch::new()?;
        let mut ports = Ports::new();
        let origin_ports = (0..ENDPOINTS).map(|_| ports.next());
        let origin_ports = origin_ports.collect::<Result<Vec<_>>>()?;
        let mut words = vec!["--any".to_owned()];
        words.extend(origin_ports.iter().map(u16::to_string));
        let port = origin_ports[0];
        let program = &programs.origin;
        let origins = Process::start(LOAD_CORE, program, &words, port, &scratch, None)?;
        let paths = scratch.write("paths.txt", &asked_paths())?;
        let certificate = Certificate::make(&scratch.path(""))?;
        Ok(Self {
            programs,
            paths,
            certificate,
            scratch,
            ports,
            origin_ports,
            _origins: origins,
        })
    }

    /// Starts one contestant, on the proxies' core.
    pub(super) fn start(&mut self, entrant: Entrant) -> Result<Contestant> {
        let port = self.ports.next()?;
        let started = match entrant.who {
            Who::Evenkeel => self.evenkeel(entrant, port, &self.programs.evenkeel),
            Who::Against => {
                let program = self.programs.against.as_ref();
                self.evenkeel(entrant, port, program.context("--against")?)
            }
            Who::Nginx => self.nginx(entrant, port),
            Who::Haproxy => self.haproxy(entrant, port),
            Who::Epoll => self.relay(port, &self.programs.epoll),
            Who::Tokio => self.relay(port, &self.programs.tokio),
        };
        let process = started.with_context(|| entrant.label())?;
        Ok(Contestant {
            entrant,
            port,
            process,
        })
    }

    fn evenkeel(&self, entrant: Entrant, port: u16, program: &Path) -> Result<Process> {
        let routes = if entrant.setting == Setting::Routes {
            routes(
                |host| format!("[[route]]\nhost = \"{host}\"\ncluster = \"origins\"\n"),
                |path| {
                    format!(
                        "[[route]]\nhost = \"{PATHS_HOST}\"\npath = \"{path}\"\ncluster = \"origins\"\n"
                    )
                },
            )
        } else {
            String::new()
        };
        let endpoints = self.endpoints(entrant, |address| format!("  \"{address}\",\n"));
        // An origin takes spans as well: it reads what it is sent and answers 200.
        let collector = self.origin_ports[0].to_string();
        let values = [
            ("routes", routes.as_str()),
            ("endpoints", &endpoints),
            ("collector", &collector),
        ];
        let file = self.configure(entrant, port, "evenkeel.toml", &values)?;
        let words = ["run", "--config", &file, "--control", "none"].map(str::to_owned);
        self.proxy(program, &words, port, None)
    }

    fn nginx(&self, entrant: Entrant, port: u16) -> Result<Process> {
        let routes = if entrant.setting == Setting::Routes {
            let listen = format!("listen 127.0.0.1:{port}");
            let location = "proxy_pass http://origins;";
            let hosts = routes(
                |host| {
                    format!(
                        "server {{ {listen}; server_name {host}; location / {{ {location} }} }}\n"
                    )
                },
                |_| String::new(),
            );
            let paths = routes(
                |_| String::new(),
                |path| format!("location {path} {{ {location} }}\n"),
            );
            format!("{hosts}server {{ {listen}; server_name {PATHS_HOST};\n{paths}}}\n")
        } else {
            String::new()
        };
        let endpoints = self.endpoints(entrant, |address| format!("server {address};\n"));
        let keepalive = if entrant.setting == Setting::Endpoints {
            "8192"
        } else {
            "1024"
        };
        let values = [
            ("routes", routes.as_str()),
            ("endpoints", &endpoints),
            ("keepalive", keepalive),
        ];
        let file = self.configure(entrant, port, "nginx.conf", &values)?;
        let words = ["-c", &file].map(str::to_owned);
        self.proxy(&self.programs.nginx, &words, port, None)
    }

    fn haproxy(&self, entrant: Entrant, port: u16) -> Result<Process> {
        let mut number = 0;
        let endpoints = self.endpoints(entrant, |address| {
            number += 1;
            format!("  server s{number} {address}\n")
        });
        let map = |name: &str, lines: String| self.scratch.write(&format!("{port}.{name}"), &lines);
        let hosts = routes(|host| format!("{host} origins\n"), |_| String::new());
        let paths = routes(|_| String::new(), |path| format!("{path} origins\n"));
        let values = [
            ("hosts_map", map("hosts", hosts)?),
            ("paths_map", map("paths", paths)?),
            ("endpoints", endpoints),
        ];
        let values: Vec<_> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let file = self.configure(entrant, port, "haproxy.cfg", &values)?;
        let words = ["-db", "-f", &file].map(str::to_owned);
        // It logs to syslog or to its standard output, never to a file by itself.
        let log = self.scratch.path(&format!("{port}.access"));
        self.proxy(&self.programs.haproxy, &words, port, Some(&log))
    }

    fn relay(&self, port: u16, program: &Path) -> Result<Process> {
        let ports = std::iter::once(&port).chain(&self.origin_ports);
        let words: Vec<String> = ports.map(u16::to_string).collect();
        self.proxy(program, &words, port, None)
    }

    fn proxy(
        &self,
        program: &Path,
        words: &[String],
        port: u16,
        output: Option<&Path>,
    ) -> Result<Process> {
        Process::start(PROXY_CORE, program, words, port, &self.scratch, output)
    }

    /// Writes the configuration that the template `name` gives, and says where.
    fn configure(
        &self,
        entrant: Entrant,
        port: u16,
        name: &str,
        values: &[(&str, &str)],
    ) -> Result<String> {
        let template = tree::root().join("bench/configs").join(name);
        let template =
            fs::read_to_string(&template).with_context(|| template.display().to_string())?;
        let port_text = port.to_string();
        let prefix = self.scratch.path(&port_text).display().to_string();
        let mut all = vec![
            ("port", port_text.as_str()),
            ("prefix", &prefix),
            ("certificate", &self.certificate.chain),
            ("key", &self.certificate.key),
            ("both", &self.certificate.both),
        ];
        all.extend(values);
        let text = template::fill(&template, entrant.setting, &all).context(name.to_owned())?;
        self.scratch.write(&format!("{port}.{name}"), &text)
    }

    fn endpoints(&self, entrant: Entrant, mut line: impl FnMut(&str) -> String) -> String {
        if entrant.setting == Setting::Endpoints {
            let port = self.origin_ports[0];
            let address = |number| format!("127.1.{}.{}:{port}", number / 250, number % 250 + 1);
            return (0..MANY_ENDPOINTS)
                .map(|number| line(&address(number)))
                .collect();
        }
        let ports = self.origin_ports.iter();
        ports
            .map(|port| line(&format!("127.0.0.1:{port}")))
            .collect()
    }
}

/// The table of 10,000 hosts and 10,000 paths, in a proxy's own language.
fn routes(host: impl Fn(&str) -> String, path: impl Fn(&str) -> String) -> String {
    let hosts = (0..MANY_ROUTES).map(|number| host(&format!("h{number}.example")));
    let paths = (0..MANY_ROUTES).map(|number| path(&format!("/p{number:05}")));
    hosts.chain(paths).collect()
}

/// What asks for each of those routes once: lines of a host and a path.
fn asked_paths() -> String {
    let mut text = String::new();
    for number in 0..MANY_ROUTES {
        let _ = writeln!(text, "h{number}.example /b/128");
        let _ = writeln!(text, "{PATHS_HOST} /p{number:05}/b/128");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_can_be_filled_in_every_setting() {
        let values = [
            "port",
            "prefix",
            "routes",
            "endpoints",
            "collector",
            "keepalive",
            "hosts_map",
            "paths_map",
            "certificate",
            "key",
            "both",
        ]
        .map(|name| (name, "1"));
        for name in ["evenkeel.toml", "nginx.conf", "haproxy.cfg"] {
            let text = fs::read_to_string(tree::root().join("bench/configs").join(name)).unwrap();
            for setting in Setting::ALL {
                template::fill(&text, setting, &values).unwrap();
            }
        }
    }

    #[test]
    fn each_route_is_asked_for() {
        let text = asked_paths();
        assert_eq!(text.lines().count(), 20_000);
        let known = routes(
            |host| format!("{host} /b/128\n"),
            |path| format!("{PATHS_HOST} {path}/b/128\n"),
        );
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&text), sorted(&known));
    }
}
