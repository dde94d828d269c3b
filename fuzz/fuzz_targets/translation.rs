//! Heads and trailers of HTTP/2, which must be the same message when they are written as HTTP/1. What must hold is in the file below,
//! which plain tests use too.

#![no_main]

#[path = "../../crates/evenkeel-proxy/tests/translation/again.rs"]
mod again;

libfuzzer_sys::fuzz_target!(|data: &[u8]| again::all(data));
