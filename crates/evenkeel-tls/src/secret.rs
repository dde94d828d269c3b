//! A secret that somebody has to know: kept as its digest, compared in a time that tells nothing.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::provider::sha256;

/// A secret. The text itself is not kept, so that no log and no core dump has it.
#[derive(Clone, Copy)]
pub struct Secret([u8; 32]);

impl Secret {
    /// The secret that is this text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self(sha256([text]))
    }

    /// Whether that text is it. It takes as long whatever the text is, but for its length, which whoever sent it knows.
    #[must_use]
    pub fn is(&self, text: &[u8]) -> bool {
        *self == Self::of(text)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_is_it() {
        let secret = Secret::of(b"0123456789abcdef");
        assert!(secret.is(b"0123456789abcdef"));
        for other in [
            &b""[..],
            b"0123456789abcde",
            b"0123456789abcdeF",
            b"0123456789abcdef ",
        ] {
            assert!(!secret.is(other), "{other:?}");
        }
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
