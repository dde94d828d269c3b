//! An endpoint of a scenario: an origin's process that is started, killed, frozen, retired and started again on its port.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::book::Book;
use crate::exchange::Life;
use crate::network::Namespace;
use crate::origin::{Manner, Note};

/// How long an origin may take until it listens.
const START: Duration = Duration::from_secs(5);

/// An endpoint.
#[derive(Debug)]
pub struct Endpoint {
    number: usize,
    address: SocketAddr,
    program: PathBuf,
    manner: Manner,
    namespace: Option<Namespace>,
    book: Arc<Book>,
    lives: u32,
    process: Option<Process>,
    readers: Vec<JoinHandle<()>>,
}

/// An origin's process.
#[derive(Debug)]
struct Process {
    child: Child,
    orders: ChildStdin,
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

impl Endpoint {
    /// Starts the origin of the endpoint with this number, on a port that the system chooses; in a network namespace of
    /// its own when one is given.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(
        number: usize,
        program: &Path,
        manner: Manner,
        namespace: Option<Namespace>,
        book: Arc<Book>,
    ) -> Result<Self> {
        let ip = namespace
            .as_ref()
            .map_or_else(own_address, Namespace::inside);
        let mut endpoint = Self {
            number,
            address: SocketAddr::new(IpAddr::V4(ip), 0),
            program: program.to_path_buf(),
            manner,
            namespace,
            book,
            lives: 0,
            process: None,
            readers: Vec::new(),
        };
        endpoint.begin(None)?;
        Ok(endpoint)
    }

    /// Where it is, alive or not.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The life it is in, or was in last.
    #[must_use]
    pub const fn life(&self) -> Life {
        Life {
            endpoint: self.number,
            number: self.lives,
        }
    }

    /// Does something to it.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn suffer(&mut self, act: &Act) -> Result<()> {
        match act {
            Act::Kill => self.kill(),
            Act::Freeze => self.freeze(),
            Act::Thaw => self.thaw(),
            Act::Retire => self.retire(),
            Act::Begin(manner) => self.begin(manner.clone()),
            Act::Become(manner) => self.change(manner.clone()),
            Act::Cut => self.cut(),
            Act::Heal => self.heal(),
        }
    }

    /// Starts it again, in another manner if one is given.
    ///
    /// # Errors
    /// When it runs, or does not start.
    pub fn begin(&mut self, manner: Option<Manner>) -> Result<()> {
        if self.process.is_some() {
            bail!("endpoint {} runs already", self.number);
        }
        if let Some(manner) = manner {
            self.manner = manner;
        }
        self.lives += 1;
        let mut command = match &self.namespace {
            Some(namespace) => namespace.command(&self.program),
            None => Command::new(&self.program),
        };
        let mut child = command
            .arg(self.address.to_string())
            .arg(self.life().to_string())
            .arg(self.manner.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let orders = child.stdin.take().context("a pipe to the origin")?;
        let notes = child.stdout.take().context("a pipe from the origin")?;
        self.process = Some(Process { child, orders });
        let ready = self.listen_to(notes);
        let port = ready
            .recv_timeout(START)
            .map_err(|_| anyhow!("endpoint {} does not listen", self.number))?;
        self.address.set_port(port);
        Ok(())
    }

    /// SIGKILL: gone without a word.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("it does not run")?;
        process.child.kill()?;
        process.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for its end: it finishes what it has.
    ///
    /// # Errors
    /// When it does not run.
    pub fn retire(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let mut process = self.process.take().context("it does not run")?;
        process.child.wait()?;
        Ok(())
    }

    /// SIGSTOP: its port accepts, and that is all.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Behaves differently from now on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn change(&mut self, manner: Manner) -> Result<()> {
        let process = self.process.as_mut().context("it does not run")?;
        process.orders.write_all(format!("{manner}\n").as_bytes())?;
        self.manner = manner;
        Ok(())
    }

    /// Drops every packet to and from it.
    ///
    /// # Errors
    /// When it is in no network of its own.
    pub fn cut(&self) -> Result<()> {
        self.namespace
            .as_ref()
            .context("it has no network of its own")?
            .cut()
    }

    /// Lets packets pass again.
    ///
    /// # Errors
    /// When it is in no network of its own.
    pub fn heal(&self) -> Result<()> {
        self.namespace
            .as_ref()
            .context("it has no network of its own")?
            .heal()
    }

    /// Ends it for good, and waits until all that it said is in the book. Its network, where it has one of its own, is given
    /// back: what the system still has to say to the other ends of its connections goes through it.
    pub fn end(mut self) -> Option<Namespace> {
        self.finish();
        self.namespace.take()
    }

    fn finish(&mut self) {
        if self.process.is_some() {
            let _ = self.kill();
        }
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let process = self.process.as_ref().context("it does not run")?;
        Ok(kill_process(Pid::from_child(&process.child), signal)?)
    }

    /// Writes what it says into the book, and gives the port on which it listens.
    fn listen_to(&mut self, notes: ChildStdout) -> Receiver<u16> {
        let (is_ready, ready) = channel();
        let (book, life) = (Arc::clone(&self.book), self.life());
        self.readers.push(thread::spawn(move || {
            for line in BufReader::new(notes).lines().map_while(Result::ok) {
                match line.parse() {
                    Ok(Note::Ready(port)) => drop(is_ready.send(port)),
                    Ok(note) => book.write(life, &note),
                    Err(error) => book.write(life, &Note::Lost(error)),
                }
            }
        }));
        ready
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A loopback address of this process: whoever else chooses a port, chooses it on another one, so that the port of an
/// endpoint stays its own while it is dead.
#[must_use]
pub fn own_address() -> Ipv4Addr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + high % 64, middle, low)
}
