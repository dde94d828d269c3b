//! Every feature of an exchange between every pair of protocols: {h1, h2} × {h1, h2}, each plain and over TLS.
//!
//! Eight pairs are played, with TLS on both sides or on none; `EVENKEEL_E2E_PAIRS=all` plays the other eight as well.
//!
//! A case is told once, message by message, and played for all pairs; what a protocol does in its own way stands in the case.
//! A test is one case and names the pairs that failed. What only one protocol can say (bytes of HTTP/1.1, frames of HTTP/2)
//! has suites of its own.

mod attempts;
mod bodies;
mod ends;
mod fields;
mod interim;
mod limits;
mod places;
mod pressure;
mod replies;
mod timeouts;
mod tunnels;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use evenkeel_testkit::faults::DeadAddress;
use evenkeel_testkit::h2::Settings;
use evenkeel_testkit::{
    Authority, Caller, Evenkeel, Exchange, Folder, Origin, Reply, Request, Setup, Speech,
    TlsClient, TlsOrigin,
};

/// What is spoken on one side of evenkeel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Side {
    h2: bool,
    tls: bool,
}

const H1: Side = Side {
    h2: false,
    tls: false,
};

const H1_TLS: Side = Side { tls: true, ..H1 };

const H2: Side = Side { h2: true, ..H1 };

const H2_TLS: Side = Side {
    h2: true,
    tls: true,
};

/// What is spoken on either side.
const SIDES: [Side; 4] = [H1, H2, H1_TLS, H2_TLS];

/// The variable that has all sixteen pairs played, also those with TLS on one side.
const ALL: &str = "EVENKEEL_E2E_PAIRS";

/// One client's and one endpoint's side.
#[derive(Clone, Copy)]
struct Pair {
    down: Side,
    up: Side,
}

impl Pair {
    /// Those that are played: TLS on both sides or on none, unless [`ALL`] says `all`. A side does not know of the other's.
    fn all() -> Vec<Self> {
        let all = std::env::var(ALL).is_ok_and(|wanted| wanted == "all");
        let with = |&down: &Side| SIDES.iter().map(move |&up| Self { down, up });
        let pairs = SIDES.iter().flat_map(with);
        pairs
            .filter(|pair| all || pair.down.tls == pair.up.tls)
            .collect()
    }

    /// What its endpoints speak.
    fn speech(self) -> Speech {
        let speech = match self.up.h2 {
            false => Speech::h1(),
            true => Speech::h2_with(&Settings::new().connect_protocol()),
        };
        match self.up.tls {
            false => speech,
            true => speech.over(&Terms::get().offered),
        }
    }

    /// An endpoint with this script.
    fn serve(self, script: impl Fn(&mut Exchange<'_>) + Send + Sync + 'static) -> Origin {
        self.speech().serve(script)
    }

    /// An endpoint that answers so.
    fn http(self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Origin {
        self.speech().http(answer)
    }

    /// An endpoint that says this.
    fn saying(self, body: &str) -> Origin {
        self.speech().saying(body)
    }

    /// An endpoint that takes requests and never answers.
    fn frozen(self) -> Origin {
        self.serve(|exchange| {
            exchange.request();
            exchange.wait_gone();
        })
    }

    /// An address as this pair's clusters have it.
    fn address(self, address: &str) -> String {
        match (self.up.tls, self.up.h2) {
            (true, _) => format!("https://{address}"),
            (false, true) => format!("h2c://{address}"),
            (false, false) => address.to_owned(),
        }
    }

    fn dead(self, dead: &DeadAddress) -> String {
        self.address(&dead.address())
    }

    /// Every request to these endpoints.
    fn setup<'a>(self, origins: impl IntoIterator<Item = &'a Origin>) -> Setup {
        self.setup_to(origins.into_iter().map(Origin::address))
    }

    fn setup_to(self, addresses: impl IntoIterator<Item = String>) -> Setup {
        let setup = Setup::to_addresses(addresses).cluster(&self.cluster());
        match self.down.tls {
            false => setup,
            true => setup.listener(&Terms::get().listener),
        }
    }

    /// The lines that every cluster of its endpoints needs.
    fn cluster(self) -> String {
        match self.up.tls {
            false => String::new(),
            true => Terms::get().cluster.clone(),
        }
    }

    /// Evenkeel with every request to these endpoints.
    fn start<'a>(self, origins: impl IntoIterator<Item = &'a Origin>) -> Evenkeel {
        Evenkeel::start(&self.setup(origins))
    }

    /// A client's connection.
    fn caller(self, proxy: &Evenkeel) -> Caller {
        let terms = Terms::get();
        let tls = self.down.tls.then_some(&terms.wanted);
        match self.down.h2 {
            false => Caller::h1(proxy.address(), tls),
            true => Caller::h2(proxy.address(), tls),
        }
    }

    /// What clients see as the scheme.
    fn scheme(self) -> &'static str {
        if self.down.tls { "https" } else { "http" }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.down, self.up)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.h2 { "h2" } else { "h1" })?;
        f.write_str(if self.tls { "+tls" } else { "" })
    }
}

/// Certificates, and what is said of them on all sides. [`each_of`] keeps them, so that all of a case have the same, and lets go of
/// them, so that their folder does not outlive the test: what a `static` owns is never dropped.
struct Terms {
    offered: TlsOrigin,
    wanted: TlsClient,
    listener: String,
    cluster: String,
    _folder: Folder,
}

impl Terms {
    fn get() -> Arc<Self> {
        static TERMS: Mutex<Weak<Terms>> = Mutex::new(Weak::new());
        let mut known = TERMS.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let terms = Arc::new(Self::new());
            *known = Arc::downgrade(&terms);
            terms
        })
    }

    fn new() -> Self {
        let folder = Folder::new();
        let authority = Authority::new();
        let leaf = authority.certify(&["a.example", "127.0.0.1"]);
        let files = leaf.write(&folder, "web");
        let ca = authority.write(&folder, "ca");
        Self {
            offered: TlsOrigin::with(&leaf),
            wanted: TlsClient::trusting(&authority),
            listener: format!("tls = {{ certificates = [{}] }}", files.toml()),
            cluster: format!("tls = {{ ca = {:?} }}", ca.display().to_string()),
            _folder: folder,
        }
    }
}

/// How many pairs of a case are played at once: more than there are processors, since most of a case is waiting.
const AT_ONCE: usize = 4;

/// Plays a case for every pair, and names those that failed.
#[track_caller]
fn each(case: impl Fn(Pair) + Sync) {
    each_of(&Pair::all(), case);
}

/// Plays a case for the pairs that it can be told for.
#[track_caller]
fn each_where(can: impl Fn(Pair) -> bool, case: impl Fn(Pair) + Sync) {
    let pairs: Vec<Pair> = Pair::all().into_iter().filter(|&pair| can(pair)).collect();
    each_of(&pairs, case);
}

#[track_caller]
fn each_of(pairs: &[Pair], case: impl Fn(Pair) + Sync) {
    let _terms = Terms::get();
    let next = AtomicUsize::new(0);
    let play = || {
        let mut failed = Vec::new();
        while let Some(&pair) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if catch_unwind(AssertUnwindSafe(|| case(pair))).is_err() {
                eprintln!("--- that was {pair}");
                failed.push(pair.to_string());
            }
        }
        failed
    };
    let failed: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(play)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.flat_map(|failed| failed.unwrap()).collect()
    });
    assert!(
        failed.is_empty(),
        "it fails for {} of {} pairs: {}",
        failed.len(),
        pairs.len(),
        failed.join(", ")
    );
}
