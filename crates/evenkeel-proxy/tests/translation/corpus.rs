//! Everything the fuzzer of the translation has kept, on a stable toolchain.

#[path = "../../../../fuzz/replay.rs"]
mod replay;

use crate::again;
use replay::replay;

#[test]
fn translations() {
    replay("translation", again::all);
}
