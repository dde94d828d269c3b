//! Request heads. What must hold is in `evenkeel_http1::fuzzing`, which plain tests use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evenkeel_http1::fuzzing::request_head(data));
