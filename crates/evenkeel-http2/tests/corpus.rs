//! Everything the fuzzer of the meter has kept, on a stable toolchain.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use evenkeel_http2::fuzzing;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the crate is pure, its tests read the corpus; no time passes in them"
    )]
    fn meters() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/meter");
        let files = std::fs::read_dir(&folder).expect("the corpus is checked in");
        let now = Instant::now();
        let mut count = 0;
        for file in files {
            let path = file.expect("a file").path();
            println!("{}", path.display());
            fuzzing::meter(&std::fs::read(&path).expect("a readable file"), now);
            count += 1;
        }
        assert!(count > 10, "{} has {count} files", folder.display());
    }
}
