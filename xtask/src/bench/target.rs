//! Targets: what evenkeel must show in a scenario, and whether it did. A target is data; the judgement is arithmetic.
//!
//! evenkeel and what it is compared with had their turns in the same round, so a ratio is taken round by round and its
//! median counts.

use super::contestant::{Entrant, Who};
use super::measure::{Measure, Turn};
use super::spread::{Spread, ratio, values};

/// What a measure of evenkeel must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    pub(super) measure: Measure,
    against: Against,
    /// The ratio, or the value, that it may just reach.
    pub(super) bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Against {
    /// This one.
    Rival(Who),
    /// Whichever rival is better.
    Better,
    /// The better rival or so many times the bare relay, whichever is more.
    BetterOrRelay(f64),
    /// Itself in its plain setting.
    Own,
    /// Nothing: the value itself counts.
    Nothing,
}

impl Target {
    /// At most (for what should be much: at least) `bound` times `who`.
    pub(super) const fn rival(measure: Measure, who: Who, bound: f64) -> Self {
        let against = Against::Rival(who);
        Self {
            measure,
            against,
            bound,
        }
    }

    /// At most (at least) `bound` times the better of the rivals.
    pub(super) const fn better(measure: Measure, bound: f64) -> Self {
        let against = Against::Better;
        Self {
            measure,
            against,
            bound,
        }
    }

    /// At most the better rival, or `relay` times the bare relay on epoll, whichever is more.
    pub(super) const fn better_or_relay(measure: Measure, relay: f64) -> Self {
        let against = Against::BetterOrRelay(relay);
        let bound = 1.0;
        Self {
            measure,
            against,
            bound,
        }
    }

    /// At most `bound` times evenkeel in its plain setting.
    pub(super) const fn own(measure: Measure, bound: f64) -> Self {
        let against = Against::Own;
        Self {
            measure,
            against,
            bound,
        }
    }

    /// At most `bound`.
    pub(super) const fn most(measure: Measure, bound: f64) -> Self {
        let against = Against::Nothing;
        Self {
            measure,
            against,
            bound,
        }
    }

    /// The target as a sentence without a verb.
    pub(super) fn text(&self) -> String {
        let sign = if self.measure.less_is_better() {
            "≤"
        } else {
            "≥"
        };
        let (measure, bound) = (self.measure.name(), self.bound);
        match self.against {
            Against::Rival(who) => format!("{measure} {sign} {bound:.2} × {}", who.name()),
            Against::Better => format!("{measure} {sign} {bound:.2} × the better rival"),
            Against::BetterOrRelay(relay) => {
                format!(
                    "{measure} {sign} the better rival or {relay:.1} × the bare epoll relay, whichever is more"
                )
            }
            Against::Own => format!("{measure} {sign} {bound:.2} × its own plain setting"),
            Against::Nothing => format!("{measure} {sign} {bound:.0}"),
        }
    }

    /// What the rounds say. `field` holds the turns of everyone, round by round; `None` when someone is missing in it or
    /// the measure could not be taken.
    pub(super) fn judge(&self, field: &Field<'_>) -> Option<Verdict> {
        let own = values(self.measure, field.subject()?)?;
        let spread = match self.against {
            Against::Nothing => Spread::of(&own)?,
            _ => ratio(&own, &self.reference(field)?)?,
        };
        let fits = |value: f64| {
            if self.measure.less_is_better() {
                value <= self.bound
            } else {
                value >= self.bound
            }
        };
        Some(Verdict {
            spread,
            met: fits(spread.median),
            unanimous: fits(spread.least) == fits(spread.greatest),
        })
    }

    /// What evenkeel is divided by, round by round.
    fn reference(&self, field: &Field<'_>) -> Option<Vec<f64>> {
        let of = |turns: &[Turn]| values(self.measure, turns);
        match self.against {
            Against::Rival(who) => {
                of(field.turns(|entrant| entrant.who == who && !entrant.baseline)?)
            }
            Against::Better => self.better_rival(field),
            Against::BetterOrRelay(times) => {
                let better = self.better_rival(field)?;
                let relay = of(field.turns(|entrant| entrant.who == Who::Epoll)?)?;
                let relay: Vec<f64> = relay.into_iter().map(|value| value * times).collect();
                Some(
                    if Spread::of(&relay)?.median > Spread::of(&better)?.median {
                        relay
                    } else {
                        better
                    },
                )
            }
            Against::Own => {
                of(field.turns(|entrant| entrant.who == Who::Evenkeel && entrant.baseline)?)
            }
            Against::Nothing => None,
        }
    }

    /// The values of the rival whose median is better; both must be there, or the other might have been.
    fn better_rival(&self, field: &Field<'_>) -> Option<Vec<f64>> {
        for who in [Who::Nginx, Who::Haproxy] {
            field.turns(|entrant| entrant.who == who && !entrant.baseline)?;
        }
        let rivals = field
            .0
            .iter()
            .filter(|(entrant, _)| entrant.who.is_rival() && !entrant.baseline);
        let each: Option<Vec<_>> = rivals
            .map(|(_, turns)| {
                let values = values(self.measure, turns)?;
                Some((Spread::of(&values)?.median, values))
            })
            .collect();
        let better = each?.into_iter().reduce(|best, next| {
            let next_is_better = (next.0 < best.0) == self.measure.less_is_better();
            if next_is_better { next } else { best }
        });
        better.map(|(_, values)| values)
    }
}

/// Everyone's turns in one scenario.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a>(pub(super) &'a [(Entrant, Vec<Turn>)]);

impl<'a> Field<'a> {
    /// The turns of the evenkeel that the scenario is about.
    pub(super) fn subject(self) -> Option<&'a [Turn]> {
        self.turns(|entrant| entrant.who == Who::Evenkeel && !entrant.baseline)
    }

    /// The turns of the first one that `is` the one, if it had any.
    pub(super) fn turns(self, is: impl Fn(Entrant) -> bool) -> Option<&'a [Turn]> {
        let found = self.0.iter().find(|(entrant, _)| is(*entrant));
        found
            .map(|(_, turns)| turns.as_slice())
            .filter(|turns| !turns.is_empty())
    }
}

/// What came of a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Verdict {
    pub(super) spread: Spread,
    pub(super) met: bool,
    /// Whether every round says the same.
    pub(super) unanimous: bool,
}

#[cfg(test)]
mod tests;
