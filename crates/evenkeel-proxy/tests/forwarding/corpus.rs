//! Everything the fuzzer of forwarding has kept, on a stable toolchain.

use std::path::Path;

use crate::again;

#[test]
fn messages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/forwarding");
    let files = std::fs::read_dir(&folder).expect("the corpus is checked in");
    let mut count = 0;
    for file in files {
        let path = file.expect("a file").path();
        println!("{}", path.display());
        again::all(&std::fs::read(&path).expect("a readable file"));
        count += 1;
    }
    assert!(count > 10, "{} has {count} files", folder.display());
}
