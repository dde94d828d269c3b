//! Everything that a fuzzer has kept, on a stable toolchain. The tests of each crate take this file in by its path: pure crates
//! have nothing else in common that may read files.

use std::path::Path;

/// Gives every file of `fuzz/corpus/NAME` to `entry`.
#[allow(
    clippy::disallowed_methods,
    reason = "a crate may be pure, its tests read the corpus"
)]
pub(crate) fn replay(name: &str, entry: impl Fn(&[u8])) {
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
    assert!(count >= 8, "{} has {count} files", folder.display());
}
