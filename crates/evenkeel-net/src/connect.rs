//! Connecting to an endpoint.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream};

use crate::stream::Stream;

/// Where a connection goes: an [`evenkeel_base::Address`] whose name has been resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// An IP address and port.
    Ip(SocketAddr),
    /// The path of a Unix socket.
    Unix(Arc<PathBuf>),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Connects. How long that may take is the caller's business: dropping the future gives up.
///
/// # Errors
/// What the operating system says; `ConnectionRefused` when nobody listens.
pub async fn connect(target: &Target) -> io::Result<Stream> {
    match target {
        Target::Ip(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
        Target::Unix(path) => UnixStream::connect(path.as_path()).await.map(Stream::Unix),
    }
}
