//! The bad day, automated: what clients notice when endpoints die, hang, slow down, answer nonsense and come back.
//!
//! ```text
//! client (64 connections, every request has an id) ──▶ proxy ──▶ endpoints (a process each: killed, frozen, replaced)
//!   └── what came of each request ──▶ claims ◀── what each endpoint saw ──┘
//! ```
//!
//! A [`scenario::Scenario`] says what there is, what happens when, and what must hold, with the rule that it follows from;
//! [`play::play`] plays it; `tests/` plays each in a short form, and `cargo xtask reliability` all of them at length, beside
//! other proxies, for `docs/reliability.md`. Nothing here is part of evenkeel, and no speed is measured.
//!
//! [`experiment`] is another question put to the same processes: whether the simulator of `evenkeel-sim` orders balancers as reality
//! does.

pub mod book;
pub mod claim;
pub mod client;
pub mod crowd;
pub mod echo;
pub mod endpoint;
pub mod exchange;
pub mod experiment;
pub mod limits;
pub mod names;
pub mod network;
pub mod origin;
pub mod play;
pub mod process;
pub mod proxy;
pub mod report;
pub mod run;
pub mod scenario;
pub mod scenarios;
pub mod service;
pub mod setting;
pub mod soak;
pub mod stage;
