//! Floor 2: sockets. What both traffic and probes need of the operating system: streams, connects, listeners.
//!
//! No protocol is known here, and nothing is decided: which endpoint to connect to, how long to wait and what to say is
//! the caller's business.

pub mod connect;
pub mod listen;
pub mod pipe;
pub mod resolve;
pub mod stream;

pub use connect::connect;
pub use listen::inherit::{Lease, Loan, Owner};
pub use listen::{Acceptor, ListenSocket, Listener};
pub use pipe::Pipe;
pub use stream::{Origin, Stream};
