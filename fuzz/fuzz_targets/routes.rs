//! Route tables and requests, against a scan of all routes. What must hold is in `evenkeel_route::fuzzing`, which plain tests use
//! too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evenkeel_route::fuzzing::table(data));
