//! Everything the fuzzer of TLS has kept, on a stable toolchain.

#[path = "../../../../fuzz/replay.rs"]
mod replay;

use crate::again;
use replay::replay;

#[test]
fn connections() {
    replay("tls", again::all);
}
