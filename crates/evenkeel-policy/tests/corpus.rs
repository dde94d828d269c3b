//! Everything the fuzzer of load reports has kept, on a stable toolchain.
#![cfg(not(loom))]

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use evenkeel_policy::fuzzing;

    use crate::replay::replay;

    #[test]
    fn load_reports() {
        replay("report", fuzzing::report);
    }
}
