//! nginx and HAProxy: a configuration from a template of `configs/`, a process, and its end.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use evenkeel_testkit::Folder;
use rustix::process::{Pid, Signal, kill_process};

use super::Who;
use crate::endpoint::own_address;
use crate::setting::Setting;

const NGINX: &str = include_str!("../../configs/nginx.conf");
const HAPROXY: &str = include_str!("../../configs/haproxy.cfg");

/// The port, on an address that is this process's own.
const PORT: u16 = 8_000;

/// How long one may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a proxy waits for an attempt when the scenario does not say.
const ATTEMPT: Duration = Duration::from_secs(30);

/// A proxy that is not ours.
#[derive(Debug)]
pub struct Rival {
    child: Child,
    address: SocketAddr,
    _folder: Folder,
}

impl Rival {
    /// Starts one, and waits until it listens.
    pub(super) fn start(
        who: Who,
        workers: u16,
        setting: &Setting,
        endpoints: &[SocketAddr],
    ) -> Result<Self> {
        let folder = Folder::new();
        let address = SocketAddr::from((own_address(), PORT));
        let (template, file) = match who {
            Who::Haproxy => (HAPROXY, "haproxy.cfg"),
            _ => (NGINX, "nginx.conf"),
        };
        let servers: String = match who {
            Who::Haproxy => endpoints
                .iter()
                .enumerate()
                .map(|(number, endpoint)| format!("  server s{number} {endpoint} check\n"))
                .collect(),
            _ => endpoints
                .iter()
                .map(|endpoint| format!("        server {endpoint} max_fails=1 fail_timeout=1s;\n"))
                .collect(),
        };
        let millis = setting.attempt_timeout.unwrap_or(ATTEMPT).as_millis();
        let text = template
            .replace("{listen}", &address.to_string())
            .replace("{workers}", &workers.to_string())
            .replace("{attempt_ms}", &millis.to_string())
            .replace("{prefix}", &folder.path().display().to_string())
            .replace("{endpoints}\n", &servers);
        let config = folder.write(file, text);
        let mut command = Command::new(find(who)?);
        match who {
            Who::Haproxy => command.arg("-db").arg("-f").arg(config),
            _ => command.arg("-c").arg(config),
        };
        let log = folder.join("log");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {who}"))?;
        let mut rival = Self {
            child,
            address,
            _folder: folder,
        };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline || rival.child.try_wait()?.is_some() {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                bail!("{who} does not listen: {log}");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(rival)
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // Asked first: a master that is killed leaves its workers.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the program is, also where the path of an ordinary user does not lead.
fn find(who: Who) -> Result<PathBuf> {
    let name = who.name().to_ascii_lowercase();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file());
    found.with_context(|| format!("{name} is not installed"))
}
