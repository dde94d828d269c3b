//! Access records of whatever bytes, which must be lines, and JSON. What must hold is in the file below, which plain tests use too.

#![no_main]

#[path = "../../crates/evenkeel-proxy/tests/records/again.rs"]
mod again;

libfuzzer_sys::fuzz_target!(|data: &[u8]| again::all(data));
