//! Everything the fuzzers have kept, on a stable toolchain.

use std::path::Path;

use evenkeel_http1::fuzzing;

/// Gives every file of `fuzz/corpus/NAME` to `entry`.
#[expect(
    clippy::disallowed_methods,
    reason = "the crate is pure, its tests read the corpus"
)]
fn replay(name: &str, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(name);
    let files = std::fs::read_dir(&folder).expect("the corpus is checked in");
    let mut count = 0;
    for file in files {
        let path = file.expect("a file").path();
        let data = std::fs::read(&path).expect("a readable file");
        println!("{}", path.display());
        entry(&data);
        count += 1;
    }
    assert!(count > 10, "{} has {count} files", folder.display());
}

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
