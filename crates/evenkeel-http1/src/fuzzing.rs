//! What must hold of every input, whatever it is: the entries of the fuzz targets, replayed by plain tests.
//!
//! Each entry reads the input whole and in pieces, compares the two, and compares what was read with a second, slow and
//! simple reading. A failure is a panic. Nothing here is used by a running proxy.

mod chunks;
mod heads;

pub use chunks::{chunked, trailers};
pub use heads::{request_head, response_head};

use evenkeel_base::HeadLimits as Limits;

/// The default limits, and some that small inputs reach.
fn limits() -> [Limits; 2] {
    let small = Limits {
        head_bytes: 96,
        fields: 3,
        line_bytes: 32,
    };
    [Limits::default(), small]
}

/// The lengths of the pieces an input is cut into, beside the whole.
const STEPS: [usize; 3] = [1, 2, 7];
