//! Who is put to the test: evenkeel, or another proxy, with a configuration for the scenario's endpoints.

mod rival;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use evenkeel_testkit::{Evenkeel, Setup};

use crate::names::Names;
use crate::scenario::Setting;
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
    /// Another one.
    Rival(Rival),
}

impl Proxy {
    /// Starts one with this many workers or threads. With `names`, endpoints are known by name and resolved in them.
    ///
    /// # Errors
    /// When another proxy does not start. (evenkeel panics: it is the test kit's to say why.)
    pub fn start(
        who: Who,
        workers: u16,
        setting: &Setting,
        endpoints: &[SocketAddr],
        names: Option<&Names>,
    ) -> Result<Self> {
        match who {
            Who::Evenkeel => {
                let setup = setup(workers, setting, endpoints, names.is_some());
                let wrapper = names.map(Names::wrapper).unwrap_or_default();
                Ok(Self::Evenkeel(Box::new(Evenkeel::start_under(
                    &wrapper, &setup,
                ))))
            }
            Who::Nginx | Who::Haproxy => {
                Rival::start(who, workers, setting, endpoints).map(Self::Rival)
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Evenkeel(evenkeel) => evenkeel.address(),
            Self::Rival(rival) => rival.address(),
        }
    }
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

fn setup(workers: u16, setting: &Setting, endpoints: &[SocketAddr], by_name: bool) -> Setup {
    let addresses = endpoints.iter().zip(0..).map(|(address, number)| {
        if by_name {
            format!("{}:{}", Names::of(number), address.port())
        } else {
            address.to_string()
        }
    });
    let balancer = setting.balancer.as_deref();
    let balancer = balancer.unwrap_or("balancer = \"least-request\"");
    let mut setup = Setup::to_addresses(addresses)
        .top(&format!("workers = {workers}"))
        .route(&setting.route)
        .cluster(balancer)
        .cluster(&setting.cluster)
        .sections(&setting.routes)
        .sections("[access_log]\nto = \"off\"");
    if let Some(timeout) = setting.attempt_timeout {
        let millis = timeout.as_millis();
        setup = setup.cluster(&format!("retry.attempt_timeout = \"{millis}ms\""));
    }
    setup
}
