//! Floor 0: TLS without sockets. Identities (a chain and its key), who is trusted, resumption, and connections as machines
//! that bytes go into and come out of; rustls and aws-lc-rs do the work.
//!
//! It opens no file and no socket: `evenkeel-config` hands it what stands in files, `evenkeel-net` moves the bytes.

mod believed;
pub mod certificate;
pub mod client;
pub mod connection;
pub mod failure;
pub mod identity;
pub mod outgoing;
mod provider;
mod secret;
pub mod server;
mod shown;
pub mod terms;

pub use certificate::Certificate;
pub use client::ClientTls;
pub use connection::{Connection, Opened};
pub use failure::{Failure, Reason};
pub use identity::Identity;
pub use outgoing::Outgoing;
pub use secret::Secret;
pub use server::{ClientCheck, Proof, ServerTls, TicketKeys};
pub use terms::Version;
