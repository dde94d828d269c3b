//! What leaves for an endpoint or for a client, read again by the strict codec: one message, framed as it came, with the fields that
//! the rules say and no others.

#[cfg(test)]
mod again;
#[cfg(test)]
mod corpus;
