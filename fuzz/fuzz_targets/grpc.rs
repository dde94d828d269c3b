//! Statuses, timeouts, messages and answers of health services. What must hold is in `evenkeel_base::fuzzing`, which plain tests
//! use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evenkeel_base::fuzzing::grpc(data));
