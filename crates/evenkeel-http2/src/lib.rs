//! Floor 1: what a proxy must know of HTTP/2 beside its codec, which is the `h2` crate.
//!
//! [`Meter`] counts the frames of a connection from its bytes, in both directions, and says when one end makes work that
//! nobody asked for. [`request()`], [`response()`] and [`trailers()`] check what the codec has decoded and turn it into
//! evenkeel's own view of a head, so strictly that whatever passes can be written as HTTP/1 and means the same there.
//!
//! It is not a codec: no header is decoded here, no stream has a state, no window is kept. Pure: bytes and `now` go in,
//! verdicts and heads come out.

pub mod abuse;
mod block;
mod budget;
pub mod fuzzing;
pub mod meter;
pub mod refusal;
mod request;
mod response;
mod running;
mod trailers;
mod walk;

pub use abuse::Abuse;
pub use evenkeel_base::HeadLimits as Limits;
pub use meter::{Meter, Role};
pub use refusal::Refusal;
pub use request::{Expect, Request, request};
pub use response::{Response, response};
pub use running::Running;
pub use trailers::trailers;
