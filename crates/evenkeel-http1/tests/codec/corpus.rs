//! Everything the fuzzers have kept, on a stable toolchain.

#[path = "../../../../fuzz/replay.rs"]
mod replay;

use evenkeel_http1::fuzzing;
use replay::replay;

#[test]
fn request_heads() {
    replay("request_head", fuzzing::request_head);
}

#[test]
fn response_heads() {
    replay("response_head", fuzzing::response_head);
}

#[test]
fn chunked_bodies() {
    replay("chunked", fuzzing::chunked);
}

#[test]
fn trailer_sections() {
    replay("trailers", fuzzing::trailers);
}
