//! From one process to the next: a program takes the place of the one that runs, and no connection is lost.
//!
//! ```text
//!   old                                            new (started by the old one, stdin is a socket between both)
//!   ─────────────────────────────────────────      ─────────────────────────────────────────────────────────────
//!   offer (JSON), every listening socket ───────▶  reads its configuration, or is given it; takes the sockets whose address it has
//!                                                  looks names up, goes on from what was learnt, starts its workers
//!   stops accepting, drains, ends        ◀───────  "ready", and which listeners it took
//!
//!   kills it, goes on as before          ◀───────  an error; or it ends, or says nothing for 30 s
//! ```
//!
//! Both accept by the same sockets for a moment, so there is no moment in which nobody does, and what waits in their queues is
//! the new one's. Sockets whose address the new one does not have are drained by the old one and closed.
//!
//! Sockets travel as messages (`SCM_RIGHTS`) and not by inheritance: nothing that is not meant for it gets into the new
//! process, whatever program it is.

mod document;
mod give;
mod in_force;
mod take;
mod wire;

use std::time::Duration;

pub(crate) use give::{Estate, Giving, Taken, program};
pub(crate) use in_force::Given;
pub(crate) use take::Handover;

/// The variable of the new process's environment that tells it; its value is the id of the old one.
const VARIABLE: &str = "EVENKEEL_HANDOVER";

/// The new process has to be ready within this time.
const PATIENCE: Duration = Duration::from_secs(30);
