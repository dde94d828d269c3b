//! Heads that are written on, which must be the same message, by the rules. What must hold is in the file below, which plain tests
//! use too.

#![no_main]

#[path = "../../crates/evenkeel-proxy/tests/forwarding/again.rs"]
mod again;

libfuzzer_sys::fuzz_target!(|data: &[u8]| again::all(data));
