//! Names to addresses, by the system's own resolver (`getaddrinfo`), on a thread of its own.
//!
//! It honours `/etc/hosts` and the system's configuration, and tells no time to live: the caller asks again from time
//! to time.

use std::io;
use std::net::SocketAddr;

use tokio::net::lookup_host;

/// Every address of `host` with `port`, in a stable order without repetitions.
///
/// # Errors
/// What the resolver says; `NotFound` when it gives no address.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address",
        ));
    }
    Ok(addresses)
}
