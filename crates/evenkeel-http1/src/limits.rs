//! How much a head may hold. It is not a policy of bodies: their size is the route's business.

use evenkeel_base::head::MAX_HEAD_BYTES;

/// The limits of one head, and of a trailer section, which counts as a head of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The whole head with its first and last line; above it [`crate::Refusal::HeadTooLarge`] (431, or 502 of a
    /// response). Spans hold 16 bits, so that more than 65,535 means 65,535.
    pub head_bytes: usize,
    /// Field lines; above it [`crate::Refusal::TooManyFields`] (431, or 502 of a response).
    pub fields: usize,
    /// The first line without its CRLF; above it [`crate::Refusal::LineTooLong`] (414, or 502 of a response).
    pub line_bytes: usize,
}

impl Limits {
    /// The head limit as it is applied.
    #[inline]
    pub(crate) fn head(&self) -> usize {
        self.head_bytes.min(MAX_HEAD_BYTES)
    }
}

impl Default for Limits {
    /// 32 KiB, 100 fields, a first line of 8 KiB: what browsers and gateways send fits several times over, and one
    /// head fits into one block of a worker's pool.
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            fields: 100,
            line_bytes: 8 * 1024,
        }
    }
}
