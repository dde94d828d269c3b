//! The configuration file: read it all, report every mistake at once, hand on only what is right.

pub mod model;
