//! Everything the fuzzer of load reports has kept, on a stable toolchain.
#![cfg(not(loom))]

#[cfg(test)]
mod tests {
    use std::path::Path;

    use evenkeel_policy::fuzzing;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the crate is pure, its tests read the corpus"
    )]
    fn load_reports() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/report");
        let files = std::fs::read_dir(&folder).expect("the corpus is checked in");
        let mut count = 0;
        for file in files {
            let path = file.expect("a file").path();
            println!("{}", path.display());
            fuzzing::report(&std::fs::read(&path).expect("a readable file"));
            count += 1;
        }
        assert!(count > 10, "{} has {count} files", folder.display());
    }
}
