//! What came of a scenario: everyone's turns, and whether they may be called a result. It formats nothing.

use super::contestant::Entrant;
use super::measure::Turn;
use super::scenario::Scenario;

/// What came of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub(super) scenario: &'static Scenario,
    /// Requests a second, where they were fixed.
    pub(super) rate: Option<f64>,
    /// Everyone's turns, in the order of the rounds.
    pub(super) turns: Vec<(Entrant, Vec<Turn>)>,
    /// Why it ended early.
    pub(super) broken: Option<String>,
}

impl Outcome {
    /// Whether its figures count: nothing went wrong, nobody failed a request.
    pub(super) fn is_result(&self) -> bool {
        self.broken.is_none() && self.all().all(|turn| turn.failures() == 0)
    }

    /// The largest share of the proxy's core that anything but the proxy had during a turn.
    pub(super) fn company(&self) -> f64 {
        let shares = self.all().map(|turn| turn.core_busy - turn.own_busy());
        shares.fold(0.0, f64::max)
    }

    fn all(&self) -> impl Iterator<Item = &Turn> {
        self.turns.iter().flat_map(|(_, turns)| turns)
    }
}
