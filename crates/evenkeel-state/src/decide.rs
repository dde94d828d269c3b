//! What is decided about a request before anything is sent: who the client is, which route, whether it may pass, which cluster and
//! endpoint, and which fields go on. Functions of a head and a snapshot; nothing here acts, waits or writes a record.
//!
//! The data plane does what they say, and the admin plane tells operators what they would say: there is one of each, so that an
//! explanation cannot be of another proxy than the one that runs.

pub mod admit;
pub mod again;
pub mod client;
pub mod cookie;
pub mod fields;
pub mod health;
pub mod key;
pub mod patience;
pub mod pick;
pub mod rate;
pub mod request_id;
pub mod side;
pub mod spelling;
pub mod sticky;
pub mod target;
pub mod twice;

#[cfg(test)]
mod rig;

pub use client::Client;
