//! The load: our own client or wrk, on their core, and their reports read back. It judges nothing.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::measure::Report;
use super::perf::Count;
use super::process::{LOAD_CORE, command, find};
use super::scenario::{Load, Upload};

/// The words of a command line for our own client.
pub(super) fn arguments(mode: &str, load: &Load, port: u16, paths: &str) -> Vec<String> {
    let mut words = vec![mode.to_owned()];
    let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
    add("--to", format!("127.0.0.1:{port}"));
    add("--connections", load.connections.to_string());
    if load.routes {
        add("--paths-file", paths.to_owned());
    } else {
        add("--path", load.path.to_owned());
    }
    if load.browser {
        add("--head", "browser".to_owned());
    }
    if load.pipeline > 1 {
        add("--pipeline", load.pipeline.to_string());
    }
    match load.upload {
        Upload::None => {}
        Upload::Sized(length) => add("--upload", length.to_string()),
        Upload::Chunked(length) => {
            add("--upload", length.to_string());
            words.push("--upload-chunked".to_owned());
        }
    }
    if load.once {
        words.push("--one-request-per-connection".to_owned());
    }
    words
}

/// Runs our own client to its end.
pub(super) fn run(program: &Path, arguments: &[String], count: Option<&Count>) -> Result<Report> {
    let mut command = command(LOAD_CORE, program);
    command.args(arguments);
    let text = finish(command, count)?;
    read(&text).with_context(|| format!("bench-load reported something else:\n{text}"))
}

/// Drives the proxy on `port` by wrk for whole seconds.
pub(super) fn wrk(load: &Load, port: u16, seconds: f64, count: Option<&Count>) -> Result<Report> {
    let mut command = command(LOAD_CORE, &find("wrk")?);
    command
        .args(["--threads", "1", "--latency"])
        .args(["--connections", &load.connections.to_string()])
        .args(["--duration", &format!("{:.0}s", seconds.ceil())])
        .arg(format!("http://127.0.0.1:{port}{}", load.path));
    let text = finish(command, count)?;
    read_wrk(&text).with_context(|| format!("wrk reported something else:\n{text}"))
}

