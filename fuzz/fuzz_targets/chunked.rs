//! Chunked bodies with their trailers. What must hold is in `evenkeel_http1::fuzzing`, which plain tests use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evenkeel_http1::fuzzing::chunked(data));
