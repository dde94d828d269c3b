//! Floor 0: the words that all other crates share.
//!
//! Ids, units, addresses, faults, the borrowed view of a message head and the enums that configuration and code have in
//! common. Nothing here does I/O, reads a clock, or knows a codec: a value of this crate means the same thing to the
//! parser, the route table, the balancer and the access log.

pub mod address;
pub mod authority;
pub mod balancer;
pub mod edits;
pub mod fault;
pub mod field;
pub mod fuzzing;
pub mod grammar;
pub mod grpc;
pub mod head;
pub mod head_limits;
pub mod hex;
pub mod id;
pub mod matching;
pub mod method;
pub mod network;
pub mod path;
pub mod refusals;
pub mod rng;
pub mod rules;
pub mod sink;
pub mod trace;
pub mod unit;

pub use address::{Address, Scheme, Target};
pub use authority::Authority;
pub use balancer::BalancerKind;
pub use fault::{Fault, Side};
pub use field::Known;
pub use grpc::GrpcStatus;
pub use head::{RequestHead, RequestView, ResponseHead, ResponseView, Run, Span};
pub use head_limits::HeadLimits;
pub use id::{ClusterId, ListenerId, RouteId};
pub use method::Method;
pub use network::Network;
pub use rng::Rng;
pub use sink::{FieldName, FieldSink};
pub use unit::ByteSize;
