//! The frames of an HTTP/2 connection, as its meter counts them. What must hold is in `evenkeel_http2::fuzzing`, which plain tests
//! use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evenkeel_http2::fuzzing::meter(
    data,
    std::time::Instant::now()
));
