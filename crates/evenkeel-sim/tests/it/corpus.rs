//! Everything the fuzzer of scenarios has kept, on a stable toolchain.

use std::path::Path;

use evenkeel_sim::fuzzing;

use crate::small::some_moment;

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the crate is pure, its tests read the corpus"
)]
fn scenarios() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/scenario");
    let files = std::fs::read_dir(&folder).expect("the corpus is checked in");
    let mut count = 0;
    for file in files {
        let path = file.expect("a file").path();
        println!("{}", path.display());
        fuzzing::scenario(
            &std::fs::read(&path).expect("a readable file"),
            some_moment(),
        );
        count += 1;
    }
    assert!(count > 10, "{} has {count} files", folder.display());
}
