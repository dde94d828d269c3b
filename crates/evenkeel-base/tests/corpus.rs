//! Everything the fuzzers of this crate have kept, on a stable toolchain.

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use evenkeel_base::fuzzing;

    use crate::replay::replay;

    #[test]
    fn words_of_grpc() {
        replay("grpc", fuzzing::grpc);
    }

    #[test]
    fn words_of_traces() {
        replay("traceparent", fuzzing::traceparent);
    }
}
