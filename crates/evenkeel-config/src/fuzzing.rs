//! What the fuzzer calls: any bytes must be read without a panic, and what passes must survive being printed.

use std::path::Path;

use crate::Spoken;
use crate::source::Nowhere;

/// Checks `bytes` as a list of endpoints and as a configuration; when they are the latter, prints it and checks that the text means the same.
///
/// # Panics
/// When a property does not hold: that is what it is for.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let list = crate::check_list(&text, Path::new("fuzz.toml"), Spoken::default());
    let checked = crate::check(&text, "fuzz.toml", &Nowhere);
    for diagnostic in list.diagnostics.iter().chain(&checked.diagnostics) {
        let shown = diagnostic.render(&text, false);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    }
    if let Some(config) = checked.config {
        let printed = crate::print(&config);
        let again = crate::check(&printed, "printed.toml", &Nowhere);
        assert_eq!(again.config.as_ref(), Some(&config), "{printed}");
    }
}
