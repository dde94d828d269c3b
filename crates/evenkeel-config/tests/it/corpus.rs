//! Replays what the fuzzer's corpus holds, so that what it found once stays found without a nightly compiler.

#[path = "../../../../fuzz/replay.rs"]
mod replay;

use evenkeel_config::fuzzing;
use replay::replay;

#[test]
fn the_corpus_holds() {
    replay("config", fuzzing::check);
}
