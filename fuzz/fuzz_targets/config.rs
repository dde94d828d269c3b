//! Configuration files. What must hold is in `evenkeel_config::fuzzing`, which plain tests use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evenkeel_config::fuzzing::check(data));
