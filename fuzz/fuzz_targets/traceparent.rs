//! What clients say of the trace that they belong to. What must hold is in `evenkeel_base::fuzzing`, which plain tests use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evenkeel_base::fuzzing::traceparent(data));
