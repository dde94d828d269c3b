//! The processes that a run starts: each on its core, each ending with us, whatever way we end.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::proc;

/// The core of the proxy whose turn it is; the others are idle.
pub(super) const PROXY_CORE: &str = "0";

/// The core of the load and of the origins.
pub(super) const LOAD_CORE: &str = "1";

/// How long a process may take until it listens: 10,000 routes are read in a fraction of it.
const START: Duration = Duration::from_secs(20);

/// How often we ask whether it does.
const AGAIN: Duration = Duration::from_millis(10);

/// Ports are looked for from here. Below those that the kernel gives to outgoing connections, of which a run makes many.
const FIRST_PORT: u16 = 20_000;

/// How the folders of runs begin; their process follows.
const SCRATCH: &str = "evenkeel-bench-";

/// A folder for configurations and logs, removed at the end.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new folder of this process; in memory where there is such a place, so that logs cost no disk.
    pub(super) fn new() -> Result<Self> {
        let name = format!("{SCRATCH}{}", std::process::id());
        let memory = Path::new("/dev/shm").join(&name);
        remove_abandoned(Path::new("/dev/shm"));
        if fs::create_dir(&memory).is_ok() {
            return Ok(Self(memory));
        }
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// A file in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.path(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }
}

/// Removes what runs have left that were killed: it is memory.
fn remove_abandoned(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(SCRATCH));
        if process.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `program` on `core`, told to end when we do.
pub(super) fn command(core: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "taskset", "-c", core]);
    command.arg(program);
    command
}

/// A process that listens and that ends with us.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Starts `program` and waits until it listens on `port`. What it says on its standard output goes to `output`.
    pub(super) fn start(
        core: &str,
        program: &Path,
        arguments: &[String],
        port: u16,
        scratch: &Scratch,
        output: Option<&Path>,
    ) -> Result<Self> {
        let log = scratch.path(&format!("{port}.stderr"));
        let output = match output {
            Some(path) => Stdio::from(File::create(path)?),
            None => Stdio::null(),
        };
        let child = command(core, program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| program.display().to_string())?;
        let mut process = Self(child);
        let deadline = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() > deadline || process.0.try_wait()?.is_some() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                bail!("{} does not listen:\n{log}", program.display());
            }
            std::thread::sleep(AGAIN);
        }
        Ok(process)
    }

    /// The process and what it has started.
    pub(super) fn family(&self) -> Result<Vec<u32>> {
        proc::family(self.0.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let family = self.family().unwrap_or_default();
        let _ = self.0.kill();
        let _ = self.0.wait();
        // nginx's worker outlives a master that was killed.
        for pid in family.into_iter().filter(|pid| *pid != self.0.id()) {
            let pid = i32::try_from(pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

/// A port that nobody listens on; each call gives another one.
#[derive(Debug)]
pub(super) struct Ports(u16);

impl Ports {
    /// Where two runs at once rarely meet.
    pub(super) fn new() -> Self {
        let step = u16::try_from(std::process::id() % 100).unwrap_or_default();
        Self(FIRST_PORT + step * 100)
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Result<u16> {
        while self.0 < 32_000 {
            self.0 += 1;
            match TcpListener::bind((Ipv4Addr::UNSPECIFIED, self.0)) {
                Ok(_) => return Ok(self.0),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error.into()),
            }
        }
        bail!("no port is free between {FIRST_PORT} and 32000")
    }
}

/// The full path of a program, also where the path of an ordinary user does not lead.
pub(crate) fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders
        .map(|folder| folder.join(program))
        .find(|path| path.is_file());
    found.with_context(|| format!("{program} is not installed"))
}

/// The first line that a program says about its version.
pub(crate) fn version(program: &Path, argument: &str) -> Result<String> {
    let output = Command::new(program).arg(argument).output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Ok(short(text.lines().next().unwrap_or_default()))
}

/// `nginx/1.22.1` of `nginx version: nginx/1.22.1`, and the like of the others.
fn short(line: &str) -> String {
    let line = line.trim_start_matches("nginx version: ");
    let words = line.split(' ').filter(|word| *word != "version");
    words.take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_short() {
        for (line, expected) in [
            ("nginx version: nginx/1.22.1", "nginx/1.22.1"),
            (
                "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - x",
                "HAProxy 2.6.12-1+deb12u4",
            ),
            ("evenkeel 0.1.0", "evenkeel 0.1.0"),
            ("wrk debian/4.1.0-3+b2 [epoll]", "wrk debian/4.1.0-3+b2"),
        ] {
            assert_eq!(short(line), expected);
        }
    }
}
