//! What the fuzzer calls: any bytes must be read without a panic, and what passes must survive being printed.

use crate::source::Nowhere;

/// Checks `bytes` as a configuration; when it is one, prints it and checks that the text means the same.
///
/// # Panics
/// When a property does not hold: that is what it is for.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let checked = crate::check(&text, "fuzz.toml", &Nowhere);
    for diagnostic in &checked.diagnostics {
        let shown = diagnostic.render(&text, false);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    }
    if let Some(config) = checked.config {
        let printed = crate::print(&config);
        let again = crate::check(&printed, "printed.toml", &Nowhere);
        assert_eq!(again.config.as_ref(), Some(&config), "{printed}");
    }
}
