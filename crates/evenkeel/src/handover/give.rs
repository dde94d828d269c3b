//! The old process's side: it starts the new one, gives it what it has, and waits for its word.

use std::env;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use evenkeel_net::Loan;
use evenkeel_state::Inheritance;
use tokio::task::{self, JoinHandle};

use super::document::{Listener, Offer, Reply};
use super::in_force::Given;
use super::{PATIENCE, VARIABLE, wire};

/// The longest answer: an error with its report.
const MAX_REPLY: usize = 1024 * 1024;

/// How long a process that has hung up may take to end, so that its status can be told.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// From one look at its status to the next.
const LOOK: Duration = Duration::from_millis(5);

/// Everything that is given.
#[derive(Debug)]
pub(crate) struct Estate {
    /// What was learnt.
    pub(crate) inheritance: Inheritance,
    /// What is served and what was, as far as the new process may need it.
    pub(crate) given: Given,
    /// The listeners: name, where it is bound, sockets.
    pub(crate) listeners: Vec<(String, String, Vec<Loan>)>,
    /// The control socket.
    pub(crate) control: Option<Loan>,
}

/// The process that has taken the place of this one.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// Its id.
    pub(crate) pid: u32,
    /// Its version.
    pub(crate) version: String,
}

/// A handover that is under way. When it is dropped before its outcome, the new process is killed.
#[derive(Debug)]
pub(crate) struct Giving {
    child: Arc<Mutex<Child>>,
    talk: JoinHandle<anyhow::Result<Taken>>,
    is_over: bool,
}

impl Giving {
    /// Starts the program with this process's arguments and offers it everything.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn begin(program: &Path, estate: Estate) -> anyhow::Result<Self> {
        let (ours, theirs) = UnixStream::pair().context("no socket to talk to it by")?;
        ours.set_write_timeout(Some(PATIENCE))?;
        let child = Command::new(program)
            .args(env::args_os().skip(1))
            .env(VARIABLE, std::process::id().to_string())
            // What the first process was given by whoever started it, the next one gets from us.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_FDNAMES")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child.id();
        let child = Arc::new(Mutex::new(child));
        let until = Instant::now() + PATIENCE;
        let of_talk = Arc::clone(&child);
        let talk = task::spawn_blocking(move || {
            let replied = talk(&ours, estate, pid, until);
            replied.map_err(|error| put_down(&of_talk, error))
        });
        Ok(Self {
            child,
            talk,
            is_over: false,
        })
    }

    /// Waits for what comes of it. The new process accepts by the sockets that it took from then on, and only it is to take what
    /// waits on them.
    ///
    /// # Errors
    /// Why it does not serve; it is dead by then.
    pub(crate) async fn outcome(&mut self) -> anyhow::Result<Taken> {
        let outcome = (&mut self.talk).await;
        self.is_over = true;
        outcome.unwrap_or_else(|_| bail!("a mistake of evenkeel's own, which the log tells"))
    }
}

impl Drop for Giving {
    fn drop(&mut self) {
        if !self.is_over {
            kill(&self.child);
        }
    }
}

/// Offers everything, and waits for the answer.
fn talk(stream: &UnixStream, estate: Estate, pid: u32, until: Instant) -> anyhow::Result<Taken> {
    let Estate {
        inheritance,
        given,
        listeners,
        control,
    } = estate;
    let described = listeners.iter().filter_map(|(name, bind, loans)| {
        Some(Listener {
            name: name.clone(),
            bind: bind.clone(),
            sockets: loans.len(),
            whose: loans.first()?.owner().into(),
        })
    });
    let whose = control.as_ref().map(|loan| loan.owner().into());
    let offer = Offer::new(inheritance, described.collect(), whose, &given);
    let offered: Vec<&Vec<Loan>> = listeners
        .iter()
        .map(|(_, _, loans)| loans)
        .filter(|loans| !loans.is_empty())
        .collect();
    let sockets = offered
        .iter()
        .flat_map(|loans| loans.iter())
        .chain(&control);
    let descriptors: Vec<BorrowedFd<'_>> = sockets.map(AsFd::as_fd).collect();
    wire::send(stream, &serde_json::to_vec(&offer)?)
        .and_then(|()| wire::send_descriptors(stream, &descriptors))
        .map_err(meant)?;
    match reply(stream, until)? {
        Reply::Error { text } => Err(anyhow!("{text}").context("the new process says")),
        Reply::Ready {
            version,
            taken,
            control: has_control,
        } => {
            let taken = taken.iter().filter_map(|&place| offered.get(place));
            taken.for_each(|loans| loans.iter().for_each(Loan::hand_over));
            if let Some(control) = control.filter(|_| has_control) {
                control.hand_over();
            }
            Ok(Taken { pid, version })
        }
    }
}

fn reply(stream: &UnixStream, until: Instant) -> anyhow::Result<Reply> {
    // A read that times out in the middle of an answer leaves half of one, which is none.
    let left = until.saturating_duration_since(Instant::now());
    stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
    let text = wire::receive(stream, MAX_REPLY).map_err(meant)?;
    serde_json::from_slice(&text).context("what it says is no answer")
}

/// It closed its end of the socket without a word.
#[derive(Debug)]
struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it hung up before it was ready")
    }
}

impl std::error::Error for HungUp {}

/// What an error on the socket means.
fn meant(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => HungUp.into(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            anyhow!("it was not ready within {} seconds", PATIENCE.as_secs())
        }
        _ => error.into(),
    }
}

/// Makes sure that nothing is left of a process that does not serve. Of one that said nothing, its status says more.
fn put_down(child: &Mutex<Child>, error: anyhow::Error) -> anyhow::Error {
    let status = error.is::<HungUp>().then(|| status(child)).flatten();
    kill(child);
    match status {
        Some(status) => {
            anyhow!("it ended ({status}) before it was ready; its own output may say why")
        }
        None => error,
    }
}

/// How it ended, when it does so by itself within a moment.
fn status(child: &Mutex<Child>) -> Option<ExitStatus> {
    let until = Instant::now() + LAST_BREATH;
    while Instant::now() < until {
        let tried = child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_wait();
        if let Ok(Some(status)) = tried {
            return Some(status);
        }
        thread::sleep(LOOK);
    }
    None
}

fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    // Both fail when it has ended and was waited for, which is as good.
    let _ = child.kill();
    let _ = child.wait();
}

/// The program that runs, as it is on disk when it is asked for later: by the name that it was started by, so that a link that
/// is pointed elsewhere leads to the new one; a bare name is looked up where the system found it.
pub(crate) fn program() -> PathBuf {
    let by_name = env::args_os().next().map(PathBuf::from);
    let by_path = by_name.filter(|name| name.components().count() > 1);
    let absolute = by_path.and_then(|path| std::path::absolute(path).ok());
    absolute
        .or_else(|| env::current_exe().ok())
        .unwrap_or_else(|| PathBuf::from("evenkeel"))
}
