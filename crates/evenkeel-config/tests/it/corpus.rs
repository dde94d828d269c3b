//! Replays what the fuzzer's corpus holds, so that what it found once stays found without a nightly compiler.

#![expect(clippy::disallowed_methods, reason = "a test may read its files")]

use std::fs;
use std::path::Path;

use evenkeel_config::fuzzing;

#[test]
fn the_corpus_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/config");
    let mut replayed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        fuzzing::check(&fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 8, "only {replayed} inputs were found");
}
