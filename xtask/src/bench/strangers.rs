//! Clients that speak what ours does not: h2load for HTTP/2 and for TLS, openssl for handshakes. Their command lines, and their
//! reports read back; it judges nothing.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::finish;
use super::measure::Report;
use super::perf::Count;
use super::process::{LOAD_CORE, command, find};
use super::scenario::{Load, Speech};

/// How long the connections of an idle load may take to be there.
const OPENING: Duration = Duration::from_secs(30);

/// How often we look whether they are.
const LOOK: Duration = Duration::from_millis(100);

/// Drives the proxy on `port` by h2load: `connections` of them, on each as many requests at once as `pipeline` says.
pub(super) fn h2load(
    load: &Load,
    speech: Speech,
    port: u16,
    seconds: f64,
    count: Option<&Count>,
) -> Result<Report> {
    let mut command = command(LOAD_CORE, &find("h2load")?);
    command
        .args(["--threads", "1", "--warm-up-time", "0"])
        .args(["--clients", &load.connections.to_string()])
        .args(["--max-concurrent-streams", &load.pipeline.to_string()])
        .args(["--duration", &format!("{:.0}ms", seconds * 1e3)]);
    if !speech.h2 {
        command.arg("--h1");
    }
    command.arg(url(load, speech, port));
    let text = finish(command, count)?;
    read_h2load(&text, seconds).with_context(|| format!("h2load reported something else:\n{text}"))
}

/// One connection after the other, each with a handshake and a request.
pub(super) fn handshakes(
    load: &Load,
    resumed: bool,
    port: u16,
    seconds: f64,
    count: Option<&Count>,
) -> Result<Report> {
    let mut command = command(LOAD_CORE, &find("openssl")?);
    command
        .args(["s_time", "-www", load.path])
        .args(["-connect", &format!("127.0.0.1:{port}")])
        .args(["-time", &format!("{:.0}", seconds.ceil())])
        .arg(if resumed { "-reuse" } else { "-new" });
    let text = finish(command, count)?;
    read_s_time(&text).with_context(|| format!("openssl reported something else:\n{text}"))
}

fn url(load: &Load, speech: Speech, port: u16) -> String {
    let scheme = if speech.tls { "https" } else { "http" };
    format!("{scheme}://127.0.0.1:{port}{}", load.path)
}

/// Connections that were used once and then stay.
#[derive(Debug)]
pub(super) struct Held {
    child: Child,
    port: u16,
}

impl Held {
    /// Opens them, asks once on each, and waits until all are there.
    pub(super) fn open(load: &Load, speech: Speech, port: u16) -> Result<Self> {
        let mut command = command(LOAD_CORE, &find("h2load")?);
        // The first request of a client leaves at once, the second after a hundred seconds.
        command
            .args(["--threads", "1", "--rps", "0.01", "--duration", "90"])
            .args(["--clients", &load.connections.to_string()]);
        if !speech.h2 {
            command.arg("--h1");
        }
        let child = command
            .arg(url(load, speech, port))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let held = Self { child, port };
        let deadline = Instant::now() + OPENING;
        while held.count()? < u64::from(load.connections) {
            if Instant::now() > deadline {
                bail!("only {} connections were opened", held.count()?);
            }
            thread::sleep(LOOK);
        }
        Ok(held)
    }

    /// Lets them go, and says how many there still were.
    pub(super) fn release(self) -> Result<u64> {
        self.count()
    }

    /// How many connections to the proxy are established, as the proxy's side of them is listed.
    fn count(&self) -> Result<u64> {
        let table = fs::read_to_string("/proc/net/tcp")?;
        Ok(established(&table, self.port))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The established connections whose own port is this, in the form of `/proc/net/tcp` (proc(5)).
fn established(table: &str, port: u16) -> u64 {
    let port = format!(":{port:04X}");
    let lines = table.lines().filter(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next(), words.nth(1));
        local.is_some_and(|local| local.ends_with(&port)) && state == Some("01")
    });
    lines.count() as u64
}

