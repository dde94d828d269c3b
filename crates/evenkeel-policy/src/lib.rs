//! Decisions of the data plane, pure: which endpoint, whether to try again, how long an idle connection is trusted.
//!
//! Time and chance are arguments. What workers share lives in atomics behind `&self`; nothing here locks or waits, and but
//! for the [`Queue`] nothing allocates after it was built. Nothing here acts either: the data plane asks, and does what it
//! is told.
//!
//! - [`Tiers`] says which group of endpoints is picked from, and its [`Balancer`] picks an endpoint among [`Candidate`]s, but none that was [`Tried`]; [`panic`](mod@panic) says when regardless of
//!   standing.
//! - [`Standing`] is where an endpoint stands: [`health`] is what probes say, [`Outlier`] what traffic says, and
//!   [`slow_start`] how it comes back.
//! - [`retry::verdict`] says whether a failed attempt may be repeated, [`Budget`] whether the cluster can afford it.
//! - [`KeepAlive`] learns how long an endpoint keeps idle connections.
//! - [`trial`] says whether a new configuration makes things worse.
//! - [`KeyHasher`] makes the key that a request is told apart by.
//! - [`Queue`] says who waits for a cluster, for how long and in which order; [`Adaptive`] how many requests an endpoint
//!   bears; [`RateLimiter`] whether a client, told apart by its [`ClientKey`], asks too often.
//! - [`Overload`] says how near the process is to its limits, and so what is given up.

pub mod adaptive;
pub mod backoff;
pub mod balancer;
pub mod budget;
pub mod candidate;
pub mod client_key;
pub mod fuzzing;
pub mod health;
pub mod keepalive;
pub mod key;
pub mod load;
pub mod outlier;
pub mod overload;
pub mod panic;
pub mod queue;
pub mod rate;
pub mod retry;
pub mod slow_start;
pub mod split;
pub mod standing;
pub mod sticky;
pub mod subset;
pub mod tiers;
pub mod trial;
pub mod tried;

mod sync;

pub use adaptive::Adaptive;
pub use balancer::{Balancer, Member, Needs, Wanted};
pub use budget::Budget;
pub use candidate::Candidate;
pub use client_key::ClientKey;
pub use keepalive::KeepAlive;
pub use key::KeyHasher;
pub use load::{Decay, Load, Observed, Report};
pub use outlier::{Outlier, Past};
pub use overload::Overload;
pub use queue::Queue;
pub use rate::RateLimiter;
pub use retry::{Allowance, Attempt, Failure, Sent, Verdict, is_repeatable, verdict};
pub use split::Split;
pub use standing::{Health, Phase, Standing, Stood};
pub use subset::subset;
pub use tiers::Tiers;
pub use tried::Tried;
