//! The atomics of this crate: those of the standard library, or loom's, which tries every order of steps that threads can
//! take. (`RUSTFLAGS="--cfg loom" cargo test -p evenkeel-policy --test loom`)

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A value alone on its cache lines, so that writing it does not take its neighbors from the other cores. 128 bytes:
/// Intel's prefetcher fetches lines of 64 in pairs, and Apple's lines are that long.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);
