//! Everything the fuzzer of access records has kept, on a stable toolchain.

#[path = "../../../../fuzz/replay.rs"]
mod replay;

use crate::again;
use replay::replay;

#[test]
fn records() {
    replay("records", again::all);
}
