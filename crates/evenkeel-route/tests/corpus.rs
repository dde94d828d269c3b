//! Everything the fuzzer of the route table has kept, on a stable toolchain.

#[cfg(test)]
mod tests {
    use std::path::Path;

    use evenkeel_route::fuzzing;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the crate is pure, its tests read the corpus"
    )]
    fn tables() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/routes");
        let files = std::fs::read_dir(&folder).expect("the corpus is checked in");
        let mut count = 0;
        for file in files {
            let path = file.expect("a file").path();
            println!("{}", path.display());
            fuzzing::table(&std::fs::read(&path).expect("a readable file"));
            count += 1;
        }
        assert!(count > 10, "{} has {count} files", folder.display());
    }
}
