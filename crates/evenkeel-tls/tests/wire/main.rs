//! Connections of TLS in the hands of whoever is at the other end, or in between: the machine against rustls's usual kind.

#[cfg(test)]
mod again;
#[cfg(test)]
mod corpus;
