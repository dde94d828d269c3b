//! Everything the fuzzer of the route table has kept, on a stable toolchain.

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use evenkeel_route::fuzzing;

    use crate::replay::replay;

    #[test]
    fn tables() {
        replay("routes", fuzzing::table);
    }
}
