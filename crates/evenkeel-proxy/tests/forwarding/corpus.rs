//! Everything the fuzzer of forwarding has kept, on a stable toolchain.

#[path = "../../../../fuzz/replay.rs"]
mod replay;

use crate::again;
use replay::replay;

#[test]
fn messages() {
    replay("forwarding", again::all);
}
