//! What `/proc` says of a process: its memory, its descriptors, the time it took.

use std::fs;

use anyhow::{Context, Result};
use rustix::param::page_size;
use rustix::process::Pid;

/// What a process uses now.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Processor time, in hundredths of a second.
    pub ticks: u64,
}

impl Usage {
    /// Looks.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn of(pid: Pid) -> Result<Self> {
        let pages = read(pid, "statm")?;
        let pages = pages.split_whitespace().nth(1).context("no statm")?;
        let memory = pages.parse::<u64>()? * page_size() as u64;
        let descriptors = fs::read_dir(path(pid, "fd"))?.count() as u64;
        let stat = read(pid, "stat")?;
        // The fields after the name, which stands in parentheses: user and system time are the 12th and 13th of them.
        let (_, fields) = stat.rsplit_once(") ").context("no stat")?;
        let times = fields.split(' ').skip(11).take(2);
        Ok(Self {
            memory,
            descriptors,
            ticks: times.filter_map(|time| time.parse::<u64>().ok()).sum(),
        })
    }
}

/// Forgets what the most memory was that the process ever had.
///
/// # Errors
/// When the process is gone or somebody else's.
pub fn forget_peak(pid: Pid) -> Result<()> {
    Ok(fs::write(path(pid, "clear_refs"), "5")?)
}

/// The most resident memory since then, in bytes.
///
/// # Errors
/// When the process is gone.
pub fn peak(pid: Pid) -> Result<u64> {
    let status = read(pid, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    Ok(kibibytes.context("no peak")? * 1024)
}

/// The program that it runs.
#[must_use]
pub fn program(pid: Pid) -> std::path::PathBuf {
    fs::read_link(path(pid, "exe")).unwrap_or_default()
}

fn read(pid: Pid, file: &str) -> Result<String> {
    Ok(fs::read_to_string(path(pid, file))?)
}

fn path(pid: Pid, file: &str) -> String {
    format!("/proc/{}/{file}", pid.as_raw_nonzero())
}
