//! Everything the fuzzers of this crate have kept, on a stable toolchain.

#[cfg(test)]
mod tests {
    use std::path::Path;

    use evenkeel_base::fuzzing;

    #[expect(
        clippy::disallowed_methods,
        reason = "the crate is pure, its tests read the corpus"
    )]
    fn replay(name: &str, entry: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz/corpus")
            .join(name);
        let files = std::fs::read_dir(&folder).expect("the corpus is checked in");
        let mut count = 0;
        for file in files {
            let path = file.expect("a file").path();
            println!("{}", path.display());
            entry(&std::fs::read(&path).expect("a readable file"));
            count += 1;
        }
        assert!(count > 10, "{} has {count} files", folder.display());
    }

    #[test]
    fn words_of_grpc() {
        replay("grpc", fuzzing::grpc);
    }

    #[test]
    fn words_of_traces() {
        replay("traceparent", fuzzing::traceparent);
    }
}
