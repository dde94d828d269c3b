//! `cargo xtask pgo`: evenkeel built twice, the second time by a profile of how the first one ran.
//!
//! The compiler then knows which branches are taken and what belongs together, and the road of a request fits the cache for
//! instructions. The profile is made anew each time from the traffic below: all that is meant to be fast has to occur in it,
//! for what does not is built to be small. Nothing here measures; `cargo xtask bench --binary` does.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::certificate::Certificate;
use crate::step::cargo;
use crate::tree;

/// What the first build sees: options of `bench-load closed`, separated by spaces. Each kind of body and of connection.
const TRAFFIC: [&str; 8] = [
    "--path /b/128 --connections 64",
    "--path /b/10240 --connections 64 --head browser",
    "--path /b/128 --connections 16 --pipeline 100",
    "--path /b/128 --connections 64 --one-request-per-connection",
    "--path /b/1048576 --connections 16",
    "--path /c/1048576 --connections 16",
    "--path /c/16384 --connections 64 --upload 16384 --upload-chunked",
    "--path /b/128 --connections 16 --upload 1048576",
];

/// And what h2load adds: options, separated by spaces, and a path, without TLS and with it. HTTP/2 with one request and with
/// many at once on a connection, HTTP/1.1 where TLS is, bodies of more than a frame both ways.
const STRANGERS: [(&str, &str); 6] = [
    ("--clients 8 --max-concurrent-streams 8", "/b/128"),
    ("--clients 64 --max-concurrent-streams 1", "/b/128"),
    ("--clients 8 --max-concurrent-streams 8", "/b/10240"),
    ("--clients 4 --max-concurrent-streams 4", "/b/1048576"),
    (
        "--clients 8 --max-concurrent-streams 8 --data KEY",
        "/b/128",
    ),
    ("--clients 32 --h1", "/b/128"),
];

/// How long each of them lasts, without and with an access log.
const SECONDS: &str = "1";

/// How long a program may take until it listens, and how long one that was told to end may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often we look.
const AGAIN: Duration = Duration::from_millis(20);

/// Runs the verb.
pub(crate) fn run() -> Result<()> {
    let profdata = profdata()?;
    let folder = tree::target().join("pgo");
    let (raw, profile) = (folder.join("raw"), folder.join("evenkeel.profdata"));
    if raw.exists() {
        fs::remove_dir_all(&raw)?;
    }
    fs::create_dir_all(&raw)?;
    let watched = build(&folder.join("watched"), "-Cprofile-generate", &raw)?;
    let dist = ["build", "--profile", "dist", "--package", "evenkeel-bench"];
    succeed(
        cargo().args(dist),
        "the build of bench-load and bench-origin",
    )?;
    for log in ["\"off\"", "{ file = \"/dev/null\" }"] {
        train(&watched, &folder, log)?;
    }
    let merge = ["merge", "--output"];
    let mut command = Command::new(profdata);
    command.args(merge).arg(&profile).arg(&raw);
    succeed(&mut command, "llvm-profdata")?;
    let binary = build(&folder.join("used"), "-Cprofile-use", &profile)?;
    println!("{}", binary.display());
    Ok(())
}

/// Where rustup puts the tool that reads what this compiler's programs write.
fn profdata() -> Result<PathBuf> {
    let rustc = Command::new("rustc")
        .args(["--print", "target-libdir"])
        .current_dir(tree::root())
        .output()
        .context("rustc could not be started")?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&rustc.stdout).trim());
    let tool = libraries.with_file_name("bin").join("llvm-profdata");
    if !tool.is_file() {
        bail!(
            "{} is missing: rustup component add llvm-tools",
            tool.display()
        );
    }
    Ok(tool)
}

/// Builds evenkeel into `target`, with the compiler told `flag=path`.
fn build(target: &Path, flag: &str, path: &Path) -> Result<PathBuf> {
    let others = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut command = cargo();
    command
        .args(["build", "--profile", "dist", "--package", "evenkeel"])
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", format!("{others} {flag}={}", path.display()));
    succeed(&mut command, "the build of evenkeel")?;
    Ok(target.join("dist/evenkeel"))
}

