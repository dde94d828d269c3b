//! The numbers that decisions are made by: what the configuration says and the policies read.
//!
//! One struct for each policy, with its defaults beside it; the configuration's knobs take theirs from here. Nothing is
//! decided in this file, and what a probe sends or where a log goes is not in it either.

mod attempts;
mod balancing;
mod health;
mod limits;
mod multiplexing;

pub use attempts::{BudgetRules, HedgeRules, RetryOn, RetryRules, Statuses};
pub use balancing::{
    BalancerRules, Choices, HashRules, HashTable, KeyPart, MOST_TOKENS, PrequalRules,
    ReportedRules, Signals, TierRules,
};
pub use health::{AdminState, OutlierRules, ProbeRules};
pub use limits::{
    AdaptiveRules, EndpointLimit, LimitRules, Priority, QueueRules, RateKey, RateRules,
};
pub use multiplexing::MultiplexRules;
