//! Everything the fuzzer of scenarios has kept, on a stable toolchain.

#[path = "../../../../fuzz/replay.rs"]
mod replay;

use evenkeel_sim::fuzzing;

use crate::small::some_moment;
use replay::replay;

#[test]
fn scenarios() {
    replay("scenario", |data| fuzzing::scenario(data, some_moment()));
}