/// Sends all the traffic through the binary, which writes its profile when it ends.
fn train(binary: &Path, folder: &Path, log: &str) -> Result<()> {
    let dist = tree::target().join("dist");
    let origins = [free_port()?, free_port()?];
    let words = origins.map(|port| port.to_string());
    let _origin = Program::start(&dist.join("bench-origin"), &words, origins[0])?;
    let [port, secure] = [free_port()?, free_port()?];
    let certificate = Certificate::make(folder)?;
    let file = folder.join("evenkeel.toml");
    let text = configuration([port, secure], origins, log, &certificate);
    fs::write(&file, text)?;
    let words = [
        "run",
        "--control",
        "none",
        "--config",
        &file.display().to_string(),
    ]
    .map(str::to_owned);
    let proxy = Program::start(binary, &words, port)?;
    for traffic in TRAFFIC {
        let mut load = Command::new(dist.join("bench-load"));
        load.args(["closed", "--to", &format!("127.0.0.1:{port}")])
            .args(["--seconds", SECONDS])
            .args(traffic.split_whitespace())
            .stdout(Stdio::null());
        succeed(&mut load, traffic)?;
    }
    for (options, path) in STRANGERS {
        let options = options.replace("KEY", &certificate.key);
        for at in [
            format!("http://127.0.0.1:{port}{path}"),
            format!("https://127.0.0.1:{secure}{path}"),
        ] {
            let mut load = Command::new("h2load");
            load.args(["--duration", SECONDS])
                .args(options.split_whitespace())
                .arg(at)
                .stdout(Stdio::null());
            succeed(&mut load, &options)?;
        }
    }
    shake_hands(secure)?;
    proxy.end()
}

/// New connections, and resumed ones.
fn shake_hands(port: u16) -> Result<()> {
    for kind in ["-new", "-reuse"] {
        let mut client = Command::new("openssl");
        client
            .args(["s_time", "-www", "/b/128", "-time", SECONDS, kind])
            .args(["-connect", &format!("127.0.0.1:{port}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        succeed(&mut client, "openssl s_time")?;
    }
    Ok(())
}

fn configuration(
    [port, secure]: [u16; 2],
    [first, second]: [u16; 2],
    log: &str,
    certificate: &Certificate,
) -> String {
    let Certificate { chain, key, .. } = certificate;
    format!(
        "version = 1\naccess_log = {{ to = {log} }}\nshutdown_timeout = \"1s\"\n\
         [listener.web]\nbind = \"127.0.0.1:{port}\"\n\
         [listener.secure]\nbind = \"127.0.0.1:{secure}\"\n\
         tls.certificates = {{ certificate = \"{chain}\", key = \"{key}\" }}\n\
         [[route]]\ncluster = \"origins\"\n\
         [cluster.origins]\nendpoints = [\"127.0.0.1:{first}\", \"127.0.0.1:{second}\"]\n"
    )
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn succeed(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().with_context(|| what.to_owned())?;
    if !status.success() {
        bail!("{what} ended with {status}");
    }
    Ok(())
}

/// A program that listens; it goes with this value.
#[derive(Debug)]
struct Program(Child);

impl Program {
    fn start(program: &Path, arguments: &[String], port: u16) -> Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let mut started = Self(child);
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() > until || started.0.try_wait()?.is_some() {
                bail!("{} does not listen", program.display());
            }
            std::thread::sleep(AGAIN);
        }
        Ok(started)
    }

    /// Asks it to end, and waits until it has.
    fn end(mut self) -> Result<()> {
        let pid = i32::try_from(self.0.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .context("a process has an id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let until = Instant::now() + PATIENCE;
        while self.0.try_wait()?.is_none() {
            if Instant::now() > until {
                bail!("evenkeel does not end, and so has written no profile");
            }
            std::thread::sleep(AGAIN);
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
