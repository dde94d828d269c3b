//! Access records of whatever bytes: one line, and in JSON an object from which everything that was sent can be read back.

#[cfg(test)]
mod again;
#[cfg(test)]
mod corpus;
