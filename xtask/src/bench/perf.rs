//! Instructions of running processes, where the machine lets `perf stat` count them; many virtual machines do not.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// What is counted, in the order in which it is reported.
const EVENTS: &str = "instructions:u,instructions:k";

/// Instructions in user mode and in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instructions {
    pub(super) user: u64,
    pub(super) kernel: u64,
}

/// Whether instructions can be counted here.
pub(super) fn is_supported() -> bool {
    let output = Command::new("perf")
        .args(["stat", "-x,", "-e", EVENTS, "true"])
        .output();
    output.is_ok_and(|output| read(&String::from_utf8_lossy(&output.stderr)).is_some())
}

/// A count that runs.
#[derive(Debug)]
pub(super) struct Counting {
    child: Child,
    report: PathBuf,
}

impl Counting {
    /// Begins to count what these processes execute; `report` is a file it may write.
    pub(super) fn start(pids: &[u32], report: &Path) -> Result<Self> {
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let child = Command::new("perf")
            .args(["stat", "-x,", "-e", EVENTS, "-p", &pids.join(","), "-o"])
            .arg(report)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("perf could not be started")?;
        Ok(Self {
            child,
            report: report.to_owned(),
        })
    }

    /// Ends the count.
    pub(super) fn stop(mut self) -> Result<Option<Instructions>> {
        // It writes its report when it is interrupted.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("no process")?, Signal::INT)?;
        self.child.wait()?;
        Ok(read(&std::fs::read_to_string(&self.report)?))
    }
}

/// Lines are `123456,,instructions:u,2000000,100.00,,`; the number is words where the machine cannot count.
fn read(report: &str) -> Option<Instructions> {
    let count = |event: &str| {
        report.lines().find_map(|line| {
            let mut fields = line.split(',');
            let number = fields.next()?.parse().ok()?;
            (fields.nth(1)? == event).then_some(number)
        })
    };
    Some(Instructions {
        user: count("instructions:u")?,
        kernel: count("instructions:k")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_where_there_are_any() {
        let counted = "# started on x\n\n123456,,instructions:u,2000000,100.00,,\n789,,instructions:k,2000000,100.00,,\n";
        let expected = Instructions {
            user: 123_456,
            kernel: 789,
        };
        assert_eq!(read(counted), Some(expected));
        let refused = "<not supported>,,instructions:u,0,100.00,,\n<not supported>,,instructions:k,0,100.00,,\n";
        assert_eq!(read(refused), None);
        assert_eq!(read(""), None);
    }
}
