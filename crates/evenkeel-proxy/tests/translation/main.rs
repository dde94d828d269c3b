//! What the translation of HTTP/2 lets through, against the HTTP/1 codec: the same message again, and one.

#[cfg(test)]
mod again;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod properties;
