//! The proxies that are compared, each with the configuration that serves it best for this one job, and the origins.
//!
//! All do the same: one core, three endpoints in rotation, kept-alive connections on both sides, no access log. Ports
//! are asked from the kernel and given back, which is a race that only a quick look may have.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::DRIVING_CORE;

/// The core of the proxy whose turn it is; the others are idle.
const PROXY_CORE: &str = "0";

/// How many endpoints each proxy spreads over.
const ENDPOINTS: usize = 3;

/// The length of the response's body: small, so that the cost of an exchange shows and not that of copying.
const BODY: usize = 128;

/// How long a process may take until it listens.
const START: Duration = Duration::from_secs(10);

/// The kernel's tick, the unit of CPU times in `/proc`: 100 a second on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// A folder for configurations, removed at the end.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new folder of this process.
    pub(super) fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("evenkeel-look-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that we started and that ends with us.
#[derive(Debug)]
struct Process(Child);

impl Process {
    fn start(
        core: &str,
        program: &Path,
        arguments: &[&str],
        scratch: &Scratch,
        port: u16,
    ) -> Result<Self> {
        let log = scratch.0.join(format!("{port}.log"));
        let child = Command::new("taskset")
            .args(["-c", core])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()?;
        let mut process = Self(child);
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline || process.0.try_wait()?.is_some() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                bail!("{} does not listen:\n{log}", program.display());
            }
            std::thread::sleep(TICK);
        }
        Ok(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The endpoints: one nginx that answers by itself on several ports.
#[derive(Debug)]
pub(super) struct Origins {
    ports: Vec<u16>,
    _process: Process,
}

impl Origins {
    /// Starts them on the driving core.
    pub(super) fn start(scratch: &Scratch) -> Result<Self> {
        let ports = (0..ENDPOINTS)
            .map(|_| free_port())
            .collect::<Result<Vec<_>>>()?;
        let body = "x".repeat(BODY);
        let mut hosts = String::new();
        for port in &ports {
            hosts.push_str(&format!(
                "server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 {body}; }} }}\n"
            ));
        }
        let text = nginx_file(scratch, "origins", &hosts);
        let file = scratch.write("origins.conf", &text)?;
        let file = file.display().to_string();
        let process = Process::start(
            DRIVING_CORE,
            &program("nginx")?,
            &["-c", &file],
            scratch,
            ports[0],
        )?;
        Ok(Self {
            ports,
            _process: process,
        })
    }

    fn list(&self, form: impl Fn(u16) -> String) -> String {
        self.ports.iter().map(|port| form(*port)).collect()
    }
}

/// A proxy that runs.
#[derive(Debug)]
pub(super) struct Proxy {
    name: String,
    port: u16,
    process: Process,
}

impl Proxy {
    /// evenkeel, from `binary`.
    pub(super) fn evenkeel(scratch: &Scratch, origins: &Origins, binary: &Path) -> Result<Self> {
        let port = free_port()?;
        let endpoints = origins.list(|port| format!("\"127.0.0.1:{port}\", "));
        let text = format!(
            "version = 1\naccess_log = {{ to = \"off\" }}\n\
             [listener.web]\nbind = \"127.0.0.1:{port}\"\n\
             [[route]]\ncluster = \"origins\"\n\
             [cluster.origins]\nbalancer = \"round-robin\"\nendpoints = [{endpoints}]\n"
        );
        let file = scratch.write("evenkeel.toml", &text)?;
        let file = file.display().to_string();
        Self::start(
            binary,
            "--version",
            &["run", "--config", &file],
            scratch,
            port,
        )
    }

    /// nginx, as its manual advises for proxying with kept-alive connections.
    pub(super) fn nginx(scratch: &Scratch, origins: &Origins) -> Result<Self> {
        let port = free_port()?;
        let endpoints = origins.list(|port| format!("server 127.0.0.1:{port}; "));
        let text = nginx_file(
            scratch,
            "nginx",
            &format!(
                "upstream origins {{ {endpoints} keepalive 128; keepalive_requests 1000000000; }}\n\
                 server {{ listen 127.0.0.1:{port} backlog=4096;\n\
                 location / {{ proxy_pass http://origins; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n"
            ),
        );
        let file = scratch.write("nginx.conf", &text)?;
        let file = file.display().to_string();
        Self::start(&program("nginx")?, "-v", &["-c", &file], scratch, port)
    }

    /// HAProxy with one thread, which shares idle connections freely.
    pub(super) fn haproxy(scratch: &Scratch, origins: &Origins) -> Result<Self> {
        let port = free_port()?;
        let endpoints = origins.list(|port| format!("  server s{port} 127.0.0.1:{port}\n"));
        let text = format!(
            "global\n  nbthread 1\n  maxconn 4000\n\
             defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  http-reuse always\n\
             listen web\n  bind 127.0.0.1:{port}\n  balance roundrobin\n{endpoints}"
        );
        let file = scratch.write("haproxy.cfg", &text)?;
        let file = file.display().to_string();
        Self::start(
            &program("haproxy")?,
            "-v",
            &["-db", "-f", &file],
            scratch,
            port,
        )
    }

    /// Name and version.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// The CPU time, user and kernel, that its process has used so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.process.0.id());
        let text = fs::read_to_string(&path).with_context(|| format!("{} has ended", self.name))?;
        // The second field is a name in parentheses and may hold anything; utime and stime are fields 14 and 15.
        let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u32>);
        let ticks: u32 = ticks.sum::<Result<_, _>>().with_context(|| path)?;
        Ok(TICK * ticks)
    }

    fn start(
        binary: &Path,
        version: &str,
        arguments: &[&str],
        scratch: &Scratch,
        port: u16,
    ) -> Result<Self> {
        let name = version_of(binary, version)?;
        let process = Process::start(PROXY_CORE, binary, arguments, scratch, port)?;
        Ok(Self {
            name,
            port,
            process,
        })
    }
}

/// The full path of a program, also where the path of an ordinary user does not lead.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn program(name: &str) -> Result<PathBuf> {
    find(name).with_context(|| format!("{name} is not installed"))
}

/// `nginx/1.22.1` of `nginx version: nginx/1.22.1`, and the like of the others.
fn version_of(binary: &Path, argument: &str) -> Result<String> {
    let output = Command::new(binary).arg(argument).output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default();
    let line = line.trim_start_matches("nginx version: ");
    let words = line.split(' ').filter(|word| *word != "version");
    Ok(words.take(2).collect::<Vec<_>>().join(" "))
}

/// One process without a master, so that its CPU time is all there is and its end is the end.
fn nginx_file(scratch: &Scratch, name: &str, http: &str) -> String {
    let folder = scratch.0.display();
    format!(
        "daemon off; master_process off; worker_processes 1; pid {folder}/{name}.pid; error_log stderr error;\n\
         events {{ worker_connections 4096; multi_accept on; }}\n\
         http {{ access_log off; keepalive_timeout 3600; keepalive_requests 1000000000;\n\
         client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;\n\
         fastcgi_temp_path {folder}/{name}-fastcgi; uwsgi_temp_path {folder}/{name}-uwsgi; scgi_temp_path {folder}/{name}-scgi;\n\
         {http} }}\n"
    )
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
