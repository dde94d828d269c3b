//! The origins of the whole binary's measures: `bench-origin`, the benchmark's own, on ports that the system chose.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// How many ports it listens on.
const PORTS: usize = 3;

/// An origin that ends with this value. It answers `/…/b/N` with N bytes on every address of 127.0.0.0/8.
#[derive(Debug)]
pub(super) struct Origin {
    child: Child,
    ports: Vec<u16>,
}

impl Origin {
    /// Starts it and waits until it listens.
    pub(super) fn start(binary: &Path) -> Result<Self> {
        let child = Command::new(binary)
            .arg("--any")
            .args(["0"; PORTS])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} could not be started", binary.display()))?;
        // The value is made first, so that the process ends whatever comes out of it.
        let mut origin = Self {
            child,
            ports: Vec::new(),
        };
        let out = origin.child.stdout.take().context("its output is piped")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        origin.ports = ports(&line).with_context(|| format!("bench-origin said {line:?}"))?;
        Ok(origin)
    }

    /// So many endpoints of an evenkeel configuration: on the ports in turn, each on an address of its own once the
    /// ports are used up.
    pub(super) fn endpoints(&self, count: usize) -> String {
        let endpoint = |n: usize| {
            let (port, host) = (self.ports[n % PORTS], n / PORTS + 1);
            format!("\"127.0.{}.{}:{port}\", ", host / 250, host % 250 + 1)
        };
        (0..count).map(endpoint).collect()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The ports behind `ready`.
fn ports(line: &str) -> Option<Vec<u16>> {
    let words = line.trim_end().strip_prefix("ready ")?.split(' ');
    let ports: Vec<u16> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    (ports.len() == PORTS).then_some(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_every_port() {
        assert_eq!(ports("ready 1 2 3\n"), Some(vec![1, 2, 3]));
        for line in [
            "",
            "ready\n",
            "ready 1 2\n",
            "ready 1 2 x\n",
            "error 1 2 3\n",
        ] {
            assert_eq!(ports(line), None, "{line}");
        }
    }
}
