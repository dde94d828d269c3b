//! A simulator of clusters in simulated time: the real policies of evenkeel against modelled endpoints and clients.
//!
//! What decides is `evenkeel-policy`, unchanged: balancers, standing, probes, ejections, retries, budgets, limits, queues,
//! hedging, slow start and panic, asked in the order in which the data plane and the control plane ask them. What is
//! modelled is the rest of the world:
//!
//! - an endpoint is a machine with cores that its requests share ([`scenario::Group`]), with neighbors that take cores
//!   away, cold caches, and a script of what goes wrong with it;
//! - clients ask at a rate that changes, or each again after some time ([`scenario::Clients`]);
//! - many nodes share endpoints and clients and nothing else.
//!
//! Left out: bytes and connections (so neither connects nor idle connections that close under a request cost anything),
//! workers (a node is one), routes (sticky clients, splits, mirrors, rate limits), and the time that evenkeel itself takes.
//!
//! One thread and no clock: the same scenario, seed and balancer give the same outcome, to the bit, on every machine. Floating
//! point stays with the operations that IEEE 754 defines exactly ([`chance`]). Three of `evenkeel-policy`'s take functions of the
//! platform's, whose last bit may be another elsewhere: the adaptive limit a logarithm, `peak-ewma` and `least-time` an
//! exponential. What a request asks for and how much work its attempts are does not depend on the
//! balancer, so that differences between two of them are theirs.

mod arrivals;
pub mod builtin;
pub mod chance;
mod contender;
pub mod distribution;
mod endpoint;
mod events;
pub mod figures;
pub mod fuzzing;
pub mod histogram;
mod html;
mod json;
mod known;
mod lapse;
mod layout;
mod machine;
mod meter;
mod node;
pub mod paper;
pub mod plot;
pub mod read;
mod record;
mod reference;
pub mod rule;
pub mod scenario;
mod slab;
mod table;
pub mod time;
mod tuned;
mod world;

pub use builtin::Builtin;
pub use contender::{VARIANTS, contender, own};
pub use histogram::Histogram;
pub use html::html;
pub use json::json;
pub use known::Known;
pub use record::{EndpointOutcome, MOST_SAMPLES, Outcome, Sample};
pub use reference::reference_markdown;
pub use rule::{Contender, Picks, Rule, Truth};
pub use scenario::Scenario;
pub use table::table;
pub use world::{Play, play};
