//! Connecting to an endpoint.

use std::io;

use evenkeel_base::Target;
use tokio::net::{TcpStream, UnixStream};

use crate::stream::Stream;

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
