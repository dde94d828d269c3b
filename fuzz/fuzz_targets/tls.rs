//! Connections of TLS, cut and changed on their way, and what strangers send. What must hold is in the file below, which plain tests
//! use too.

#![no_main]

#[path = "../../crates/evenkeel-tls/tests/wire/again.rs"]
mod again;

libfuzzer_sys::fuzz_target!(|data: &[u8]| again::all(data));