fn read_h2load(text: &str, seconds: f64) -> Option<Report> {
    let mut report = Report {
        seconds,
        ..Report::default()
    };
    let mut total = 0.0;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("requests: ") {
            total = number(rest, "done")?;
            for kind in ["failed", "errored", "timeout"] {
                let count = number(rest, kind)?;
                report.errors.insert(kind.to_owned(), whole(count));
            }
        } else if let Some(rest) = line.strip_prefix("status codes: ") {
            report.requests = number(rest, "2xx")?;
        } else if let Some(rest) = line.strip_prefix("traffic: ") {
            report.bytes = rest.split_once('(')?.1.split_once(')')?.0.parse().ok()?;
        }
    }
    let others = whole(total).saturating_sub(whole(report.requests));
    report.errors.insert("status not 2xx".to_owned(), others);
    // Those that the end of the time cuts off are called errored: as many as there may be at once.
    report.errors.remove("errored");
    report.errors.remove("failed");
    report.errors.retain(|_, count| *count > 0);
    (total > 0.0).then_some(report)
}

/// The number before that word, in `24691 total, 24755 started, …`.
fn number(list: &str, word: &str) -> Option<f64> {
    let found = list
        .split(',')
        .find_map(|one| one.trim().strip_suffix(word));
    found?.trim().parse().ok()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of requests, read from text"
)]
fn whole(count: f64) -> u64 {
    count as u64
}

fn read_s_time(text: &str) -> Option<Report> {
    // "1234 connections in 2 real seconds, 240 bytes read per connection", said again for resumed ones.
    let line = text
        .lines()
        .rev()
        .find(|line| line.contains(" real seconds"))?;
    let (connections, rest) = line.split_once(" connections in ")?;
    let (seconds, rest) = rest.split_once(" real seconds, ")?;
    let (bytes, _) = rest.split_once(" bytes read")?;
    let requests: f64 = connections.trim().parse().ok()?;
    let each: f64 = bytes.trim().parse().ok()?;
    let mut report = Report {
        requests,
        seconds: seconds.trim().parse().ok()?,
        bytes: requests * each,
        ..Report::default()
    };
    if each < 1.0 {
        report.errors.insert("empty".to_owned(), whole(requests));
    }
    (report.seconds > 0.0).then_some(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_h2load_are_read_with_their_errors() {
        let fine = "finished in 2.00s, 12345.50 req/s, 1.23MB/s\n\
                    requests: 24691 total, 24755 started, 24691 done, 24691 succeeded, 0 failed, 0 errored, 0 timeout\n\
                    status codes: 24691 2xx, 0 3xx, 0 4xx, 0 5xx\n\
                    traffic: 2.45MB (2570000) total, 96.45KB (98764) headers (space savings 95.00%), 2.35MB (2468864) data\n";
        let report = read_h2load(fine, 2.0).unwrap();
        assert_eq!(
            (report.requests, report.bytes, report.seconds),
            (24_691.0, 2_570_000.0, 2.0)
        );
        assert!(report.errors.is_empty(), "{report:?}");
        let bad = fine.replace(
            "24691 2xx, 0 3xx, 0 4xx, 0 5xx",
            "24600 2xx, 0 3xx, 0 4xx, 91 5xx",
        );
        assert_eq!(read_h2load(&bad, 2.0).unwrap().errors["status not 2xx"], 91);
        assert_eq!(read_h2load("requests: none", 2.0), None);
        assert_eq!(read_h2load("", 2.0), None);
    }

    #[test]
    fn reports_of_openssl_are_read() {
        let new = "Collecting connection statistics for 2 seconds\n****\n\n1100 connections in 0.61s; 1803.28 connections/user sec, bytes read 264000\n1100 connections in 3 real seconds, 240 bytes read per connection\n";
        let report = read_s_time(new).unwrap();
        assert_eq!(
            (report.requests, report.seconds, report.bytes),
            (1_100.0, 3.0, 264_000.0)
        );
        assert!(report.errors.is_empty());
        let empty = new.replace("240 bytes read per", "0 bytes read per");
        assert_eq!(read_s_time(&empty).unwrap().errors["empty"], 1_100);
        assert_eq!(read_s_time("no cipher list\n"), None);
    }

    #[test]
    fn connections_are_counted_on_the_proxy_s_side() {
        let table = "  sl  local_address rem_address   st tx_queue\n\
                     0: 0100007F:4E21 00000000:0000 0A 00000000\n\
                     1: 0100007F:4E21 0100007F:C350 01 00000000\n\
                     2: 0100007F:C350 0100007F:4E21 01 00000000\n\
                     3: 0100007F:4E21 0100007F:C351 08 00000000\n";
        assert_eq!(established(table, 20_001), 1);
        assert_eq!(established(table, 20_002), 0);
    }
}
