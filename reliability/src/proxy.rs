//! Who is put to the test: evenkeel, or another proxy, with a configuration for the scenario's endpoints.

mod rival;

use std::fmt;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result};
use evenkeel_testkit::{Evenkeel, Line, Setup, Start};

use crate::names::Names;
use crate::origin::errand;
use crate::setting::{Beginning, Setting};
use rival::Rival;

/// A proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Ours.
    Evenkeel,
    /// nginx, with `configs/nginx.conf`.
    Nginx,
    /// HAProxy, with `configs/haproxy.cfg`.
    Haproxy,
}

/// Where programs are that are not evenkeel, which the test kit finds.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `bad-day-origin`.
    pub origin: PathBuf,
}

/// A proxy that runs.
#[derive(Debug)]
pub enum Proxy {
    /// Ours; the test kit asserts at its end that it left nothing open and did not panic.
    Evenkeel(Box<Evenkeel>),
    /// Ours, as a line of processes; the test kit asserts that all of them end well.
    Line(Box<Line>),
    /// Another one.
    Rival(Rival),
}

/// What stands around a proxy at its start.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The endpoints, as its configuration calls them; the last of them may be aside.
    pub endpoints: &'a [String],
    /// The table of hosts that it sees, where it has one of its own.
    pub names: Option<&'a Names>,
    /// The socket that it is given, where it does not open its own.
    pub socket: Option<&'a TcpListener>,
}

impl Proxy {
    /// Starts one with this many workers or threads.
    ///
    /// # Errors
    /// When another proxy does not start. (evenkeel panics: it is the test kit's to say why.)
    pub fn start(who: Who, workers: u16, setting: &Setting, around: Around<'_>) -> Result<Self> {
        match who {
            Who::Evenkeel if setting.beginning == Beginning::Plain => {
                let setup = setup(workers, setting, around.endpoints);
                let wrapper = around.names.map(Names::wrapper).unwrap_or_default();
                Ok(Self::Evenkeel(Box::new(Evenkeel::start_under(
                    &wrapper, &setup,
                ))))
            }
            Who::Evenkeel => {
                let text = setup(workers, setting, around.endpoints).text();
                let start = start(setting.beginning, around.socket)?;
                Ok(Self::Line(Box::new(start.start(&text))))
            }
            Who::Nginx | Who::Haproxy => {
                let addresses = around.endpoints.iter().map(|address| address.parse());
                let addresses: Vec<SocketAddr> = addresses.collect::<Result<_, _>>()?;
                Rival::start(who, workers, setting, &addresses).map(Self::Rival)
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Evenkeel(evenkeel) => evenkeel.address(),
            Self::Line(line) => line.listener("web"),
            Self::Rival(rival) => rival.address(),
        }
    }

    /// Ends it, and panics when it does not end well.
    pub fn end(self) {
        if let Self::Line(line) = self {
            line.end();
        }
    }
}

/// How a line of processes begins.
///
/// # Errors
/// When there is no socket, or nothing that is empty.
pub fn start(beginning: Beginning, socket: Option<&TcpListener>) -> Result<Start> {
    let nothing = || File::open("/dev/null").context("/dev/null");
    Ok(match beginning {
        Beginning::Plain | Beginning::Line => Start::default(),
        Beginning::Descriptors(most) => {
            let script = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
            Start::default().by_script(&script, nothing()?.into())
        }
        Beginning::Socket => {
            let socket = socket.context("a socket")?.try_clone()?;
            let script = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec \"$0\" \"$@\"";
            Start::default().by_script(script, socket.into())
        }
        Beginning::Disk(kib) => {
            let inner = format!("mount -t tmpfs -o size={kib}k none disk && exec \"$0\" \"$@\"");
            let script =
                format!("mkdir disk && exec unshare --mount sh -c '{inner}' \"$0\" \"$@\"");
            Start::default().by_script(&script, nothing()?.into())
        }
    })
}

impl Who {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evenkeel => "evenkeel",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is in the configuration of an evenkeel with so many workers and these endpoints.
#[must_use]
pub fn setup(workers: u16, setting: &Setting, endpoints: &[String]) -> Setup {
    let aside = usize::from(setting.last_is_aside).min(endpoints.len());
    let (all, aside) = endpoints.split_at(endpoints.len() - aside);
    let balancer = setting.balancer.as_deref();
    let balancer = balancer.unwrap_or("balancer = \"least-request\"");
    let mut setup = Setup::to_addresses(all)
        .top(&format!("workers = {workers}"))
        .top(&setting.top)
        .listener(&setting.listener)
        .route(&setting.route)
        .cluster(balancer)
        .cluster(&setting.cluster)
        .sections(&setting.routes)
        .sections(&setting.sections);
    if !setting.sections.contains("[access_log]") {
        setup = setup.sections("[access_log]\nto = \"off\"");
    }
    if let Some(timeout) = setting.attempt_timeout {
        let millis = timeout.as_millis();
        setup = setup.cluster(&format!("retry.attempt_timeout = \"{millis}ms\""));
    }
    for address in aside {
        for path in [
            errand::TUNNEL,
            errand::LARGE,
            errand::LARGE_CHUNKED,
            errand::MEDIUM,
        ] {
            setup = setup.add_route(&format!("path = \"{path}\"\ncluster = \"aside\""));
        }
        setup = setup.sections(&format!("[cluster.aside]\nendpoints = [\"{address}\"]"));
    }
    setup
}
