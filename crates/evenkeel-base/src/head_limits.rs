//! How much a head may hold, in any protocol. It is not a policy of bodies: their size is the route's business.

use crate::head::MAX_HEAD_BYTES;

/// The limits of one head, and of a trailer section, which counts as a head of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The whole head with its first and last line; beyond it a request is answered 431, a response 502. Spans hold 16 bits,
    /// so that more than 65,535 means 65,535.
    pub head_bytes: usize,
    /// Fields; more than these are answered 431, or 502 of a response.
    pub fields: usize,
    /// The first line without its CRLF, or a path in protocols that have no lines; beyond it 414, or 502 of a response.
    pub line_bytes: usize,
}

impl HeadLimits {
    /// The head limit as it is applied.
    #[inline]
    #[must_use]
    pub fn head(&self) -> usize {
        self.head_bytes.min(MAX_HEAD_BYTES)
    }
}

impl Default for HeadLimits {
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
