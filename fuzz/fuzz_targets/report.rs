//! Load reports, as text and as JSON. What must hold is in `evenkeel_policy::fuzzing`, which plain tests use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evenkeel_policy::fuzzing::report(data));