/// Connections that are open until they are let go.
#[derive(Debug)]
pub(super) struct Held {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Held {
    /// Opens them, and waits until all are.
    pub(super) fn open(program: &Path, arguments: &[String]) -> Result<Self> {
        let mut child = command(LOAD_CORE, program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("no output")?;
        let output = BufReader::new(output);
        let mut held = Self { child, output };
        held.read("ready")?;
        Ok(held)
    }

    /// Lets them go, and says how many there still were.
    pub(super) fn release(mut self) -> Result<u64> {
        // The end of its input is what it waits for.
        drop(self.child.stdin.take());
        self.read("held")
    }

    /// The number in the next line, which is an object with this one key.
    fn read(&mut self, key: &str) -> Result<u64> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let value: Option<Value> = serde_json::from_str(&line).ok();
        let number = value.and_then(|value| value[key].as_u64());
        number.with_context(|| format!("bench-load did not say what is {key}: {line}"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Runs a client to its end and gives what it printed.
pub(super) fn finish(command: Command, count: Option<&Count>) -> Result<String> {
    let mut command = match count {
        Some(count) => count.around(&command),
        None => command,
    };
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {}\n{text}{complaint}", output.status);
    }
    Ok(text)
}

fn read(text: &str) -> Option<Report> {
    let value: Value = serde_json::from_str(text).ok()?;
    let mut errors = BTreeMap::new();
    for (status, count) in value["status"].as_object()? {
        if status != "200" {
            errors.insert(format!("status {status}"), count.as_u64()?);
        }
    }
    for (kind, count) in value["errors"].as_object()? {
        errors.insert(kind.clone(), count.as_u64()?);
    }
    errors.retain(|_, count| *count > 0);
    let latency = &value["latency_us"];
    Some(Report {
        requests: value["requests"].as_f64()?,
        seconds: value["seconds"].as_f64()?,
        bytes: value["bytes_in"].as_f64()? + value["bytes_out"].as_f64()?,
        errors,
        p50: latency["p50"].as_f64(),
        p99: latency["p99"].as_f64(),
        p999: latency["p999"].as_f64(),
    })
}

fn read_wrk(text: &str) -> Option<Report> {
    let mut report = Report::default();
    for line in text.lines().map(str::trim) {
        if let Some((number, rest)) = line.split_once(" requests in ") {
            let (time, bytes) = rest.split_once(", ")?;
            report.requests = number.parse().ok()?;
            report.seconds = scaled(time, &TIMES)?;
            report.bytes = scaled(bytes.strip_suffix(" read")?, &SIZES)?;
        } else if let Some(number) = line.strip_prefix("Non-2xx or 3xx responses:") {
            let count = number.trim().parse().ok()?;
            report
                .errors
                .insert("status not 2xx or 3xx".to_owned(), count);
        } else if let Some(kinds) = line.strip_prefix("Socket errors:") {
            for kind in kinds.split(',') {
                let (name, count) = kind.trim().split_once(' ')?;
                report.errors.insert(name.to_owned(), count.parse().ok()?);
            }
        } else if let Some(time) = line.strip_prefix("50%") {
            report.p50 = scaled(time.trim(), &TIMES).map(|time| time * 1e6);
        } else if let Some(time) = line.strip_prefix("99%") {
            report.p99 = scaled(time.trim(), &TIMES).map(|time| time * 1e6);
        }
    }
    report.errors.retain(|_, count| *count > 0);
    (report.seconds > 0.0).then_some(report)
}

/// The units of wrk, longest first where one ends in another.
const TIMES: [(&str, f64); 5] = [
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];
const SIZES: [(&str, f64); 5] = [
    ("KB", 1024.0),
    ("MB", 1_048_576.0),
    ("GB", 1_073_741_824.0),
    ("TB", 1_099_511_627_776.0),
    ("B", 1.0),
];

fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let mut found = units.iter().filter_map(|(unit, factor)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * factor)
    });
    found.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_reports_are_read_with_their_errors() {
        let text = r#"{"requests":100,"seconds":2.5,"bytes_in":1000,"bytes_out":24,
            "status":{"200":97,"502":3},"errors":{"connect":0,"read":2,"write":0,"timeout":0,"malformed":0},
            "latency_us":{"p50":10.5,"p90":20,"p99":30,"p999":40,"max":50}}"#;
        let report = read(text).unwrap();
        assert_eq!((report.requests, report.bytes), (100.0, 1024.0));
        assert_eq!((report.p50, report.p999), (Some(10.5), Some(40.0)));
        let errors: Vec<_> = report.errors.into_iter().collect();
        assert_eq!(
            errors,
            [("read".to_owned(), 2), ("status 502".to_owned(), 3)]
        );
        assert_eq!(read("{}"), None);
        assert_eq!(read("ready"), None);
    }

    #[test]
    fn reports_of_wrk_are_read_with_their_errors() {
        let fine = "Running 2s test @ http://x/\n  1 threads and 64 connections\n  Latency Distribution\n     50%  812.00us\n     75%  1.20ms\n     90%    1.80ms\n     99%    2.50ms\n  250000 requests in 2.00s, 40.00MB read\nRequests/sec: 125000.00\n";
        let report = read_wrk(fine).unwrap();
        assert_eq!((report.requests, report.seconds), (250_000.0, 2.0));
        assert_eq!(report.bytes, 41_943_040.0);
        let micros = |time: Option<f64>| time.unwrap().round();
        assert_eq!((micros(report.p50), micros(report.p99)), (812.0, 2500.0));
        assert_eq!((report.p999, report.errors.len()), (None, 0));
        let broken = format!(
            "{fine}  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 5\n"
        );
        let errors = read_wrk(&broken).unwrap().errors;
        assert_eq!(errors.values().sum::<u64>(), 12);
        assert_eq!(errors.len(), 4);
        assert_eq!(read_wrk("unable to connect"), None);
    }
}
