//! Traces, as the checked configuration has them.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_base::Address;
use evenkeel_tls::client::{ClientTls, Roots};

/// Which requests are traced, and where that goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Where spans go.
    pub to: TraceTarget,
    /// How many of the requests that come without a decision, in thousandths of a percent.
    pub sample: u32,
    /// Whether every client's decision is followed, not only that of trusted proxies.
    pub trust: bool,
    /// What this process is called.
    pub service_name: String,
    /// Fields for the collector; their values may be secrets.
    pub headers: Vec<(String, String)>,
    /// How long one export may take.
    pub timeout: Duration,
}

impl Trace {
    /// Whether requests are traced at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        matches!(self.to, TraceTarget::Collector(_))
    }
}

/// Where spans go.
#[derive(Clone, Debug, PartialEq)]
pub enum TraceTarget {
    /// Nowhere: traces are off.
    Off,
    /// To a collector.
    Collector(Box<Collector>),
}

/// Who collects spans.
#[derive(Clone, Debug, PartialEq)]
pub struct Collector {
    /// As the file has it.
    pub url: String,
    /// Where it is.
    pub address: Address,
    /// Its name or address alone, which it proves where there is TLS.
    pub host: String,
    /// What `Host` says.
    pub authority: String,
    /// What is asked for.
    pub path: String,
    /// Who vouches for it, with the file that says so; none: the authorities that the system trusts.
    pub ca: Option<(PathBuf, Roots)>,
    /// How TLS is spoken with it; none: it is not.
    pub tls: Option<ClientTls>,
}
