//! What the benchmark's programs are made of: an origin, a load generator, and two bare relays as floors.
//!
//! They measure; they are no part of evenkeel and share no code with it, so that a mistake of its codec cannot hide in
//! the instrument that looks at it. One thread each, and no feature beyond what a scenario of `cargo xtask bench` needs.

pub mod body;
pub mod head;
pub mod histogram;
pub mod load;
pub mod message;
pub mod origin;
pub mod poll;
pub mod ready;
pub mod relay_epoll;
pub mod relay_tokio;
pub mod slab;
pub mod socket;
