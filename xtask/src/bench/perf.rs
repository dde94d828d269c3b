//! Instructions of running processes, where the machine lets `perf stat` count them; many virtual machines do not.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

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

/// A count of what some processes execute while a program runs.
#[derive(Debug)]
pub(super) struct Count {
    pids: String,
    report: PathBuf,
}

impl Count {
    /// Of these processes; `report` is a file that may be written.
    pub(super) fn new(pids: &[u32], report: PathBuf) -> Self {
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let pids = pids.join(",");
        Self { pids, report }
    }

    /// `command` as perf runs it: from its first instruction to its last, the others are counted.
    pub(super) fn around(&self, command: &Command) -> Command {
        let mut counted = Command::new("perf");
        counted
            .args(["stat", "-x,", "-e", EVENTS, "-p", &self.pids, "-o"])
            .arg(&self.report)
            .arg("--")
            .arg(command.get_program())
            .args(command.get_args());
        counted
    }

    /// What was counted.
    pub(super) fn read(&self) -> Result<Option<Instructions>> {
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
    fn the_program_runs_below_perf() {
        let mut command = Command::new("taskset");
        command.args(["-c", "1", "load"]);
        let counted = Count::new(&[7, 8], PathBuf::from("x")).around(&command);
        let words: Vec<_> = counted
            .get_args()
            .map(|word| word.to_str().unwrap())
            .collect();
        let expected = "stat -x, -e instructions:u,instructions:k -p 7,8 -o x -- taskset -c 1 load";
        assert_eq!(words.join(" "), expected);
    }

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
