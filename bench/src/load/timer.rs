//! A timer to the microsecond among the events of epoll, whose own timeout is coarser (the kernel adds 50 µs of slack).

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::poll::Poll;

/// One timer, set for one instant at a time.
#[derive(Debug)]
pub(super) struct Timer {
    fd: OwnedFd,
    set: Option<Instant>,
}

impl Timer {
    /// A timer that is not set and reports with this token.
    pub(super) fn new(poll: &Poll, token: u64) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        poll.watch_input(&fd, token)?;
        Ok(Self { fd, set: None })
    }

    /// Sets it anew, which also ends a report; nothing is done when it is set for this instant and that lies ahead.
    pub(super) fn set(&mut self, at: Option<Instant>, now: Instant) -> io::Result<()> {
        if self.set == at && at.is_none_or(|at| at > now) {
            return Ok(());
        }
        // Zero would switch it off.
        let wait = at.map(|at| {
            at.saturating_duration_since(now)
                .max(Duration::from_nanos(1))
        });
        let wait = wait.unwrap_or(Duration::ZERO);
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let new = Itimerspec {
            it_interval: zero,
            it_value: Timespec {
                tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: wait.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &new)?;
        self.set = at;
        Ok(())
    }
}
