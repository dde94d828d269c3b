//! Floor 2: sockets. What both traffic and probes need of the operating system: streams, connects, listeners.
//!
//! No protocol is known here, and nothing is decided: which endpoint to connect to, how long to wait and what to say is
//! the caller's business.

pub mod connect;
pub mod dial;
pub mod listen;
pub mod pipe;
pub mod resolve;
pub mod stream;
pub mod tls;
pub mod wire;

pub use connect::connect;
pub use dial::{NotConnected, dial, dial_noting, tls_fault};
pub use listen::inherit::{Lease, Loan, Owner};
pub use listen::{Acceptor, ListenSocket, Listener};
pub use pipe::Pipe;
pub use stream::{Origin, Stream};
pub use wire::Wire;

/// A stream with TLS on it.
pub type TlsStream = tls::TlsStream<Stream>;

/// Why there is no TLS on a stream.
pub type HandshakeError = tls::HandshakeError<Stream>;
