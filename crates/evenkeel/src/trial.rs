//! A configuration on trial: measured second by second, and judged by `evenkeel_policy::trial`.

use std::time::Duration;

use evenkeel_base::unit::format_duration;
use evenkeel_control::Control;
use evenkeel_policy::trial::{Tally, has_risen};
use evenkeel_state::command::{Answer, Done, Refused};
use tokio::sync::oneshot;
use tokio::time::{self, Instant, Interval};

/// How often it is judged.
const LOOK: Duration = Duration::from_secs(1);

/// A trial.
#[derive(Debug)]
pub(crate) struct Trial {
    /// The generation on trial.
    generation: u64,
    length: Duration,
    until: Instant,
    /// What came in the same time before.
    before: Tally,
    /// What had come when it began.
    begun: Tally,
    looks: Interval,
    /// Who waits for the verdict.
    answer: oneshot::Sender<Answer>,
}

/// What a look at a trial says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Its time is over, and nothing got worse.
    Stays,
    /// The fault rate has risen to this.
    Worse(Tally),
}

impl Trial {
    /// Begins now; `before` is what came in the same time before it.
    pub(crate) fn begin(
        control: &Control,
        generation: u64,
        length: Duration,
        before: Tally,
        answer: oneshot::Sender<Answer>,
    ) -> Self {
        let now = Instant::now();
        Self {
            generation,
            length,
            until: now + length,
            before,
            begun: control.tally(),
            looks: time::interval(LOOK),
            answer,
        }
    }

    /// When it is over.
    pub(crate) fn until(&self) -> std::time::Instant {
        self.until.into_std()
    }

    /// Waits until there is a verdict.
    pub(crate) async fn verdict(&mut self, control: &Control) -> Verdict {
        loop {
            tokio::select! {
                _ = self.looks.tick() => {}
                () = time::sleep_until(self.until) => {}
            }
            let since = control.tally() - self.begun;
            if has_risen(self.before, since) {
                return Verdict::Worse(since);
            }
            if Instant::now() >= self.until {
                return Verdict::Stays;
            }
        }
    }

    /// It has stood its time.
    pub(crate) fn stands(self, control: &Control) {
        let since = control.tally() - self.begun;
        let what = format!(
            "the configuration has stood its trial of {}: {}",
            format_duration(self.length),
            rates(self.before, since)
        );
        tracing::info!(generation = self.generation, "{what}");
        let _ = self.answer.send(Ok(Done {
            what,
            generation: self.generation,
        }));
    }

    /// What is said of one that made things worse.
    pub(crate) fn complaint(&self, since: Tally) -> String {
        format!(
            "the new configuration made things worse: {}",
            rates(self.before, since)
        )
    }

    /// It ends without a verdict that it stands.
    pub(crate) fn fails(self, why: String) {
        let _ = self.answer.send(Err(Refused::Cannot(why)));
    }
}

fn rates(before: Tally, since: Tally) -> String {
    format!(
        "{:.1} % of {} requests to endpoints failed, {:.1} % of {} before",
        since.fault_rate() * 100.0,
        since.requests,
        before.fault_rate() * 100.0,
        before.requests,
    )
}
