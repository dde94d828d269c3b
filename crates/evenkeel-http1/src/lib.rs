//! Floor 1: the strict HTTP/1 codec, on spans of the caller's buffer.
//!
//! [`RequestParser`] and [`ResponseParser`] read heads and decide the framing of the body once (RFC 9112 §6);
//! [`ChunkReader`] takes chunked coding off a body in place; [`HeadWriter`], [`chunk_head`] and [`TrailerWriter`] write
//! messages anew. Whatever two implementations could read in two ways is a [`Refusal`] with a name.
//!
//! It is not a connection: no socket, clock or buffer lives here, and it does not decide what is routed, forwarded or
//! dropped. Bytes go in, spans and verdicts come out, the same ones however the bytes were split.
//!
//! The scanner is our own. Instructions per head on x86-64 (`examples/instructions.rs` under callgrind, profile `dist`),
//! where *strict* is httparse 1.10 and the least that makes our spans, known names and a checked Host of what it read,
//! still without framing and target forms:
//!
//! | head | ours | httparse alone | httparse, strict | written anew |
//! |---|---|---|---|---|
//! | wrk: 1 field | 937 | 644 | 922 | 318 |
//! | curl: 3 fields | 1,339 | 1,031 | 1,440 | 543 |
//! | behind a gateway: 10 fields, 480 bytes | 3,223 | 2,643 | 3,554 | 1,532 |
//! | browser: 20 fields, 1.5 KB | 5,888 | 5,269 | 6,689 | 3,365 |
//!
//! So reading costs the same, and unlike httparse it goes on where it stopped when a head comes in pieces, refuses a bare
//! LF, and needs no table of references that would have to be turned into spans. A head that passes on is mostly not written
//! field by field, as in the last column, but copied a run of lines at a time.

pub mod chunk;
mod framing;
pub mod fuzzing;
mod line;
mod reason;
pub mod refusal;
pub mod request;
pub mod response;
mod scan;
mod target;
pub mod trailer;
pub mod write;

pub use chunk::{ChunkReader, ChunkState, Chunked};
pub use evenkeel_base::HeadLimits as Limits;
pub use reason::reason_phrase;
pub use refusal::Refusal;
pub use request::{Expect, Request, RequestBody, RequestParser};
pub use response::{Asked, Response, ResponseBody, ResponseParser};
pub use trailer::parse_trailers;
pub use write::{CHUNK_END, ChunkHead, HeadWriter, LAST_CHUNK, TrailerWriter, chunk_head};
