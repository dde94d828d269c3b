//! Tests of the crate from outside, in one program: one link instead of one for each file.

#[cfg(test)]
mod good;
