//! Everything the fuzzer of the meter has kept, on a stable toolchain.

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use evenkeel_http2::fuzzing;

    use crate::replay::replay;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the crate is pure; no time passes in its tests"
    )]
    fn meters() {
        let now = Instant::now();
        replay("meter", |data| fuzzing::meter(data, now));
    }
}
