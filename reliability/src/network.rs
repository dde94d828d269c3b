//! A network namespace with one endpoint in it, joined to ours by a pair of virtual cards that can be cut.
//!
//! A cut drops packets in both directions and answers none: each side is given a neighbour that does not exist, so the
//! kernel sends into the void without an error. Nothing but iproute2 and root is needed for that.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result, bail};

/// A card that nobody has.
const NOBODY: &str = "02:00:00:00:00:99";

/// A namespace, removed on drop with all that is in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    card: String,
    outside: Ipv4Addr,
    inside: Ipv4Addr,
}

/// Whether this process may make namespaces.
#[must_use]
pub fn is_allowed() -> bool {
    let name = format!("bad-day-{}-try", std::process::id());
    run(&format!("netns add {name}")).is_ok() && run(&format!("netns del {name}")).is_ok()
}

impl Namespace {
    /// Makes one.
    ///
    /// # Errors
    /// When this process may not, or iproute2 is missing.
    pub fn new() -> Result<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let [.., high, low] = pid.to_be_bytes();
        // 198.18.0.0/15 is there for tests (RFC 2544). Four addresses for each namespace; two of them are used.
        let net = u32::from(Ipv4Addr::new(
            198,
            18 + (high & 1),
            low,
            number.wrapping_mul(4),
        ));
        let namespace = Self {
            name: format!("bad-day-{pid}-{number}"),
            card: format!("bd{pid}x{number}"),
            outside: Ipv4Addr::from(net + 1),
            inside: Ipv4Addr::from(net + 2),
        };
        namespace
            .set_up()
            .context("cannot make a network namespace")?;
        Ok(namespace)
    }

    fn set_up(&self) -> Result<()> {
        let Self {
            name,
            card,
            outside,
            inside,
        } = self;
        run(&format!("netns add {name}"))?;
        run(&format!(
            "link add {card} type veth peer name inside netns {name}"
        ))?;
        run(&format!("address add {outside}/30 dev {card}"))?;
        run(&format!("link set {card} up"))?;
        run(&format!("-n {name} address add {inside}/30 dev inside"))?;
        run(&format!("-n {name} link set inside up"))?;
        run(&format!("-n {name} link set lo up"))
    }

    /// The address of what is inside.
    #[must_use]
    pub const fn inside(&self) -> Ipv4Addr {
        self.inside
    }

    /// A command that runs `program` inside.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Drops every packet, in both directions.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn cut(&self) -> Result<()> {
        self.neighbours(&format!("lladdr {NOBODY} nud permanent"), "replace")
    }

    /// Lets packets pass again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn heal(&self) -> Result<()> {
        self.neighbours("", "del")
    }

    fn neighbours(&self, how: &str, verb: &str) -> Result<()> {
        let Self {
            name,
            card,
            outside,
            inside,
        } = self;
        run(&format!("neigh {verb} {inside} dev {card} {how}"))?;
        run(&format!(
            "-n {name} neigh {verb} {outside} dev inside {how}"
        ))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cards go with it.
        let _ = run(&format!("netns del {}", self.name));
        let _ = run(&format!("link del {}", self.card));
    }
}

/// Runs `ip` with these words.
fn run(words: &str) -> Result<()> {
    let output = Command::new("ip")
        .args(words.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .context("`ip` of iproute2 is missing")?;
    if !output.status.success() {
        bail!(
            "ip {words}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
