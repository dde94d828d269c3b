//! Scenarios of the simulator. What must hold is in `evenkeel_sim::fuzzing`, which plain tests use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evenkeel_sim::fuzzing::scenario(
    data,
    std::time::Instant::now()
));
