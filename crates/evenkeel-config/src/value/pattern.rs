//! Regular expressions: one way to compile them, so that what was checked can be used.

use regex::bytes::{Regex, RegexBuilder};

/// The memory that a compiled expression may take: enough for any phrase of a health page, and it bounds the time of a
/// search as well, which grows with the size of both the expression and the text.
const MOST_BYTES: usize = 1 << 20;

/// Compiles the regular expression that a probe's body must match (the `regex` crate's syntax). What
/// [`crate::check()`] has let pass compiles.
///
/// # Errors
/// What is wrong with it, in a few words.
pub fn body_regex(pattern: &str) -> Result<Regex, String> {
    let compiled = RegexBuilder::new(pattern)
        .size_limit(MOST_BYTES)
        .dfa_size_limit(MOST_BYTES)
        .build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it would take too much memory".to_owned(),
        // The crate draws the expression with a caret under the place and says the reason in its last line.
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_in_a_few_words() {
        assert!(body_regex("^ok$").unwrap().is_match(b"ok"));
        for (pattern, expected) in [
            ("(", "unclosed group"),
            (
                "(?=a)",
                "look-around, including look-ahead and look-behind, is not supported",
            ),
            (r"\w{2000}", "it would take too much memory"),
        ] {
            assert_eq!(body_regex(pattern).unwrap_err(), expected);
        }
    }
}
